"""MatMul, SparseMatMul, and BatchMatMul in three versions: products of matrices and of stacks of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import UNKNOWN, Shape, broadcast, merge_dim
from ...builder.broadcast_gradients import conj
from ...core import shapes
from ...core.registry import Family, Op
from ...numeric import parallel_products
from .matrices import adjoint
from .matrix_nodes import sum_stack_to
from .products import matmul_gradients, multiply

if TYPE_CHECKING:
    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.binding import Binding
    from ...core.inference import ShapeContext

family = Family(__name__)
op = family.op

matmul = op(
    "MatMul(a: T, b: T; transpose_a: bool = false, transpose_b: bool = false, T: type in {bfloat16, half, "
    "float, double, int32, int64, uint8, uint16, uint32, uint64, complex64, complex128}, "
    "grad_a: bool = false, grad_b: bool = false) -> (product: T)",
    shape=shapes.matmul,
    allocates_output=True,
)


@matmul.kernel
def _(xp: Any, a: Any, b: Any, *, transpose_a: bool, transpose_b: bool) -> Any:
    return _matrices(xp, a, b, transpose_a, transpose_b)


def _matrices(xp: Any, a: Any, b: Any, transpose_a: bool, transpose_b: bool) -> Any:
    if a.ndim != 2 or b.ndim != 2:
        raise invalid(f"MatMul needs matrices, not shapes {list(a.shape)} and {list(b.shape)}")
    left, right = (a.T if transpose_a else a), (b.T if transpose_b else b)
    if left.shape[1] != right.shape[0]:
        raise _mismatch(left, right)
    return multiply(xp, left, right)


def _mismatch(left: Any, right: Any) -> Exception:
    """Returns the error for matrices whose inner dimensions differ."""
    return invalid(
        f"Matrix size-incompatible: {list(left.shape)} times {list(right.shape)}, after transposition if any"
    )


_BLAS = frozenset({"float", "double", "complex64", "complex128"})


@matmul.bind
def _(b: Binding) -> Any:
    """Calls BLAS without checks of ranks where these are known."""
    known = b.inputs[0].shape.rank == b.inputs[1].shape.rank == 2
    if not known or b.input_types[0].name not in _BLAS:
        return None
    product, turned_a, turned_b = _product(b), b.attrs["transpose_a"], b.attrs["transpose_b"]

    def call(a: Any, b: Any) -> Any:
        left, right = (a.T if turned_a else a), (b.T if turned_b else b)
        try:
            return product(left, right)
        except ValueError:
            raise _mismatch(left, right) from None

    return call


def _product(b: Binding) -> Any:
    """Returns the function for a product: numpy's own for one that is known to be small."""
    if b.xp is not np:
        return b.xp.matmul
    known = [fact.shape.size for fact in b.inputs]
    if all(size is not None and size < _SMALL for size in known):
        return np.matmul
    return parallel_products.matmul


# Two matrices of fewer elements are multiplied within the time that another thread takes to wake up.
_SMALL = 1 << 13


@matmul.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Tensor, Tensor]:
    a, b = (conj(g, x) for x in node.inputs)

    def product(x: Tensor, y: Tensor, turned_x: bool, turned_y: bool) -> Tensor:
        return g.MatMul(x, y, transpose_a=turned_x, transpose_b=turned_y)

    return matmul_gradients(
        product, a, b, dy, turned_a=node.attr("transpose_a"), turned_b=node.attr("transpose_b")
    )


sparse_matmul = op(
    "SparseMatMul(a: Ta, b: Tb; transpose_a: bool = false, transpose_b: bool = false, "
    "a_is_sparse: bool = false, b_is_sparse: bool = false, Ta: type in {float, bfloat16} = float, "
    "Tb: type in {float, bfloat16} = float) -> (product: float)",
    shape=shapes.matmul,
    allocates_output=True,
)


@sparse_matmul.kernel
def _(xp: Any, a: Any, b: Any, *, transpose_a: bool, transpose_b: bool) -> Any:
    """Multiplies dense matrices; a_is_sparse and b_is_sparse are hints that have no effect here."""
    wide_a, wide_b = (x.astype(xp.float32, copy=False) for x in (a, b))
    return _matrices(xp, wide_a, wide_b, transpose_a, transpose_b)


@sparse_matmul.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Tensor, Tensor]:
    a, b = node.inputs

    def product(x: Tensor, y: Tensor, turned_x: bool, turned_y: bool) -> Tensor:
        return g.SparseMatMul(x, y, transpose_a=turned_x, transpose_b=turned_y)

    da, db = matmul_gradients(
        product, a, b, dy, turned_a=node.attr("transpose_a"), turned_b=node.attr("transpose_b")
    )
    return g.cast(da, a.dtype), g.cast(db, b.dtype)


