"""Quotients and remainders. Integer divisors of zero are errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....graphfmt.errors import Status, TfgError
from ...builder.broadcast_gradients import conj, sum_to
from ...core import types
from ...core.registry import Family
from ..elementwise import binary, in_float, known_elements, zeros_where

if TYPE_CHECKING:
    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor

family = Family(__name__)

_ROUNDING = "bfloat16 half float double uint8 int8 uint16 int16 int32 uint32 uint64 int64"

div = binary(family, "Div", types.ARITHMETIC)
real_div = binary(
    family,
    "RealDiv",
    types.ARITHMETIC,
    "true_divide",
    "{} / {}",
    kernel_types="bfloat16 half float double complex64 complex128",
)
div_no_nan = binary(family, "DivNoNan", "{half, float, bfloat16, double, complex64, complex128}")
truncate_div = binary(family, "TruncateDiv", types.ARITHMETIC, kernel_types=_ROUNDING)
floor_div = binary(family, "FloorDiv", types.ARITHMETIC, kernel_types=_ROUNDING)
mod = binary(family, "Mod", "{int32, int64, half, half, bfloat16, float, double}")
truncate_mod = binary(family, "TruncateMod", "{int32, int64, bfloat16, half, float, double}")
floor_mod = binary(
    family,
    "FloorMod",
    "{int8, int16, int32, int64, uint8, uint16, uint32, uint64, bfloat16, half, float, double}",
)


# In shape inference a quotient by zero stays unknown, so that the kernel refuses it.
for _declared in (floor_div, div, truncate_div):
    _declared.elements(known_elements(lambda p, q: p // q if q > 0 and p >= 0 else None))
floor_mod.elements(known_elements(lambda p, q: p % q if q else None))


def _is_integer(x: Any) -> bool:
    return x.dtype.kind in "iu"


def _check_divisor(x: Any, y: Any, status: Status = Status.INVALID_ARGUMENT) -> None:
    """Raises an error for zeros in an integer divisor, unless the result is empty."""
    if not y.all() and x.size:
        raise TfgError(status, f"Integer division by zero, in a divisor of shape {list(y.shape)}")


def _truncate_quotient(xp: Any, x: Any, y: Any) -> Any:
    # Numpy's quotient rounds down: one too low where the signs differ and there is a remainder.
    down = x // y
    if x.dtype.kind == "u":
        return down
    return down + ((down < 0) & (down * y != x)).astype(x.dtype)


@div.kernel
def _(xp: Any, x: Any, y: Any) -> Any:
    if not _is_integer(x):
        return x / y
    _check_divisor(x, y)
    return _truncate_quotient(xp, x, y)


@truncate_div.kernel
def _(xp: Any, x: Any, y: Any) -> Any:
    if not _is_integer(x):
        return in_float(xp, lambda x, y: xp.trunc(x / y), x, y)
    _check_divisor(x, y, Status.INTERNAL)
    return _truncate_quotient(xp, x, y)


@floor_div.kernel
def _(xp: Any, x: Any, y: Any) -> Any:
    """Rounds quotients of floats down. Numpy's floor_divide uses the remainder, which can differ by one."""
    if not _is_integer(x):
        return xp.floor(x / y)
    _check_divisor(x, y)
    return xp.floor_divide(x, y)


@div_no_nan.kernel
def _(xp: Any, x: Any, y: Any) -> Any:
    return zeros_where(xp, y == 0, x / y)


@mod.kernel
def _(xp: Any, x: Any, y: Any) -> Any:
    """Returns the remainder with the sign of x, as in C."""
    if _is_integer(x):
        _check_divisor(x, y)
    return xp.fmod(x, y)


@truncate_mod.kernel
def _(xp: Any, x: Any, y: Any) -> Any:
    if _is_integer(x):
        _check_divisor(x, y, Status.INTERNAL)
    return xp.fmod(x, y)


@floor_mod.kernel
def _(xp: Any, x: Any, y: Any) -> Any:
    """Returns the remainder with the sign of y."""
    if _is_integer(x):
        _check_divisor(x, y)
        return xp.remainder(x, y)
    left = xp.fmod(x, y)
    return xp.where((left != 0) & ((left < 0) != (y < 0)), left + y, left)


@div.gradient
@real_div.gradient
def _(g: GraphBuilder, node: NodeView, dz: Tensor) -> Any:
    x, y = node.inputs
    x_, y_ = conj(g, x), conj(g, y)
    return sum_to(g, g.RealDiv(dz, y_), x, y), sum_to(g, dz * ((-x_ / y_) / y_), y, x)


@div_no_nan.gradient
def _(g: GraphBuilder, node: NodeView, dz: Tensor) -> Any:
    x, y = node.inputs
    x_, y_ = conj(g, x), conj(g, y)
    dy = dz * g.DivNoNan(g.DivNoNan(-x_, y_), y_)
    return sum_to(g, g.DivNoNan(dz, y_), x, y), sum_to(g, dy, y, x)


@truncate_div.gradient
@floor_div.gradient
def _(g: GraphBuilder, node: NodeView, dz: Tensor) -> Any:
    return None, None


@floor_mod.gradient
def _(g: GraphBuilder, node: NodeView, dz: Tensor) -> Any:
    x, y = node.inputs
    return sum_to(g, dz, x, y), sum_to(g, dz * -g.FloorDiv(x, y), y, x)
