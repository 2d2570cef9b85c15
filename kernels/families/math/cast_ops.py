"""Cast, which converts values, and Bitcast, which reinterprets bytes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from ....graphfmt.errors import Status, TfgError, invalid
from ....graphfmt.shapes import UNKNOWN, Shape
from ...core import shapes
from ...core.registry import Family

if TYPE_CHECKING:
    from ....graphfmt.dtypes import DType
    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.binding import Binding
    from ...core.inference import ShapeContext

family = Family(__name__)
op = family.op

cast = op(
    "Cast(x: SrcT; SrcT: type, DstT: type, Truncate: bool = false) -> (y: DstT)", shape=shapes.like_input
)

# The number of mantissa bits that are lost, for the pairs of dtypes that Truncate can apply to.
_LOST_BITS = {
    ("float", "bfloat16"): 16,
    ("float", "half"): 13,
    ("double", "float"): 29,
    ("double", "half"): 42,
}


@cast.bind
def _(b: Binding) -> Any:
    source, target = b.input_types[0], b.output_types[0]
    if source is target:
        return _identity
    if source.is_opaque or target.is_opaque:
        raise TfgError(Status.UNIMPLEMENTED, f"Cast from {source} to {target} is not supported")
    lost = _LOST_BITS.get((source.name, target.name)) if b.attrs["Truncate"] else None
    if lost is not None:
        return partial(_truncate_mantissa, b.xp, target, lost)
    return partial(_convert_real_part if source.is_complex and not target.is_complex else _convert, target)


def _identity(x: Any) -> Any:
    """Returns x, whose dtype is the target already."""
    return x


def _convert(target: DType, x: Any) -> Any:
    """Converts as the processor does: values that do not fit an integer wrap or become the smallest one."""
    try:
        return x.astype(target.numpy)
    except TypeError:
        raise TfgError(Status.UNIMPLEMENTED, f"Cast from {x.dtype} to {target} is not supported") from None


def _convert_real_part(target: DType, x: Any) -> Any:
    """Converts the real part of complex numbers."""
    return _convert(target, x.real)


def _truncate_mantissa(xp: Any, target: DType, lost: int, x: Any) -> Any:
    """Clears the lowest bits of the mantissa before the conversion; NaN stays NaN."""
    bits = xp.asarray(x).view(f"u{x.dtype.itemsize}")
    kept = bits & bits.dtype.type((1 << 8 * x.dtype.itemsize) - (1 << lost))
    return xp.where(xp.isnan(x), x, kept.view(x.dtype)).astype(target.numpy)


@cast.elements
def _(c: ShapeContext) -> Any:
    return c.elements(0)


@cast.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Tensor | None:
    source = node.inputs[0].dtype
    return g.cast(dy, source) if source.is_differentiable and dy.dtype.is_differentiable else None


_BITS = (
    "{bfloat16, half, float, double, int64, int32, uint8, uint16, uint32, uint64, int8, int16, "
    "complex64, complex128, qint8, quint8, qint16, quint16, qint32}"
)


def _bitcast_shape(c: ShapeContext) -> Shape:
    """Returns the static shape: wider dtypes take up the last axis, narrower ones add one."""
    shape, old, new = c.input(0), c.dtype(0).size, c.bound.output_types[0].size
    if shape.dims is None:
        return UNKNOWN
    if old == new:
        return shape
    if old > new:
        return Shape((*shape.dims, old // new))
    if not shape.dims or shape.dims[-1] not in (None, new // old):
        raise invalid(
            f"Bitcast from {c.dtype(0)} to {c.bound.output_types[0]}: the last dimension must be {new // old}, "
            f"but the shape is {shape}"
        )
    return Shape(shape.dims[:-1])


bitcast = op(
    f"Bitcast(input: T; T: type in {_BITS}, type: type in {_BITS}) -> (output: type)",
    shape=_bitcast_shape,
    is_free=True,
)


@bitcast.kernel
def _(xp: Any, x: Any, *, type: DType) -> Any:
    target = type.numpy
    x = xp.asarray(x)
    ratio = target.itemsize // x.dtype.itemsize
    if ratio > 1 and x.shape[-1:] != (ratio,):
        raise invalid(
            f"Bitcast from {x.dtype} to {type}: the last dimension must be {ratio}, "
            f"but the shape is {list(x.shape)}"
        )
    x = xp.ascontiguousarray(x).reshape(x.shape)
    if ratio > 1:
        return x.view(target).reshape(x.shape[:-1])
    return x.view(target) if ratio == 1 else x[..., None].view(target)
