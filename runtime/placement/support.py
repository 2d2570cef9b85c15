"""Which types of device have a kernel for a node."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from ...graphfmt import dtypes
from ...graphfmt.errors import TfgError
from ...kernels import registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...graphfmt.graph import Node
    from ...kernels.registry import Op

    # Whether a device of this type can run this node.
    Supports = Callable[[Node, str], bool]

# What only the host's memory can hold.
_HOST_ONLY = frozenset(dtypes.BY_NAME[name] for name in ("string", "resource", "variant"))


def has_kernel(node: Node, device_type: str) -> bool:
    """Every operation runs on a CPU. A GPU runs what is one body for both array modules: plain functions of
    tensors, and what only passes tensors on; nothing that holds state, may wait, or takes strings."""
    if device_type == "CPU":
        return True
    if device_type != "GPU":
        return False
    op = registry.find(node.op)
    return op is not None and _is_plain(op) and not _touches_host_types(op, node)


@lru_cache(maxsize=4096)
def _is_plain(op: Op) -> bool:
    if op.steers:
        return True
    return op.kernel_function is not None and not (op.stateful or op.asynchronous or op.takes_context)


def _touches_host_types(op: Op, node: Node) -> bool:
    try:
        bound = op.signature.bind(node)
    except TfgError:
        return True
    return any(dtype.is_ref or dtype in _HOST_ONLY for dtype in (*bound.input_types, *bound.output_types))
