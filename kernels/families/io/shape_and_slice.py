"""The shape_and_slice specifications of Save and Restore (tensor_slice.cc in TensorFlow): ``"10 20
0,5:-"`` is the first five rows of a tensor of shape [10, 20]."""

from __future__ import annotations

import re
from typing import NamedTuple

from ....graphfmt.checkpoints.entries import Slice
from ....graphfmt.errors import Status, TfgError, invalid
from ....graphfmt.names import counted
from ....graphfmt.shapes import Shape

_SIZE = re.compile(r"[0-9]{1,18}")


class SavedSlice(NamedTuple):
    """A slice of a tensor: the ``shape`` of the whole tensor, and the ``slice``."""

    shape: tuple[int, ...]
    slice: Slice

    @property
    def slice_shape(self) -> tuple[int, ...]:
        """The shape of the slice."""
        return tuple(
            size - start if length < 0 else length
            for size, start, length in zip(self.shape, self.slice.starts, self.slice.lengths)
        )

    @property
    def is_whole(self) -> bool:
        return self.slice_shape == self.shape


def parse_saved_slice(text: str) -> SavedSlice | None:
    """Parses a specification; returns None for the empty one, which means the whole tensor.

    Raises INVALID_ARGUMENT if it is malformed, INTERNAL if the slice is not within the tensor or has another rank.
    """
    if not text:
        return None
    *sizes, parts = text.split(" ")
    if not sizes:
        raise invalid(f"Need least two elements in shape_and_slice specification: {text}")
    if not all(map(_SIZE.fullmatch, sizes)):
        raise invalid(f"the sizes in the shape_and_slice specification {text!r} are not all whole numbers")
    ranges = parts.split(":") if parts else []
    if len(ranges) != len(sizes):
        raise TfgError(
            Status.INTERNAL,
            f"Mismatching ranks: {text!r} has {counted(len(ranges), 'part')} for "
            f"{counted(len(sizes), 'dimension')}",
        )
    shape = tuple(map(int, sizes))
    found = [_range(part, text) for part in ranges]
    for axis, ((start, length), size) in enumerate(zip(found, shape)):
        if start + max(length, 0) > size:
            raise TfgError(
                Status.INTERNAL,
                f"Extent in dimension {axis} out of bounds: shape = {Shape(shape)}, slice = {ranges[axis]}",
            )
    return SavedSlice(shape, Slice(tuple(start for start, _ in found), tuple(length for _, length in found)))


def _range(text: str, whole: str) -> tuple[int, int]:
    """Parses ``begin,length`` of one dimension; ``-``, the whole dimension, is (0, -1)."""
    if text == "-":
        return 0, -1
    numbers = text.split(",")
    if len(numbers) != 2 or not all(map(_SIZE.fullmatch, numbers)):
        raise invalid(f"Expected a pair of numbers or '-' but got {text!r}: string = {whole}")
    start, length = map(int, numbers)
    if not length:
        raise invalid(f"the part {text!r} of the shape_and_slice specification {whole!r} is empty")
    return start, length
