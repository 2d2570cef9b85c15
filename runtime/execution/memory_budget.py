"""The memory that a device with a limit uses in a step.

The variables of the device count, and every tensor from when it is computed until its last use. A view counts as
nothing, and the temporary memory of kernels is not seen, so the figure is an estimate. Code for devices without a limit
does not count, and pays nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...graphfmt.errors import Status, TfgError
from ...kernels.core.op_sets import VARIABLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ...graphfmt.graph import Node


class MemoryLimit(NamedTuple):
    """The memory of a device in bytes, and the bytes of it that its variables take."""

    device: str
    bytes: int
    persistent: int


class MemoryBudget:
    """The memory that one step uses of a limit. Only one thread at a time runs a device's part of a step."""

    __slots__ = ("_limit", "_used")

    def __init__(self, limit: MemoryLimit) -> None:
        self._limit = limit
        self._used = limit.persistent

    def hold(self, node: Node, result: Any, released: Sequence[Any] = ()) -> Any:
        """Counts a node's result, and stops counting the values that it was the last to read; returns the result.

        Raises:
            TfgError: RESOURCE_EXHAUSTED if that is more than the device has.
        """
        results = result if isinstance(result, (list, tuple)) else (result,)
        new: list[Any] = list(results)  # pyright: ignore[reportUnknownArgumentType]
        # A result that was written over an input takes no memory of its own.
        asked = sum(_size(value) for value in new if not any(value is other for other in released))
        if asked and self._used + asked > self._limit.bytes:
            raise self._exhausted(node, asked)
        kept = {id(value) for value in new}
        self._used += asked - sum(_size(value) for value in released if id(value) not in kept)
        return result

    def _exhausted(self, node: Node, asked: int) -> TfgError:
        device, limit, persistent = self._limit
        return TfgError(
            Status.RESOURCE_EXHAUSTED,
            f"out of memory on {device}: {node.name!r} ({node.op}) asks for {asked:,} bytes, but {self._used:,} of "
            f"its {limit:,} are in use, {persistent:,} of them by variables",
            node=node.name,
        )


def _size(value: Any) -> int:
    return value.nbytes if isinstance(value, np.ndarray) and value.base is None else 0


def persistent(nodes: Iterable[Node]) -> int:
    """The bytes that variables of known size take, in total."""
    return sum(_variable_size(node) for node in nodes if node.op in VARIABLES)


def _variable_size(node: Node) -> int:
    from ...graphfmt.dtypes import DType
    from ...graphfmt.shapes import Shape

    dtype, shape = node.attrs.get("dtype"), node.attrs.get("shape")
    if not isinstance(dtype, DType) or not isinstance(shape, Shape) or not shape.is_fully_known:
        return 0
    return int(np.prod([dim or 0 for dim in shape.dims or ()], dtype=np.int64)) * dtype.numpy.itemsize
