"""Matching of a graph's variables to the tensors of a checkpoint.

Variables match by name or, where a graph has Restore nodes, by the tensor and slice that those name; devices do
not matter. A partitioned variable (``w/part_0``, ``w/part_1``) restores from slices of a whole ``w``, and a
whole one from its parts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...graphfmt import dtypes
from ...graphfmt.checkpoints.bundle.object_graph import OBJECT_GRAPH, variable_names
from ...graphfmt.checkpoints.entries import Slice
from ...graphfmt.checkpoints.hdf5.state_reader import StateReader
from ...graphfmt.errors import Status, TfgError
from ...graphfmt.names import nearest
from ...graphfmt.rename_rules import renamed_names
from ...graphfmt.shapes import Shape
from . import partitioned_variables
from .memory_reader import MemoryReader
from .variables import matching_variables

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from ...graphfmt.checkpoints.entries import CheckpointReader
    from ...graphfmt.dtypes import DType
    from ...graphfmt.rename_rules import Rule
    from ...graphfmt.tensors import Array
    from .variables import GraphVariable

# Dtypes that may be stored in 16 bits, and the 16-bit dtypes.
_WIDE = frozenset({dtypes.float32, dtypes.float64})
_HALVES = frozenset({dtypes.float16, dtypes.bfloat16})


class TensorSource(NamedTuple):
    """The source of a variable's value: a tensor, a slice of one, or several tensors joined along an axis."""

    dtype: DType
    shape: tuple[int, ...]
    tensors: tuple[str, ...]
    part: Slice | None = None
    axis: int = 0

    def read(self, reader: CheckpointReader, dtype: DType | None = None) -> Array:
        """Reads the value, widened if it is stored in 16 bits. Raises what the reader raises."""
        if len(self.tensors) == 1:
            value = reader.read(self.tensors[0], self.part)
        else:
            value = np.concatenate([reader.read(name) for name in self.tensors], self.axis)
        return value if dtype in (None, self.dtype) else value.astype(dtype.numpy)


# The number of names shown in a message.
_SHOWN = 6


@dataclass(frozen=True)
class Match:
    """The result of matching: sources of variables in graph order, variables without one, and tensors without a
    variable.

    ``unused`` is empty if only some of the variables were asked for.
    """

    taken: Mapping[GraphVariable, TensorSource]
    missing: Sequence[GraphVariable]
    unused: Sequence[str]


def match_tensors(
    variables: Sequence[GraphVariable],
    reader: CheckpointReader,
    *,
    only: Sequence[str] = (),
    rename: Sequence[Rule] = (),
    allow_missing: bool = False,
) -> Match:
    """Matches every variable, or those that the globs in ``only`` match, to a tensor.

    A renamed tensor takes precedence over one that has the name already, so that moving averages can replace
    weights. A float variable accepts a tensor stored in 16 bits; any other dtype must be equal.

    Args:
        rename: rules from names in the checkpoint to names in the graph; see ``renaming``.
        allow_missing: leaves variables without a tensor in ``missing`` instead of raising.

    Raises:
        TfgError: NOT_FOUND where tensors are missing, INVALID_ARGUMENT where dtypes or shapes differ; the message names
            all such variables.
    """
    wanted = matching_variables(variables, only)
    finder = _TensorFinder(variables, reader, rename)
    taken: dict[GraphVariable, TensorSource] = {}
    missing: list[GraphVariable] = []
    for variable in wanted:
        source = finder.find(variable)
        if source is None:
            missing.append(variable)
        else:
            taken[variable] = source
    absent = [] if allow_missing else missing
    unfit = {v: source for v, source in taken.items() if not _fits(v, source)}
    if absent or unfit:
        raise _refused(reader.path, absent, unfit, finder)
    used = {name for source in taken.values() for name in source.tensors}
    others = () if only else reader.entries
    unused = [name for name in others if name not in used and name != OBJECT_GRAPH]
    return Match(taken, missing, unused)


