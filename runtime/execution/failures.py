"""Conversion of exceptions that kernels raise into errors with TensorFlow's status."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...graphfmt.errors import Status, TfgError

if TYPE_CHECKING:
    from ...graphfmt.graph import Node


def as_tfg_error(error: BaseException, node: Node | None = None) -> TfgError:
    """An exception of a kernel as an error with the status that TensorFlow would give."""
    match error:
        case TfgError():
            return error
        case MemoryError() if node is not None:
            where = f" on {node.device}" if node.device else ""
            return TfgError(Status.RESOURCE_EXHAUSTED, f"out of memory in {node.op}{where}: {error}")
        case ValueError() if node is not None and "broadcast" in str(error):
            reason = str(error).strip()
            return TfgError(Status.INVALID_ARGUMENT, f"Incompatible shapes in {node.op}: {reason}")
        case IndexError() if node is not None and type(error).__name__ == "AxisError":
            return TfgError(Status.INVALID_ARGUMENT, f"{node.op}: {error}")
        case _:
            where = f" in {node.op}" if node else ""
            return TfgError(Status.INTERNAL, f"{type(error).__name__}{where}: {error}")
