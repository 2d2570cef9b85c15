from __future__ import annotations

from typing import Any

import numpy as np
from tfg.graphfmt.proto import example_pb2

from ...harness import case, f32, i64, table_tests


def example(**features: list[Any]) -> bytes:
    """A serialized tf.Example: floats, integers or bytes by name."""
    message = example_pb2.Example()
    for name, values in features.items():
        feature = message.features.feature[name]
        if values and isinstance(values[0], bytes):
            feature.bytes_list.value.extend(values)
        elif values and isinstance(values[0], float):
            feature.float_list.value.extend(values)
        elif values:
            feature.int64_list.value.extend(values)
    return message.SerializeToString(deterministic=True)


def text(*items: bytes) -> Any:
    return np.array(items, object)


BATCH = text(
    example(f=[1.0, 2.0], i=[1, 2, 3], s=[b"a"]),
    example(f=[3.0, 4.0], s=[b"b"]),
    example(f=[5.0, 6.0], i=[9], s=[b"c"], other=[1]),
)
NONE = np.zeros(0, object)
NUL = np.zeros(0, np.float32)
TYPES = {"sparse_types": ["int64"], "Tdense": ["float", "string"], "dense_shapes": [[2], []]}
FIRST = [BATCH, NONE, [np.array(b"i", object)], [np.array(b"f", object), np.array(b"s", object)], [NUL, NONE]]
RAGGED = {"num_sparse": 0, "sparse_types": [], "Tdense": [], "dense_shapes": []}
INTEGERS = {"ragged_value_types": ["int64"]}


def second(
    serialized: Any, sparse: Any = NONE, dense: Any = NONE, ragged: Any = NONE, *defaults: Any
) -> list[Any]:
    return [serialized, NONE, sparse, dense, ragged, list(defaults)]


VARIABLE = {"num_sparse": 0, "sparse_types": [], "ragged_value_types": [], "ragged_split_types": []}
ONLY_SPARSE = {**VARIABLE, "num_sparse": 1, "sparse_types": ["int64"], "Tdense": [], "dense_shapes": []}

CASES = [
    case("ParseExample", *FIRST, **TYPES, Nsparse=1, Ndense=2),
    case("ParseExampleV2", *second(BATCH, text(b"i")), **ONLY_SPARSE),
    case("ParseExampleV2", *second(np.array(BATCH[0], object), text(b"i")), **ONLY_SPARSE),
    case("ParseExampleV2", *second(text(), text(b"i")), **ONLY_SPARSE),
    case(
        "ParseExampleV2",
        *second(BATCH, NONE, text(b"i"), NONE, i64([7])),
        **VARIABLE,
        Tdense=["int64"],
        dense_shapes=[[None]],
    ),
    case(
        "ParseExampleV2",
        *second(BATCH, NONE, text(b"f"), NONE, f32([0])),
        **VARIABLE,
        Tdense=["float"],
        dense_shapes=[[None, 2]],
    ),
    case(
        "ParseExampleV2",
        *second(BATCH, NONE, text(b"f"), NONE, NUL),
        **VARIABLE,
        Tdense=["float"],
        dense_shapes=[[1, 2]],
    ),
    case(
        "ParseExampleV2",
        *second(BATCH, NONE, text(b"x"), NONE, f32([1, 2])),
        **VARIABLE,
        Tdense=["float"],
        dense_shapes=[[2]],
    ),
    case(
        "ParseExampleV2",
        *second(BATCH, NONE, NONE, text(b"i")),
        **RAGGED,
        **INTEGERS,
        ragged_split_types=["int32"],
    ),
    case(
        "ParseExampleV2",
        *second(BATCH, NONE, NONE, text(b"none")),
        **RAGGED,
        **INTEGERS,
        ragged_split_types=["int64"],
    ),
    case(
        "ParseExampleV2",
        *second(np.array(BATCH[0], object), NONE, NONE, text(b"i")),
        **RAGGED,
        **INTEGERS,
        ragged_split_types=["int32"],
    ),
    case(
        "ParseSingleExample",
        np.array(BATCH[0], object),
        [NUL, NONE],
        num_sparse=1,
        sparse_keys=["i"],
        dense_keys=["f", "s"],
        **TYPES,
    ),
]

REQUIRED = {**VARIABLE, "Tdense": ["float"], "dense_shapes": [[2]]}

CASES += [
    case(
        "ParseExampleV2",
        *second(BATCH, NONE, text(b"x"), NONE, NUL),
        **REQUIRED,
        error="INVALID_ARGUMENT: is required",
    ),
    case(
        "ParseExampleV2",
        *second(BATCH, NONE, text(b"s"), NONE, NUL),
        **REQUIRED,
        error="INVALID_ARGUMENT: types don't match",
    ),
    case(
        "ParseExampleV2",
        *second(text(b"\xff"), NONE, text(b"f"), NONE, NUL),
        **REQUIRED,
        error="INVALID_ARGUMENT: Could not parse",
    ),
    case(
        "ParseExampleV2",
        *second(BATCH, NONE, text(b"f"), NONE, NUL),
        **{**REQUIRED, "dense_shapes": [[3]]},
        error="INVALID_ARGUMENT: values != expected",
    ),
    case(
        "ParseExampleV2",
        *second(BATCH, NONE, text(b"f"), NONE, f32([1, 2, 3])),
        **REQUIRED,
        error="INVALID_ARGUMENT: not compatible",
    ),
    case(
        "ParseExample",
        BATCH,
        text(b"a"),
        *FIRST[2:],
        **TYPES,
        Nsparse=1,
        Ndense=2,
        error="INVALID_ARGUMENT: len(names)",
    ),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
