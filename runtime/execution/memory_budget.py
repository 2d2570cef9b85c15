"""The memory that a device may use in a step, where it has a limit.

What is counted is what a step holds: the variables of the device, and every tensor from when it is made until it is
given up. A view counts as nothing, and what a kernel takes meanwhile is not seen, so it is near the truth and no
more. Plans for devices without a limit know nothing of it, and pay nothing.
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
    """The memory of a device in bytes, and what its variables take of it."""

    device: str
    bytes: int
    persistent: int


class MemoryBudget:
    """What one step has used of a limit; only one thread at a time works on a device's part of a step."""

    __slots__ = ("_limit", "_used")

    def __init__(self, limit: MemoryLimit) -> None:
        self._limit = limit
        self._used = limit.persistent

    def hold(self, node: Node, result: Any, given_up: Sequence[Any] = ()) -> Any:
        """Counts what a node has made, and leaves out from now on what it has read last; gives the result.

        Raises:
            TfgError: RESOURCE_EXHAUSTED where it is more than the device has.
        """
        results = result if isinstance(result, (list, tuple)) else (result,)
        made: list[Any] = list(results)  # pyright: ignore[reportUnknownArgumentType]
        # Written over an input, a result takes no memory of its own.
        asked = sum(_size(value) for value in made if not any(value is other for other in given_up))
        if asked and self._used + asked > self._limit.bytes:
            raise self._exhausted(node, asked)
        kept = {id(value) for value in made}
        self._used += asked - sum(_size(value) for value in given_up if id(value) not in kept)
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
    """The bytes of those variables whose size is known."""
    return sum(_variable_size(node) for node in nodes if node.op in VARIABLES)


def _variable_size(node: Node) -> int:
    from ...graphfmt.dtypes import DType
    from ...graphfmt.shapes import Shape

    dtype, shape = node.attrs.get("dtype"), node.attrs.get("shape")
    if not isinstance(dtype, DType) or not isinstance(shape, Shape) or not shape.is_fully_known:
        return 0
    return int(np.prod([dim or 0 for dim in shape.dims or ()], dtype=np.int64)) * dtype.numpy.itemsize
