"""ParseExampleDataset in both versions: batches of tf.Example messages as tensors (parse_example_dataset_op.cc in
TensorFlow)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt import dtypes
from ....graphfmt.errors import invalid
from ...core import shapes
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...numeric.string_tensors import to_value
from ..io.example_ops import dense_features, sparse_features
from ..ragged.ragged_variant_ops import RaggedVariant
from ..sparse.sparse_serialization_ops import sparse_variant
from .datasets import Element, Pass, Reading, Transformation, new_variant, to_dataset
from .function_ops import check_parallel_calls
from .signature_parts import DETERMINISTIC, OUTPUTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....graphfmt.dtypes import DType
    from ....graphfmt.shapes import Shape
    from ..io.examples import DenseFeature, RaggedFeature, SparseFeature

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op


class ExampleParser:
    """The features to read from messages, which become components in the order of their keys: a dense tensor, the three
    variants of a sparse one, or the variant of a ragged one."""

    def __init__(
        self,
        sparse: Sequence[SparseFeature],
        dense: Sequence[DenseFeature],
        ragged: Sequence[RaggedFeature],
    ) -> None:
        self._sparse, self._dense, self._ragged = sparse, dense, ragged
        keys = [feature.key for feature in (*sparse, *dense, *ragged)]
        self._order = sorted(range(len(keys)), key=lambda place: keys[place].encode())

    def __call__(self, serialized: Any) -> Element:
        """Returns the components of a vector of messages. Raises INVALID_ARGUMENT."""
        from ..io.examples import ExampleBatch

        if np.ndim(serialized) != 1:
            raise invalid(f"Expected serialized to be a vector, got shape: {list(np.shape(serialized))}")
        parsed = ExampleBatch(serialized.tolist()).parse(self._sparse, self._dense, self._ragged)
        sparse = zip(self._sparse, parsed.sparse_indices, parsed.sparse_values, parsed.sparse_shapes)
        components = [
            *(sparse_variant(feature.dtype, *tensors) for feature, *tensors in sparse),
            *map(to_value, parsed.dense),
            *map(_ragged_variant, parsed.ragged_values, parsed.ragged_splits),
        ]
        return tuple(components[place] for place in self._order)


def _ragged_variant(values: Any, splits: Any) -> Any:
    return RaggedVariant([splits], values)


class ParsedExamples(Transformation):
    def __init__(self, source: Pass, parse: ExampleParser) -> None:
        super().__init__(source)
        self._parse = parse

    def next(self) -> Element | None:
        element = self.source.next()
        return None if element is None else self._parse(element[0])


def _parsed(
    xp: Any, input_dataset: Any, num_parallel_calls: Any, dense_defaults: Any, *, sparse_keys: Sequence[str],
    dense_keys: Sequence[str], sparse_types: Sequence[DType], Tdense: Sequence[DType],
    dense_shapes: Sequence[Shape], output_types: Sequence[DType], output_shapes: Sequence[Shape],
    ragged_keys: Sequence[str], ragged_value_types: Sequence[DType], ragged_split_types: Sequence[DType],
) -> Any:  # fmt: skip
    from ..io.examples import RaggedFeature

    source = to_dataset(input_dataset)
    check_parallel_calls([num_parallel_calls])
    if source.types != (dtypes.string,):
        raise invalid("Input dataset should be a dataset of vectors of serialized examples")
    if not len(ragged_keys) == len(ragged_value_types) == len(ragged_split_types):
        numbers = f"{len(ragged_value_types)} types and {len(ragged_split_types)} split types"
        raise invalid(f"there are {len(ragged_keys)} ragged_keys, {numbers}")
    count = len(sparse_keys) + len(dense_keys) + len(ragged_keys)
    if count != len(output_types):
        raise invalid(f"there are {count} features, but {len(output_types)} output types")
    parse = ExampleParser(
        sparse_features(sparse_keys, sparse_types),
        dense_features(dense_keys, Tdense, dense_shapes, dense_defaults),
        [RaggedFeature(*fields) for fields in zip(ragged_keys, ragged_value_types, ragged_split_types)],
    )

    def begin(reading: Reading) -> Pass:
        return ParsedExamples(source.begin(reading), parse)

    return new_variant(output_types, output_shapes, begin, source.cardinality)


_TYPES = "list(type) in {float, int64, string} >= 0"
for _name, _order in (
    ("ParseExampleDataset", "sloppy: bool = false"),
    ("ParseExampleDatasetV2", DETERMINISTIC),
):
    op(
        f"{_name}(input_dataset: variant, num_parallel_calls: int64, dense_defaults: *Tdense; "
        f"sparse_keys: list(string) >= 0, dense_keys: list(string) >= 0, sparse_types: {_TYPES}, Tdense: {_TYPES}, "
        f"dense_shapes: list(shape) >= 0, {OUTPUTS}, {_order}, ragged_keys: list(string) >= 0 = [], "
        f"ragged_value_types: {_TYPES} = [], "
        "ragged_split_types: list(type) in {int32, int64} >= 0 = []) -> (handle: variant)",
        shape=shapes.scalar,
    ).kernel(_parsed)