class _TensorFinder:
    """Finds tensors of variables under all the names that they may have."""

    def __init__(
        self, variables: Sequence[GraphVariable], reader: CheckpointReader, rules: Sequence[Rule]
    ) -> None:
        self._entries = reader.entries
        # In tfg's own state files variables are under their own names, whatever the graph's Saver calls them.
        self._names_first = isinstance(reader, StateReader | MemoryReader)
        by_objects = {name: key for key, name in variable_names(reader).items()}
        tensors = {**by_objects, **{name: name for name in self._entries}}
        rename = renamed_names(tensors, rules)
        self._renamed = {new: tensors[old] for old, new in rename.items()}
        # A renamed tensor is no longer available under its old name.
        kept = {name: tensor for name, tensor in tensors.items() if name not in rename}
        self.known = {**kept, **self._renamed}
        self._in_checkpoint = partitioned_variables.part_groups(self.known)
        self._shapes = {v.name: v.shape for v in variables}
        self._in_graph = partitioned_variables.part_groups(self._shapes)
        self._whole_of = {part: whole for whole, parts in self._in_graph.items() for part in parts}

    def find(self, variable: GraphVariable) -> TensorSource | None:
        if variable.name in self._renamed:
            return self._whole(variable.name)
        ways = (self._named, self._stored) if self._names_first else (self._stored, self._named)
        sources = (find(variable) for find in (*ways, self._part, self._joined))
        return next((source for source in sources if source is not None), None)

    def _named(self, variable: GraphVariable) -> TensorSource | None:
        names = (variable.full_name, variable.name, variable.node)
        return next((self._whole(name) for name in names if name in self.known), None)

    def _whole(self, name: str) -> TensorSource | None:
        tensor = self.known.get(name)
        if tensor is None:
            return None
        entry = self._entries[tensor]
        return TensorSource(entry.dtype, entry.shape, (tensor,))

    def _stored(self, variable: GraphVariable) -> TensorSource | None:
        """Returns the tensor that the graph's Restore nodes name."""
        stored = variable.stored
        whole = self._whole(stored.tensor) if stored else None
        if stored is None or stored.part is None or whole is None or stored.part.shape != whole.shape:
            return whole
        return whole._replace(shape=stored.part.slice_shape, part=stored.part.slice)

    def _part(self, variable: GraphVariable) -> TensorSource | None:
        """Returns the slice of a whole tensor, if the parts of the variable add up to it."""
        name = self._whole_of.get(variable.name, "")
        whole = self._whole(name)
        parts = self._in_graph.get(name, [])
        shapes = [self._shapes[part] for part in parts]
        if whole is None or not all(shape.is_fully_known for shape in shapes):
            return None
        sizes = [shape.known() for shape in shapes]
        axis = partitioned_variables.partition_axis(sizes, Shape(whole.shape))
        if axis is None:
            return None
        number = parts.index(variable.name)
        starts, lengths = [0] * len(whole.shape), [-1] * len(whole.shape)
        starts[axis] = sum(shape[axis] for shape in sizes[:number])
        lengths[axis] = sizes[number][axis]
        return whole._replace(shape=sizes[number], part=Slice(tuple(starts), tuple(lengths)))

    def _joined(self, variable: GraphVariable) -> TensorSource | None:
        """Returns a whole tensor joined from its parts."""
        tensors = [self.known[name] for name in self._in_checkpoint.get(variable.name, ())]
        entries = [self._entries[name] for name in tensors]
        shapes = [entry.shape for entry in entries]
        axis = partitioned_variables.partition_axis(shapes, variable.shape)
        shape = None if axis is None else partitioned_variables.joined_shape(shapes, axis)
        if axis is None or shape is None or len({entry.dtype for entry in entries}) > 1:
            return None
        return TensorSource(entries[0].dtype, shape, tuple(tensors), axis=axis)


def _fits(variable: GraphVariable, source: TensorSource) -> bool:
    return _dtype_fits(variable.dtype, source.dtype) and variable.shape.is_compatible(Shape(source.shape))


def _dtype_fits(wanted: DType | None, stored: DType) -> bool:
    return wanted in (None, stored) or (wanted in _WIDE and stored in _HALVES)


def _refused(
    path: str,
    missing: Sequence[GraphVariable],
    unfit: Mapping[GraphVariable, TensorSource],
    finder: _TensorFinder,
) -> TfgError:
    """Returns one error for all missing and unfit tensors, located at the first variable."""
    parts: list[str] = []
    if missing:
        parts.append(f"has no tensor for {', '.join(map(str, missing))}")
        parts.append(f"it has {_listed(finder.known)}")
    if unfit:
        parts.append("has " + ", ".join(_unfit(variable, source) for variable, source in unfit.items()))
    hint = _rename_hint(missing[0].name, finder.known) if missing else None
    error = TfgError(
        Status.INVALID_ARGUMENT if unfit else Status.NOT_FOUND, f"{path!r} {'; '.join(parts)}", hint=hint
    )
    first = next(iter([*unfit, *missing]))
    return error.at(first.node, first.location)


def _listed(names: Collection[str]) -> str:
    """Returns the first names for a message."""
    if not names:
        return "none"
    shown = ", ".join(sorted(names)[:_SHOWN])
    return shown + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _unfit(variable: GraphVariable, source: TensorSource) -> str:
    stored = f"{source.dtype}{Shape(source.shape)}"
    return f"{stored} for {variable}, which is {variable.dtype or stored.partition('[')[0]}{variable.shape}"


def _rename_hint(name: str, known: Collection[str]) -> str | None:
    """Returns a hint for ``--rename``: a scope added or removed, or a similar name."""
    longer = next((other for other in known if other.endswith(f"/{name}")), None)
    if longer is not None:
        return f"--rename '{longer.removesuffix(name)}*=*' leaves out the scope in front"
    scope, separator, rest = name.partition("/")
    if separator and rest in known:
        return f"--rename '*={scope}/*' puts the scope in front"
    similar = nearest(name, known)
    if similar is not None:
        return f"did you mean --rename '{similar}={name}'?"
    return "--allow-missing leaves variables without a value to the initialiser"
