"""Windows of convolutions and poolings: sizes, paddings, and the elements that each tap reads.

A *tap* is a position within the window. For each tap, the outputs whose window has an element there form a box, and
so do those elements: two strided slices of equal shape. Padding is thereby never materialised.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ...graphfmt.errors import Status, TfgError, invalid

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ...graphfmt.shapes import Dim

Slices = tuple[slice, ...]
_INT32_MAX = 2**31 - 1


@dataclass(frozen=True, slots=True)
class WindowSpec:
    """The attributes of a windowed operation, reduced to the spatial axes."""

    channels_last: bool
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    padding: str
    explicit: tuple[tuple[int, int], ...]

    @property
    def rank(self) -> int:
        return len(self.strides) + 2

    @property
    def channel_axis(self) -> int:
        return self.rank - 1 if self.channels_last else 1

    @property
    def spatial(self) -> slice:
        """The spatial axes of a tensor, as a slice of its dimensions."""
        return slice(1, self.rank - 1) if self.channels_last else slice(2, self.rank)

    def place(self, batch: Dim, spatial: Sequence[Dim], channels: Dim) -> tuple[Dim, ...]:
        """Returns dimensions in the order of the data format."""
        return (batch, *spatial, channels) if self.channels_last else (batch, channels, *spatial)


def split_spatial(values: Sequence[int], channels_last: bool) -> tuple[tuple[int, ...], int, int]:
    """Splits a list attribute into the elements of spatial axes, of the batch and of channels."""
    if channels_last:
        return tuple(values[1:-1]), values[0], values[-1]
    return tuple(values[2:]), values[0], values[1]


@lru_cache(256)
def conv_spec(
    rank: int,
    data_format: str,
    strides: tuple[int, ...],
    dilations: tuple[int, ...],
    padding: str,
    explicit_paddings: tuple[int, ...] = (),
) -> WindowSpec:
    """Returns the window of a convolution of tensors of that rank.

    Raises INVALID_ARGUMENT for lists of a wrong length or sign, UNIMPLEMENTED for strides over batch or channels.
    """
    if rank < 3:
        raise invalid(f"a convolution needs spatial dimensions, but the input is of rank {rank}")
    channels_last = data_format.endswith("C")
    for name, values in (("strides", strides), ("dilations", dilations)):
        if len(values) != rank:
            raise invalid(f"{name} must have {rank} elements, but are {list(values)}")
        spatial, batch, depth = split_spatial(values, channels_last)
        if min(spatial) <= 0 or max(values) > _INT32_MAX:
            raise invalid(f"{name} must be positive, but are {list(values)}")
        if batch != 1 or depth != 1:
            status = Status.UNIMPLEMENTED if name == "strides" else Status.INVALID_ARGUMENT
            message = f"{name} must be 1 for batch and channels, but are {list(values)} ({data_format})"
            raise TfgError(status, message)
    pads = spatial_pads(rank, channels_last, padding, explicit_paddings)
    return WindowSpec(
        channels_last,
        split_spatial(strides, channels_last)[0],
        split_spatial(dilations, channels_last)[0],
        padding,
        pads,
    )


def spatial_pads(
    rank: int, channels_last: bool, padding: str, explicit_paddings: Sequence[int]
) -> tuple[tuple[int, int], ...]:
    """Returns (before, after) for each spatial axis, zeros unless padding is EXPLICIT. Raises INVALID_ARGUMENT."""
    if padding != "EXPLICIT":
        if explicit_paddings:
            raise invalid(f"explicit_paddings must be empty unless padding is EXPLICIT, which is {padding}")
        return ((0, 0),) * (rank - 2)
    if len(explicit_paddings) != 2 * rank:
        raise invalid(f"explicit_paddings must have {2 * rank} elements, but are {list(explicit_paddings)}")
    if min(explicit_paddings) < 0 or max(explicit_paddings) > _INT32_MAX:
        raise invalid(f"explicit_paddings must not be negative, but are {list(explicit_paddings)}")
    pairs = list(zip(explicit_paddings[::2], explicit_paddings[1::2]))
    channels = rank - 1 if channels_last else 1
    if pairs[0] != (0, 0) or pairs[channels] != (0, 0):
        raise invalid(
            f"explicit_paddings must be 0 for batch and channels, but are {list(explicit_paddings)}"
        )
    return tuple(pairs[1:-1] if channels_last else pairs[2:])


@dataclass(frozen=True, slots=True)
class Window:
    """A window sliding over known spatial sizes."""

    inputs: tuple[int, ...]
    size: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    outputs: tuple[int, ...]
    pads: tuple[tuple[int, int], ...]

    @property
    def is_pointwise(self) -> bool:
        """True if each output reads one element and there is no padding."""
        return all(k == 1 for k in self.size) and not any(map(any, self.pads))

    @property
    def padded(self) -> tuple[int, ...]:
        return tuple(n + before + after for n, (before, after) in zip(self.inputs, self.pads))

    def taps_of(self, axis: int) -> Iterator[tuple[int, slice, slice]]:
        """Yields the taps along one axis that meet an element, each with slices of outputs and of elements."""
        size, out, stride = self.inputs[axis], self.outputs[axis], self.strides[axis]
        before, dilation = self.pads[axis][0], self.dilations[axis]
        first = max(0, -((before - (out - 1) * stride) // -dilation))
        last = min(self.size[axis] - 1, (before + size - 1) // dilation)
        for tap in range(first, last + 1) if size and out else ():
            offset = tap * dilation - before
            low = max(0, -(offset // stride))
            high = min(out - 1, (size - 1 - offset) // stride)
            if low <= high:
                start = low * stride + offset
                yield tap, slice(low, high + 1), slice(start, start + (high - low) * stride + 1, stride)

    def taps(self) -> Iterator[tuple[tuple[int, ...], Slices, Slices]]:
        """Yields all taps in row-major order, with slices for the spatial axes of outputs and inputs."""
        axes = [list(self.taps_of(axis)) for axis in range(len(self.size))]
        for combination in itertools.product(*axes):
            yield (
                tuple(t for t, _, _ in combination),
                tuple(o for _, o, _ in combination),
                tuple(i for _, _, i in combination),
            )


@lru_cache(1024)
def fit_window(spec: WindowSpec, inputs: tuple[int, ...], size: tuple[int, ...]) -> Window:
    """Fits a window of that size over inputs of those sizes. Raises INVALID_ARGUMENT where none fits."""
    outputs: list[int] = []
    pads: list[tuple[int, int]] = []
    for axis in range(len(inputs)):
        out, pad = _fit_axis(spec, axis, inputs[axis], size[axis])
        outputs.append(out)
        pads.append(pad)
    return Window(inputs, size, spec.strides, spec.dilations, tuple(outputs), tuple(pads))


def _fit_axis(spec: WindowSpec, axis: int, length: int, size: int) -> tuple[int, tuple[int, int]]:
    """Returns the number of windows along an axis, and the padding before and after."""
    stride = spec.strides[axis]
    reach = (size - 1) * spec.dilations[axis] + 1
    if spec.padding == "SAME":
        out = -(-length // stride)
        missing = max(0, (out - 1) * stride + reach - length)
        return out, (missing // 2, missing - missing // 2)
    before, after = spec.explicit[axis]
    room = length + before + after - reach + stride
    # Rounded towards zero: a window that exceeds the input by less than its stride gives no output, not an error.
    out = room // stride if room >= 0 else -(-room // stride)
    if out < 0:
        raise invalid(
            f"a window of {reach} elements does not fit {length} elements padded by {before} and {after} "
            f"(stride {stride})"
        )
    return out, (before, after)


def output_dims(spec: WindowSpec, inputs: Sequence[Dim], size: Sequence[Dim]) -> list[Dim]:
    """Returns the spatial sizes of outputs, None where unknown.

    Raises INVALID_ARGUMENT where no window fits, even where ``fit_window`` would give no outputs.
    """
    sizes: list[Dim] = []
    for axis, (length, k) in enumerate(zip(inputs, size)):
        if length is None or (k is None and spec.padding != "SAME"):
            sizes.append(None)
            continue
        k = 1 if k is None else k
        reach, padded = (k - 1) * spec.dilations[axis] + 1, length + sum(spec.explicit[axis])
        if spec.padding != "SAME" and reach > padded:
            raise invalid(f"a window of {reach} elements does not fit {padded} elements")
        sizes.append(_fit_axis(spec, axis, length, k)[0])
    return sizes


def to_channels_last(xp: Any, x: Any, spec: WindowSpec) -> Any:
    """Returns x, in the data format of ``spec``, as [batch, spatial axes …, channels]; a view where it can."""
    return x if spec.channels_last else xp.moveaxis(x, 1, -1)


def from_channels_last(xp: Any, x: Any, spec: WindowSpec) -> Any:
    """Returns x, of shape [batch, spatial axes …, channels], in the data format of ``spec``."""
    return x if spec.channels_last else xp.ascontiguousarray(xp.moveaxis(x, -1, 1))


def unimplemented(message: str) -> TfgError:
    """Returns an error of status UNIMPLEMENTED."""
    return TfgError(Status.UNIMPLEMENTED, message)
