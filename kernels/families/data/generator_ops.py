"""Datasets of what functions or patterns generate: Generator, List, MatchingFiles (generator_dataset_op.cc and its
relatives in TensorFlow)."""

from __future__ import annotations

import glob
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt import dtypes
from ....graphfmt.errors import Status, TfgError, invalid
from ....graphfmt.shapes import Shape
from ...core import shapes
from ...core.registry import Family
from ...core.traits import Effects, GpuSupport
from ...numeric.string_tensors import to_value
from .datasets import Counted, Element, Pass, Reading, State, new_variant, save_numbers
from .element_states import load_elements, save_elements
from .function_ops import ElementFunction
from .signature_parts import METADATA, OUTPUTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....graphfmt.dtypes import DType
    from ...core.context import Callee

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op


class Generated(Pass):
    """Calls ``following`` on the state that ``begin`` gives, until it fails with OUT_OF_RANGE; then ``end``."""

    def __init__(self, begin: ElementFunction, following: ElementFunction, end: ElementFunction) -> None:
        self._begin, self._following, self._end = begin, following, end
        self._state: Element | None = None
        self._has_ended = False

    def next(self) -> Element | None:
        if self._has_ended:
            return None
        if self._state is None:
            self._state = tuple(self._begin())
        try:
            return tuple(self._following(*self._state))
        except TfgError as error:
            if error.status is not Status.OUT_OF_RANGE:
                raise
        self._has_ended = True
        self._end(*self._state)
        return None

    def save(self) -> State:
        state = save_numbers(has_ended=self._has_ended)
        return {**state, **save_elements("state", [] if self._state is None else [self._state])}

    def load(self, state: State) -> None:
        self._has_ended = bool(state["has_ended"])
        saved = load_elements("state", state)
        self._state = saved[0] if saved else None


_FUNCTIONS = ("init_func", "next_func", "finalize_func")
generator = op(
    "GeneratorDataset("
    + ", ".join(f"{name}_other_args: *T{name}_args" for name in _FUNCTIONS)
    + "; "
    + ", ".join(f"{name}: func" for name in _FUNCTIONS)
    + ", "
    + ", ".join(f"T{name}_args: list(type) >= 0" for name in _FUNCTIONS)
    + f", {OUTPUTS}, {METADATA}",
    shape=shapes.scalar,
    stateful=True,
)


@generator.kernel
def _(
    xp: Any, *others: Any, init_func: Callee, next_func: Callee, finalize_func: Callee,
    output_types: Sequence[DType], output_shapes: Sequence[Shape],
) -> Any:  # fmt: skip
    callees = (init_func, next_func, finalize_func)

    def begin(reading: Reading) -> Pass:
        return Generated(*(ElementFunction(*pair, reading) for pair in zip(callees, others)))

    return new_variant(output_types, output_shapes, begin)


tensors = op(
    f"ListDataset(tensors: *Tinput_types; Tinput_types: list(type) >= 1, {OUTPUTS}, {METADATA}",
    shape=shapes.scalar,
    stateful=True,
)


@tensors.kernel
def _(
    xp: Any, tensors: Sequence[Any], *, output_types: Sequence[DType], output_shapes: Sequence[Shape]
) -> Any:
    width = len(output_types)
    if len(tensors) % width:
        raise invalid(f"{len(tensors)} tensors are not a whole number of elements with {width} components")
    values: list[Any] = [
        np.array(x) if isinstance(x, np.ndarray) and x.flags.writeable else x for x in tensors
    ]
    count = len(values) // width
    return new_variant(
        output_types,
        output_shapes,
        lambda reading: Counted(count, lambda i: tuple(values[i * width : (i + 1) * width])),
        count,
    )


class MatchingFiles(Pass):
    """The names of files that match patterns, in order for each of them. Raises NOT_FOUND if there are none at all."""

    def __init__(self, patterns: Sequence[bytes]) -> None:
        self._patterns = patterns
        self._pattern = 0
        self._last = b""
        self._names: list[bytes] | None = None
        self._has_match = False

    def next(self) -> Element | None:
        while self._pattern < len(self._patterns):
            if self._names is None:
                # Reversed, so that the next one is the last. After a restart those already given are left out.
                found = {name for name in glob.glob(self._patterns[self._pattern]) if name > self._last}  # noqa: PTH207
                self._names = sorted(found, reverse=True)
            if self._names:
                self._has_match = True
                self._last = self._names.pop()
                return (to_value(self._last),)
            self._pattern, self._last, self._names = self._pattern + 1, b"", None
        if not self._has_match:
            raise TfgError(Status.NOT_FOUND, "Don't find any matched files")
        return None

    def save(self) -> State:
        state = save_numbers(pattern=self._pattern, has_match=self._has_match)
        return {**state, "last": np.array([self._last], object)}

    def load(self, state: State) -> None:
        self._pattern, self._has_match = int(state["pattern"]), bool(state["has_match"])
        self._last, self._names = state["last"][0], None


def _with_folder(pattern: bytes) -> bytes:
    """Returns a pattern that begins with a folder, as the names that TensorFlow gives do."""
    return pattern if b"/" in _FIXED.match(pattern)[0] else b"./" + pattern  # pyright: ignore[reportOptionalSubscript]


# What stands before the first special character.
_FIXED = re.compile(rb"[^*?\[\\]*")

matching = op(
    "MatchingFilesDataset(patterns: string) -> (handle: variant)",
    shape=shapes.scalar,
    stateful=True,
    effects=Effects(reads_files=("patterns",)),
)


@matching.kernel
def _(xp: Any, patterns: Any) -> Any:
    if np.ndim(patterns) > 1:
        raise invalid("`patterns` must be a scalar or a vector.")
    listed = [_with_folder(pattern) for pattern in np.asarray(patterns, object).reshape(-1).tolist()]
    return new_variant((dtypes.string,), (Shape(()),), lambda reading: MatchingFiles(listed))
