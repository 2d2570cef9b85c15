"""The interface of engines, which start the processes of tasks, carry calls to them, and notice when they end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from .failures import TaskLostError
    from .task import TaskSettings

# Takes the result of a call, or the error with which it ended.
Answer = Callable[[Any, "TaskLostError | None"], None]


class TaskHandle(Protocol):
    """A started task. Methods may be called from any thread."""

    def call(self, method: str, arguments: Sequence[Any], answer: Answer) -> None:
        """Calls a method of the ``ClusterTask``, and returns at once. ``answer`` is called exactly once, from any
        thread, with the result, or with TaskLostError if the process has ended."""
        ...

    def kill(self) -> None:
        """Ends the process; what was called and is not answered ends with TaskLostError."""
        ...


class Engine(Protocol):
    """Starts tasks."""

    def start(self, settings: Sequence[TaskSettings], calls: int) -> Mapping[str, TaskHandle]:
        """Starts tasks that serve ``calls`` steps at once, and connects them. Raises UNAVAILABLE where that fails."""
        ...

    def stop(self) -> None:
        """Ends all tasks; others may be started."""
        ...

    def close(self) -> None:
        """Ends all tasks, and the engine."""
        ...
