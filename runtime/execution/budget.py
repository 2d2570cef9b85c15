"""Limits for a graph that may not do what it likes: memory, time, files (``--budget memory=2GiB,time=10s,files=none``).

They are enforced where a plan binds the kernels of its nodes: under a budget each is called through a guard, so that
plans of sessions without one pay nothing. The error names the node that passes a limit.
"""

from __future__ import annotations

import math
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...graphfmt.errors import Status, TfgError, invalid
from ...graphfmt.names import did_you_mean
from ...graphfmt.units import human_bytes, human_seconds, parse_bytes, parse_duration
from ...kernels.core.binding import Inline
from ...kernels.core.failed_calls import fact_of_value
from ...kernels.core.inference import infer_node
from .memory_meter import MemoryMeter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...kernels.functions.library import Library
    from ..plan.typed_graph import TypedNode

_FILE = "file://"
# Sizes of outputs that are remembered per node, by the shapes of its inputs.
_REMEMBERED = 256


class FileLimit(NamedTuple):
    """The files that a graph may touch: those below ``folders``; any may be read if ``reads_all``."""

    folders: tuple[str, ...]
    reads_all: bool

    def allows(self, path: str, *, writes: bool) -> bool:
        """True if a path, with links and ``..`` followed, lies below one of the folders."""
        if self.reads_all and not writes:
            return True
        real = os.path.realpath(path)
        return any(os.path.commonpath([real, folder]) == folder for folder in self.folders)


class RunBudget(NamedTuple):
    """Limits of a session; None where there is none. ``memory`` in bytes, ``seconds`` for all steps together."""

    memory: int | None = None
    seconds: float | None = None
    files: FileLimit | None = None


def parse_budget(text: str) -> RunBudget:
    """Parses ``memory=2GiB,time=10s,files=none``: ``files`` is ``none``, ``read`` (read any, write none), or a folder,
    and may be given several times. Raises INVALID_ARGUMENT."""
    memory = seconds = None
    files: list[str] = []
    for item in text.split(","):
        key, equals, value = (part.strip() for part in item.partition("="))
        if not equals or not value:
            raise invalid(f"{item.strip()!r} is no limit of a budget", hint=_EXAMPLE)
        if key == "files":
            files.append(value)
        elif key == "memory" and memory is None:
            memory = parse_bytes(value)
        elif key == "time" and seconds is None:
            seconds = parse_duration(value)
        else:
            known = key in ("memory", "time")
            what = f"{key} is limited twice" if known else f"a budget has no limit {key!r}"
            raise invalid(what, hint=did_you_mean(key, ["memory", "time", "files"]) or _EXAMPLE)
    return RunBudget(memory, seconds, _file_limit(files) if files else None)


_EXAMPLE = "write --budget memory=2GiB,time=10s,files=none"


def _file_limit(values: Sequence[str]) -> FileLimit:
    words = {"none", "read"}
    folders = tuple(os.path.realpath(value) for value in values if value not in words)
    if "none" in values and len(values) > 1:
        raise invalid("files=none excludes other limits of files", hint=_EXAMPLE)
    return FileLimit(folders, "read" in values)


class BudgetGuard:
    """Enforces the budget of one session, over all of its steps and threads. The time begins with the guard."""

    def __init__(self, budget: RunBudget, library: Library | None = None) -> None:
        self.budget = budget
        self.meter = MemoryMeter()
        self._library = library
        self._deadline = None if budget.seconds is None else time.monotonic() + budget.seconds

    def timeout(self, own: float | None) -> float | None:
        """The seconds that a step may take, of which ``own`` is the limit that it has anyway.

        Raises DEADLINE_EXCEEDED if no time is left.
        """
        if self._deadline is None:
            return own
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise self._out_of_time()
        return left if own is None else min(left, own)

    def explained(self, error: TfgError) -> TfgError:
        """The error of a step that ended because the budget's time was over, as such; others as they are."""
        is_late = self._deadline is not None and time.monotonic() >= self._deadline
        if error.status != Status.DEADLINE_EXCEEDED or not is_late:
            return error
        found = self._out_of_time()
        found.node, found.location = error.node, error.location
        return found.while_waiting(error.waits)

    def _out_of_time(self) -> TfgError:
        seconds = human_seconds(self.budget.seconds or 0)
        return TfgError(Status.DEADLINE_EXCEEDED, f"the run takes longer than its budget of {seconds}")

    def guard(self, typed: TypedNode, kernel: Callable[..., Any]) -> Callable[..., Any]:
        """The kernel of a node, called only within the budget."""
        if isinstance(kernel, Inline) or typed.op.is_control_flow:
            return kernel
        if self.budget.files is not None and typed.op.effects.touches_files:
            kernel = _with_files(typed, kernel, self.budget.files)
        if self.budget.memory is not None:
            kernel = _Metered(typed, kernel, self.meter, self.budget.memory, self._library)
        return kernel


