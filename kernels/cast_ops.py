"""From one dtype to another."""

from __future__ import annotations

from typing import Any

from ..graphfmt.dtypes import DType
from . import shapes
from .builder import GraphBuilder, NodeView, Tensor
from .registry import op

cast = op(
    "Cast(x: SrcT; SrcT: type, DstT: type, Truncate: bool = false) -> (y: DstT)", shape=shapes.like_input
)


@cast.kernel
def _(xp: Any, x: Any, *, DstT: DType) -> Any:
    return x.astype(DstT.numpy, copy=False)


@cast.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor | None:
    source, target = node.inputs[0].dtype, node.attr("DstT")
    return g.cast(dy, source) if source.is_differentiable and target.is_differentiable else None
