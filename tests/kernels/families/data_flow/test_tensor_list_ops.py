"""TensorLists: immutable lists in variants, their elements, and gradients through them."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tfg.graphfmt.dtypes import int32
from tfg.graphfmt.errors import Status, TfgError
from tfg.graphfmt.shapes import UNKNOWN
from tfg.kernels.builder.graph_builder import GraphBuilder
from tfg.kernels.families.data_flow.tensor_lists import TensorList
from tfg.runtime.execution.session import Session
from tfg.runtime.passes.gradients.backpropagation import add_gradients, dense

from ...harness import cast, f32, graph_case, i32, i64, rand, table_tests

if TYPE_CHECKING:
    from collections.abc import Callable

KINDS = (
    "float double int32 uint8 int16 int8 complex64 int64 bool bfloat16 uint16 complex128 half uint32 uint64"
)


class Lists:
    """Short names for the operations while a graph is built. Shapes are vectors, or -1."""

    def __init__(self, g: Any, dtype: Any = "float") -> None:
        self.g, self.dtype = g, dtype

    def empty(self, shape: Any = -1, limit: Any = -1, dtype: Any = None) -> Any:
        return self.g.EmptyTensorList(_shape(shape), limit, element_dtype=dtype or self.dtype)

    def reserve(self, count: Any, shape: Any = -1, dtype: Any = None) -> Any:
        return self.g.TensorListReserve(_shape(shape), count, element_dtype=dtype or self.dtype)

    def push(self, found: Any, *items: Any) -> Any:
        for item in items:
            found = self.g.TensorListPushBack(found, item)
        return found

    def of(self, *items: Any, shape: Any = -1) -> Any:
        return self.push(self.empty(shape), *items)

    def pop(self, found: Any, shape: Any = -1) -> Any:
        return self.g.TensorListPopBack(found, _shape(shape), element_dtype=self.dtype)

    def get(self, found: Any, index: Any, shape: Any = -1, dtype: Any = None) -> Any:
        return self.g.TensorListGetItem(found, index, _shape(shape), element_dtype=dtype or self.dtype)

    def set(self, found: Any, index: Any, item: Any, **attrs: Any) -> Any:
        return self.g.TensorListSetItem(found, index, item, **attrs)

    def stack(self, found: Any, shape: Any = -1, count: int = -1, dtype: Any = None) -> Any:
        return self.g.TensorListStack(
            found, _shape(shape), element_dtype=dtype or self.dtype, num_elements=count
        )

    def gather(self, found: Any, indices: Any, shape: Any = -1) -> Any:
        return self.g.TensorListGather(found, indices, _shape(shape), element_dtype=self.dtype)

    def scatter(self, tensor: Any, indices: Any, shape: Any = -1) -> Any:
        return self.g.TensorListScatter(tensor, indices, _shape(shape))

    def scatter_to(self, tensor: Any, indices: Any, count: Any, shape: Any = -1) -> Any:
        return self.g.TensorListScatterV2(tensor, indices, _shape(shape), count)

    def concat(self, found: Any, shape: Any = -1, leading: Any = ()) -> Any:
        leading = np.array(leading, np.int64) if isinstance(leading, tuple) else leading
        return self.g.TensorListConcatV2(found, _shape(shape), leading, element_dtype=self.dtype)

    def split(self, tensor: Any, lengths: Any, shape: Any = -1) -> Any:
        return self.g.TensorListSplit(tensor, _shape(shape), lengths)

    def rows(self, tensor: Any, shape: Any = -1) -> Any:
        return self.g.TensorListFromTensor(tensor, _shape(shape))

    def shape(self, found: Any) -> Any:
        return self.g.TensorListElementShape(found, shape_type="int32")

    def length(self, found: Any) -> Any:
        return self.g.TensorListLength(found)


def _shape(shape: Any) -> Any:
    return np.array(shape, np.int32) if isinstance(shape, int | list) else shape


def row(name: str, build: Any, *inputs: Any, grad: bool = False, error: str | None = None) -> Any:
    """A row whose graph is built with ``Lists`` of float."""
    return graph_case(name, lambda g, *xs: build(Lists(g), *xs), *inputs, grad=grad, error=error)


def typed(name: str, build: Any, *inputs: Any, grad: bool = False) -> Any:
    """A row whose lists are of the dtype of the last input."""
    return graph_case(name, lambda g, *xs: build(Lists(g, xs[-1].dtype), *xs), *inputs, grad=grad)


def _nested(t: Any, x: Any, y: Any) -> Any:
    outer = t.push(t.empty(dtype="variant"), t.of(x), t.of(x, y))
    return [t.stack(t.get(outer, 0, dtype="variant")), t.stack(t.get(outer, 1, dtype="variant"))]


def _nested_stack(t: Any, x: Any) -> Any:
    outer = t.push(t.empty(dtype="variant"), t.of(x), t.of(x))
    return t.g.Shape(t.stack(outer, dtype="variant"))


def _nested_sum(t: Any, x: Any, y: Any) -> Any:
    a = t.push(t.empty(dtype="variant"), t.of(x))
    b = t.push(t.empty(dtype="variant"), t.of(y))
    return t.stack(t.get(t.g.AddN([a, b]), 0, dtype="variant"))


def _nested_zeros(t: Any, x: Any) -> Any:
    outer = t.push(t.empty(dtype="variant"), t.of(x))
    return t.stack(t.get(t.g.ZerosLike(outer), 0, dtype="variant"))


def _nested_rows(t: Any, x: Any) -> Any:
    outer = t.g.TensorListFromTensor(t.g.Pack([t.of(x), t.of(x, x)]), _shape(-1))
    return [t.length(outer), t.stack(t.get(outer, 1, dtype="variant"))]


def _moved(t: Any, x: Any, how: Any) -> Any:
    """What operations on tensors of any dtype make of two lists."""
    return t.stack(how(t.g, t.g.Pack([t.of(x), t.of(x, x)])))


def _nested_unwritten(t: Any, x: Any) -> Any:
    return t.length(t.push(t.get(t.reserve(1, [], dtype="variant"), 0, dtype="variant"), x))


def _nested_unwritten_sum(t: Any, x: Any) -> Any:
    return t.length(t.g.AddN([t.of(x), t.get(t.reserve(1, [], dtype="variant"), 0, dtype="variant")]))


def _batch(t: Any, x: Any, shape: Any = -1, limit: int = -1) -> Any:
    lists = t.g.Pack([t.empty(shape, limit), t.empty(shape, limit)])
    made = t.g.Unpack(t.g.TensorListPushBackBatch(lists, x), num=2)
    return [t.stack(made[0]), t.stack(made[1])]


def _joined(t: Any, x: Any, y: Any) -> Any:
    return t.stack(t.g.TensorListConcatLists(t.of(x), t.of(y), element_dtype=t.dtype))


def _joined_batch(t: Any, x: Any, y: Any) -> Any:
    a, b = t.g.Pack([t.of(x), t.of(y)]), t.g.Pack([t.of(y), t.of(x)])
    made = t.g.Unpack(t.g.TensorListConcatLists(a, b, element_dtype=t.dtype), num=2)
    return [t.stack(made[0]), t.stack(made[1])]


def _joined_shapes(t: Any, a: Any, b: Any) -> Any:
    return t.shape(t.g.TensorListConcatLists(t.empty(a), t.empty(b), element_dtype=t.dtype))


def _many_versions(t: Any, x: Any) -> Any:
    """A list, and lists made of it in several ways, all alive."""
    base = t.of(x, x + x)
    changed, longer = t.set(base, 0, x * x), t.push(base, x * x * x)
    shorter = t.pop(base)[0]
    again = t.push(shorter, x)
    return [t.stack(found) for found in (base, changed, longer, shorter, again)]


def _pop_two(t: Any, x: Any, y: Any) -> Any:
    rest, last = t.pop(t.of(x, y))
    return [last, t.pop(rest)[1]]


def _stack_of_sum(t: Any, x: Any, y: Any) -> Any:
    return t.stack(t.g.AddN([t.of(x, y), t.of(y, y)]))


def _use_twice(t: Any, x: Any, y: Any) -> Any:
    found = t.of(x, y)
    return [t.stack(found), t.get(found, 1), t.get(found, 1), t.gather(found, [1, 0, 1])]


def _slope(y: Callable[..., Any]) -> Callable[..., Any]:
    """The gradient of the sum of squares of what ``y`` builds: nodes that TensorFlow runs too, and
    differentiates again."""

    def build(t: Lists, *xs: Any) -> Any:
        made = y(t, *xs)
        found = add_gradients(t.g, [made * made], [x for x in xs if x.dtype.is_differentiable])
        return [dense(t.g, x) for x in found]

    return build


X = f32([1, 2])
NONE = i32([])
UNKNOWN_SHAPE = "INVALID_ARGUMENT: never written is read"
NONE_WRITTEN = "INVALID_ARGUMENT: none was written"

CASES = [
    # Every dtype.
    *(
        case
        for x in (*(cast(k, [1, 0]) for k in KINDS.split()), ["a", "bc"], rand(0, 3), rand(2, 3), rand(2, 0))
        for case in (
            typed("push-get", lambda t, x: t.get(t.of(x), 0), x),
            typed("push-stack", lambda t, x: t.stack(t.of(x, x)), x),
            typed("rows", lambda t, x: t.length(t.rows(x)), x),
            typed("unwritten", lambda t, x: [t.length(t.of(x)), t.get(t.reserve(2, [2]), 0)], x),
            typed("unwritten-scalar", lambda t, x: [t.length(t.of(x)), t.get(t.reserve(2, []), 0)], x),
            typed("concat", lambda t, x: t.concat(t.of(x, x)), x),
        )
    ),
    *(typed("push-stack", lambda t, x: t.stack(t.of(x, x)), x) for x in ("x", np.True_)),
    *(
        typed("rows", lambda t, x: t.get(t.rows(x), 1), x)
        for x in (["a", "b"], [["a"], ["b"]], rand(2, 2, 2))
    ),
    # Making.
    *(row("empty", lambda t, s: t.shape(t.empty(s)), i32(s)) for s in (-1, [], [2, -1])),
    *(
        row("empty", lambda t, s: t.shape(t.empty(s)), i32(s), error=f"INVALID_ARGUMENT: {words}")
        for s, words in (
            (0, "a scalar shape must be -1"),
            ([-2], "a dimension must not be negative"),
            ([[1]], "a shape must be a vector"),
        )
    ),
    *(
        row("full", lambda t, n, x: t.length(t.push(t.empty(-1, n), x, x)), i32(n), X, error=error)
        for n, error in (
            (-1, None),
            (2, None),
            (1, "INVALID_ARGUMENT: max_num_elements is 1"),
            (0, "INVALID_ARGUMENT: max_num_elements is 0"),
            ([1], "INVALID_ARGUMENT: max_num_elements must be a scalar"),
        )
    ),
    *(
        row("reserve", lambda t, n: t.length(t.reserve(n)), i32(n), error=error)
        for n, error in (
            (0, None),
            (3, None),
            (-1, "INVALID_ARGUMENT: elements is -1"),
            ([1], "INVALID_ARGUMENT: num_elements must be a scalar"),
        )
    ),
    *(
        row("resize", lambda t, n, x: t.length(t.g.TensorListResize(t.of(x, x), n)), i32(n), X, error=error)
        for n, error in (
            (0, None),
            (1, None),
            (2, None),
            (5, None),
            (-1, "INVALID_ARGUMENT: elements is -1"),
            ([1], "INVALID_ARGUMENT: size must be a scalar"),
        )
    ),
    row("resize-stack", lambda t, x: t.stack(t.g.TensorListResize(t.of(x, x), 3)), X),
    # Elements of one list.
    row(
        "push-shape",
        lambda t, s, x: t.length(t.push(t.empty(s), x)),
        i32([2]),
        f32([1]),
        error="INVALID_ARGUMENT: does not fit",
    ),
    row("push-shape", lambda t, s, x: t.length(t.push(t.empty(s), x)), i32([-1]), f32([1])),
    row(
        "push-shape",
        lambda t, s, x: t.length(t.push(t.empty(s), x)),
        i32([-1, 1]),
        f32([1]),
        error="INVALID_ARGUMENT: does not fit",
    ),
    *(row("get", lambda t, i, x: t.get(t.of(x, x + x), i), i32(i), X) for i in (0, 1, [0])),
    *(
        row(
            "get",
            lambda t, i, x: t.get(t.of(x, x + x), i),
            i32(i),
            X,
            error="INVALID_ARGUMENT: but the list has 2 elements",
        )
        for i in (2, -1)
    ),
    *(
        row("get-shape", lambda t, s, r, i: t.get(t.reserve(2, r), i, s), i32(s), i32(r), i32(0), error=error)
        for s, r, error in (
            (-1, -1, UNKNOWN_SHAPE),
            ([2], -1, None),
            (-1, [2], None),
            ([-1, 2], [3, -1], None),
            ([2], [3], "INVALID_ARGUMENT: Dimensions must be equal"),
            ([-1], -1, UNKNOWN_SHAPE),
        )
    ),
    row("get-other", lambda t, i, x: t.get(t.set(t.reserve(3), 1, x), i), i32(0), X),
    row(
        "get-others",
        lambda t, x, y: t.get(t.set(t.set(t.reserve(3), 1, x), 2, y), 0),
        X,
        f32([1]),
        error="INVALID_ARGUMENT: elements must be of one shape",
    ),
    *(row("set", lambda t, i, x: t.stack(t.set(t.of(x, x), i, x + x)), i32(i), X) for i in (0, 1)),
    *(
        row(
            "set",
            lambda t, i, x: t.stack(t.set(t.of(x, x), i, x + x)),
            i32(i),
            X,
            error="INVALID_ARGUMENT: but the list has 2 elements",
        )
        for i in (2, -1)
    ),
    *(
        row(
            "set-resize",
            lambda t, i, x: t.stack(t.set(t.of(x, x), i, x + x, resize_if_index_out_of_bounds=True)),
            i32(i),
            X,
        )
        for i in (0, 2, 4)
    ),
    row(
        "set-shape",
        lambda t, s, x: t.length(t.set(t.reserve(1, s), 0, x)),
        i32([3]),
        X,
        error="INVALID_ARGUMENT: does not fit",
    ),
    row("pop", _pop_two, X, f32(1)),
    row("pop-empty", lambda t, s: t.pop(t.empty(s))[1], i32([2]), error="INVALID_ARGUMENT: list is empty"),
    row("pop-unwritten", lambda t, s: t.pop(t.reserve(2), s)[1], i32([2])),
    *(
        row("pop-unwritten", lambda t, s: t.pop(t.reserve(2), s)[1], i32(s), error=UNKNOWN_SHAPE)
        for s in (-1, [-1])
    ),
    row(
        "pop-other",
        lambda t, x: t.pop(t.set(t.reserve(2), 0, x))[1],
        X,
        error="INVALID_ARGUMENT: written is read",
    ),
    row("versions", _many_versions, X),
    # Elements put together.
    row("stack", lambda t, x, y: t.stack(t.of(x, y)), X, X),
    row(
        "stack",
        lambda t, x, y: t.stack(t.of(x, y)),
        X,
        f32([1]),
        error="INVALID_ARGUMENT: elements must be of one shape",
    ),
    row(
        "stack",
        lambda t, x, y: t.stack(t.of(x, y)),
        X,
        f32(1),
        error="INVALID_ARGUMENT: elements must be of one shape",
    ),
    row("stack-3", lambda t, x: t.stack(t.of(x), -1, 3), X, error="INVALID_ARGUMENT: num_elements is 3"),
    row("stack-1", lambda t, x: t.stack(t.of(x), -1, 1), X),
    *(
        row("stack-shape", lambda t, s, x: t.stack(t.of(x), s), i32(s), X, error=error)
        for s, error in (
            ([2], None),
            ([3], "INVALID_ARGUMENT: elements must be of one shape"),
            ([-1], None),
            (-1, None),
            (0, "INVALID_ARGUMENT: a scalar shape must be -1"),
            ([], "INVALID_ARGUMENT: elements must be of one shape"),
        )
    ),
    *(row("stack-empty", lambda t, s: t.stack(t.empty(s)), i32(s)) for s in ([2], [])),
    *(
        row("stack-empty", lambda t, s: t.stack(t.empty(s)), i32(s), error=NONE_WRITTEN)
        for s in (-1, [-1, 2])
    ),
    *(row("stack-unwritten", lambda t, s: t.stack(t.reserve(2), s), i32(s)) for s in ([2], [])),
    row("stack-unwritten", lambda t, s: t.stack(t.reserve(2), s), i32(-1), error=NONE_WRITTEN),
    row("stack-other", lambda t, x: t.stack(t.set(t.reserve(3), 1, x)), X),
    *(
        row("gather", lambda t, i, x, y: t.gather(t.of(x, y), i), i32(i), X, X + 1, error=error)
        for i, error in (
            ([1, 0, 1], None),
            ([], NONE_WRITTEN),
            ([2], "INVALID_ARGUMENT: but the list has 2 elements"),
            ([-1], "INVALID_ARGUMENT: but the list has 2 elements"),
            ([[0]], None),
        )
    ),
    row("gather", lambda t, i, x, y: t.gather(t.of(x, y), i), i32([1, 1]), X, f32([1])),
    row(
        "gather",
        lambda t, i, x, y: t.gather(t.of(x, y), i),
        i32([1, 0]),
        X,
        f32([1]),
        error="INVALID_ARGUMENT: elements must be of one shape",
    ),
    row("gather-shape", lambda t, i, s, x: t.gather(t.of(x), i, s), NONE, i32([2]), X),
    *(
        row(
            "gather-unwritten",
            lambda t, i, s, x: t.gather(t.set(t.reserve(2), 1, x), i, s),
            i32(i),
            i32(s),
            X,
            error=error,
        )
        for i, s, error in (([0], -1, NONE_WRITTEN), ([0], [2], None), ([0, 1], -1, None))
    ),
    *(
        row("scatter", lambda t, i, s, x: t.stack(t.scatter(x, i, s)), i32(i), i32(s), x, error=error)
        for i, s, x, error in (
            ([2, 0], -1, X, None),
            ([2, 0], [], X, None),
            ([2, -1], -1, X, "INVALID_ARGUMENT: index -1 is out of range"),
            ([2], -1, X, "INVALID_ARGUMENT: 1 indices for 2 rows"),
            ([2], [3], rand(1, 2), "INVALID_ARGUMENT: do not fit a list"),
            ([2], [-1], rand(1, 2), None),
            ([2], -1, f32(1), "INVALID_ARGUMENT: the tensor must have rank 1"),
            ([0, 0], -1, X, None),
            ([], [2], rand(0, 2), None),
            ([[0]], -1, f32([1]), None),
        )
    ),
    *(
        row("scatter-to", lambda t, i, n, x: t.stack(t.scatter_to(x, i, n)), i32(i), i32(n), X, error=error)
        for i, n, error in (
            ([2, 0], 4, None),
            ([2, 0], 2, "INVALID_ARGUMENT: index 2 is out of range"),
            ([2, 0], -1, None),
            ([2, 0], -2, "INVALID_ARGUMENT: elements is -2"),
            ([1, 1], 2, None),
        )
    ),
    row("scatter-to", lambda t, i, n, x: t.length(t.scatter_to(x, i, n)), NONE, i32(3), rand(0, 2)),
    *(
        row(
            "scatter-into",
            lambda t, i, x, y: t.stack(t.g.TensorListScatterIntoExistingList(t.of(x, x), y, i)),
            i32(i),
            X,
            rand(2, 2),
            error=error,
        )
        for i, error in (([0, 1], None), ([1, 1], None), ([0], "INVALID_ARGUMENT: 1 indices for 2 rows"))
    ),
    row(
        "scatter-into-length",
        lambda t, x, y: t.length(t.g.TensorListScatterIntoExistingList(t.of(x), y, [4, 0])),
        X,
        rand(2, 2),
    ),
    # Elements that differ in their first dimension.
    *(
        row("concat", lambda t, x, y: t.concat(t.of(x, y)), x, y, error=error)
        for x, y, error in (
            (X, f32([3]), None),
            (rand(1, 2), rand(3, 2), None),
            (rand(1, 2), rand(3, 1), "INVALID_ARGUMENT: cannot be concatenated with"),
            (rand(1, 2), rand(3), "INVALID_ARGUMENT: cannot be concatenated with"),
            (f32(1), f32(1), "INVALID_ARGUMENT: scalars cannot be concatenated"),
            (rand(0, 2), rand(0, 2), None),
        )
    ),
    *(
        row("concat-empty", lambda t, s: t.concat(t.empty(s)), i32(s), error=error)
        for s, error in (
            (-1, "INVALID_ARGUMENT: dimensions after the first"),
            ([-1, 2], None),
            ([2], None),
            ([], "INVALID_ARGUMENT: scalars cannot be concatenated"),
            ([-1, -1], "INVALID_ARGUMENT: dimensions after the first"),
        )
    ),
    *(
        row("concat-unwritten", lambda t, s, n: t.concat(t.reserve(2), s, n), i32(s), i64(n), error=error)
        for s, n, error in (
            (-1, [], "INVALID_ARGUMENT: its first dimension is not known"),
            ([-1, 2], [1, 2], None),
            ([3], [], None),
            ([-1, 2], [], "INVALID_ARGUMENT: its first dimension is not known"),
            (-1, [1, 2], "INVALID_ARGUMENT: dimensions after the first"),
        )
    ),
    *(
        row("concat-some", lambda t, n, x: t.concat(t.set(t.reserve(2), 1, x), -1, n), i64(n), X)
        for n in ([], [1, 2], [1, 7])
    ),
    row("concat-leading", lambda t, n, x: t.concat(t.of(x), -1, n), i64([3]), X),
    row("concat-leading", lambda t, n, x: t.concat(t.of(x), -1, n), i64([3, 4]), X),
    *(
        row("concat-shape", lambda t, s, x: t.concat(t.of(x), s), i32(s), rand(1, 2))
        for s in ([1, 2], [-1, -1])
    ),
    *(
        row(
            "concat-shape",
            lambda t, s, x: t.concat(t.of(x), s),
            i32(s),
            rand(1, 2),
            error="INVALID_ARGUMENT: cannot be concatenated with",
        )
        for s in ([3, 2], [-1, 3])
    ),
    row(
        "concat-first",
        lambda t, x, y: t.g.TensorListConcat(t.of(x, y), element_dtype="float", element_shape=[None, 2]),
        rand(1, 2),
        rand(2, 2),
    ),
    row(
        "concat-first-empty",
        lambda t, s: t.g.TensorListConcat(t.empty(s), element_dtype="float", element_shape=[None, 2]),
        i32(-1),
    ),
    row("joined", _joined, X, X + 1),
    row("joined-batch", _joined_batch, X, X + 1),
    *(
        row("joined-shapes", _joined_shapes, i32(a), i32(b), error=error)
        for a, b, error in (
            ([2], [2], None),
            ([2], [3], "INVALID_ARGUMENT: cannot be joined"),
            ([-1, 2], [3, -1], "INVALID_ARGUMENT: cannot be joined"),
            (-1, -1, None),
            ([2], -1, "INVALID_ARGUMENT: cannot be joined"),
            ([-1], [-1], None),
        )
    ),
    row("batch", _batch, f32([1, 2])),
    row("batch", _batch, rand(2, 3)),
    row("batch", _batch, f32([1, 2, 3]), error="INVALID_ARGUMENT: per list"),
    row("batch", _batch, f32(1), error="INVALID_ARGUMENT: per list"),
    row("batch-shape", lambda t, x: _batch(t, x, [2]), f32([1, 2]), error="INVALID_ARGUMENT: does not fit"),
    row("batch-limit", lambda t, x: _batch(t, x, -1, 0), f32([1, 2])),
    # A tensor taken apart.
    *(
        row("rows", lambda t, s, x: [t.stack(t.rows(x, s)), t.shape(t.rows(x, s))], i32(s), x, error=error)
        for s, x, error in (
            (-1, rand(2, 2), None),
            ([-1], rand(2, 2), None),
            ([3], rand(2, 2), "INVALID_ARGUMENT: do not fit a list"),
            ([], X, None),
            (-1, f32(1), "INVALID_ARGUMENT: the tensor must have rank 1"),
            ([2], rand(0, 2), None),
        )
    ),
    *(
        row(
            "split",
            lambda t, n, s, x: [t.get(t.split(x, n, s), 1), t.shape(t.split(x, n, s))],
            i64(n),
            i32(s),
            x,
            error=error,
        )
        for n, s, x, error in (
            ([1, 2], -1, f32([1, 2, 3]), None),
            ([3, 0], [-1, 2], rand(3, 2), None),
            ([1, 1], -1, rand(3, 2), "INVALID_ARGUMENT: do not add up"),
            ([1, 5], -1, rand(3, 2), "INVALID_ARGUMENT: do not add up"),
            ([4, -1], -1, rand(3, 2), "INVALID_ARGUMENT: do not add up"),
            ([[3]], -1, rand(3, 2), "INVALID_ARGUMENT: cannot be split by lengths"),
            ([1, 2], [-1, 3], rand(3, 2), "INVALID_ARGUMENT: do not fit a list"),
            ([1, 2], [], rand(3, 2), "INVALID_ARGUMENT: do not fit a list"),
            ([1, 2], [2, 2], rand(3, 2), None),
            ([1], -1, f32(1), "INVALID_ARGUMENT: cannot be split by lengths"),
        )
    ),
    # Sums and zeros.
    row(
        "sum-lengths",
        lambda t, x: t.stack(t.g.AddN([t.of(x), t.of(x, x)])),
        X,
        error="INVALID_ARGUMENT: cannot be added",
    ),
    row(
        "sum-shapes",
        lambda t, x, y: t.stack(t.g.AddN([t.of(x), t.of(y)])),
        X,
        f32(1),
        error="INVALID_ARGUMENT: cannot be added",
    ),
    row("sum-unwritten", lambda t, x: t.stack(t.g.AddN([t.reserve(1), t.of(x), t.reserve(1)])), X),
    *(
        row(
            "sum-element-shapes",
            lambda t, a, b: t.shape(t.g.AddN([t.empty(a), t.empty(b)])),
            i32(a),
            i32(b),
            error=error,
        )
        for a, b, error in (
            ([2], [3], "INVALID_ARGUMENT: Dimensions must be equal"),
            ([2], -1, None),
            ([-1, 2], [3, -1], None),
        )
    ),
    row("zeros", lambda t, x: t.stack(t.g.ZerosLike(t.of(x, x))), X),
    row("zeros-unwritten", lambda t, s: t.stack(t.g.ZerosLike(t.reserve(2)), s), i32([2])),
    typed("zeros", lambda t, x: t.stack(t.g.ZerosLike(t.of(x))), np.array([True])),
    # Lists of lists.
    row("nested-stack", _nested_stack, X),
    row("nested-sum", _nested_sum, X, X + 1),
    row("nested-zeros", _nested_zeros, X),
    row("nested-rows", _nested_rows, X),
    *(
        row(f"moved-{name}", lambda t, x, how=how: _moved(t, x, how), X)
        for name, how in (
            ("slice", lambda g, v: g.StridedSlice(v, [1], [2], [1], shrink_axis_mask=1)),
            ("reshape", lambda g, v: g.Reshape(g.StridedSlice(v, [1], [2], [1]), i32([]))),
            ("gather", lambda g, v: g.GatherV2(v, 1, 0)),
            ("reshape-one", lambda g, v: g.Unpack(g.Reshape(g.Unpack(v, num=2)[1], i32([1])), num=1)[0]),
        )
    ),
    row("nested-unwritten", _nested_unwritten, X, error="INVALID_ARGUMENT: must be a TensorList"),
    row("nested-unwritten-sum", _nested_unwritten_sum, X, error="INTERNAL: cannot be added"),
    # Gradients.
    row("use-twice", _use_twice, X, X + 1, grad=True),
    row("versions", _many_versions, X + 1, grad=True),
    row("pop", _pop_two, X, X + 1, grad=True),
    row("pop-last", lambda t, x, y: t.pop(t.of(x, y))[1], X, X + 1, grad=True),
    row("pop-rest", lambda t, x, y: t.stack(t.pop(t.of(x, y))[0]), X, X + 1, grad=True),
    row("set", lambda t, x, y: t.stack(t.set(t.of(x, x, x), 1, y)), X, X + 1, grad=True),
    row("set-get", lambda t, x, y: t.get(t.set(t.of(x, x), 1, y), 1), X, X + 1, grad=True),
    row(
        "set-resize",
        lambda t, x, y: t.stack(t.set(t.of(x, x), 3, y, resize_if_index_out_of_bounds=True)),
        X,
        X + 1,
        grad=True,
    ),
    row("shorter", lambda t, x, y: t.stack(t.g.TensorListResize(t.of(x, y), 1)), X, X + 1, grad=True),
    row("longer", lambda t, x, y: t.stack(t.g.TensorListResize(t.of(x, y), 4)), X, X + 1, grad=True),
    row("rows", lambda t, x: t.gather(t.rows(x, [2]), [2, 0, 2]), rand(3, 2), grad=True),
    row("rows-get", lambda t, x: t.get(t.rows(x, [2]), 1), rand(3, 2), grad=True),
    row("scatter", lambda t, x: t.stack(t.scatter(x, [3, 0], [2])), rand(2, 2), grad=True),
    row("scatter-to", lambda t, x: t.stack(t.scatter_to(x, [3, 0], 5, [2])), rand(2, 2), grad=True),
    row(
        "scatter-into",
        lambda t, x, y: t.stack(t.g.TensorListScatterIntoExistingList(t.of(x, x, x), y, [2, 0])),
        X,
        rand(2, 2),
        grad=True,
    ),
    row(
        "concat-value",
        lambda t, x, y: t.concat(t.of(x, y, shape=[-1, 2]))[0],
        rand(1, 2),
        rand(3, 2),
        grad=True,
    ),
    row(
        "concat-first-value",
        lambda t, x, y: t.g.TensorListConcat(t.of(x, y), element_dtype="float", element_shape=[None, 2])[0],
        rand(1, 2),
        rand(2, 2),
        grad=True,
    ),
    row("split", lambda t, n, x: t.get(t.split(x, n, [-1, 2]), 1), i64([1, 2, 0]), rand(3, 2), grad=True),
    row("sum", _stack_of_sum, X, X + 1, grad=True),
    row("nested", _nested, X, X + 1, grad=True),
    *(
        typed("push-stack", lambda t, x: t.stack(t.of(x, x)), x, grad=True)
        for x in (f32(1), rand(2, dtype="double"), rand(2, dtype="complex64"), rand(2, dtype="half"))
    ),
    # Gradients of gradients.
    *(
        row(f"slope-of-{name}", _slope(build), *inputs, grad=True)
        for name, build, *inputs in (
            ("stack", lambda t, x, y: t.stack(t.of(x, x * y)), X, X + 1),
            ("get", lambda t, x, y: t.get(t.of(x, x * y), 1), X, X + 1),
            ("pop", lambda t, x, y: t.pop(t.of(y, x * y))[1], X, X + 1),
            ("set", lambda t, x, y: t.stack(t.set(t.of(x, x), 1, x * y)), X, X + 1),
            ("gather", lambda t, x: t.gather(t.rows(x, [2]), [2, 0]), rand(3, 2)),
            ("scatter", lambda t, x: t.stack(t.scatter(x, [2, 0], [2])), rand(2, 2)),
            ("concat", lambda t, x: t.concat(t.of(x, x * x, shape=[-1, 2]))[0], rand(2, 2)),
            ("split", lambda t, n, x: t.get(t.split(x, n, [-1, 2]), 1), i64([1, 2, 0]), rand(3, 2)),
            ("sum", lambda t, x, y: t.stack(t.g.AddN([t.of(x), t.of(x * y)])), X, X + 1),
        )
    ),
    row(
        "slope-of-nested",
        _slope(lambda t, x, y: t.g.AddN(_nested(t, x * y, y)[:1])),
        X,
        X + 1,
        error="INVALID_ARGUMENT: must be a TensorList",
    ),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)


def _list(*items: Any) -> TensorList:
    return TensorList(int32, UNKNOWN, list(items))


@pytest.mark.parametrize("seed", range(20))
def test_versions_never_change(seed: int) -> None:
    """Lists made of each other at random, held against tuples."""
    pick = random.Random(seed)
    alive: list[tuple[TensorList, tuple[int, ...]]] = [(_list(), ())]
    for step in range(400):
        place = pick.randrange(len(alive)) if pick.random() < 0.3 else len(alive) - 1
        found, known = alive[place]
        index = pick.randrange(len(known)) if known else 0
        match pick.choice(("push", "push", "pop", "set", "set", "get", "forget")):
            case "push":
                alive.append((found.pushed(step), (*known, step)))
            case "pop" if known:
                alive.append((found.popped(), known[:-1]))
            case "set" if known:
                alive.append((found.replaced(index, step), (*known[:index], step, *known[index + 1 :])))
            case "get" if known:
                assert found.get(index) == known[index]
            case _ if len(alive) > 1:
                del alive[pick.randrange(len(alive)) :]
                alive = alive or [(_list(), ())]
            case _:
                pass
    for found, known in alive:
        assert tuple(found.items()) == known and found.length == len(known)


def test_a_loop_of_changes_copies_nothing() -> None:
    found = first = _list()
    for i in range(1000):
        found = found.pushed(i)
    line = found._chain
    for i in range(1000):
        found = found.replaced(i, -i)
    assert found._chain is line and first._chain is line
    assert first.items() == [] and found.get(5) == -5


def test_sums_with_lists_written_at_few_places() -> None:
    """The same as sums of any lists, whichever comes first."""
    plain = _list(*np.arange(20))
    few = TensorList(int32, UNKNOWN, [None] * 20)
    few.written = ()
    few = few.replaced(3, np.int64(5)).replaced(7, np.int64(6)).replaced(3, np.int64(9))
    assert few.written == (3, 7)
    expected = [i + {3: 9, 7: 6}.get(i, 0) for i in range(20)]
    for total in (plain + few, few + plain):
        assert total.items() == expected
    many = few
    for i in range(20):
        many = many.replaced(i, np.int64(i))
    assert many.written is None and (many + plain).items() == [2 * i for i in range(20)]
    assert plain.items() == list(range(20))


def test_what_nobody_holds_is_given_up() -> None:
    """A loop over a large state keeps one of them, whoever holds the first version and some late ones."""
    from weakref import WeakSet

    class Item:
        pass

    items: WeakSet[Item] = WeakSet()
    first = found = _list(None)
    late: list[TensorList] = []
    for _ in range(1000):
        item = Item()
        items.add(item)
        found = found.replaced(0, item)
        late = [*late[-5:], found]
    assert len(items) <= 200
    assert first.items() == [None]


@pytest.mark.parametrize("shape", [[1 << 40], [1 << 31, 1 << 31, 1 << 31]])
def test_memory_is_not_promised(shape: list[int]) -> None:
    g = GraphBuilder()
    found = g.TensorListReserve(np.array(shape, np.int64), 1, element_dtype="float")
    out = g.TensorListGetItem(found, 0, -1, element_dtype="float")
    with pytest.raises(TfgError) as caught:
        Session(g.graph()).run([out.name], {})
    assert caught.value.status in (Status.RESOURCE_EXHAUSTED, Status.INVALID_ARGUMENT)
