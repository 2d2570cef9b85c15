"""Lossy compression of transfers (white paper section 5.5).

With ``bf16``, float32 tensors are sent as bfloat16: the lower half of each number is dropped and restored as
zeros. A NaN stays a NaN, even if its payload is in the lower half.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....graphfmt import dtypes
from ....graphfmt.errors import invalid
from ....graphfmt.graph import Node

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ....graphfmt.dtypes import DType

# For each compression, the dtypes that are sent as another one.
WIRES: Mapping[str, Mapping[DType, DType]] = {"bf16": {dtypes.float32: dtypes.bfloat16}}


def wire_dtype(dtype: DType, wire: str | None) -> DType:
    """Returns the dtype in which a tensor is sent. Raises INVALID_ARGUMENT for an unknown compression."""
    if wire is None:
        return dtype
    if wire not in WIRES:
        raise invalid(f"unknown compression {wire!r}", hint=f"one of: {', '.join(WIRES)}")
    return WIRES[wire].get(dtype, dtype)


def cast_node(name: str, device: str, inputs: Sequence[str], source: DType, target: DType) -> Node:
    """Returns a Cast to or from the sent dtype; it truncates as TensorFlow does, which is also faster than
    rounding."""
    attrs = {"SrcT": source, "DstT": target, "Truncate": target.size < source.size}
    return Node(name, "Cast", tuple(inputs), attrs, device)