def _with_files(typed: TypedNode, kernel: Callable[..., Any], limit: FileLimit) -> Callable[..., Any]:
    """The kernel behind a check of the files that its arguments and attributes name."""
    first = 1 if typed.op.takes_context else 0
    effects = typed.op.effects
    read, written = _places(typed, effects.reads_files), _places(typed, effects.writes_files)
    named = [*((*place, False) for place in read), *((*place, True) for place in written)]

    def call(*values: Any, **done: Any) -> Any:
        for place, attr, writes in named:
            for path in _paths(attr if place is None else values[first + place]):
                if not limit.allows(path, writes=writes):
                    raise _denied(typed, path, writes)
        return kernel(*values, **done)

    return call


def _places(typed: TypedNode, names: Sequence[str]) -> list[tuple[int | None, Any]]:
    """Where a node's paths are: positions of inputs, or the values of attributes."""
    found: list[tuple[int | None, Any]] = []
    for name in names:
        if name in typed.op.signature.attr_index:
            text = typed.bound.plain_attrs[name]
            if isinstance(text, str) and text.startswith(_FILE):
                found.append((None, text.removeprefix(_FILE)))
            continue
        position = 0
        for argument in typed.op.signature.inputs:
            if argument.name == name:
                found.append((position, None))
                break
            position += len(argument.types(typed.bound.plain_attrs))
    return found


def _paths(value: Any) -> list[str]:
    names = np.asarray(value, object).reshape(-1).tolist()
    return [
        os.fsdecode(name)
        for name in names
        if isinstance(name, bytes | str) and b"\0" not in os.fsencode(name)
    ]


def _denied(typed: TypedNode, path: str, writes: bool) -> TfgError:
    verb = "write" if writes else "read"
    return TfgError(
        Status.PERMISSION_DENIED,
        f"the budget does not let {typed.name!r} ({typed.node.op}) {verb} {path!r}",
        hint=f"files={Path(path).parent} allows this folder",
    )


class _Metered:
    """A kernel whose outputs are checked against a limit before they are made, as far as shapes tell, and counted
    afterwards as long as they live."""

    def __init__(
        self,
        typed: TypedNode,
        kernel: Callable[..., Any],
        meter: MemoryMeter,
        limit: int,
        library: Library | None,
    ) -> None:
        self._typed = typed
        self._kernel = kernel
        self._meter = meter
        self._limit = limit
        self._library = library
        self._first = 1 if typed.op.takes_context else 0
        self._sizes: dict[Any, int] = {}

    def __call__(self, *values: Any, done: Callable[[Any], None] | None = None) -> Any:
        asked = self._expected(values[self._first :])
        # An operation that does not say that it allocates may pass its input on.
        if asked > self._limit or (
            self._typed.op.allocates_output and asked + self._meter.used > self._limit
        ):
            raise self._exhausted(asked)
        if done is None:
            return self._counted(self._kernel(*values))

        def report(result: Any) -> None:
            done(self._reported(result))

        return self._kernel(*values, done=report)

    def _reported(self, result: Any) -> Any:
        try:
            return self._counted(result)
        except TfgError as error:
            return error

    def _counted(self, result: Any) -> Any:
        results: Sequence[Any] = result if isinstance(result, list | tuple) else (result,)
        added = self._meter.hold(results)
        if added and self._meter.used > self._limit:
            raise self._exhausted(added, is_made=True)
        return result

    def _expected(self, inputs: Sequence[Any]) -> int:
        """The bytes of the outputs for these inputs, 0 if shapes do not tell."""
        if self._typed.op.calls is not None:
            return 0
        types = self._typed.bound.input_types
        key = tuple(map(_key, inputs))
        found = self._sizes.get(key)
        if found is None:
            try:
                facts = [fact_of_value(value, dtype) for value, dtype in zip(inputs, types, strict=True)]
                outputs = infer_node(
                    self._typed.op, self._typed.node, self._typed.bound, facts, self._library
                )
            except (TfgError, ValueError):
                # The kernel explains it better.
                return 0
            found = sum(_size(fact.shape.dims, fact.dtype) for fact in outputs)
            if len(self._sizes) >= _REMEMBERED:
                self._sizes.clear()
            self._sizes[key] = found
        return found

    def _exhausted(self, asked: int, *, is_made: bool = False) -> TfgError:
        used = self._meter.used - (asked if is_made else 0)
        return TfgError(
            Status.RESOURCE_EXHAUSTED,
            f"{self._typed.name!r} ({self._typed.node.op}) asks for {human_bytes(asked)} ({asked:,} bytes), and "
            f"{human_bytes(used)} of the budget of {human_bytes(self._limit)} are in use",
        )


def _size(dims: Sequence[int | None] | None, dtype: Any) -> int:
    if dims is None or None in dims:
        return 0
    return math.prod(dim or 0 for dim in dims) * (dtype.base.numpy.itemsize if not dtype.is_opaque else 8)


def _key(value: Any) -> Any:
    """The shape of a value, and its elements where they may be a shape."""
    if isinstance(value, np.ndarray):
        return (value.shape, value.tobytes() if value.size <= 16 and value.dtype.kind in "iu" else None)
    return value if isinstance(value, np.integer) else type(value)
