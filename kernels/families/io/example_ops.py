"""ParseExample in both versions, and ParseSingleExample: tf.Example messages as tensors (example_parsing_ops.cc in
TensorFlow)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import UNKNOWN, Shape
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...numeric.string_tensors import to_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....graphfmt.dtypes import DType
    from ...core.inference import ShapeContext
    from .examples import DenseFeature, SparseFeature

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

_TYPE = "list(type) in {float, int64, string} >= 0"


def dense_features(
    keys: Sequence[str], types: Sequence[DType], shapes: Sequence[Shape], defaults: Any
) -> list[DenseFeature]:
    """Returns the dense features. Raises INVALID_ARGUMENT for attributes or defaults that do not fit each other."""
    from .examples import DenseFeature

    if not len(keys) == len(types) == len(shapes) == len(defaults):
        numbers = f"{len(types)} types, {len(shapes)} dense_shapes and {len(defaults)} defaults"
        raise invalid(f"there are {len(keys)} dense_keys, {numbers}")
    features: list[DenseFeature] = []
    for number, (key, dtype, shape, default) in enumerate(zip(keys, types, shapes, defaults)):
        array = default if isinstance(default, np.ndarray) else np.array(default, dtype.numpy)
        feature = DenseFeature(key, dtype, shape, array)
        if shape.rank is None or any(size is None for size in (shape.dims or ())[1:]):
            raise invalid(f"dense_shapes[{number}] must be known but for its first dimension, and is {shape}")
        if feature.is_variable:
            if array.size != 1:
                raise invalid(
                    f"dense_shape[{number}] is a variable length shape: {shape}, therefore def_value[{number}] must "
                    f"contain a single element (the padding element). But its shape is: {Shape(tuple(array.shape))}"
                )
        elif array.size and Shape(tuple(array.shape)) != shape:
            raise invalid(
                f"def_value[{number}].shape() == {Shape(tuple(array.shape))} is not compatible with "
                f"dense_shapes_[{number}] == {shape}"
            )
        features.append(feature)
    return features


def sparse_features(keys: Sequence[str], types: Sequence[DType]) -> list[SparseFeature]:
    """Returns the sparse features. Raises INVALID_ARGUMENT unless there is a type for each key."""
    from .examples import SparseFeature

    if len(keys) != len(types):
        raise invalid(f"there are {len(keys)} sparse_keys, but {len(types)} sparse_types")
    return [SparseFeature(key, dtype) for key, dtype in zip(keys, types)]


def _batch_shapes(c: ShapeContext, batch: Any, *, is_single: bool, ragged: int = 0) -> list[Shape]:
    """The shapes of the outputs; ``batch`` is the number of messages, None if unknown."""
    sparse = len(c.attrs["sparse_types"])
    rank = 1 if is_single else 2
    stack = () if is_single else (batch,)
    dense = [
        UNKNOWN if shape.dims is None else Shape((*stack, *shape.dims)) for shape in c.attrs["dense_shapes"]
    ]
    splits = Shape((0,)) if is_single else Shape((None if batch is None else batch + 1,))
    found = [
        *[Shape((None, rank))] * sparse, *[Shape((None,))] * sparse, *[Shape((rank,))] * sparse, *dense,
        *[Shape((None,))] * ragged, *[splits] * ragged,
    ]  # fmt: skip
    if len(found) != len(c.bound.output_types):
        raise invalid(
            f"the numbers of keys, types and shapes do not agree: there are {len(c.bound.output_types)} outputs, but "
            f"{len(found)} of the features"
        )
    return found


def _first_shapes(c: ShapeContext) -> list[Shape]:
    return _batch_shapes(c, c.with_rank("serialized", 1)[0], is_single=False)


parse = op(
    "ParseExample(serialized: string, names: string, sparse_keys: Nsparse*string, dense_keys: Ndense*string, "
    f"dense_defaults: *Tdense; Nsparse: int >= 0, Ndense: int >= 0, sparse_types: {_TYPE}, Tdense: {_TYPE}, "
    "dense_shapes: list(shape) >= 0) -> (sparse_indices: Nsparse*int64, sparse_values: *sparse_types, "
    "sparse_shapes: Nsparse*int64, dense_values: *Tdense)",
    shape=_first_shapes,
)


@parse.kernel
def _(
    xp: Any, serialized: Any, names: Any, sparse_keys: Any, dense_keys: Any, dense_defaults: Any, *,
    sparse_types: Sequence[DType], Tdense: Sequence[DType], dense_shapes: Sequence[Shape],
) -> Any:  # fmt: skip
    from .examples import ExampleBatch, texts

    _check_vector(serialized, "serialized")
    sparse = [texts(key, "sparse_keys")[0] for key in sparse_keys]
    dense = [texts(key, "dense_keys")[0] for key in dense_keys]
    features = (
        sparse_features(sparse, sparse_types),
        dense_features(dense, Tdense, dense_shapes, dense_defaults),
    )
    batch = ExampleBatch(serialized.tolist(), _names(names, len(serialized)))
    return _by_argument(batch.parse(*features))


def _check_vector(value: Any, what: str) -> None:
    if not isinstance(value, np.ndarray) or value.ndim != 1:
        shape = Shape(tuple(value.shape)) if isinstance(value, np.ndarray) else Shape(())
        raise invalid(f"Expected {what} to be a vector, got shape: {shape}")


def _names(names: Any, count: int) -> list[bytes]:
    listed: list[bytes] = [names] if isinstance(names, bytes) else np.reshape(names, -1).tolist()
    if listed and len(listed) != count:
        raise invalid(f"Expected len(names) == len(serialized), but got: {len(listed)} vs. {count}")
    return listed


def _by_argument(parsed: Any) -> list[Any]:
    """Returns one list of tensors per output argument of the operations without ragged features."""
    dense = [to_value(value) for value in parsed.dense]
    return [parsed.sparse_indices, parsed.sparse_values, parsed.sparse_shapes, dense]


def _second_shapes(c: ShapeContext) -> list[Shape]:
    serialized = c.input("serialized")
    ragged = len(c.attrs["ragged_value_types"])
    if serialized.rank is None:
        return [UNKNOWN] * len(_batch_shapes(c, None, is_single=True, ragged=ragged))
    is_single = serialized.rank == 0
    return _batch_shapes(c, None if is_single else serialized[0], is_single=is_single, ragged=ragged)


parse_v2 = op(
    "ParseExampleV2(serialized: string, names: string, sparse_keys: string, dense_keys: string, ragged_keys: string, "
    f"dense_defaults: *Tdense; Tdense: {_TYPE}, num_sparse: int >= 0, sparse_types: {_TYPE}, "
    f"ragged_value_types: {_TYPE}, ragged_split_types: list(type) in {{int32, int64}} >= 0, "
    "dense_shapes: list(shape) >= 0) -> (sparse_indices: num_sparse*int64, sparse_values: *sparse_types, "
    "sparse_shapes: num_sparse*int64, dense_values: *Tdense, ragged_values: *ragged_value_types, "
    "ragged_row_splits: *ragged_split_types)",
    shape=_second_shapes,
)


@parse_v2.kernel
def _(
    xp: Any, serialized: Any, names: Any, sparse_keys: Any, dense_keys: Any, ragged_keys: Any, dense_defaults: Any, *,
    Tdense: Sequence[DType], sparse_types: Sequence[DType], ragged_value_types: Sequence[DType],
    ragged_split_types: Sequence[DType], dense_shapes: Sequence[Shape],
) -> Any:  # fmt: skip
    from .examples import ExampleBatch, RaggedFeature, texts

    is_single = isinstance(serialized, bytes) or serialized.ndim == 0
    if not is_single:
        _check_vector(serialized, "serialized")
    data: list[bytes] = np.reshape(serialized, -1).tolist()
    ragged = texts(ragged_keys, "ragged_keys")
    if not len(ragged) == len(ragged_value_types) == len(ragged_split_types):
        numbers = f"{len(ragged_value_types)} types and {len(ragged_split_types)} split types"
        raise invalid(f"there are {len(ragged)} ragged_keys, {numbers}")
    parsed = ExampleBatch(data, _names(names, len(data)), is_single=is_single).parse(
        sparse_features(texts(sparse_keys, "sparse_keys"), sparse_types),
        dense_features(texts(dense_keys, "dense_keys"), Tdense, dense_shapes, dense_defaults),
        [RaggedFeature(*fields) for fields in zip(ragged, ragged_value_types, ragged_split_types)],
    )
    return [*_by_argument(parsed), parsed.ragged_values, parsed.ragged_splits]


def _single_shapes(c: ShapeContext) -> list[Shape]:
    c.with_rank("serialized", 0)
    return _batch_shapes(c, None, is_single=True)


parse_single = op(
    f"ParseSingleExample(serialized: string, dense_defaults: *Tdense; num_sparse: int >= 0, "
    f"sparse_keys: list(string) >= 0, dense_keys: list(string) >= 0, sparse_types: {_TYPE}, Tdense: {_TYPE}, "
    "dense_shapes: list(shape) >= 0) -> (sparse_indices: num_sparse*int64, sparse_values: *sparse_types, "
    "sparse_shapes: num_sparse*int64, dense_values: *Tdense)",
    shape=_single_shapes,
)


@parse_single.kernel
def _(
    xp: Any, serialized: Any, dense_defaults: Any, *, sparse_keys: Sequence[str], dense_keys: Sequence[str],
    sparse_types: Sequence[DType], Tdense: Sequence[DType], dense_shapes: Sequence[Shape],
) -> Any:  # fmt: skip
    from .examples import ExampleBatch

    if isinstance(serialized, np.ndarray) and serialized.ndim:
        raise invalid(f"Expected serialized to be a scalar, got shape: {Shape(tuple(serialized.shape))}")
    data: Any = serialized[()] if isinstance(serialized, np.ndarray) else serialized
    parsed = ExampleBatch([data], is_single=True).parse(
        sparse_features(sparse_keys, sparse_types),
        dense_features(dense_keys, Tdense, dense_shapes, dense_defaults),
    )
    return _by_argument(parsed)
