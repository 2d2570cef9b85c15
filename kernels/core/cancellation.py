"""The step that the current thread runs, for long kernels that check whether it was cancelled.

A kernel that can take long calls ``check`` in its outer loop, or iterates over ``checked(items)``.
"""

from __future__ import annotations

from threading import local
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .context import StepContext

T = TypeVar("T")
# Items of ``checked`` between two checks.
_INTERVAL = 64


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
