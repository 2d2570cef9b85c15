"""What travels in fewer bits than it is computed in (white paper section 5.5).

With ``bf16``, a float32 tensor goes from device to device as bfloat16: the lower half of every number is cut off
and comes back as zeros. NaN stays NaN, also where all that made it one was in the lower half.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....graphfmt import dtypes
from ....graphfmt.errors import invalid
from ....graphfmt.graph import Node

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ....graphfmt.dtypes import DType

# For each kind of wire, the dtypes that travel as another.
WIRES: Mapping[str, Mapping[DType, DType]] = {"bf16": {dtypes.float32: dtypes.bfloat16}}


def wire_dtype(dtype: DType, wire: str | None) -> DType:
    """The dtype in which a tensor travels. Raises INVALID_ARGUMENT for a wire that there is not."""
    if wire is None:
        return dtype
    if wire not in WIRES:
        raise invalid(f"there is no wire {wire!r}", hint=f"the wires are: {', '.join(WIRES)}")
    return WIRES[wire].get(dtype, dtype)


def cast_node(name: str, device: str, inputs: Sequence[str], source: DType, target: DType) -> Node:
    """A Cast to what travels, or from it. Rounding would take longer, and TensorFlow cuts off, too."""
    attrs = {"SrcT": source, "DstT": target, "Truncate": target.size < source.size}
    return Node(name, "Cast", tuple(inputs), attrs, device)
