"""The one exception of the project: a TensorFlow status, a sentence, and the place it speaks of."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Status(StrEnum):
    """TensorFlow's canonical status names (``absl::StatusCode``)."""

    CANCELLED = "CANCELLED"
    UNKNOWN = "UNKNOWN"
    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    NOT_FOUND = "NOT_FOUND"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED"
    FAILED_PRECONDITION = "FAILED_PRECONDITION"
    ABORTED = "ABORTED"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    UNIMPLEMENTED = "UNIMPLEMENTED"
    INTERNAL = "INTERNAL"
    UNAVAILABLE = "UNAVAILABLE"
    DATA_LOSS = "DATA_LOSS"


class Location(NamedTuple):
    """A place in a file; line and column count from 1, and 0 means the file as a whole."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


class TfgError(Exception):
    """Every failure that a user can cause.

    ``status`` is TensorFlow's canonical name, ``node`` the node it happened at, ``location`` where that
    node (or its input, or its attribute) stands in a file, ``hint`` what might mend it.
    """

    def __init__(
        self,
        status: Status,
        message: str,
        *,
        node: str | None = None,
        location: Location | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.node = node
        self.location = location
        self.hint = hint

    def __str__(self) -> str:
        where = f" (node {self.node!r})" if self.node else ""
        return f"{self.status}: {self.message}{where}"

    def at(self, node: str | None, location: Location | None) -> TfgError:
        """This error with a node and a place, unless it names its own already."""
        self.node = self.node if self.node is not None else node
        self.location = self.location if self.location is not None else location
        return self


def invalid(message: str, *, node: str | None = None, hint: str | None = None) -> TfgError:
    """An INVALID_ARGUMENT error, by far the commonest."""
    return TfgError(Status.INVALID_ARGUMENT, message, node=node, hint=hint)
