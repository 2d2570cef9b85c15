"""The step that the current thread runs, for long kernels that check whether it was cancelled.

A kernel that can take long calls ``check`` in its outer loop, or iterates over ``checked(items)``. One that calls a
library for long, which does not ask, is declared ``abandonable``.
"""

from __future__ import annotations

from functools import wraps
from threading import Event, Thread, local
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .context import StepContext

T = TypeVar("T")
# Items of ``checked`` between two checks.
_INTERVAL = 64
# Elements of the inputs up to which an abandonable kernel is short: a matrix of 160 rows takes 0.05 s at most.
_SHORT = 160 * 160
# Seconds between two checks while an abandonable kernel is under way.
_PATIENCE = 0.05


class _Current(local):
    step: StepContext | None = None


_current = _Current()


def enter(step: StepContext | None) -> StepContext | None:
    """Makes a step the one that ``check`` asks on this thread; returns the one that was, to be entered again."""
    previous = _current.step
    _current.step = step
    return previous


def check() -> None:
    """Raises CANCELLED or DEADLINE_EXCEEDED if the step of this thread must stop; does nothing outside of steps."""
    step = _current.step
    if step is not None:
        step.check_cancelled()


def checked(items: Iterable[T]) -> Iterator[T]:
    """Yields the items, with a ``check`` before every few of them."""
    for number, item in enumerate(items):
        if not number % _INTERVAL:
            check()
        yield item


def abandonable(kernel: Callable[..., T]) -> Callable[..., T]:
    """Makes a kernel of large inputs run on a thread of its own, which is left to itself when its step must stop.

    For numerical libraries that cannot be interrupted and that release the interpreter. The kernel must only compute:
    what it returns after its step has ended is dropped.
    """

    @wraps(kernel)
    def run(xp: Any, *inputs: Any, **attrs: Any) -> T:
        if xp is not np or _current.step is None or sum(x.size for x in inputs) <= _SHORT:
            return kernel(xp, *inputs, **attrs)
        return _Computation(kernel, (xp, *inputs), attrs).wait()

    return run


class _Computation:
    """A call on a daemon thread, with the context of the caller."""

    def __init__(self, function: Callable[..., Any], inputs: tuple[Any, ...], attrs: dict[str, Any]) -> None:
        from contextvars import copy_context

        self._done = Event()
        self._result: Any = None
        self._error: BaseException | None = None
        call = copy_context().run
        Thread(target=call, args=(self._run, function, inputs, attrs), daemon=True).start()

    def _run(self, function: Callable[..., Any], inputs: tuple[Any, ...], attrs: dict[str, Any]) -> None:
        try:
            self._result = function(*inputs, **attrs)
        except BaseException as error:
            self._error = error
        self._done.set()

    def wait(self) -> Any:
        """Returns the result. Raises the function's error, or that of ``check``."""
        while not self._done.wait(_PATIENCE):
            check()
        if self._error is not None:
            raise self._error
        return self._result
