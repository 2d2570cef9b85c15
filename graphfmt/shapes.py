"""Static shapes: the dimensions of a tensor as far as they are known before the graph runs."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from .errors import invalid

if TYPE_CHECKING:
    from collections.abc import Sequence

Dim = int | None

MAX_ELEMENTS = 2**63 - 1
# TensorFlow's limit of the dimensions of a tensor.
MAX_RANK = 254

# The size in bytes of the largest element, a complex128.
LARGEST_ITEM = 16


@dataclass(frozen=True, slots=True)
class Shape:
    """A static shape. ``dims`` is None for an unknown rank; a dimension is None for an unknown size.

    ``names`` are the dimension names of a TensorShapeProto, which are only read and written.
    """

    dims: tuple[Dim, ...] | None = None
    names: tuple[str, ...] = ()

    @property
    def rank(self) -> int | None:
        return None if self.dims is None else len(self.dims)

    @property
    def is_fully_known(self) -> bool:
        return self.dims is not None and None not in self.dims

    @property
    def size(self) -> int | None:
        """The number of elements; None unless every dimension is known."""
        if self.dims is None:
            return None
        total = 1
        for dim in self.dims:
            if dim is None:
                return None
            total *= dim
        return total

    def known(self) -> tuple[int, ...]:
        """Returns the dimensions of a fully known shape. Raises ValueError for others."""
        if self.dims is None or None in self.dims:
            raise ValueError(f"shape {self} is not fully known")
        return tuple(d for d in self.dims if d is not None)

    def __getitem__(self, axis: int) -> Dim:
        """Returns the size along an axis (a negative one counts from the end); None if unknown.

        Raises INVALID_ARGUMENT if the rank is too small.
        """
        dims = self.dims
        if dims is None:
            return None
        if not -len(dims) <= axis < len(dims):
            least = axis + 1 if axis >= 0 else -axis
            raise invalid(f"Shape must be at least rank {least}, but is rank {len(dims)}: {self}")
        return dims[axis]

    def __str__(self) -> str:
        if self.dims is None:
            return "<unknown>"
        return "[" + ",".join("?" if d is None else str(d) for d in self.dims) + "]"

    def __repr__(self) -> str:
        return f"Shape({self})"

    def is_compatible(self, other: Shape) -> bool:
        """Returns True if a fully known shape could match both."""
        if self.dims is None or other.dims is None:
            return True
        return len(self.dims) == len(other.dims) and all(
            a == b or a is None or b is None for a, b in zip(self.dims, other.dims)
        )

    def merge(self, other: Shape) -> Shape:
        """Returns the shape that satisfies both. Raises INVALID_ARGUMENT if they contradict."""
        if self.dims is None:
            return other
        if other.dims is None:
            return self
        if len(self.dims) != len(other.dims):
            raise invalid(f"Shapes must be equal rank, but are {len(self.dims)} and {len(other.dims)}")
        return Shape(tuple(merge_dim(a, b) for a, b in zip(self.dims, other.dims)))


UNKNOWN = Shape(None)
SCALAR = Shape(())


def vector(size: Dim) -> Shape:
    return Shape((size,))


def matrix(rows: Dim, columns: Dim) -> Shape:
    return Shape((rows, columns))


def unknown_of_rank(rank: int | None) -> Shape:
    return UNKNOWN if rank is None else Shape((None,) * rank)


def check_bytes(dims: Sequence[int], itemsize: int) -> None:
    """Raises INVALID_ARGUMENT if a tensor would have more bytes than can be counted in 63 bits.

    Dimensions of size 0 are left out of the product: numpy has no arrays of shape [0, 2**62, 4].
    """
    if prod(dim for dim in dims if dim) * itemsize > MAX_ELEMENTS:
        raise invalid(f"Shape {Shape(tuple(dims))} has too many elements")


def merge_dim(a: Dim, b: Dim) -> Dim:
    """Returns the size that satisfies both. Raises INVALID_ARGUMENT if they differ."""
    if a is None or a == b:
        return b
    if b is None:
        return a
    raise invalid(f"Dimensions must be equal, but are {a} and {b}")


def broadcast(a: Shape, b: Shape) -> Shape:
    """Returns the broadcast shape of two shapes, by numpy's and TensorFlow's rules.

    An unknown dimension against a known size other than 1 gives that size, because only that size and 1 are valid.
    Raises INVALID_ARGUMENT for two different sizes, neither of them 1.
    """
    if a.dims is None or b.dims is None:
        return UNKNOWN
    if a.dims == b.dims and None not in a.dims:
        return a
    x, y = a.dims, b.dims
    width = max(len(x), len(y))
    x = (1,) * (width - len(x)) + x
    y = (1,) * (width - len(y)) + y
    return Shape(tuple(_broadcast_dim(p, q) for p, q in zip(x, y)))


def _broadcast_dim(a: Dim, b: Dim) -> Dim:
    if a == 1:
        return b
    if b == 1 or a == b:
        return a
    if a is None:
        return b
    if b is None:
        return a
    raise invalid(f"Dimensions must be equal, but are {a} and {b}")


def unknown_dims(rank: int) -> tuple[Dim, ...]:
    """Returns the dimensions of a tensor of which only the rank is known.

    Raises INVALID_ARGUMENT for more than MAX_RANK.
    """
    if rank > MAX_RANK:
        raise invalid(f"a shape of {rank} dimensions has more than {MAX_RANK}")
    return (None,) * rank
