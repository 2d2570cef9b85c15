"""DataFormatDimMap and DataFormatVecPermute: axes and per-axis values of one data format in the order of another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ...core import shapes
from ...core.registry import Family

if TYPE_CHECKING:
    from ....graphfmt.shapes import Dim, Shape
    from ...core.inference import ShapeContext

family = Family(__name__)
op = family.op

_ATTRS = 'T: type in {int32, int64} = int32, src_format: string = "NHWC", dst_format: string = "NCHW"'


def _check_formats(src: str, dst: str) -> None:
    for what, value in (("src_format", src), ("dst_format", dst)):
        if len(value) not in (4, 5):
            raise invalid(f"{what} must have 4 or 5 letters, but is {value!r}")
    if sorted(src) != sorted(dst) or len(set(src)) != len(src):
        raise invalid(f"dst_format {dst!r} must be a permutation of src_format {src!r}")


def _dim_map_shape(c: ShapeContext) -> Shape:
    _check_formats(c.attr("src_format"), c.attr("dst_format"))
    return shapes.like_input(c)


dim_map = op(
    f"DataFormatDimMap(x: T; {_ATTRS}) -> (y: T)",
    shape=_dim_map_shape,
    allocates_output=True,
    computed_on_host=True,
)


@dim_map.kernel
def _(xp: Any, x: Any, *, src_format: str, dst_format: str) -> Any:
    _check_formats(src_format, dst_format)
    rank = len(src_format)
    places = xp.asarray([dst_format.index(letter) for letter in src_format], x.dtype)
    return places[x % x.dtype.type(rank)]


def _permutation(src: str, dst: str, length: int) -> list[int]:
    """Returns, for each letter of dst, its position in src; spatial letters alone where the vector has only those."""
    _check_formats(src, dst)
    if length == len(src) - 2:
        src, dst = (text.translate({ord("N"): None, ord("C"): None}) for text in (src, dst))
    if length != len(src) or len(dst) != length:
        raise invalid(f"a vector of {length} elements does not fit the data format {src!r}")
    return [src.index(letter) for letter in dst]


def _vec_shape(c: ShapeContext) -> Shape:
    _check_formats(c.attr("src_format"), c.attr("dst_format"))
    x = c.with_rank_at_least(0, 1)
    if x.rank is not None and x.rank > 2:
        raise invalid(f"the input must be of rank 1 or 2, but has shape {x}")
    length = x[0]
    if length is not None:
        _permutation(c.attr("src_format"), c.attr("dst_format"), length)
    if x.rank == 2 and x[1] not in (None, 2):
        raise invalid(f"the second dimension must be 2, but the shape is {x}")
    return x


vec_permute = op(
    f"DataFormatVecPermute(x: T; {_ATTRS}) -> (y: T)",
    shape=_vec_shape,
    allocates_output=True,
    computed_on_host=True,
)


@vec_permute.kernel
def _(xp: Any, x: Any, *, src_format: str, dst_format: str) -> Any:
    if x.ndim not in (1, 2) or (x.ndim == 2 and x.shape[1] != 2):
        raise invalid(f"the input must be a vector or have two columns, but has shape {x.shape}")
    return x[np.array(_permutation(src_format, dst_format, x.shape[0]))]


@vec_permute.elements
def _(c: ShapeContext) -> tuple[Dim, ...] | None:
    elements = c.elements(0)
    if elements is None or c.input(0).rank != 1:
        return None
    return tuple(elements[i] for i in _permutation(c.attr("src_format"), c.attr("dst_format"), len(elements)))
