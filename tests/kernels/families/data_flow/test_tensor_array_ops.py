"""TensorArrays: written once, read once, and gradients through both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tfg.graphfmt.dtypes import float32
from tfg.graphfmt.shapes import UNKNOWN
from tfg.kernels.families.data_flow.tensor_arrays import TensorArray
from tfg.runtime.passes.gradients.backpropagation import add_gradients, dense

from ...harness import Case, cast, f32, f64, graph_case, i32, i64, rand, table_tests

if TYPE_CHECKING:
    from collections.abc import Callable

KINDS = (
    "float double int32 uint8 int16 int8 complex64 int64 bool bfloat16 uint16 complex128 half uint32 uint64"
)


class Array:
    """A TensorArray of any version while a graph is built; each write gives the next flow."""

    def __init__(self, g: Any, size: Any, dtype: Any, version: str = "V3", **attrs: Any) -> None:
        self.g, self.dtype, self.version = g, dtype, version
        made = g.add_op(f"TensorArray{version}", size, dtype=dtype, **attrs)
        self.handle, self.flow = made if isinstance(made, list) else (made, g.constant(0.0))

    def _op(self, name: str, *inputs: Any, **attrs: Any) -> Any:
        return self.g.add_op(f"TensorArray{name}{self.version}", self.handle, *inputs, **attrs)

    def write(self, index: Any, value: Any) -> Array:
        self.flow = self._op("Write", index, value, self.flow)
        return self

    def scatter(self, indices: Any, value: Any) -> Array:
        self.flow = self._op("Scatter", indices, value, self.flow)
        return self

    def split(self, value: Any, lengths: Any) -> Array:
        self.flow = self._op("Split", value, lengths, self.flow)
        return self

    def unpack(self, value: Any) -> Array:
        self.flow = self._op("Unpack", value, self.flow)
        return self

    def read(self, index: Any, dtype: Any = None) -> Any:
        return self._op("Read", index, self.flow, dtype=dtype or self.dtype)

    def gather(self, indices: Any, **attrs: Any) -> Any:
        return self._op("Gather", indices, self.flow, **{"dtype": self.dtype, **attrs})

    def concat(self, **attrs: Any) -> Any:
        return self._op("Concat", self.flow, **{"dtype": self.dtype, **attrs})

    def pack(self, **attrs: Any) -> Any:
        return self._op("Pack", self.flow, dtype=self.dtype, **attrs)

    def size(self) -> Any:
        return self._op("Size", self.flow)

    def close(self) -> Any:
        return self._op("Close")

    def gradient(self, source: str = "gradients", prepended: Any = None) -> Array:
        made = Array.__new__(Array)
        made.g, made.dtype, made.version = self.g, self.dtype, self.version
        if prepended is not None:
            name = "TensorArrayGradWithShape"
            made.handle, made.flow = self.g.add_op(name, self.handle, self.flow, prepended, source=source)
            return made
        found = self._op("Grad", self.flow, source=source)
        made.handle, made.flow = found if isinstance(found, list) else (found, self.flow)
        return made


def row(
    name: str,
    build: Any,
    *inputs: Any,
    grad: bool = False,
    size: Any = 3,
    error: str | None = None,
    **attrs: Any,
) -> Case:
    """A row whose graph is built on a new array of float; ``build`` takes the array and the inputs."""

    def graph(g: Any, size: Any, *tensors: Any) -> Any:
        return build(Array(g, size, "float", **attrs), *tensors)

    label = f"{name};{','.join(f'{k}={v}' for k, v in attrs.items())}"
    return graph_case(label, graph, i32(size), *inputs, grad=grad, error=error)


def typed(name: str, build: Any, *inputs: Any, grad: bool = False, size: int = 3, **attrs: Any) -> Case:
    """A row whose array is of the dtype of the last input."""

    def graph(g: Any, *tensors: Any) -> Any:
        return build(Array(g, g.constant(size), tensors[-1].dtype, **attrs), *tensors)

    label = f"{name};{','.join(f'{k}={v}' for k, v in attrs.items())}"
    return graph_case(label, graph, *inputs, grad=grad)


def old(version: str, name: str, build: Any, *inputs: Any, error: str | None = None, **attrs: Any) -> Case:
    """A row for an array of an earlier version, in a graph of that time."""

    def graph(g: Any, *tensors: Any) -> Any:
        return build(Array(g, g.constant(2), "float", version, **attrs), *tensors)

    label = f"{name}{version};{','.join(f'{k}={v}' for k, v in attrs.items())}"
    return graph_case(label, graph, *inputs, producer=15 if not version else 25, error=error)


def _write_read(a: Any, i: Any, x: Any) -> Any:
    return a.write(i, x).read(i)


def _write_two(a: Any, i: Any, x: Any, j: Any, y: Any) -> Any:
    return a.write(i, x).write(j, y).flow


def _write_two_gather(a: Any, x: Any, y: Any, indices: Any) -> Any:
    return a.write(0, x).write(1, y).gather(indices)


def _read(a: Any, i: Any) -> Any:
    return a.read(i)


def _size_after(a: Any, i: Any, x: Any) -> Any:
    return a.write(i, x).size()


def _read_twice(a: Any, i: Any, x: Any) -> Any:
    first = a.write(i, x).read(i)
    with a.g.control_dependencies([first]):
        return [first, a.read(i)]


def _write_after_read(a: Any, i: Any, x: Any) -> Any:
    first = a.write(i, x).read(i)
    with a.g.control_dependencies([first]):
        return a.write(i, x).flow


def _read_as_int(a: Any, i: Any, x: Any) -> Any:
    return a.write(i, x).read(i, "int32")


def _scatter_gather(a: Any, i: Any, j: Any, x: Any) -> Any:
    return a.scatter(i, x).gather(j)


def _scatter(a: Any, i: Any, x: Any) -> Any:
    return a.scatter(i, x).flow


def _scatter_size(a: Any, i: Any, x: Any) -> Any:
    return a.scatter(i, x).size()


def _gather(a: Any, i: Any) -> Any:
    return a.gather(i)


def _gather_of_two(a: Any, i: Any) -> Any:
    return a.gather(i, element_shape=[2])


def _gather_of_three(a: Any, x: Any) -> Any:
    return a.write(0, x).gather([0], element_shape=[3])


def _gather_unwritten(a: Any, x: Any) -> Any:
    return a.write(0, x).gather([0, 1], element_shape=[2])


def _split_concat(a: Any, lengths: Any, x: Any) -> Any:
    return a.split(x, lengths).concat()


def _split_read(a: Any, lengths: Any, i: Any, x: Any) -> Any:
    return a.split(x, lengths).read(i)


def _split_size(a: Any, lengths: Any, x: Any) -> Any:
    return a.split(x, lengths).size()


def _write_concat(a: Any, x: Any, y: Any) -> Any:
    return a.write(0, x).write(1, y).concat()


def _concat(a: Any) -> Any:
    return a.concat()


def _concat_of_two(a: Any) -> Any:
    return a.concat(element_shape_except0=[2])


def _concat_of_three(a: Any, x: Any) -> Any:
    return a.write(0, x).concat(element_shape_except0=[3])


def _write_closed(a: Any, x: Any) -> Any:
    with a.g.control_dependencies([a.close()]):
        return a.write(0, x).flow


def _size_closed(a: Any, x: Any) -> Any:
    with a.g.control_dependencies([a.close()]):
        return a.size()


def _close_twice(a: Any, x: Any) -> Any:
    with a.g.control_dependencies([a.close()]):
        closed = a.close()
    with a.g.control_dependencies([closed]):
        return a.g.Identity(x)


def _gradient_read(a: Any, i: Any, x: Any) -> Any:
    return a.write(0, x).gradient().read(i)


def _gradient_sum(a: Any, x: Any, y: Any, z: Any) -> Any:
    return a.write(0, x).gradient().write(0, y).write(0, z).read(0)


def _gradient_same_source(a: Any, x: Any, y: Any) -> Any:
    first = a.write(0, x).gradient().write(0, y)
    with a.g.control_dependencies([first.flow]):
        return a.gradient().read(0)


def _gradient_other_source(a: Any, x: Any, y: Any) -> Any:
    first = a.write(0, x).gradient().write(0, y)
    with a.g.control_dependencies([first.flow]):
        return a.gradient("gradients_1").read(0)


def _grow_after_gradient(a: Any, x: Any) -> Any:
    with a.g.control_dependencies([a.write(0, x).gradient().flow]):
        return a.write(9, x).flow


def _gradient_of_gradient(a: Any, x: Any) -> Any:
    return a.write(0, x).gradient().gradient("other").read(0)


def _gradient_twice(a: Any, x: Any) -> Any:
    found = a.write(0, x).gradient().write(0, x)
    first = found.read(0)
    with a.g.control_dependencies([first]):
        return found.read(0)


def _gradient_with_shape(a: Any, front: Any, i: Any, x: Any) -> Any:
    return a.write(0, x).gradient(prepended=front).read(i)


def _gradient_size(a: Any, i: Any, x: Any) -> Any:
    return a.write(i, x).gradient().size()


def _no_array(g: Any, x: Any) -> Any:
    handle = g.VarHandleOp(dtype="float", shape=[])
    return g.TensorArrayWriteV3(handle, 0, x, 0.0)


def _twice_in_a_row(a: Any, x: Any) -> Any:
    """One array's elements are another's."""
    first = a.scatter([0, 1, 2], x)
    second = Array(a.g, 3, "float").write(1, first.read(0)).write(0, first.read(2)).write(2, first.read(1))
    return second.gather([0, 1, 2])


def _read_many(a: Any, x: Any) -> Any:
    """One element read again and again: its gradients add up."""
    found = a.scatter([0, 1, 2], x)
    return found.read(0) * found.read(0) + found.read(1) * found.read(0)


def _split_value(a: Any, lengths: Any, x: Any) -> Any:
    return a.split(x, lengths).concat()[0]


def _write_many(a: Any, x: Any, y: Any, z: Any) -> Any:
    return a.write(2, x).write(0, x * y).write(1, z).concat()[0]


def _slope(y: Callable[..., Any]) -> Callable[..., Any]:
    """The gradients of the sum of squares of what ``y`` builds."""

    def build(a: Array, *xs: Any) -> Any:
        made = y(a, *xs)
        found = add_gradients(a.g, [made * made], [x for x in xs if x.dtype.is_differentiable])
        return [dense(a.g, x) for x in found]

    return build


def _pack_unpack(a: Any, x: Any) -> Any:
    return a.unpack(x).pack()


def _keep(name: str, build: Any, *inputs: Any, **attrs: Any) -> Case:
    return row(name, build, *inputs, clear_after_read=False, **attrs)


def _shaped(name: str, build: Any, *inputs: Any, **attrs: Any) -> Case:
    return row(name, build, *inputs, element_shape=[2], **attrs)


X = f32([1, 2])
NONE = i32([])

CASES = [
    # Every dtype.
    *(typed("write-read", _write_read, i32(1), cast(k, [1, 0])) for k in KINDS.split()),
    *(typed("write-read", _write_read, i32(1), x) for x in (["a", "bc"], "x", f32(3), rand(0, 2))),
    *(
        typed("scatter-gather", _scatter_gather, i32([2, 0]), i32([0, 2]), cast(k, [1, 0]))
        for k in KINDS.split()
    ),
    *(
        typed("scatter-gather", _scatter_gather, i32([2, 0]), i32([0, 2]), x)
        for x in (["a", "bc"], [["a"], ["b"]], rand(2, 0), rand(2, 3, 2))
    ),
    *(typed("split-concat", _split_concat, i64([1, 0, 2]), cast(k, [1, 0, 1])) for k in KINDS.split()),
    *(typed("split-concat", _split_concat, i64([1, 0, 2]), x) for x in (["a", "bc", "d"], rand(3, 0))),
    # Writing and reading.
    row("read", _read, i32(1), error="INVALID_ARGUMENT: cannot be read at"),
    row("read", _read, i32(3), error="INVALID_ARGUMENT: cannot be read at"),
    row("read", _read, i32(-1), error="INVALID_ARGUMENT: cannot be read at"),
    row("read", _read, i32([1]), error="INVALID_ARGUMENT: index must be a scalar"),
    _shaped("read", _read, i32(1)),
    _shaped("read", _read, i32(5), dynamic_size=True, error="INVALID_ARGUMENT: cannot be read at"),
    row("size", _size_after, i32(1), X),
    row("size", _size_after, i32(1), X, size=-1, error="INVALID_ARGUMENT: size is -1"),
    row("size", _size_after, i32(1), X, size=[2], error="INVALID_ARGUMENT: size must be a scalar"),
    row("size", _size_after, i32(7), X, dynamic_size=True),
    row("size", _size_after, i32(0), X, size=0, dynamic_size=True),
    row("write", _write_read, i32(3), X, error="INVALID_ARGUMENT: fixed size"),
    row("write", _write_read, i32(-1), X, dynamic_size=True, error="INVALID_ARGUMENT: fixed size"),
    row("write", _write_read, i32([1]), X, error="INVALID_ARGUMENT: index must be a scalar"),
    row("write", _write_read, i32(1), i32(1), error="INVALID_ARGUMENT: has elements of float"),
    row("read-as-int", _read_as_int, i32(1), X, error="INVALID_ARGUMENT: has elements of float"),
    row("write-two", _write_two, i32(1), X, i32(1), X, error="INVALID_ARGUMENT: was written before"),
    row("write-two", _write_two, i32(1), X, i32(0), f32([1])),
    row(
        "write-two",
        _write_two,
        i32(1),
        X,
        i32(0),
        f32([1]),
        identical_element_shapes=True,
        error="INVALID_ARGUMENT: has elements of shape",
    ),
    row("read-twice", _read_twice, i32(1), X, error="INVALID_ARGUMENT: cannot be read at"),
    _keep("read-twice", _read_twice, i32(1), X),
    row("write-after-read", _write_after_read, i32(1), X, error="INVALID_ARGUMENT: was read before"),
    _keep("write-after-read", _write_after_read, i32(1), X, error="INVALID_ARGUMENT: was read before"),
    row("write", _write_read, i32(1), X, element_shape=[3], error="INVALID_ARGUMENT: has elements of shape"),
    row("write", _write_read, i32(1), X, element_shape=[None]),
    row(
        "write",
        _write_read,
        i32(1),
        X,
        element_shape=[None, 2],
        error="INVALID_ARGUMENT: has elements of shape",
    ),
    graph_case("no-array", _no_array, X, error="INVALID_ARGUMENT: must be of a TensorArray"),
    # Many at once.
    row("gather", _write_two_gather, X, X, i32([0, 1, 0]), error="INVALID_ARGUMENT: cannot be read at"),
    _keep("gather", _write_two_gather, X, X + 1, i32([0, 1, 0])),
    row(
        "gather",
        _write_two_gather,
        X,
        f32([1]),
        i32([0, 1]),
        error="INVALID_ARGUMENT: elements must be of one shape",
    ),
    row("gather", _write_two_gather, X, X, i32([[0]]), error="INVALID_ARGUMENT: indices must be a vector"),
    row("gather", _write_two_gather, X, X, i32([0, 9]), error="INVALID_ARGUMENT: cannot be read at"),
    row("gather", _write_two_gather, X, X, i32([0, 2]), error="INVALID_ARGUMENT: cannot be read at"),
    _shaped("gather", _write_two_gather, X, X, i32([0, 2])),
    row("gather", _gather, NONE, error="UNIMPLEMENTED: has size 0"),
    row("gather-of-two", _gather_of_two, NONE),
    row("gather-of-two", _gather_of_two, i32([1, 0])),
    row("gather-of-three", _gather_of_three, X, error="INVALID_ARGUMENT: elements must be of one shape"),
    row("gather-unwritten", _gather_unwritten, X),
    row("scatter", _scatter, i32([3, 0]), rand(2, 2), error="INVALID_ARGUMENT: fixed size"),
    row("scatter", _scatter, i32([-1, 0]), rand(2, 2), error="INVALID_ARGUMENT: fixed size"),
    row("scatter", _scatter, i32([0]), rand(2, 2), error="INVALID_ARGUMENT: per index"),
    row("scatter", _scatter, i32([0]), f32(1), error="INVALID_ARGUMENT: value must have rank 1"),
    row("scatter", _scatter, i32([[0]]), f32([1]), error="INVALID_ARGUMENT: indices must be a vector"),
    row("scatter", _scatter, i32([0, 0]), f32([1, 2]), error="INVALID_ARGUMENT: was written before"),
    row("scatter", _scatter, NONE, rand(0, 2)),
    row(
        "scatter",
        _scatter,
        i32([0]),
        rand(1, 2),
        element_shape=[3],
        error="INVALID_ARGUMENT: has elements of shape",
    ),
    row("scatter", _scatter, i32([0]), i32([1]), error="INVALID_ARGUMENT: has elements of float"),
    row("scatter-size", _scatter_size, i32([5, 0]), rand(2, 2), dynamic_size=True),
    row("concat", _write_concat, X, f32([3]), size=2),
    row("concat", _write_concat, rand(1, 2), rand(3, 2), size=2),
    row("concat", _write_concat, rand(1, 2), rand(3, 1), size=2, error="INVALID_ARGUMENT: first dimension"),
    row("concat", _write_concat, f32(1), f32(1), size=2, error="INVALID_ARGUMENT: cannot be concatenated"),
    row("concat", _write_concat, X, X, error="INVALID_ARGUMENT: cannot be read at"),
    _shaped("concat", _write_concat, X, X),
    row("concat", _concat, size=0, error="UNIMPLEMENTED: has size 0"),
    row("concat-of-two", _concat_of_two, size=0),
    row("concat-of-three", _concat_of_three, rand(1, 2), size=1, error="INVALID_ARGUMENT: first dimension"),
    row("split", _split_read, i64([1, 0, 2]), i32(2), f32([1, 2, 3])),
    row("split", _split_read, i64([1, 0, 2]), i32(1), rand(3, 2)),
    row("split", _split_read, i64([1, 0, 1]), i32(1), rand(3, 2), error="INVALID_ARGUMENT: do not add up"),
    row("split", _split_read, i64([1, 2]), i32(1), rand(3, 2), error="INVALID_ARGUMENT: lengths"),
    row(
        "split", _split_read, i64([1, 2, 0]), i32(1), f32(1), error="INVALID_ARGUMENT: value must have rank 1"
    ),
    row(
        "split",
        _split_read,
        i64([[1, 2, 0]]),
        i32(1),
        rand(3, 2),
        error="INVALID_ARGUMENT: lengths must be a vector",
    ),
    row(
        "split",
        _split_read,
        i64([1, 0, 2]),
        i32(1),
        f32([1, 2, 3]),
        element_shape=[1],
        error="INVALID_ARGUMENT: has elements of shape",
    ),
    row("split-size", _split_size, i64([1, 2, 0, 1]), rand(4, 2), dynamic_size=True),
    row(
        "split-size",
        _split_size,
        i64([1, 1]),
        rand(2, 2),
        dynamic_size=True,
        error="INVALID_ARGUMENT: lengths",
    ),
    # Closed.
    row("write-closed", _write_closed, X, error="INVALID_ARGUMENT: has been closed"),
    row("size-closed", _size_closed, X, error="INVALID_ARGUMENT: has been closed"),
    row("close-twice", _close_twice, X),
    # Arrays of gradients.
    row("gradient-read", _gradient_read, i32(0), X),
    row("gradient-read", _gradient_read, i32(1), X, error="INVALID_ARGUMENT: cannot be read at"),
    _shaped("gradient-read", _gradient_read, i32(1), X),
    row("gradient-sum", _gradient_sum, X, X, X + 1),
    row("gradient-sum", _gradient_sum, X, X, f32([1]), error="INVALID_ARGUMENT: gradient of shape"),
    row("gradient-sum", _gradient_sum, X, f32([1]), f32([1]), error="INVALID_ARGUMENT: gradient of shape"),
    row("gradient-same-source", _gradient_same_source, X, X),
    row("gradient-other-source", _gradient_other_source, X, X),
    row(
        "grow-after-gradient",
        _grow_after_gradient,
        X,
        dynamic_size=True,
        error="INVALID_ARGUMENT: fixed size",
    ),
    row("gradient-of-gradient", _gradient_of_gradient, X, error="INVALID_ARGUMENT: gradients itself"),
    row("gradient-twice", _gradient_twice, X, error="INVALID_ARGUMENT: cannot be read at"),
    _keep("gradient-twice", _gradient_twice, X, error="INVALID_ARGUMENT: cannot be read at"),
    row("gradient-with-shape", _gradient_with_shape, i32([3]), i32(0), X),
    _shaped("gradient-with-shape", _gradient_with_shape, i32([3]), i32(1), X),
    row("gradient-with-shape", _gradient_with_shape, NONE, i32(0), X),
    row("gradient-size", _gradient_size, i32(4), X, dynamic_size=True),
    # Gradients.
    row("write-read", _write_read, i32(1), X, grad=True),
    row("write-two-gather", _write_two_gather, X, X + 1, i32([1, 0]), grad=True),
    _keep("write-two-gather", _write_two_gather, X, X + 1, i32([1, 0, 1]), grad=True),
    _shaped("write-two-gather", _write_two_gather, X, X + 1, i32([2, 0]), grad=True),
    *(
        typed("scatter-gather", _scatter_gather, i32([2, 0]), i32([0, 2]), x, grad=True)
        for x in (rand(2, 3), f64([1, 2]), rand(2, 3, dtype="complex64"), rand(2, dtype="half"))
    ),
    typed("split-concat", _split_concat, i64([1, 0, 2]), rand(3, 2), grad=True),
    row("split-read", _split_read, i64([1, 0, 2]), i32(2), rand(3, 2), grad=True),
    row("write-concat", _write_concat, rand(1, 2), rand(3, 2), size=2, grad=True),
    row("twice-in-a-row", _twice_in_a_row, rand(3, 2), grad=True),
    _keep("read-many", _read_many, rand(3, 2), grad=True),
    row("write-read", _write_read, i32(5), X, dynamic_size=True, grad=True),
    # Gradient nodes that TensorFlow runs too.
    *(
        row(f"slope{build.__name__}", _slope(build), *inputs, size=3, clear_after_read=False)
        for build, *inputs in (
            (_write_two_gather, X, X + 1, i32([1, 0, 1])),
            (_read_many, rand(3, 2)),
            (_twice_in_a_row, rand(3, 2)),
            (_split_value, i64([1, 0, 2]), rand(3, 2)),
            (_write_many, X, X + 1, f32([5])),
        )
    ),
    # Earlier versions.
    *(
        found
        for version in ("", "V2")
        for found in (
            old(version, "write-read", _write_read, i32(1), X),
            old(version, "read", _read, i32(1), error="INVALID_ARGUMENT: cannot be read at"),
            old(
                version,
                "write-two",
                _write_two,
                i32(1),
                X,
                i32(1),
                X,
                error="INVALID_ARGUMENT: was written before",
            ),
            old(version, "scatter-gather", _scatter_gather, i32([1, 0]), i32([0, 1]), rand(2, 2)),
            old(version, "split-concat", _split_concat, i64([1, 2]), rand(3, 2)),
            old(version, "size", _size_after, i32(7), X, dynamic_size=True),
            old(version, "write-closed", _write_closed, X, error="INVALID_ARGUMENT: has been closed"),
            old(version, "gradient-sum", _gradient_sum, X, X, X + 1),
        )
    ),
    old("", "pack", _pack_unpack, rand(2, 3)),
    old("", "pack", _pack_unpack, rand(3, 3), error="INVALID_ARGUMENT: per element"),
    old("", "pack", _pack_unpack, rand(3, 3), dynamic_size=True),
    old("", "pack", _pack_unpack, f32(1), error="INVALID_ARGUMENT: value must have rank 1"),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)


def test_elements_are_given_up_when_read() -> None:
    array = TensorArray("a", float32, 2, UNKNOWN)
    array.write(0, np.ones(3))
    array.take(np, 0)
    assert [value is None or isinstance(value, tuple) for value in array._values] == [True, True]


@pytest.mark.parametrize("version", ["", "V2", "V3"])
def test_gradients_in_every_version(version: str) -> None:
    """TensorFlow writes gradient nodes of the third version alone; the others work here too."""
    from tfg.kernels.builder.graph_builder import GraphBuilder
    from tfg.runtime.execution.session import Session

    g = GraphBuilder()
    x, y = g.placeholder("float", [2], name="x"), g.placeholder("float", [2, 2], name="y")
    array = Array(g, 3, "float", version).write(1, x).scatter([0, 2], y)
    found = array.gather([1, 2, 0])
    dx, dy = add_gradients(g, [found * found], [x, y])
    feeds = {"x": f32([1, 2]), "y": f32([[3, 4], [5, 6]])}
    values = Session(g.graph()).run([dx.name, dy.name], feeds)
    np.testing.assert_array_equal(values[0], 2 * feeds["x"])
    np.testing.assert_array_equal(values[1], 2 * feeds["y"])
