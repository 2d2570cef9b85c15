"""Shapes as values, and the same elements under another shape."""

from __future__ import annotations

import numpy as np
from tfg.kernels.builder.graph_builder import GraphBuilder

from tests import reference

from ...harness import case, f32, i32, i64, rand, table_tests

CASES = [
    case("Shape", rand(2, 3)),
    case("Shape", f32(1), out_type="int64"),
    case("Shape", rand(0, 4)),
    case("Shape", np.array(["a", "b"])),
    case("ShapeN", [rand(2, 3), rand(4)]),
    case("ShapeN", [f32(1), rand(0)], out_type="int64"),
    case("Rank", rand(2, 3)),
    case("Rank", i32(3)),
    case("Size", rand(2, 3)),
    case("Size", rand(0, 3), out_type="int64"),
    case("Size", f32(3)),
    case("Reshape", rand(2, 3, 4), i32([6, 4]), grad=True),
    case("Reshape", rand(2, 3, 4), i64([-1, 8]), grad=True),
    case("Reshape", rand(2, 3, 4), i32([-1])),
    case("Reshape", rand(2, 3, 4), i32(-1), error="INVALID_ARGUMENT: shape must be a vector"),
    case("Reshape", f32([1]), i32([1] * 254), error="INVALID_ARGUMENT: too many dimensions"),
    case("Reshape", f32([1]), i32([1] * 255), error="INVALID_ARGUMENT: dimensions"),
    case("Reshape", f32([1]), i32(1), error="INVALID_ARGUMENT: shape must be a vector"),
    case("Reshape", f32([1]), np.zeros(0, np.int32), grad=True),
    case("Reshape", f32(1), i32([1, 1]), grad=True),
    case("Reshape", rand(0, 3), i32([-1, 3])),
    case("Reshape", rand(0, 3), i32([3, 0])),
    case("Reshape", rand(0, 3), i32([0, -1])),
    case("Reshape", rand(2, 3), i32([0, -1]), error="INVALID_ARGUMENT: cannot be reshaped"),
    case("Reshape", rand(2, 3), i32([4, -1]), error="INVALID_ARGUMENT: cannot be reshaped"),
    case("Reshape", rand(2, 3), i32([4, 2]), error="INVALID_ARGUMENT: cannot be reshaped"),
    case("Reshape", rand(2, 3), i32([-1, -1]), error="INVALID_ARGUMENT: dimension open"),
    case("Reshape", rand(2, 3), i32([-2, -3]), error="INVALID_ARGUMENT: has a negative dimension"),
    case("Reshape", rand(2, 3), i32([-2, 3]), error="INVALID_ARGUMENT: has a negative dimension"),
    case("Reshape", rand(2, 3), i32([[2, 3]]), error="INVALID_ARGUMENT: shape must be a vector"),
    case("Reshape", rand(2, 3), i64([2**62, 4]), error="INVALID_ARGUMENT: too many elements"),
    case("Reshape", rand(0, 3), i64([2**62, 2**62, 0]), error="INVALID_ARGUMENT: too many elements"),
    case("Reshape", np.array(["a", "b"]), i32([2, 1])),
    case("ExpandDims", rand(2, 3), i32(0), grad=True),
    case("ExpandDims", rand(2, 3), i64(-1), grad=True),
    case("ExpandDims", rand(2, 3), i32([1])),
    case("ExpandDims", f32(2), i32(0), grad=True),
    case("ExpandDims", f32(2), i32(-1)),
    case("ExpandDims", f32(2), i32(1), error="INVALID_ARGUMENT: is out of range for rank"),
    case("ExpandDims", rand(2, 3), i32(3), error="INVALID_ARGUMENT: is out of range for rank"),
    case("ExpandDims", rand(2, 3), i32(-4), error="INVALID_ARGUMENT: is out of range for rank"),
    case("ExpandDims", rand(2, 3), i32([1, 1]), error="INVALID_ARGUMENT: dim must be a scalar"),
    case("Squeeze", rand(1, 2, 1, 3), grad=True),
    case("Squeeze", rand(1, 2, 1, 3), squeeze_dims=[0], grad=True),
    case("Squeeze", rand(1, 2, 1, 3), squeeze_dims=[-2, 0], grad=True),
    case("Squeeze", rand(1, 2, 1, 3), squeeze_dims=[1], error="INVALID_ARGUMENT: axis of size"),
    case("Squeeze", rand(1, 2, 1, 3), squeeze_dims=[4], error="INVALID_ARGUMENT: is out of range for rank"),
    case("Squeeze", rand(1, 2, 1, 3), squeeze_dims=[-5], error="INVALID_ARGUMENT: is out of range for rank"),
    case("Squeeze", rand(1, 2, 1, 3), squeeze_dims=[0, 0]),
    case("Squeeze", rand(1, 1)),
    case("Squeeze", f32(1)),
    case("EnsureShape", rand(2, 3), shape=[2, None], grad=True),
    case("EnsureShape", rand(2, 3), shape=[2, 4], error="INVALID_ARGUMENT: Dimensions must be equal"),
    case("EnsureShape", rand(2, 3), shape=[2], error="INVALID_ARGUMENT: must be equal rank"),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)


def test_an_unknown_batch_flows_through_reshape() -> None:
    g = GraphBuilder()
    x = g.placeholder("float", [None, 28, 28], name="x")
    batch = g.StridedSlice(g.Shape(x), [0], [1], [1], shrink_axis_mask=1)
    flat = g.Reshape(x, g.Pack([batch, 784]), name="flat")
    assert str(flat.shape) == "[?,784]"
    joined = g.Reshape(flat, g.ConcatV2([g.ExpandDims(batch, 0), g.constant([28, 28])], 0))
    assert str(joined.shape) == "[?,28,28]"
    squeezed = g.Reshape(flat, g.Pack([g.Squeeze(g.Slice(g.Shape(x), [0], [1])), 784]))
    assert str(squeezed.shape) == "[?,784]"
    (value,) = reference.run(g.graph(), ["flat"], {"x": np.zeros((3, 28, 28), np.float32)})
    assert value.shape == (3, 784)
