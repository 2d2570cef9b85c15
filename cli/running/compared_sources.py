"""The two sides of ``tfg compare``: the values of a graph's nodes, or a file of values, read a few at a time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ...graphfmt.arrays import npz_array, npz_sizes
from ...graphfmt.errors import TfgError
from ...graphfmt.graph import endpoint
from ...graphfmt.isolated_hdf5 import dataset_sizes, read_datasets
from ...graphfmt.traversal import ancestors
from ...kernels.core.op_sets import PLACEHOLDERS
from ...runtime.execution.executor import is_dead_fetch

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from ...graphfmt.tensors import Array
    from .bench_subject import BenchSubject

_FILES = frozenset({".npz", ".h5", ".hdf5"})


class ValueSource(Protocol):
    """Values by tensor name, without ``:0``."""

    path: str

    @property
    def names(self) -> Collection[str]:
        """The names of all values, in execution order if there is one."""
        ...

    def read(self, names: Sequence[str]) -> Mapping[str, Array]:
        """Returns those of the named values that there are: a node may not have been executed."""
        ...

    def size(self, name: str) -> int | None:
        """Returns the bytes of a value; None if they are not known before it is read."""
        ...

    @property
    def failures(self) -> Mapping[str, TfgError]:
        """The errors of the values that could not be computed, by name."""
        ...

    def close(self) -> None:
        """Frees what the source holds."""
        ...


class GraphValues:
    """The values of the nodes that a step of a graph executes. Each reading runs a step from the same state."""

    def __init__(self, subject: BenchSubject) -> None:
        self.path = subject.path
        self.subject = subject
        self._sizes = _tensors(subject)
        self._state = subject.session.snapshot()
        self.failures: dict[str, TfgError] = {}

    @property
    def names(self) -> Collection[str]:
        return self._sizes

    def size(self, name: str) -> int | None:
        return self._sizes[name]

    def read(self, names: Sequence[str]) -> Mapping[str, Array]:
        try:
            return dict(zip(names, self._run(names)))
        except TfgError as error:
            # One of them is not executed, or fails.
            if len(names) == 1:
                if not is_dead_fetch(error):
                    self.failures[names[0]] = error
                return {}
            half = len(names) // 2
            return {**self.read(names[:half]), **self.read(names[half:])}

    def _run(self, names: Sequence[str]) -> Sequence[Array]:
        feeds = self.subject.feeds
        session = self.subject.session
        plan = session.plan(names, tuple(feeds))
        if plan.changes_state:
            session.take(self._state)
        return session.run(names, feeds)

    def close(self) -> None:
        self.subject.close()


class FileValues:
    """The arrays of a ``.npz`` or HDF5 file."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._is_npz = path.endswith(".npz")
        sizes = npz_sizes(Path(path)) if self._is_npz else dataset_sizes(Path(path))
        self._keys = {key.removesuffix(":0"): key for key in sizes}
        self._sizes = {key.removesuffix(":0"): size for key, size in sizes.items()}
        self.failures: Mapping[str, TfgError] = {}

    @property
    def names(self) -> Collection[str]:
        return self._keys

    def size(self, name: str) -> int | None:
        return self._sizes[name]

    def read(self, names: Sequence[str]) -> Mapping[str, Array]:
        path, keys = Path(self.path), [self._keys[name] for name in names]
        if self._is_npz:
            return {name: npz_array(path, key) for name, key in zip(names, keys)}
        return dict(zip(names, read_datasets(path, keys)))

    def close(self) -> None:
        """Does nothing: files are open only while they are read."""


def is_values_file(path: str) -> bool:
    """Returns True for a file of values rather than a graph."""
    return Path(path).suffix in _FILES


def _tensors(subject: BenchSubject) -> dict[str, int | None]:
    """Returns the names and, where known, bytes of all tensors that a step computes outside loops, in execution order;
    none that is fed, and no resources, variants and references."""
    from ...kernels.functions.library import graph_library
    from ...runtime.plan.control_flow.nesting import NodeNesting
    from ...runtime.plan.typed_graph import type_graph

    graph = subject.graph
    nesting = NodeNesting(graph)
    needed = ancestors(graph, [endpoint(name).node for name in subject.ends])
    fed = {endpoint(name).node for name in subject.feeds}
    sizes: dict[str, int | None] = {}
    for typed in type_graph(graph, graph_library(graph)):
        if typed.name not in needed or typed.name in fed or typed.node.op in PLACEHOLDERS:
            continue
        if nesting.frame(typed.name):
            continue
        for port, fact in enumerate(typed.output_facts):
            if not (fact.dtype.is_ref or fact.dtype.is_opaque):
                elements = fact.shape.size
                name = typed.name if port == 0 else f"{typed.name}:{port}"
                sizes[name] = None if elements is None else elements * fact.dtype.size
    return sizes
