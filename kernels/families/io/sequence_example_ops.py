"""ParseSequenceExample in both versions, and ParseSingleSequenceExample: tf.SequenceExample messages as tensors
(example_parsing_ops.cc in TensorFlow)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import UNKNOWN, Shape
from ...core.registry import Family
from ...core.traits import GpuSupport

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ....graphfmt.dtypes import DType
    from ...core.inference import ShapeContext
    from .examples import DenseFeature, RaggedFeature, SparseFeature
    from .sequence_examples import DenseList, SequenceBatch

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

_TYPE = "list(type) in {float, int64, string} >= 0 = []"
_SPLIT = "list(type) in {int32, int64} >= 0 = []"
_KEYS = "list(string) >= 0"
_SHAPES = "list(shape) >= 0 = []"
_COUNT = "int >= 0 = 0"
_DENSE_LENGTHS = "feature_list_dense_lengths: Nfeature_list_dense*int64"
_OUTPUTS = (
    "context_sparse_indices: Ncontext_sparse*int64, context_sparse_values: *context_sparse_types, "
    "context_sparse_shapes: Ncontext_sparse*int64, context_dense_values: *Tcontext_dense"
)
_LIST_OUTPUTS = (
    "feature_list_sparse_indices: Nfeature_list_sparse*int64, feature_list_sparse_values: *feature_list_sparse_types, "
    "feature_list_sparse_shapes: Nfeature_list_sparse*int64, feature_list_dense_values: *feature_list_dense_types"
)


def _shapes(c: ShapeContext, rank: int | None, batch: Any = None) -> list[Shape]:
    """The shapes of all outputs; ``rank`` is that of the messages, None if unknown, ``batch`` their number."""
    attrs = c.attrs
    if rank is None:
        return [UNKNOWN] * len(c.bound.output_types)
    stack = () if rank == 0 else (batch,)
    steps = (*stack, None)
    splits = Shape(()) if rank == 0 else Shape((None if batch is None else batch + 1,))
    sparse, lists = len(attrs["context_sparse_types"]), len(attrs["feature_list_sparse_types"])
    ragged, ragged_lists = (
        len(attrs.get(f"{part}_ragged_value_types", ())) for part in ("context", "feature_list")
    )
    found = [
        *_sparse_shapes(sparse, rank + 1), *_stacked(stack, attrs["context_dense_shapes"]),
        *[Shape((None,))] * ragged, *[splits] * ragged, *_sparse_shapes(lists, rank + 2),
        *_stacked(steps, attrs["feature_list_dense_shapes"]),
    ]  # fmt: skip
    if "feature_list_dense_lengths" in [arg.name for arg in c.op.signature.outputs]:
        found += [Shape(stack)] * len(attrs["feature_list_dense_shapes"])
    found += [*[Shape((None,))] * ragged_lists, *[splits] * ragged_lists, *[Shape((None,))] * ragged_lists]
    if len(found) != len(c.bound.output_types):
        raise invalid(
            f"the numbers of keys, types and shapes do not agree: there are {len(c.bound.output_types)} outputs, but "
            f"{len(found)} of the features"
        )
    return found


def _sparse_shapes(count: int, rank: int) -> list[Shape]:
    return [*[Shape((None, rank))] * count, *[Shape((None,))] * count, *[Shape((rank,))] * count]


def _stacked(stack: tuple[Any, ...], shapes: Iterable[Shape]) -> list[Shape]:
    return [UNKNOWN if shape.dims is None else Shape((*stack, *shape.dims)) for shape in shapes]


def _batch_shapes(c: ShapeContext) -> list[Shape]:
    serialized = c.input("serialized")
    if serialized.rank is not None and serialized.rank > 1:
        raise invalid(f"Expected serialized to be a scalar or vector, got shape: {serialized}")
    return _shapes(c, serialized.rank, serialized[0] if serialized.rank else None)


def _first_shapes(c: ShapeContext) -> list[Shape]:
    serialized = c.with_rank("serialized", 1)
    return _shapes(c, serialized.rank, serialized[0])


def _single_shapes(c: ShapeContext) -> list[Shape]:
    c.with_rank("serialized", 0)
    return _shapes(c, 0)


def _batch(serialized: Any, names: Any) -> SequenceBatch:
    from .sequence_examples import SequenceBatch

    is_scalar = np.ndim(serialized) == 0
    if np.ndim(serialized) > 1:
        raise invalid(
            f"Expected serialized to be a scalar or vector, got shape: {Shape(tuple(serialized.shape))}"
        )
    data, listed = _strings(serialized), _strings(names)
    if listed and len(listed) != len(data):
        raise invalid(
            f"example_names must be empty or have the correct number of elements: {len(data)}, not {len(listed)}"
        )
    return SequenceBatch(data, listed, is_scalar=is_scalar)


def _strings(value: Any) -> list[bytes]:
    return [value] if isinstance(value, bytes) else np.reshape(value, -1).tolist()


def _sparse(part: str, keys: Sequence[str], types: Sequence[DType]) -> list[SparseFeature]:
    from .examples import SparseFeature

    if len(keys) != len(types):
        raise invalid(
            f"num_{part}_sparse ({len(keys)}) must match the size of {part}_sparse_types ({len(types)})"
        )
    return [SparseFeature(key, dtype) for key, dtype in zip(keys, types)]


def _ragged(
    part: str, keys: Sequence[str], types: Sequence[DType], split_types: Sequence[DType]
) -> list[RaggedFeature]:
    from .examples import RaggedFeature

    if not len(keys) == len(types) == len(split_types):
        raise invalid(
            f"there are {len(keys)} {part}_ragged_keys, {len(types)} value types and {len(split_types)} split types"
        )
    return [RaggedFeature(*fields) for fields in zip(keys, types, split_types)]


def _context_dense(
    keys: Sequence[str], types: Sequence[DType], shapes: Sequence[Shape], defaults: Any
) -> list[DenseFeature]:
    from .examples import DenseFeature

    if not len(keys) == len(types) == len(shapes) == len(defaults):
        raise invalid(
            f"num_context_dense ({len(keys)}) must match the numbers of types ({len(types)}), context_dense_shapes "
            f"({len(shapes)}) and context_dense_defaults ({len(defaults)})"
        )
    features: list[DenseFeature] = []
    for number, (key, dtype, shape, default) in enumerate(zip(keys, types, shapes, defaults)):
        _check_defined(shape)
        array = default if isinstance(default, np.ndarray) else np.array(default, dtype.numpy)
        if array.size and Shape(tuple(array.shape)) != shape:
            raise invalid(
                f"default_value[{number}].shape() == {Shape(tuple(array.shape))} != context_dense_shapes[{number}] == "
                f"{shape}"
            )
        features.append(DenseFeature(key, dtype, shape, array))
    return features


def _check_defined(shape: Shape) -> None:
    if shape.dims is None or None in shape.dims:
        raise invalid(f"Shape {shape} is not fully defined")


def _dense_lists(
    keys: Sequence[str], types: Sequence[DType], shapes: Sequence[Shape], may_miss: Sequence[bool]
) -> list[DenseList]:
    from .sequence_examples import DenseList

    if not len(keys) == len(types) == len(shapes):
        raise invalid(
            f"num_feature_list_dense ({len(keys)}) must match the numbers of types ({len(types)}) and "
            f"feature_list_dense_shapes ({len(shapes)})"
        )
    for shape in shapes:
        _check_defined(shape)
    return [DenseList(k, t, s.known(), bool(m)) for k, t, s, m in zip(keys, types, shapes, may_miss)]


def _check_kinds(part: str, **keys: Sequence[Any]) -> None:
    """Raises INVALID_ARGUMENT for a key that is asked for in two forms; ``keys`` are the features by form."""
    forms: dict[str, str] = {}
    for form, features in keys.items():
        for feature in features:
            if forms.setdefault(feature.key, form) != form:
                raise invalid(f"{part} {feature.key} cannot be both {form} and {forms[feature.key]}")


def _transposed(rows: Sequence[Sequence[Any]], width: int) -> list[list[Any]]:
    """Returns a list per output argument, of one row per feature."""
    return [list(column) for column in zip(*rows)] if rows else [[] for _ in range(width)]


class _Features:
    """The features that a node asks for, of a batch: a list per output argument."""

    def __init__(self, batch: SequenceBatch) -> None:
        self.batch = batch

    def context(self, sparse: Sequence[SparseFeature], dense: Sequence[DenseFeature]) -> list[list[Any]]:
        found = [self.batch.context_sparse(feature) for feature in sparse]
        return [*_transposed(found, 3), [self.batch.context_dense(feature) for feature in dense]]

    def lists(self, sparse: Sequence[SparseFeature], dense: Sequence[DenseList]) -> list[list[Any]]:
        found = [self.batch.list_sparse(feature) for feature in sparse]
        return [
            *_transposed(found, 3),
            *_transposed([self.batch.list_dense(feature) for feature in dense], 2),
        ]


first = op(
    "ParseSequenceExample(serialized: string, debug_name: string, context_dense_defaults: *Tcontext_dense; "
    f"feature_list_dense_missing_assumed_empty: {_KEYS}, context_sparse_keys: {_KEYS}, context_dense_keys: {_KEYS}, "
    f"feature_list_sparse_keys: {_KEYS}, feature_list_dense_keys: {_KEYS}, Ncontext_sparse: {_COUNT}, "
    f"Ncontext_dense: {_COUNT}, Nfeature_list_sparse: {_COUNT}, Nfeature_list_dense: {_COUNT}, "
    f"context_sparse_types: {_TYPE}, Tcontext_dense: {_TYPE}, feature_list_dense_types: {_TYPE}, "
    f"context_dense_shapes: {_SHAPES}, feature_list_sparse_types: {_TYPE}, feature_list_dense_shapes: {_SHAPES}) -> "
    f"({_OUTPUTS}, {_LIST_OUTPUTS}, {_DENSE_LENGTHS})",
    shape=_first_shapes,
)


@first.kernel
def _(
    xp: Any, serialized: Any, debug_name: Any, context_dense_defaults: Any, *,
    feature_list_dense_missing_assumed_empty: Sequence[str], context_sparse_keys: Sequence[str],
    context_dense_keys: Sequence[str], feature_list_sparse_keys: Sequence[str],
    feature_list_dense_keys: Sequence[str], context_sparse_types: Sequence[DType], Tcontext_dense: Sequence[DType],
    feature_list_dense_types: Sequence[DType], context_dense_shapes: Sequence[Shape],
    feature_list_sparse_types: Sequence[DType], feature_list_dense_shapes: Sequence[Shape],
) -> Any:  # fmt: skip
    dense = _context_dense(context_dense_keys, Tcontext_dense, context_dense_shapes, context_dense_defaults)
    may_miss = [key in feature_list_dense_missing_assumed_empty for key in feature_list_dense_keys]
    dense_lists = _dense_lists(
        feature_list_dense_keys, feature_list_dense_types, feature_list_dense_shapes, may_miss
    )
    sparse = _sparse("context", context_sparse_keys, context_sparse_types)
    sparse_lists = _sparse("feature_list", feature_list_sparse_keys, feature_list_sparse_types)
    _check_kinds("Context feature", sparse=sparse, dense=dense)
    _check_kinds("Feature list", sparse=sparse_lists, dense=dense_lists)
    features = _Features(_batch(serialized, debug_name))
    return [*features.context(sparse, dense), *features.lists(sparse_lists, dense_lists)]


second = op(
    "ParseSequenceExampleV2(serialized: string, debug_name: string, context_sparse_keys: string, context_dense_keys: "
    "string, context_ragged_keys: string, feature_list_sparse_keys: string, feature_list_dense_keys: string, "
    "feature_list_ragged_keys: string, feature_list_dense_missing_assumed_empty: bool, context_dense_defaults: "
    f"*Tcontext_dense; Ncontext_sparse: {_COUNT}, Tcontext_dense: {_TYPE}, context_sparse_types: {_TYPE}, "
    f"context_ragged_value_types: {_TYPE}, context_ragged_split_types: {_SPLIT}, context_dense_shapes: {_SHAPES}, "
    f"Nfeature_list_sparse: {_COUNT}, Nfeature_list_dense: {_COUNT}, feature_list_dense_types: {_TYPE}, "
    f"feature_list_sparse_types: {_TYPE}, feature_list_ragged_value_types: {_TYPE}, feature_list_ragged_split_types: "
    f"{_SPLIT}, feature_list_dense_shapes: {_SHAPES}) -> ({_OUTPUTS}, context_ragged_values: "
    "*context_ragged_value_types, context_ragged_row_splits: *context_ragged_split_types, "
    f"{_LIST_OUTPUTS}, {_DENSE_LENGTHS}, feature_list_ragged_values: *feature_list_ragged_value_types, "
    "feature_list_ragged_outer_splits: *feature_list_ragged_split_types, feature_list_ragged_inner_splits: "
    "*feature_list_ragged_split_types)",
    shape=_batch_shapes,
)


@second.kernel
def _(
    xp: Any, serialized: Any, debug_name: Any, context_sparse_keys: Any, context_dense_keys: Any,
    context_ragged_keys: Any, feature_list_sparse_keys: Any, feature_list_dense_keys: Any,
    feature_list_ragged_keys: Any, feature_list_dense_missing_assumed_empty: Any, context_dense_defaults: Any, *,
    Tcontext_dense: Sequence[DType], context_sparse_types: Sequence[DType],
    context_ragged_value_types: Sequence[DType], context_ragged_split_types: Sequence[DType],
    context_dense_shapes: Sequence[Shape], feature_list_dense_types: Sequence[DType],
    feature_list_sparse_types: Sequence[DType], feature_list_ragged_value_types: Sequence[DType],
    feature_list_ragged_split_types: Sequence[DType], feature_list_dense_shapes: Sequence[Shape],
) -> Any:  # fmt: skip
    from .examples import texts

    may_miss = np.reshape(feature_list_dense_missing_assumed_empty, -1).tolist()
    list_keys = texts(feature_list_dense_keys, "feature_list_dense_keys")
    if len(may_miss) != len(list_keys):
        raise invalid(
            f"Expected len(feature_list_dense_missing_assumed_empty to match Nfeature_list_dense, but got: "
            f"{len(may_miss)} vs. {len(list_keys)}"
        )
    dense_keys = texts(context_dense_keys, "context_dense_keys")
    dense = _context_dense(dense_keys, Tcontext_dense, context_dense_shapes, context_dense_defaults)
    dense_lists = _dense_lists(list_keys, feature_list_dense_types, feature_list_dense_shapes, may_miss)
    sparse = _sparse("context", texts(context_sparse_keys, "context_sparse_keys"), context_sparse_types)
    sparse_keys = texts(feature_list_sparse_keys, "feature_list_sparse_keys")
    sparse_lists = _sparse("feature_list", sparse_keys, feature_list_sparse_types)
    ragged_keys = texts(context_ragged_keys, "context_ragged_keys")
    ragged = _ragged("context", ragged_keys, context_ragged_value_types, context_ragged_split_types)
    ragged_list_keys = texts(feature_list_ragged_keys, "feature_list_ragged_keys")
    ragged_types = feature_list_ragged_value_types, feature_list_ragged_split_types
    ragged_lists = _ragged("feature_list", ragged_list_keys, *ragged_types)
    _check_kinds("Context feature", sparse=sparse, dense=dense, ragged=ragged)
    _check_kinds("Feature list", sparse=sparse_lists, dense=dense_lists, ragged=ragged_lists)
    features = _Features(_batch(serialized, debug_name))
    return [
        *features.context(sparse, dense),
        *_transposed([features.batch.context_ragged(feature) for feature in ragged], 2),
        *features.lists(sparse_lists, dense_lists),
        *_transposed([features.batch.list_ragged(feature) for feature in ragged_lists], 3),
    ]


single = op(
    "ParseSingleSequenceExample(serialized: string, feature_list_dense_missing_assumed_empty: string, "
    "context_sparse_keys: Ncontext_sparse*string, context_dense_keys: Ncontext_dense*string, "
    "feature_list_sparse_keys: Nfeature_list_sparse*string, feature_list_dense_keys: Nfeature_list_dense*string, "
    f"context_dense_defaults: *Tcontext_dense, debug_name: string; Ncontext_sparse: {_COUNT}, Ncontext_dense: "
    f"{_COUNT}, Nfeature_list_sparse: {_COUNT}, Nfeature_list_dense: {_COUNT}, context_sparse_types: {_TYPE}, "
    f"Tcontext_dense: {_TYPE}, feature_list_dense_types: {_TYPE}, context_dense_shapes: {_SHAPES}, "
    f"feature_list_sparse_types: {_TYPE}, feature_list_dense_shapes: {_SHAPES}) -> ({_OUTPUTS}, {_LIST_OUTPUTS})",
    shape=_single_shapes,
)


@single.kernel
def _(
    xp: Any, serialized: Any, feature_list_dense_missing_assumed_empty: Any, context_sparse_keys: Any,
    context_dense_keys: Any, feature_list_sparse_keys: Any, feature_list_dense_keys: Any,
    context_dense_defaults: Any, debug_name: Any, *, context_sparse_types: Sequence[DType],
    Tcontext_dense: Sequence[DType], feature_list_dense_types: Sequence[DType],
    context_dense_shapes: Sequence[Shape], feature_list_sparse_types: Sequence[DType],
    feature_list_dense_shapes: Sequence[Shape],
) -> Any:  # fmt: skip
    from .sequence_examples import SequenceBatch

    if np.ndim(serialized):
        raise invalid(f"Expected serialized to be a scalar, got shape: {Shape(tuple(serialized.shape))}")
    dense = _context_dense(
        _listed(context_dense_keys), Tcontext_dense, context_dense_shapes, context_dense_defaults
    )
    list_keys = _listed(feature_list_dense_keys)
    empty = set(_listed([feature_list_dense_missing_assumed_empty]))
    dense_lists = _dense_lists(
        list_keys, feature_list_dense_types, feature_list_dense_shapes, [key in empty for key in list_keys]
    )
    sparse = _sparse("context", _listed(context_sparse_keys), context_sparse_types)
    sparse_lists = _sparse("feature_list", _listed(feature_list_sparse_keys), feature_list_sparse_types)
    batch = SequenceBatch(_strings(serialized), _strings(debug_name), is_scalar=True, unnamed="")
    features = _Features(batch)
    return [*features.context(sparse, dense), *features.lists(sparse_lists, dense_lists)[:4]]


def _listed(keys: Iterable[Any]) -> list[str]:
    from .examples import texts

    return [text for key in keys for text in texts(key, "keys")]
