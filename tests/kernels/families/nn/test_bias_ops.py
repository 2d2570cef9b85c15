"""Biases."""

from __future__ import annotations

from ...harness import case, f32, rand, table_tests

CASES = [
    *[
        case(
            "BiasAdd",
            rand(*shape, dtype=t),
            rand(shape[axis], dtype=t),
            data_format=layout,
            grad=t == "float",
        )
        for t in ("float", "double", "half", "bfloat16", "int32", "complex64", "uint8")
        for shape, axis, layout in (((2, 3), 1, "NHWC"), ((2, 3, 4), 1, "NCHW"))
    ],
    case("BiasAdd", rand(2, 3, 4, 5), rand(5), grad=True),
    case("BiasAdd", rand(2, 3, 4, 5), rand(3), data_format="NCHW", grad=True),
    case("BiasAdd", rand(2, 3, 2, 2, 2), rand(3), data_format="NCHW", grad=True),
    case("BiasAdd", rand(2, 3, 2, 2, 4), rand(4), grad=True),
    case(
        "BiasAdd",
        rand(2, 3),
        rand(3),
        data_format="NCHW",
        error="INVALID_ARGUMENT: 'value' must be of rank",
    ),
    case("BiasAdd", rand(0, 3), rand(3), grad=True),
    case("BiasAdd", rand(3, 0), rand(0), grad=True),
    case("BiasAdd", rand(2, 3), rand(4), error="INVALID_ARGUMENT: Dimensions must be equal"),
    case("BiasAdd", rand(2, 3), rand(1), error="INVALID_ARGUMENT: Dimensions must be equal"),
    case("BiasAdd", rand(2, 3), f32(1), error="INVALID_ARGUMENT: 'bias' must be of rank"),
    case("BiasAdd", rand(3), rand(3), error="INVALID_ARGUMENT: 'value' must be of rank"),
    case(
        "BiasAdd",
        rand(2, 3, 4),
        rand(4),
        data_format="NCHW",
        error="INVALID_ARGUMENT: Dimensions must be equal",
    ),
    case("BiasAddV1", rand(2, 3), rand(3), grad=True),
    case("BiasAddV1", rand(2, 3), rand(2), error="INVALID_ARGUMENT: Dimensions must be equal"),
    *[
        case("BiasAddGrad", rand(2, 3, 4, dtype=t), data_format=layout, grad=t in ("float", "double", "half"))
        for t in ("float", "double", "half", "bfloat16", "int32", "int8")
        for layout in ("NHWC", "NCHW")
    ],
    case("BiasAddGrad", rand(2, 3, 4, 5, 6), data_format="NCHW", grad=True),
    case(
        "BiasAddGrad",
        rand(2, 3),
        data_format="NCHW",
        error="INVALID_ARGUMENT: 'out_backprop' must be of rank",
    ),
    case("BiasAddGrad", rand(0, 3)),
    case("BiasAddGrad", rand(3), error="INVALID_ARGUMENT: 'out_backprop' must be of rank"),
    case("BiasAddGrad", f32(1), error="INVALID_ARGUMENT: 'out_backprop' must be of rank"),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
