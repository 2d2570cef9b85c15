"""Concatenation, packing, splitting."""

from __future__ import annotations

import numpy as np
from tfg.kernels.builder.graph_builder import GraphBuilder

from ...harness import case, f32, i32, i64, of, rand, table_tests

STRINGS = np.array([b"a", b"b"], object)

CASES = [
    case("ConcatV2", [rand(2, 3), rand(4, 3)], i32(0), grad=True),
    case("ConcatV2", [rand(2, 3), rand(2, 1), rand(2, 0)], i32(-1), grad=True),
    case("ConcatV2", [rand(2), rand(0)], i32(0)),
    case("ConcatV2", [STRINGS, STRINGS], i32(0)),
    case("ConcatV2", [of("bfloat16", [1, 2]), of("bfloat16", [3])], i32(0)),
    case("ConcatV2", [i32([1, 2]), i32([3])], i32([0]), error="INVALID_ARGUMENT: 'axis' must be of rank"),
    case("ConcatV2", [rand(2, 3), rand(4, 2)], i32(0), error="INVALID_ARGUMENT: cannot be concatenated"),
    case("ConcatV2", [rand(2, 3), rand(4)], i32(0), error="INVALID_ARGUMENT: must be equal rank"),
    case("ConcatV2", [rand(2, 3), rand(4, 3)], i32(2), error="INVALID_ARGUMENT: cannot be concatenated"),
    case("ConcatV2", [rand(2, 3), rand(4, 3)], i32(-3), error="INVALID_ARGUMENT: cannot be concatenated"),
    case("ConcatV2", [f32(1), f32(2)], i32(0), error="INVALID_ARGUMENT: cannot be concatenated"),
    case("ConcatV2", [rand(2, 3), rand(2, 3)], i32([0, 1]), error="INVALID_ARGUMENT: 'axis' must be of rank"),
    case("Concat", i32(1), [rand(2, 3), rand(2, 2)], grad=True),
    case("Concat", i32(-1), [rand(2, 3), rand(2, 2)], grad=True),
    case("Concat", i32(2), [rand(2, 3), rand(2, 2)], error="INVALID_ARGUMENT: cannot be concatenated"),
    case("ConcatOffset", i32(1), [i32([2, 3]), i32([2, 4]), i32([2, 1])]),
    case("ConcatOffset", i32(-1), [i64([2, 3]), i64([2, 4])]),
    case("ConcatOffset", i32(0), [i32([2, 3]), i32([2, 4])], error="INVALID_ARGUMENT: differ in other axes"),
    case(
        "ConcatOffset", i32(2), [i32([2, 3]), i32([2, 4])], error="INVALID_ARGUMENT: is out of range for rank"
    ),
    case("ConcatOffset", i32(0), [i32([2, 3]), i32([2])], error="INVALID_ARGUMENT: cannot be concatenated"),
    case(
        "ConcatOffset",
        i32([0]),
        [i32([2, 3]), i32([2, 3])],
        error="INVALID_ARGUMENT: 'concat_dim' must be of rank",
    ),
    case("ParallelConcat", [rand(1, 3), rand(1, 3, seed=1)], shape=[2, 3]),
    case("Pack", [rand(2, 3), rand(2, 3, seed=1)], grad=True),
    case("Pack", [rand(2, 3), rand(2, 3, seed=1)], axis=-1, grad=True),
    case("Pack", [rand(2, 3), rand(2, 3, seed=1)], axis=1, grad=True),
    case("Pack", [rand(2, 3)], axis=-3),
    case("Pack", [f32(1), f32(2)], grad=True),
    case("Pack", [i32(1), i32(2)]),
    case("Pack", [of("bfloat16", 1), of("bfloat16", 2)]),
    case("Pack", [np.array(b"a", object), np.array(b"b", object)]),
    case("Pack", [STRINGS, STRINGS], axis=1),
    case("Pack", [rand(0, 2)]),
    case("Pack", [rand(2), rand(3)], error="INVALID_ARGUMENT: Dimensions must be equal"),
    case("Pack", [rand(2), rand(2)], axis=2, error="INVALID_ARGUMENT: is out of range for rank"),
    case("Pack", [rand(2), rand(2)], axis=-3, error="INVALID_ARGUMENT: is out of range for rank"),
    case("Unpack", rand(2, 3), num=2, grad=True),
    case("Unpack", rand(2, 3), num=3, axis=-1, grad=True),
    case("Unpack", rand(2), num=2, grad=True),
    case("Unpack", STRINGS, num=2),
    case("Unpack", rand(2, 3), num=3, error="INVALID_ARGUMENT: Dimensions must be equal"),
    case("Unpack", rand(2, 3), num=2, axis=2, error="INVALID_ARGUMENT: is out of range for rank"),
    case("Unpack", f32(1), num=1, error="INVALID_ARGUMENT: cannot be unpacked"),
    case("Split", i32(0), rand(4, 3), num_split=2, grad=True),
    case("Split", i32(-1), rand(4, 3), num_split=3, grad=True),
    case("Split", i32(1), rand(4, 3), num_split=1, grad=True),
    case("Split", i32(0), STRINGS, num_split=2),
    case("Split", i32(0), rand(0, 3), num_split=2),
    case("Split", i32(0), rand(4, 3), num_split=3, error="INVALID_ARGUMENT: equal parts"),
    case("Split", i32(2), rand(4, 3), num_split=1, error="INVALID_ARGUMENT: is out of range for rank"),
    case("Split", i32([0]), rand(4, 3), num_split=2, error="INVALID_ARGUMENT: 'split_dim' must be of rank"),
    case("Split", i32(0), f32(3), num_split=1, error="INVALID_ARGUMENT: scalar cannot be split"),
    case("SplitV", rand(4, 3), i64([1, 3]), i32(0), num_split=2, grad=True),
    case("SplitV", rand(4, 3), i32([1, -1, 0]), i32(-1), num_split=3, grad=True),
    case("SplitV", rand(4, 3), i32([4]), i32(0), num_split=1, grad=True),
    case("SplitV", rand(4, 3), i64([1, 2]), i32(0), num_split=2, error="INVALID_ARGUMENT: do not add up"),
    case("SplitV", rand(4, 3), i64([1, 4]), i32(0), num_split=2, error="INVALID_ARGUMENT: do not add up"),
    case(
        "SplitV",
        rand(4, 3),
        i64([-1, -1]),
        i32(0),
        num_split=2,
        error="INVALID_ARGUMENT: may have a single -1",
    ),
    case(
        "SplitV",
        rand(4, 3),
        i64([-2, 6]),
        i32(0),
        num_split=2,
        error="INVALID_ARGUMENT: may have a single -1",
    ),
    case("SplitV", rand(4, 3), i64([5, -1]), i32(0), num_split=2, error="INVALID_ARGUMENT: do not add up"),
    case(
        "SplitV",
        rand(4, 3),
        i64([1, 3]),
        i32(2),
        num_split=2,
        error="INVALID_ARGUMENT: is out of range for rank",
    ),
    case(
        "SplitV",
        rand(4, 3),
        i64([1, 3]),
        i32(0),
        num_split=3,
        error="INVALID_ARGUMENT: Dimensions must be equal",
    ),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)


def test_sizes_taken_out_of_a_shape_stay_known() -> None:
    g = GraphBuilder()
    x = g.placeholder("float", [None, 28, 28])
    batch, height, width = g.Unpack(g.Shape(x), num=3)
    assert str(g.Reshape(x, g.Pack([batch, width, height, 1])).shape) == "[?,28,28,1]"
