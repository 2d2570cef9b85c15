"""Activation functions."""

from __future__ import annotations

import numpy as np

from ...harness import case, cast, f32, rand, table_tests

_FLOATS = ("float", "double", "half", "bfloat16")
_INTEGERS = ("int32", "uint8", "int16", "int8", "int64", "uint16", "uint32", "uint64")
_OF_FLOATS = ("Elu", "Selu", "LeakyRelu", "Softplus", "Softsign")
_ODD = f32([np.nan, np.inf, -np.inf, 0, -0.0, 6, 7, -50, 50, -120, 120, 1e-30, -1e-30])

CASES = [
    *[
        case(name, rand(2, 3, dtype=t, low=-3, high=9), grad=True)
        for name in ("Relu", "Relu6")
        for t in _FLOATS
    ],
    *[case(name, cast(t, [0, 1, 5, 6, 7, 100])) for name in ("Relu", "Relu6") for t in _INTEGERS],
    *[case(name, cast(t, [-4, 0, 5, 9])) for name in ("Relu", "Relu6") for t in ("int32", "int8", "int64")],
    *[case(name, rand(2, 3, dtype=t), grad=True) for name in _OF_FLOATS for t in _FLOATS],
    *[case(name, x) for name in ("Relu", "Relu6", *_OF_FLOATS) for x in (rand(0, 3), f32(-1.5))],
    *[case(name, _ODD, grad=True) for name in ("Relu", "Relu6", *_OF_FLOATS)],
    *[case("LeakyRelu", rand(7), alpha=alpha, grad=True) for alpha in (0.0, -0.5, 1.5)],
    *[
        case(
            name + "Grad", rand(3, 4, dtype=t), rand(3, 4, dtype=t, seed=5, low=-3, high=8), grad=t == "float"
        )
        for name in ("Relu", "Relu6", "Elu", "Selu", "LeakyRelu", "Softplus")
        for t in _FLOATS
    ],
    *[case("SoftsignGrad", rand(3, 4, dtype=t), rand(3, 4, dtype=t, seed=5)) for t in _FLOATS],
    *[
        case(name + "Grad", cast(t, [1, 2, 3, 4]), cast(t, [0, 1, 6, 7]))
        for name in ("Relu", "Relu6")
        for t in _INTEGERS
    ],
    *[
        case(name + "Grad", dy, x)
        for name in ("Relu", "Relu6", *_OF_FLOATS)
        for dy, x in ((rand(13), _ODD), (_ODD, rand(13)), (rand(3, 1), rand(3, 1)), (f32(2), f32(-1)))
    ],
    *[
        case(name + "Grad", rand(2, 3), rand(3), error="INVALID_ARGUMENT: must be equal rank")
        for name in ("Relu", "Relu6", *_OF_FLOATS)
    ],
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
