"""Errors on their way between processes: a task reports one as a value, because its exception may not be picklable."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...graphfmt.errors import Status, TfgError

if TYPE_CHECKING:
    from ...graphfmt.errors import Location


class Failure(NamedTuple):
    """The fields of a TfgError."""

    status: Status
    message: str
    node: str | None = None
    location: Location | None = None
    hint: str | None = None

    def error(self) -> TfgError:
        """The failure as an exception."""
        return TfgError(self.status, self.message, node=self.node, location=self.location, hint=self.hint)


def failure_of(error: TfgError) -> Failure:
    """An error as a value."""
    return Failure(error.status, error.message, error.node, error.location, error.hint)


class TaskLostError(Exception):
    """A call of a task that will not be answered, because the task's process has ended or does not answer."""

    def __init__(self, task: str, why: str) -> None:
        super().__init__(f"{task} {why}")
        self.task = task
        self.why = why
