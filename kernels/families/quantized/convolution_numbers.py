"""The parameters of uniformly quantised convolutions: dimension numbers as in XLA, dilations of both sides, groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.proto.varints import varint
from ....graphfmt.shapes import Shape
from ...numeric.int_arguments import check_allocation
from ...numeric.windows import Window

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ATTRS = (
    "window_strides: list(int) = [], padding: string, explicit_padding: list(int) = [], "
    "lhs_dilation: list(int) = [], rhs_dilation: list(int) = [], batch_group_count: int = 1, "
    'feature_group_count: int = 1, dimension_numbers: string = ""'
)


class DimensionNumbers(NamedTuple):
    """Places of axes: batch, features and spatial axes of inputs and outputs; output and input features of filters."""

    lhs: tuple[int, int, tuple[int, ...]]
    rhs: tuple[int, int, tuple[int, ...]]
    output: tuple[int, int, tuple[int, ...]]

    def lhs_permutation(self) -> tuple[int, ...]:
        """The axes of inputs as batch, spatial axes, features."""
        return (self.lhs[0], *self.lhs[2], self.lhs[1])

    def rhs_permutation(self) -> tuple[int, ...]:
        """The axes of filters as spatial axes, input features, output features."""
        return (*self.rhs[2], self.rhs[1], self.rhs[0])

    def output_permutation(self) -> tuple[int, ...]:
        """The axes of outputs, among batch, spatial axes and features, in the order that they have."""
        return tuple(int(i) for i in np.argsort((self.output[0], *self.output[2], self.output[1])))


def dimension_numbers(message: bytes, rank: int) -> DimensionNumbers:
    """Reads a UniformQuantizedConvolutionDimensionNumbersAttr; where it is empty, features come before spatial axes.

    Raises INVALID_ARGUMENT for numbers that are not the axes of tensors of that rank.
    """
    spatial = tuple(range(2, rank))
    if not message:
        return DimensionNumbers((0, 1, spatial), (0, 1, spatial), (0, 1, spatial))
    fields: dict[int, list[int]] = {}
    for number, value in _fields(message):
        fields.setdefault(number, []).append(value)
    single = [fields.get(n, [0])[-1] for n in (1, 2, 5, 4, 7, 8)]
    several = [tuple(fields.get(n, ())) for n in (3, 6, 9)]
    found = DimensionNumbers(
        (single[0], single[1], several[0]),
        (single[2], single[3], several[1]),
        (single[4], single[5], several[2]),
    )
    for first, second, rest in found:
        if sorted((first, second, *rest)) != list(range(rank)):
            raise invalid(
                f"dimension numbers {(first, second, *rest)} are not the axes of tensors of rank {rank}"
            )
    return found


def _fields(message: bytes) -> Iterator[tuple[int, int]]:
    """Yields the integer fields of a protobuf message, numbers and values; packed lists element by element."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        if key & 7 == 0:
            value, at = _varint(message, at)
            yield key >> 3, value
        elif key & 7 == 2:
            size, at = _varint(message, at)
            stop = at + size
            while at < stop:
                value, at = _varint(message, at)
                yield key >> 3, value
        else:
            raise invalid("dimension_numbers is not a message of dimension numbers")


def _varint(message: bytes, at: int) -> tuple[int, int]:
    try:
        return varint(message, at)
    except ValueError:
        raise invalid("dimension_numbers ends within a number") from None


class ConvolutionSpec(NamedTuple):
    """A convolution, fitted to the shapes of its input and its filter, which are in channels-last order."""

    numbers: DimensionNumbers
    window: Window
    lhs_dilation: tuple[int, ...]
    batch_groups: int
    output_shape: tuple[int, ...]


def _per_axis(values: Sequence[int], count: int, name: str) -> tuple[int, ...]:
    found = tuple(values) or (1,) * count
    if len(found) != count or min(found) < 1:
        raise invalid(f"{name} must have {count} elements >= 1, but is {list(found)}")
    return found


def _dilated(size: int, dilation: int) -> int:
    return 0 if size == 0 else (size - 1) * dilation + 1


