"""The exception of the project: a TensorFlow status, a message, and the location that it refers to."""

from __future__ import annotations

import warnings
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


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
    """A location in a file; line and column count from 1, 0 stands for the file as a whole."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


class WaitOfNode(Protocol):
    """A wait of a node, as an object of JSON."""

    def fields(self) -> dict[str, Any]: ...


class TfgError(Exception):
    """A failure that a user can cause.

    ``status`` is TensorFlow's canonical status, ``node`` the name of the failed node, ``location`` the place of that
    node (or of its input or attribute) in a file, ``attr`` the attribute at fault, ``hint`` a suggestion, ``waits``
    what the nodes of the step waited for.
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
        self.waits: Sequence[WaitOfNode] = ()
        self.attr: str | None = None

    def __str__(self) -> str:
        where = f" (node {self.node!r})" if self.node else ""
        return f"{self.status}: {self.message}{where}"

    def of_attr(self, name: str) -> TfgError:
        """Sets the attribute at fault, which the location will be that of; returns the error."""
        self.attr = name
        return self

    def while_waiting(self, waits: Sequence[WaitOfNode]) -> TfgError:
        """Sets what the nodes of the step waited for; returns the error."""
        self.waits = waits
        return self

    def at(self, node: str | None, location: Location | None) -> TfgError:
        """Sets the node and the location unless the error has its own; returns the error."""
        self.node = self.node if self.node is not None else node
        self.location = self.location if self.location is not None else location
        return self


def invalid(message: str, *, node: str | None = None, hint: str | None = None) -> TfgError:
    """Returns an INVALID_ARGUMENT error, the most common one."""
    return TfgError(Status.INVALID_ARGUMENT, message, node=node, hint=hint)


class TfgWarning(UserWarning):
    """A defect that does not keep a graph from running. ``error`` has its message, node and location.

    Python's warning filters decide: ``warnings.simplefilter("error", TfgWarning)`` refuses such graphs.
    """

    def __init__(self, error: TfgError) -> None:
        super().__init__(error.message)
        self.error = error


def warn(error: TfgError) -> None:
    """Warns of a defect; by default, once for each message."""
    warnings.warn(TfgWarning(error), stacklevel=2)
