"""MatrixDiag, MatrixDiagPart and MatrixSetDiag: diagonals of stacks of matrices packed into tensors, and unpacked.

A band of diagonals from ``k[0]`` to ``k[1]`` is packed as TensorFlow's MatrixDiagPartV3 documents: one row per
diagonal, highest first, each aligned to the left or the right of the longest. ``_positions`` maps between the layouts.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import UNKNOWN, Dim, Shape
from ...core.registry import Family, Op
from ...numeric.int_arguments import check_allocation, int_scalar, int_vector

if TYPE_CHECKING:
    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.inference import ShapeContext

family = Family(__name__, host_inputs="k num_cols num_rows")
op = family.op

_ALIGN = "align: string in {'LEFT_RIGHT', 'RIGHT_LEFT', 'LEFT_LEFT', 'RIGHT_RIGHT'} = \"RIGHT_LEFT\""
# The alignment of MatrixDiagV2 and its kin, which have no such attribute.
_V2_ALIGN = "LEFT_LEFT"


@lru_cache(maxsize=16)
def _positions(rows: int, columns: int, low: int, high: int, align: str) -> tuple[Any, Any, Any, Any]:
    """Returns the row, the column, the diagonal (highest first) and the packed position of each element of the
    diagonals ``low`` to ``high``.
    """
    upper, lower = align.split("_")
    width = _longest_diagonal(rows, columns, low, high)
    parts: list[tuple[Any, Any, Any, Any]] = []
    for k in range(high, low - 1, -1):
        length = max(0, min(rows + min(k, 0), columns - max(k, 0)))
        steps = np.arange(length)
        left = (k >= 0 and upper == "LEFT") or (k <= 0 and lower == "LEFT")
        shift = 0 if left else width - length
        parts.append((steps - min(k, 0), steps + max(k, 0), np.full(length, high - k), steps + shift))
    a, b, c, d = (np.concatenate(column) for column in zip(*parts))
    return a, b, c, d


def _longest_diagonal(rows: int, columns: int, low: int, high: int) -> int:
    """Returns the length of the longest of the diagonals ``low`` to ``high``."""
    return min(rows + min(high, 0), columns - max(low, 0))


def _band_limits(k: Any) -> tuple[int, int]:
    """Returns the lowest and the highest diagonal that ``k`` names. Raises INVALID_ARGUMENT."""
    limits = int_vector(k, "k")
    if len(limits) not in (1, 2):
        raise invalid(f"k must be one number or two, but is {list(limits)}")
    if limits[0] > limits[-1]:
        raise invalid(f"the lower diagonal {limits[0]} must not be above the upper one {limits[-1]}")
    return limits[0], limits[-1]


def _check_limits(rows: int, columns: int, low: int, high: int) -> None:
    """Raises INVALID_ARGUMENT for diagonals outside of the matrix."""
    for k in (low, high):
        if not (-rows < k < columns or k == 0):
            raise invalid(f"diagonal {k} is not within a matrix of {rows} rows and {columns} columns")


def _matrix_dims(x: Any) -> tuple[int, int]:
    """Returns the numbers of rows and columns. Raises INVALID_ARGUMENT for ranks below 2."""
    if x.ndim < 2:
        raise invalid(f"the input must be of rank 2 or more, but has shape {Shape(x.shape)}")
    return x.shape[-2], x.shape[-1]


def _padding_scalar(value: Any) -> Any:
    """Returns the padding value, which may also be a vector of one element."""
    if value.size != 1:
        raise invalid(f"padding_value must be a scalar, but has shape {Shape(value.shape)}")
    return value.reshape(())[()]


def _zero_of(x: Any) -> Any:
    """Returns the zero of a dtype: for strings the empty one."""
    return b"" if x.dtype.kind == "O" else 0


def _take_diagonals(xp: Any, x: Any, limits: tuple[int, int], padding: Any, align: str) -> Any:
    """Returns the diagonals of every matrix, packed."""
    rows, columns = _matrix_dims(x)
    low, high = limits
    _check_limits(rows, columns, low, high)
    at_rows, at_columns, which, places = map(xp.asarray, _positions(rows, columns, low, high, align))
    if low == high:
        return x[..., at_rows, at_columns]
    width = _longest_diagonal(rows, columns, low, high)
    dims = (*x.shape[:-2], high - low + 1, width)
    packed = xp.full(check_allocation(dims, x.dtype.itemsize), padding, x.dtype)
    packed[..., which, places] = x[..., at_rows, at_columns]
    return packed


def _put_diagonals(xp: Any, matrix: Any, x: Any, limits: tuple[int, int], align: str) -> Any:
    """Writes packed diagonals into a newly allocated stack of matrices."""
    rows, columns = _matrix_dims(matrix)
    low, high = limits
    at_rows, at_columns, which, places = map(xp.asarray, _positions(rows, columns, low, high, align))
    matrix[..., at_rows, at_columns] = x if low == high else x[..., which, places]
    return matrix


def _matrix_size(width: int, low: int, high: int, rows: int, columns: int) -> tuple[int, int]:
    """Returns rows and columns of the matrix with these diagonals; -1 asks for as few as possible.

    Raises INVALID_ARGUMENT where the diagonals do not fit the sizes given.
    """
    least_rows, least_columns = width - min(high, 0), width + max(low, 0)
    if rows == -1 and columns == -1:
        rows = columns = max(least_rows, least_columns)
    rows = least_rows if rows == -1 else rows
    columns = least_columns if columns == -1 else columns
    if rows < least_rows or columns < least_columns or (rows != least_rows and columns != least_columns):
        raise invalid(
            f"diagonals {low} to {high} of length {width} do not fit a matrix of {rows} by {columns}"
        )
    return rows, columns


def _make_matrix(
    xp: Any, x: Any, limits: tuple[int, int], size: tuple[int, int], padding: Any, align: str
) -> Any:
    """Returns matrices with the packed diagonals, and padding elsewhere."""
    low, high = limits
    if x.ndim < (1 if low == high else 2):
        raise invalid(f"a tensor of shape {Shape(x.shape)} cannot hold diagonals {low} to {high}")
    outer = x.shape[:-1]
    if low != high:
        if x.shape[-2] != high - low + 1:
            raise invalid(f"a tensor of shape {Shape(x.shape)} cannot hold diagonals {low} to {high}")
        outer = x.shape[:-2]
    rows, columns = _matrix_size(x.shape[-1], low, high, *size)
    matrix = xp.full(check_allocation((*outer, rows, columns), x.dtype.itemsize), padding, x.dtype)
    return _put_diagonals(xp, matrix, x, limits, align)


def _set_diagonals(xp: Any, x: Any, diagonal: Any, limits: tuple[int, int], align: str) -> Any:
    """Returns a copy of the matrices with other diagonals."""
    rows, columns = _matrix_dims(x)
    low, high = limits
    _check_limits(rows, columns, low, high)
    width = _longest_diagonal(rows, columns, low, high)
    packed = (width,) if low == high else (high - low + 1, width)
    if diagonal.shape != (*x.shape[:-2], *packed):
        raise invalid(
            f"diagonals {low} to {high} of a tensor of shape {Shape(x.shape)} are of shape "
            f"{Shape((*x.shape[:-2], *packed))}, not {Shape(diagonal.shape)}"
        )
    return _put_diagonals(xp, xp.array(x), diagonal, limits, align)


# Shapes


def _known_limits(c: ShapeContext) -> tuple[int, int] | None:
    """The diagonals that input ``k`` names, 0 for variants without it; None where unknown."""
    if "k" not in {arg.name for arg in c.op.signature.inputs}:
        return 0, 0
    shape, k = c.input("k"), c.constant("k")
    if shape.rank not in (None, 0, 1):
        raise invalid(f"k must be one number or two, but has shape {shape}")
    return None if k is None else _band_limits(k)


def _diag_part_shape(c: ShapeContext) -> Shape:
    shape, limits = c.with_rank_at_least(0, 2), _known_limits(c)
    if shape.dims is None or limits is None:
        return UNKNOWN
    *outer, rows, columns = shape.dims
    low, high = limits
    width: Dim = None
    if rows is not None and columns is not None:
        _check_limits(rows, columns, low, high)
        width = _longest_diagonal(rows, columns, low, high)
    return Shape((*outer, width) if low == high else (*outer, high - low + 1, width))


def _diag_shape(c: ShapeContext) -> Shape:
    shape, limits = c.with_rank_at_least(0, 1), _known_limits(c)
    if shape.dims is None or limits is None:
        return UNKNOWN
    low, high = limits
    *outer, width = shape.dims
    if low != high:
        if not outer or outer[-1] not in (None, high - low + 1):
            raise invalid(f"a tensor of shape {shape} cannot hold diagonals {low} to {high}")
        outer.pop()
    if len(c.facts) == 1:
        return Shape((*outer, width, width))
    for key in ("num_rows", "num_cols"):
        c.with_rank(key, 0)
    sizes = [c.elements(key) for key in ("num_rows", "num_cols")]
    if width is None or any(size is None or size[0] is None for size in sizes):
        return Shape((*outer, None, None))
    rows, columns = (size[0] for size in sizes if size is not None)
    return Shape((*outer, *_matrix_size(width, low, high, rows or 0, columns or 0)))


def _set_diag_shape(c: ShapeContext) -> Shape:
    shape, diagonal, limits = c.with_rank_at_least(0, 2), c.with_rank_at_least(1, 1), _known_limits(c)
    if shape.dims is None:
        return UNKNOWN
    if limits is not None:
        *outer, rows, columns = shape.dims
        low, high = limits
        width: Dim = None
        if rows is not None and columns is not None:
            _check_limits(rows, columns, low, high)
            width = _longest_diagonal(rows, columns, low, high)
        known = Shape((*outer, width) if low == high else (*outer, high - low + 1, width)).merge(diagonal)
        assert known.dims is not None
        outer = known.dims[: len(outer)]
        return Shape((*outer, rows, columns))
    return shape


# from the: The declarations: the variant without k, that with k, that with alignment, and the deprecated aliases.


def _declare_diag() -> None:
    for name in ("MatrixDiag", "BatchMatrixDiag"):
        first = op(f"{name}(diagonal: T; T: type) -> (output: T)", shape=_diag_shape, allocates_output=True)

        @first.kernel
        def _(xp: Any, x: Any) -> Any:
            return _make_matrix(xp, x, (0, 0), (-1, -1), _zero_of(x), _V2_ALIGN)

        _diag_gradient(first, name.replace("Diag", "DiagPart"))
    inputs = "diagonal: T, k: int32, num_rows: int32, num_cols: int32, padding_value: T; T: type"
    second = op(f"MatrixDiagV2({inputs}) -> (output: T)", shape=_diag_shape, allocates_output=True)
    third = op(f"MatrixDiagV3({inputs}, {_ALIGN}) -> (output: T)", shape=_diag_shape, allocates_output=True)

    @second.kernel
    def _(xp: Any, x: Any, k: Any, rows: Any, columns: Any, padding: Any) -> Any:
        return with_k(xp, x, k, rows, columns, padding, _V2_ALIGN)

    @third.kernel
    def _(xp: Any, x: Any, k: Any, rows: Any, columns: Any, padding: Any, *, align: str) -> Any:
        return with_k(xp, x, k, rows, columns, padding, align)

    def with_k(xp: Any, x: Any, k: Any, rows: Any, columns: Any, padding: Any, align: str) -> Any:
        size = int_scalar(rows, "num_rows"), int_scalar(columns, "num_cols")
        return _make_matrix(xp, x, _band_limits(k), size, _padding_scalar(padding), align)

    _diag_gradient(second, "MatrixDiagPartV2")
    _diag_gradient(third, "MatrixDiagPartV3")


def _align_attr(node: NodeView) -> dict[str, Any]:
    return {"align": node.attr("align")} if node.node.op.endswith("V3") else {}


def _diag_gradient(declared: Op, part: str) -> None:
    @declared.gradient
    def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> list[Tensor | None]:
        if len(node.inputs) == 1:
            return [g.add_op(part, dy)]
        zero = g.constant(0, dy.dtype)
        return [g.add_op(part, dy, node.inputs[1], zero, **_align_attr(node)), *[None] * 4]


def _declare_part() -> None:
    for name in ("MatrixDiagPart", "BatchMatrixDiagPart"):
        first = op(
            f"{name}(input: T; T: type) -> (diagonal: T)", shape=_diag_part_shape, allocates_output=True
        )

        @first.kernel
        def _(xp: Any, x: Any) -> Any:
            return _take_diagonals(xp, x, (0, 0), _zero_of(x), _V2_ALIGN)

        _part_gradient(first, name.replace("DiagPart", "SetDiag"))
    inputs = "input: T, k: int32, padding_value: T; T: type"
    second = op(f"MatrixDiagPartV2({inputs}) -> (diagonal: T)", shape=_diag_part_shape, allocates_output=True)
    third = op(
        f"MatrixDiagPartV3({inputs}, {_ALIGN}) -> (diagonal: T)",
        shape=_diag_part_shape,
        allocates_output=True,
    )

    @second.kernel
    def _(xp: Any, x: Any, k: Any, padding: Any) -> Any:
        return _take_diagonals(xp, x, _band_limits(k), _padding_scalar(padding), _V2_ALIGN)

    @third.kernel
    def _(xp: Any, x: Any, k: Any, padding: Any, *, align: str) -> Any:
        return _take_diagonals(xp, x, _band_limits(k), _padding_scalar(padding), align)

    _part_gradient(second, "MatrixSetDiagV2")
    _part_gradient(third, "MatrixSetDiagV3")


def _part_gradient(declared: Op, into: str) -> None:
    @declared.gradient
    def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> list[Tensor | None]:
        x, *rest = node.inputs
        dx = g.add_op(into, g.zeros_like(x), dy, *rest[:1], **_align_attr(node))
        return [dx, *[None] * len(rest)]


def _declare_set() -> None:
    for name in ("MatrixSetDiag", "BatchMatrixSetDiag"):
        first = op(
            f"{name}(input: T, diagonal: T; T: type) -> (output: T)",
            shape=_set_diag_shape,
            allocates_output=True,
        )

        @first.kernel
        def _(xp: Any, x: Any, diagonal: Any) -> Any:
            return _set_diagonals(xp, x, diagonal, (0, 0), _V2_ALIGN)

        _set_gradient(first, name.replace("SetDiag", "DiagPart"))
    inputs = "input: T, diagonal: T, k: int32; T: type"
    second = op(f"MatrixSetDiagV2({inputs}) -> (output: T)", shape=_set_diag_shape, allocates_output=True)
    third = op(
        f"MatrixSetDiagV3({inputs}, {_ALIGN}) -> (output: T)", shape=_set_diag_shape, allocates_output=True
    )

    @second.kernel
    def _(xp: Any, x: Any, diagonal: Any, k: Any) -> Any:
        return _set_diagonals(xp, x, diagonal, _band_limits(k), _V2_ALIGN)

    @third.kernel
    def _(xp: Any, x: Any, diagonal: Any, k: Any, *, align: str) -> Any:
        return _set_diagonals(xp, x, diagonal, _band_limits(k), align)

    _set_gradient(second, "MatrixDiagPartV2")
    _set_gradient(third, "MatrixDiagPartV3")


def _set_gradient(declared: Op, part: str) -> None:
    @declared.gradient
    def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> list[Tensor | None]:
        _, diagonal, *k = node.inputs
        rest = g.add_op(node.node.op, dy, g.zeros_like(diagonal), *k, **_align_attr(node))
        if not k:
            return [rest, g.add_op(part, dy)]
        return [rest, g.add_op(part, dy, *k, g.constant(0, dy.dtype), **_align_attr(node)), None]


_declare_diag()
_declare_part()
_declare_set()
