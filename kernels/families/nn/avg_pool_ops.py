"""Average pooling in two and three spatial dimensions, and its gradients. Padding does not count in the mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import UNKNOWN, Shape
from ...core.registry import Family
from ...core.types import HALF_FIRST_FLOATS
from ...numeric import pooling
from ...numeric.int_arguments import check_allocation
from ...numeric.windows import from_channels_last, to_channels_last
from .pool_window import (
    ATTRS_3D,
    FORMAT_2D,
    SIZES_2D,
    VALID_SAME,
    PoolSpec,
    check_output_shape,
    fit_spatial_window,
    infer_output_shape,
    pool_spec,
    shared_attrs,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.inference import ShapeContext

family = Family(__name__, host_inputs="orig_input_shape")
op = family.op


def _avg_pool(xp: Any, x: Any, pool: PoolSpec) -> Any:
    win = fit_spatial_window(pool, x.shape)
    return from_channels_last(xp, pooling.avg_pool(xp, to_channels_last(xp, x, pool.spec), win), pool.spec)


def _avg_grad(xp: Any, sizes: Any, dy: Any, pool: PoolSpec) -> Any:
    spec = pool.spec
    if sizes.shape != (spec.rank,) or any(n < 0 for n in sizes.tolist()):
        raise invalid(f"orig_input_shape must have {spec.rank} elements, but is {sizes.tolist()}")
    x = tuple(sizes.tolist())
    win = fit_spatial_window(pool, x)
    check_output_shape(pool, win, x, dy.shape, "grad")
    check_allocation(x, dy.dtype.itemsize, "orig_input_shape")
    return from_channels_last(xp, pooling.avg_pool_grad(xp, to_channels_last(xp, dy, spec), win), spec)


def _avg_grad_shape(rank: int) -> Callable[[ShapeContext], Shape]:
    def shape(c: ShapeContext) -> Shape:
        stated = c.as_shape(0)
        if stated.rank not in (None, rank):
            raise invalid(f"orig_input_shape must have {rank} elements, but states {stated}")
        c.with_rank(1, rank)
        return Shape((None,) * rank) if stated == UNKNOWN else stated

    return shape


_AVG_2D = f"{SIZES_2D}, {VALID_SAME}, {FORMAT_2D}, T: type in {HALF_FIRST_FLOATS}"
_AVG_3D = f"{ATTRS_3D}, T: type in {HALF_FIRST_FLOATS}"


def _declare_avg(suffix: str, value: str, rest: str, rank: int) -> None:
    forward = op(
        f"AvgPool{suffix}({value}: T; {rest}) -> (output: T)",
        shape=lambda c: infer_output_shape(c, rank),
        allocates_output=True,
    )
    grad = op(
        f"AvgPool{suffix}Grad(orig_input_shape: int32, grad: T; {rest}) -> (output: T)",
        shape=_avg_grad_shape(rank),
        allocates_output=True,
    )

    @forward.kernel
    def _(xp: Any, x: Any, *, ksize: Any, strides: Any, padding: str, data_format: str) -> Any:
        return _avg_pool(xp, x, pool_spec(rank, data_format, ksize, strides, padding))

    @grad.kernel
    def _(xp: Any, sizes: Any, dy: Any, *, ksize: Any, strides: Any, padding: str, data_format: str) -> Any:
        return _avg_grad(xp, sizes, dy, pool_spec(rank, data_format, ksize, strides, padding))

    @forward.gradient
    def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor:
        return g.add_op(grad.name, g.shape_of(node.inputs[0]), dy, **shared_attrs(node))

    @grad.gradient
    def _(g: GraphBuilder, node: NodeView, ddx: Tensor) -> tuple[None, Tensor]:
        return None, g.add_op(forward.name, ddx, **shared_attrs(node))


_declare_avg("", "value", _AVG_2D, 4)
_declare_avg("3D", "input", _AVG_3D, 5)
