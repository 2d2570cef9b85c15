"""MatrixBandPart: the elements of matrices within a band around the main diagonal, zeros elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Shape
from ...core.registry import Family
from ...core.types import INDEX
from ...numeric.int_arguments import int_scalar

if TYPE_CHECKING:
    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.inference import ShapeContext

family = Family(__name__, host_inputs="num_lower num_upper")
op = family.op


def _matrix_dims(x: Any) -> tuple[int, int]:
    if x.ndim < 2:
        raise invalid(f"the input must be of rank 2 or more, but has shape {Shape(x.shape)}")
    return x.shape[-2], x.shape[-1]


def _band_shape(c: ShapeContext) -> Shape:
    c.with_rank(1, 0)
    c.with_rank(2, 0)
    return c.with_rank_at_least(0, 2)


def _declare_band(text: str) -> None:
    band = op(text, shape=_band_shape, allocates_output=True)

    @band.kernel
    def _(xp: Any, x: Any, num_lower: Any, num_upper: Any) -> Any:
        rows, columns = _matrix_dims(x)
        lower, upper = int_scalar(num_lower, "num_lower"), int_scalar(num_upper, "num_upper")
        if lower > rows or upper > columns:
            raise invalid(
                f"a band of {lower} below and {upper} above the diagonal exceeds a matrix of {rows} by {columns}"
            )
        apart = xp.arange(columns) - xp.arange(rows)[:, None]
        inside = (apart >= -lower if lower >= 0 else True) & (
            apart <= upper if upper >= 0 else apart == apart
        )
        return xp.where(inside, x, xp.zeros((), x.dtype))

    @band.gradient
    def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Tensor, None, None]:
        return g.add_op(node.node.op, dy, *node.inputs[1:]), None, None


_declare_band(
    "MatrixBandPart(input: T, num_lower: Tindex, num_upper: Tindex; T: type, "
    f"Tindex: type in {INDEX} = int64) -> (band: T)"
)
_declare_band("BatchMatrixBandPart(input: T, num_lower: int64, num_upper: int64; T: type) -> (band: T)")
