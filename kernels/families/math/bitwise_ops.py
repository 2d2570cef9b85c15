"""Bitwise operations on integers: and, or, xor, inversion, shifts, population count."""

from __future__ import annotations

from typing import Any

from ...core import shapes, types
from ...core.registry import Family
from ..elementwise import binary, unary

family = Family(__name__)
op = family.op

for _name, _ufunc, _operator in (
    ("BitwiseAnd", "bitwise_and", "{} & {}"),
    ("BitwiseOr", "bitwise_or", "{} | {}"),
    ("BitwiseXor", "bitwise_xor", "{} ^ {}"),
):
    binary(family, _name, types.INTEGERS, _ufunc, _operator, commutative=True, differentiable=False)

unary(family, "Invert", types.INTEGERS, "invert", "~{}", differentiable=False)

left_shift = binary(family, "LeftShift", types.INTEGERS, differentiable=False)
right_shift = binary(family, "RightShift", types.INTEGERS, differentiable=False)


def _clamp_shift(xp: Any, count: Any) -> Any:
    """Clamps the distance of a shift to the width of its dtype, as TensorFlow does where C++ leaves it undefined."""
    kind = count.dtype.type
    return xp.minimum(xp.maximum(count, kind(0)), kind(8 * count.dtype.itemsize - 1))


@left_shift.kernel
def _(xp: Any, x: Any, y: Any) -> Any:
    return xp.left_shift(x, _clamp_shift(xp, y))


@right_shift.kernel
def _(xp: Any, x: Any, y: Any) -> Any:
    return xp.right_shift(x, _clamp_shift(xp, y))


population_count = op(
    f"PopulationCount(x: T; T: type in {types.INTEGERS}) -> (y: uint8)",
    shape=shapes.like_input,
    differentiable=False,
    allocates_output=True,
)


@population_count.kernel
def _(xp: Any, x: Any) -> Any:
    unsigned = xp.asarray(x).view(f"u{x.dtype.itemsize}")
    if hasattr(xp, "bitwise_count"):
        return xp.bitwise_count(unsigned)
    return _count_bits(xp, unsigned.astype(xp.uint64))


def _count_bits(xp: Any, x: Any) -> Any:
    """Counts bits by adding up neighbours, then pairs, then nibbles, where the array module has no function for it."""
    for shift, mask in ((1, 0x5555555555555555), (2, 0x3333333333333333), (4, 0x0F0F0F0F0F0F0F0F)):
        x = (x & xp.uint64(mask)) + ((x >> xp.uint64(shift)) & xp.uint64(mask))
    return ((x * xp.uint64(0x0101010101010101)) >> xp.uint64(56)).astype(xp.uint8)