def _paddings(
    attrs: Mapping[str, Any], lhs: Sequence[int], rhs: Sequence[int], strides: Sequence[int]
) -> tuple[tuple[int, int], ...]:
    """Returns (before, after) for each spatial axis, given the sizes of the dilated input and filter."""
    explicit, padding = attrs["explicit_padding"], attrs["padding"]
    if padding not in ("EXPLICIT", "SAME", "VALID"):
        raise invalid(f"padding must be EXPLICIT, SAME or VALID, but is {padding}")
    if padding == "EXPLICIT":
        if len(explicit) != 2 * len(lhs) or min(explicit, default=0) < 0:
            raise invalid(f"explicit_padding must have {2 * len(lhs)} elements >= 0, but is {list(explicit)}")
        return tuple(zip(explicit[::2], explicit[1::2]))
    if explicit:
        raise invalid(f"explicit_padding must be empty unless padding is EXPLICIT, which is {padding}")
    if padding == "VALID":
        return ((0, 0),) * len(lhs)
    missing = [max(0, (-(-size // s) - 1) * s + k - size) for size, k, s in zip(lhs, rhs, strides)]
    return tuple((n // 2, n - n // 2) for n in missing)


def _check_groups(
    attrs: Mapping[str, Any], batch: int, features: int, rhs_features: int, outputs: int
) -> None:
    groups, batch_groups = attrs["feature_group_count"], attrs["batch_group_count"]
    if groups <= 0 or batch_groups <= 0:
        raise invalid(
            f"group counts must be positive, but are {groups} (features) and {batch_groups} (batch)"
        )
    if features % groups or features // groups != rhs_features or outputs % groups:
        raise invalid(
            f"{groups} groups of features do not fit {features} features of the input, {rhs_features} of the filter "
            f"and {outputs} of the output"
        )
    if batch % batch_groups or outputs % batch_groups:
        raise invalid(f"{batch_groups} groups do not divide a batch of {batch} and {outputs} output features")


def fit_convolution(attrs: Mapping[str, Any], lhs: tuple[int, ...], rhs: tuple[int, ...]) -> ConvolutionSpec:
    """Returns the convolution that the attributes state, for these shapes. Raises INVALID_ARGUMENT."""
    rank = len(lhs)
    if len(rhs) != rank or rank < 3:
        raise invalid(
            f"lhs and rhs must have the same rank, 3 or more, but have shapes {Shape(lhs)} and {Shape(rhs)}"
        )
    count = rank - 2
    strides = _per_axis(attrs["window_strides"], count, "window_strides")
    lhs_dilation = _per_axis(attrs["lhs_dilation"], count, "lhs_dilation")
    rhs_dilation = _per_axis(attrs["rhs_dilation"], count, "rhs_dilation")
    numbers = dimension_numbers(attrs["dimension_numbers"].encode(), rank)
    batch, *sizes, features = (lhs[i] for i in numbers.lhs_permutation())
    *window, rhs_features, outputs = (rhs[i] for i in numbers.rhs_permutation())
    _check_groups(attrs, batch, features, rhs_features, outputs)
    dilated = [_dilated(n, d) for n, d in zip(sizes, lhs_dilation)]
    reach = [_dilated(n, d) for n, d in zip(window, rhs_dilation)]
    pads = _paddings(attrs, dilated, reach, strides)
    results = [-((k - 1 - n - sum(pad)) // s) for n, k, pad, s in zip(dilated, reach, pads, strides)]
    if min(results) < 0:
        raise invalid(f"a filter of shape {Shape(rhs)} does not fit an input of shape {Shape(lhs)}")
    placed = (batch // attrs["batch_group_count"], *results, outputs)
    check_allocation((batch, *dilated, features), 8, "the dilated input")
    check_allocation((batch, *results, outputs), 8, "output")
    fitted = Window(tuple(dilated), tuple(window), strides, rhs_dilation, tuple(results), pads)
    shape = tuple(placed[i] for i in numbers.output_permutation())
    return ConvolutionSpec(numbers, fitted, lhs_dilation, attrs["batch_group_count"], shape)
