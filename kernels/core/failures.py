"""Conversion of the exceptions of shape functions, kernels and gradient functions into errors with a status."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...graphfmt.errors import Status, TfgError

if TYPE_CHECKING:
    from ...graphfmt.graph import Node

_TOO_LARGE = ("array is too big", "Maximum allowed dimension exceeded", "Maximum allowed size exceeded")
_HINT = "this is a bug in tfg; -vv prints a traceback"


class UnexpectedError(TfgError):
    """An exception that is not an error of the graph but a bug in tfg, given a status all the same.

    ``exception`` is what was raised. The fuzzer reports each of these as a finding.
    """

    def __init__(
        self, status: Status, message: str, exception: BaseException, hint: str | None = None
    ) -> None:
        super().__init__(status, message, hint=hint)
        self.exception = exception
        self.__cause__ = exception


def as_tfg_error(error: BaseException, node: Node | None = None) -> TfgError:
    """Returns an exception of an operation's code as an error with the status that TensorFlow would give."""
    if isinstance(error, TfgError):
        return error
    where = f" in {node.op}" if node else ""
    match error:
        case MemoryError() | ValueError() if _is_out_of_memory(error):
            where += f" on {node.device}" if node and node.device else ""
            return TfgError(Status.RESOURCE_EXHAUSTED, f"out of memory{where}: {error}")
        case ValueError() if node is not None and "broadcast" in str(error):
            return TfgError(Status.INVALID_ARGUMENT, f"Incompatible shapes{where}: {str(error).strip()}")
        case IndexError() if node is not None and type(error).__name__ == "AxisError":
            return TfgError(Status.INVALID_ARGUMENT, f"{node.op}: {error}")
        case AttributeError() if hasattr(error.obj, "kind"):
            return TfgError(
                Status.INVALID_ARGUMENT, f"an input{where} is a {type(error.obj).__name__}, not a variable"
            )
        case RecursionError():
            return UnexpectedError(Status.RESOURCE_EXHAUSTED, f"too many nested calls{where}", error)
        case OverflowError():
            return UnexpectedError(Status.INVALID_ARGUMENT, f"number out of range{where}: {error}", error)
        case _:
            return UnexpectedError(Status.INTERNAL, f"{type(error).__name__}{where}: {error}", error, _HINT)


def _is_out_of_memory(error: MemoryError | ValueError) -> bool:
    """Returns True also for numpy's refusal to make an array of more bytes than an address can count."""
    return isinstance(error, MemoryError) or any(words in str(error) for words in _TOO_LARGE)
