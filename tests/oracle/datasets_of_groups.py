"""Input pipelines that cache, group and cut elements anew."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from .datasets import Data, numbers, pipeline, pipeline_with_handle

raw: Any = tf.raw_ops


def _dataset(variant: Any, dtype: Any = tf.int64, shape: Any = (None,)) -> Any:
    return Data.zip((tf.data.experimental.from_variant(variant, tf.TensorSpec(shape, dtype)),))


@pipeline
def cached() -> Any:
    return numbers(5).map(lambda x: (x, tf.fill([x], x))).cache().repeat(3)


@pipeline
def cached_while_shuffled() -> Any:
    return numbers(5).shuffle(5, seed=3).cache().repeat(3)


@pipeline
def cached_failures() -> Any:
    checked = numbers(4).map(
        lambda x: tf.debugging.check_numerics(6.0 / tf.cast(x % 3, tf.float32), "infinite")
    )
    return checked.cache().repeat(2)


@pipeline
def cached_twice() -> Any:
    data = numbers(3).cache()
    return data.concatenate(data).cache().repeat(2)


@pipeline_with_handle
def cached_by_handle() -> Any:
    variant = raw.CacheDatasetV2(
        input_dataset=numbers(3)._variant_tensor,
        filename="",
        cache=raw.DummyMemoryCache(),
        output_types=[tf.int64],
        output_shapes=[[]],
    )
    return _dataset(variant, shape=()).repeat(2)


@pipeline
def windows_by_key() -> Any:
    return numbers(20).group_by_window(
        key_func=lambda x: x * x % 5, reduce_func=lambda key, data: data.batch(10), window_size=3
    )


@pipeline
def windows_of_different_sizes() -> Any:
    offset = tf.constant(np.int64(1))
    return numbers(20).group_by_window(
        key_func=lambda x: x % 3,
        reduce_func=lambda key, data: data.map(lambda x: (key, x)),
        window_size_func=lambda key: key + offset,
    )


@pipeline
def windows_of_no_size() -> Any:
    return numbers(4).group_by_window(
        key_func=lambda x: x, reduce_func=lambda key, data: data, window_size_func=lambda key: key - 1
    )


@pipeline
def buckets() -> Any:
    lists = Data.from_tensor_slices([3, 1, 7, 2, 5, 8, 1, 4, 6]).map(tf.range)
    return lists.bucket_by_sequence_length(tf.size, [3, 6], [2, 2, 3])


@pipeline
def reduced_by_key() -> Any:
    reducer = tf.data.experimental.Reducer(
        init_func=lambda key: (key, np.int64(0)),
        reduce_func=lambda state, x: (state[0], state[1] + x),
        finalize_func=lambda key, total: (key, total),
    )
    return numbers(11).apply(tf.data.experimental.group_by_reducer(lambda x: -x % 4, reducer))


@pipeline
def rebatched() -> Any:
    variant = raw.RebatchDatasetV2(
        input_dataset=numbers().batch(4)._variant_tensor,
        batch_sizes=np.int64([0, 3, 2]),
        drop_remainder=False,
        output_types=[tf.int64],
        output_shapes=[[None]],
    )
    return _dataset(variant)


@pipeline
def rebatched_evenly() -> Any:
    return numbers(11).map(lambda x: (x, [x, x])).batch(2).rebatch(5, drop_remainder=True)


@pipeline
def rebatched_scalars() -> Any:
    variant = raw.RebatchDatasetV2(
        input_dataset=numbers(2)._variant_tensor,
        batch_sizes=np.int64([2]),
        drop_remainder=False,
        output_types=[tf.int64],
        output_shapes=[[None]],
    )
    return _dataset(variant)


@pipeline
def split_batches() -> Any:
    variant = raw.RebatchDataset(
        input_dataset=numbers().batch(4)._variant_tensor,
        num_replicas=3,
        output_types=[tf.int64],
        output_shapes=[[None]],
    )
    return _dataset(variant)


def _sliding(*, drops: bool) -> Any:
    variant = raw.SlidingWindowDataset(
        input_dataset=numbers()._variant_tensor,
        window_size=3,
        window_shift=2,
        window_stride=2,
        drop_remainder=drops,
        output_types=[tf.int64],
        output_shapes=[[None]],
    )
    return _dataset(variant)


@pipeline
def sliding_windows() -> Any:
    return _sliding(drops=True)


@pipeline
def sliding_windows_with_rest() -> Any:
    return _sliding(drops=False)


@pipeline
def sparse_batches() -> Any:
    rows = numbers(7).map(lambda x: tf.fill([x % 4], x))
    return rows.apply(tf.data.experimental.dense_to_sparse_batch(3, [5])).map(tf.sparse.to_dense)


@pipeline
def sparse_batches_as_long_as_needed() -> Any:
    rows = numbers(7).map(lambda x: tf.fill([x % 4, 2], tf.as_string(x)))
    batches = rows.apply(tf.data.experimental.dense_to_sparse_batch(3, [None, 2]))
    return batches.map(lambda x: (x.indices, x.values, x.dense_shape))


@pipeline
def sparse_batches_too_narrow() -> Any:
    rows = numbers(7).map(lambda x: tf.fill([x % 4], x))
    return rows.apply(tf.data.experimental.dense_to_sparse_batch(3, [2])).map(lambda x: x.values)


@pipeline
def shuffled_sparse() -> Any:
    rows = numbers(9).map(lambda x: tf.sparse.from_dense(tf.fill([x % 4], x)))
    return rows.shuffle(4, seed=2).map(tf.sparse.to_dense)


@pipeline
def shuffled_ragged() -> Any:
    rows = numbers(9).map(lambda x: tf.RaggedTensor.from_row_lengths(tf.range(x), [x // 2, x - x // 2]))
    return rows.shuffle(4, seed=2).map(lambda x: (x.values, x.row_splits))


@pipeline
def ragged_batches() -> Any:
    return numbers(7).map(tf.range).ragged_batch(3).map(lambda x: (x.values, x.row_splits))


@pipeline
def legacy_interleaved() -> Any:
    apply = tf.data.experimental.parallel_interleave(
        lambda x: Data.from_tensors(x).repeat((x * 3) % 4), cycle_length=3, block_length=2
    )
    return numbers(9).apply(apply)


@pipeline
def legacy_interleaved_singly() -> Any:
    apply = tf.data.experimental.parallel_interleave(
        lambda x: Data.from_tensors(x).repeat(6 - x % 6), cycle_length=2
    )
    return numbers(4).apply(apply)


@pipeline
def counted_rightly() -> Any:
    return numbers(5).filter(lambda x: x > 1).apply(tf.data.experimental.assert_cardinality(3))


@pipeline
def counted_as_too_many() -> Any:
    return numbers(3).apply(tf.data.experimental.assert_cardinality(5))


@pipeline
def counted_as_too_few() -> Any:
    return numbers(5).apply(tf.data.experimental.assert_cardinality(2))


@pipeline
def listed() -> Any:
    variant = raw.ListDataset(
        tensors=[np.int64([1, 2]), np.int64([3]), np.int64([])],
        output_types=[tf.int64],
        output_shapes=[[None]],
    )
    return _dataset(variant)


@pipeline_with_handle
def random_by_handle() -> Any:
    variant = raw.RandomDatasetV2(
        seed=np.int64(3),
        seed2=np.int64(4),
        seed_generator=raw.DummySeedGenerator(),
        rerandomize_each_iteration=True,
        output_types=[tf.int64],
        output_shapes=[[]],
    )
    return _dataset(variant, shape=()).take(3).repeat(2)


@pipeline_with_handle
def generated() -> Any:
    @tf.function(input_signature=[])
    def begin() -> Any:
        return np.int64(3), np.int64(5)

    @tf.function(input_signature=[tf.TensorSpec([], tf.int64)] * 2)
    def following(first: Any, second: Any) -> Any:
        return first * second + 1

    @tf.function(input_signature=[tf.TensorSpec([], tf.int64)] * 2)
    def end(first: Any, second: Any) -> Any:
        return first

    functions = [function.get_concrete_function() for function in (begin, following, end)]
    variant = raw.GeneratorDataset(
        init_func_other_args=[],
        next_func_other_args=[],
        finalize_func_other_args=[],
        init_func=functions[0],
        next_func=functions[1],
        finalize_func=functions[2],
        output_types=[tf.int64],
        output_shapes=[[]],
    )
    return _dataset(variant, shape=()).take(4)