# Stacks of matrices.


def _batch_matmul_shape(c: ShapeContext) -> Shape:
    """The static shape. Stacks broadcast, except those of BatchMatMul, which must have equal shapes."""
    x, y = c.with_rank_at_least(0, 2), c.with_rank_at_least(1, 2)
    broadcasts = c.op.name != "BatchMatMul"
    if x.dims is None or y.dims is None:
        known = x.dims or y.dims
        if known is None or broadcasts:
            return UNKNOWN
    xs, ys = (shape.dims or (None,) * len(x.dims or y.dims or ()) for shape in (x, y))
    rows, inner = (xs[-1], xs[-2]) if c.attr("adj_x") else (xs[-2], xs[-1])
    other, columns = (ys[-1], ys[-2]) if c.attr("adj_y") else (ys[-2], ys[-1])
    merge_dim(inner, other)
    stack_x, stack_y = Shape(xs[:-2]), Shape(ys[:-2])
    stack = broadcast(stack_x, stack_y) if broadcasts else stack_x.merge(stack_y)
    assert stack.dims is not None
    return Shape((*stack.dims, rows, columns))


def _declare(name: str, types: str, output: str = "T") -> Op:
    """Declares one version of BatchMatMul."""
    separate = output == "Tout"
    x, y = ("Ta", "Tb") if separate else ("T", "T")
    declared = op(
        f"{name}(x: {x}, y: {y}; {types}, adj_x: bool = false, adj_y: bool = false, grad_x: bool = false, "
        f"grad_y: bool = false) -> (output: {output})",
        shape=_batch_matmul_shape,
        allocates_output=True,
    )

    @declared.kernel
    def _(xp: Any, x: Any, y: Any, *, adj_x: bool, adj_y: bool, output_types: Any) -> Any:
        if x.ndim < 2 or y.ndim < 2:
            raise invalid(f"{name} needs matrices, not shapes {list(x.shape)} and {list(y.shape)}")
        if separate:
            dtype = output_types[0].numpy
            x, y = x.astype(dtype, copy=False), y.astype(dtype, copy=False)
        left, right = (adjoint(x) if adj_x else x), (adjoint(y) if adj_y else y)
        if left.shape[-1] != right.shape[-2]:
            raise _mismatch(left, right)
        if name == "BatchMatMul" and left.shape[:-2] != right.shape[:-2]:
            raise invalid(f"{name} needs equal stacks, not {list(x.shape)} and {list(y.shape)}")
        try:
            return multiply(xp, left, right)
        except ValueError:
            raise invalid(
                f"{name} of shapes {list(x.shape)} and {list(y.shape)}: the stacks do not broadcast"
            ) from None

    @declared.bind
    def _(b: Binding) -> Any:
        """Calls BLAS without checks where static shapes are known to fit."""
        x, y = (fact.shape for fact in b.inputs)
        turned = b.attrs["adj_x"] or b.attrs["adj_y"]
        types = {*b.input_types, *b.output_types}
        if turned or b.input_types[0].name not in _BLAS or len(types) > 1:
            return None
        if not (x.is_fully_known and y.is_fully_known) or (y.rank == 2 and x.rank != 2):
            return None
        return b.xp.matmul

    @declared.gradient
    def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Tensor, Tensor]:
        x, y = node.inputs

        def product(a: Tensor, b: Tensor, turned_a: bool, turned_b: bool) -> Tensor:
            types: dict[str, Any] = {"Tout": dy.dtype} if separate else {}
            return g.add_op(name, a, b, adj_x=turned_a, adj_y=turned_b, **types)

        dx, dz = matmul_gradients(product, x, y, dy, turned_a=node.attr("adj_x"), turned_b=node.attr("adj_y"))
        if name != "BatchMatMul":
            dx, dz = sum_stack_to(g, dx, x, y), sum_stack_to(g, dz, y, x)
        return g.cast(dx, x.dtype), g.cast(dz, y.dtype)

    return declared


_declare("BatchMatMul", "T: type in {bfloat16, half, float, double, int32, int64, complex64, complex128}")
_declare(
    "BatchMatMulV2",
    "T: type in {bfloat16, half, float, double, int16, int32, int64, uint8, uint16, uint32, uint64, "
    "complex64, complex128}",
)
_ANY = "{bfloat16, half, float, double, uint8, int8, int16, int32, int64, complex64, complex128}"
_declare(
    "BatchMatMulV3",
    f"Ta: type in {_ANY}, Tb: type in {_ANY}, "
    "Tout: type in {bfloat16, half, float, double, int16, int32, int64, complex64, complex128}",
    output="Tout",
)
