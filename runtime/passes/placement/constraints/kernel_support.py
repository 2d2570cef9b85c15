"""Device types with a kernel for a node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .....graphfmt import dtypes
from .....graphfmt.dtypes import DType
from .....graphfmt.errors import TfgError
from .....kernels.core import device_support, registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from .....graphfmt.graph import Node
    from .....kernels.core.registry import Op

    # Returns True if a device of this type can run this node.
    Supports = Callable[[Node, str], bool]


def has_kernel(node: Node, device_type: str) -> bool:
    """Returns True for any node on a CPU; ``kernels.core.device_support`` decides for GPUs, by operation and
    dtypes."""
    if device_type == "CPU":
        return True
    if device_type != "GPU":
        return False
    op = registry.find(node.op)
    return (
        op is not None and device_support.supports(op) and device_support.supports_types(op, _types(op, node))
    )


def _types(op: Op, node: Node) -> list[DType]:
    """Returns the dtypes of a node's tensors and of what its handle refers to; string for a node with faults."""
    try:
        bound = op.signature.bind(node)
    except TfgError:
        return [dtypes.string]
    held = [value for value in bound.attrs.values() if isinstance(value, DType)]
    return [*bound.input_types, *bound.output_types, *held]
