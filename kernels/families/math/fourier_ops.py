"""Fourier transforms (FFT, RFFT and their inverses) over the last one, two or three axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Shape
from ...core.inference import ShapeContext
from ...core.registry import Family, Op

if TYPE_CHECKING:
    from collections.abc import Callable

    from ....graphfmt.dtypes import DType
    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor

family = Family(__name__, host_inputs="fft_length")
op = family.op

_RANKS = {"": 1, "2D": 2, "3D": 3}
_COMPLEX = "Tcomplex: type in {complex64, complex128} = complex64"
_REAL = "Treal: type in {float, double} = float"


def _check_rank(x: Any, rank: int) -> None:
    """Raises INVALID_ARGUMENT for tensors of a lower rank than the transform."""
    if x.ndim < rank:
        raise invalid(f"the input must be of rank {rank} or more, but has shape {Shape(x.shape)}")


# Transforms of complex to complex numbers.


def _complex_shape(rank: int) -> Callable[[ShapeContext], Shape]:
    return lambda c: c.with_rank_at_least(0, rank)


def _declare_complex(suffix: str, rank: int) -> None:
    """Declares FFT and IFFT over the last ``rank`` axes."""
    axes = tuple(range(-rank, 0))
    forward, backward = (
        op(
            f"{name}{suffix}(input: Tcomplex; {_COMPLEX}) -> (output: Tcomplex)",
            shape=_complex_shape(rank),
            allocates_output=True,
        )
        for name in ("FFT", "IFFT")
    )

    def compute(name: str) -> Callable[..., Any]:
        def kernel(xp: Any, x: Any) -> Any:
            _check_rank(x, rank)
            return getattr(xp.fft, name)(x, axes=axes).astype(x.dtype, copy=False) if x.size else x.copy()

        return kernel

    forward.kernel(compute("fftn"))
    backward.kernel(compute("ifftn"))

    @forward.gradient
    def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Any:
        return g.add_op(f"IFFT{suffix}", dy) * _transform_size(g, dy, rank, dy.dtype)

    @backward.gradient
    def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Any:
        return g.add_op(f"FFT{suffix}", dy) / _transform_size(g, dy, rank, dy.dtype)


# Transforms between real and complex numbers. Of a real signal's transform only the first half of the last axis is
# stored, because the rest mirrors it.


def _real_shape(c: ShapeContext, rank: int, *, forward: bool) -> Shape:
    """Returns the static shape of a transform between real and complex numbers."""
    shape = c.with_rank_at_least(0, rank)
    c.with_rank("fft_length", 1).merge(Shape((rank,)))
    if shape.dims is None:
        return shape
    lengths = c.elements("fft_length") or (None,) * rank
    for length in lengths:
        if length is not None and length < 0:
            raise invalid(f"fft_length must not be negative, but is {length}")
    last = lengths[-1]
    if forward and last:
        last = last // 2 + 1
    return Shape((*shape.dims[:-rank], *lengths[:-1], last))


def _check_lengths(x: Any, fft_length: Any, rank: int, *, forward: bool) -> tuple[int, ...]:
    """Returns the lengths of a transform. Raises INVALID_ARGUMENT where they do not fit the input."""
    _check_rank(x, rank)
    if fft_length.shape != (rank,):
        raise invalid(f"fft_length must have shape [{rank}], but has {Shape(fft_length.shape)}")
    lengths = tuple(fft_length.tolist())
    for place, length in enumerate(lengths):
        if length < 0:
            raise invalid(f"fft_length must not be negative, but is {list(lengths)}")
        size = x.shape[place - rank]
        needed = length // 2 + 1 if not forward and place == rank - 1 else length
        if 0 < size < needed:
            raise invalid(
                f"dimension {x.ndim - rank + place} of the input must be {needed} or more for fft_length "
                f"{list(lengths)}, but is {size}"
            )
    return lengths


def _declare_real(suffix: str, rank: int) -> None:
    """Declares RFFT and IRFFT over the last ``rank`` axes."""
    forward = op(
        f"RFFT{suffix}(input: Treal, fft_length: int32; {_REAL}, {_COMPLEX}) -> (output: Tcomplex)",
        shape=lambda c: _real_shape(c, rank, forward=True),
        allocates_output=True,
    )
    backward = op(
        f"IRFFT{suffix}(input: Tcomplex, fft_length: int32; {_REAL}, {_COMPLEX}) -> (output: Treal)",
        shape=lambda c: _real_shape(c, rank, forward=False),
        allocates_output=True,
    )
    axes = tuple(range(-rank, 0))

    @forward.kernel
    def _(xp: Any, x: Any, fft_length: Any, *, Tcomplex: DType) -> Any:
        lengths = _check_lengths(x, fft_length, rank, forward=True)
        last = lengths[-1] and lengths[-1] // 2 + 1
        shape = (*x.shape[: x.ndim - rank], *lengths[:-1], last)
        if not x.size or 0 in shape:
            return xp.zeros(shape, Tcomplex.numpy)
        return xp.fft.rfftn(x, lengths, axes).astype(Tcomplex.numpy, copy=False)

    @backward.kernel
    def _(xp: Any, x: Any, fft_length: Any, *, Treal: DType) -> Any:
        lengths = _check_lengths(x, fft_length, rank, forward=False)
        shape = (*x.shape[: x.ndim - rank], *lengths)
        if not x.size or 0 in shape:
            return xp.zeros(shape, Treal.numpy)
        return xp.fft.irfftn(x, lengths, axes).astype(Treal.numpy, copy=False)

    if rank < 3:
        _declare_gradients(forward, backward, suffix, rank)


def _declare_gradients(forward: Op, backward: Op, suffix: str, rank: int) -> None:
    """Registers the gradients of RFFT and IRFFT."""

    @forward.gradient
    def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Any:
        """Transforms back as if the half that is not stored were zero."""
        x, lengths = node.inputs
        whole = _pad_last_axes(g, dy, lengths, rank)
        back = g.add_op(f"IFFT{suffix}", whole) * _transform_size(g, whole, rank, dy.dtype)
        return [
            _pad_last_axes(g, g.Real(back, Tout=x.dtype), _last_elements(g, g.Shape(x), rank), rank),
            None,
        ]

    @backward.gradient
    def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> Any:
        """Doubles the elements whose mirror images are not stored: all but the first and, for even lengths, the
        middle.
        """
        x, lengths = node.inputs
        half = g.add_op(f"RFFT{suffix}", dy, lengths, Tcomplex=x.dtype)
        one, two = g.constant(1, "int32"), g.constant(2, "int32")
        length = g.Squeeze(_last_elements(g, lengths, 1), squeeze_dims=[0])
        places = g.Range(0, g.FloorDiv(length, two) + one, 1)
        alone = g.LogicalOr(g.Equal(places, 0), g.Equal(g.Mul(places, two), length))
        weights = g.cast(two - g.cast(alone, one.dtype), x.dtype)
        scaled = half * (weights / _transform_size(g, dy, rank, x.dtype))
        return [_pad_last_axes(g, scaled, _last_elements(g, g.Shape(x), rank), rank), None]


def _last_elements(g: GraphBuilder, vector: Tensor, count: int) -> Tensor:
    """Returns the last ``count`` elements of a vector."""
    return g.StridedSlice(vector, [-count], [0], [1], end_mask=1, Index="int32")


def _transform_size(g: GraphBuilder, x: Tensor, rank: int, dtype: DType) -> Tensor:
    """Returns the number of elements that one transform covers."""
    return g.cast(g.Prod(_last_elements(g, g.Shape(x), rank), [0]), dtype)


def _pad_last_axes(g: GraphBuilder, x: Tensor, lengths: Tensor, rank: int) -> Tensor:
    """Pads the last axes with zeros to these lengths."""
    missing = lengths - _last_elements(g, g.Shape(x), rank)
    before = g.Fill(g.ExpandDims(g.Rank(x) - g.constant(rank, "int32"), 0), g.constant(0, "int32"))
    after = g.ConcatV2([before, missing], g.constant(0, "int32"))
    return g.Pad(x, g.Pack([g.ZerosLike(after), after], axis=1))


for _suffix, _rank in _RANKS.items():
    _declare_complex(_suffix, _rank)
    _declare_real(_suffix, _rank)
