"""Input pipelines that TensorFlow's tf.data writes into graphs, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

v1 = tf.compat.v1
Data: Any = v1.data.Dataset

PIPELINES: dict[str, Callable[[], Any]] = {}
WITH_HANDLES: set[str] = set()


def pipeline(build: Callable[[], Any]) -> Callable[[], Any]:
    """Adds a pipeline under the name of the function."""
    PIPELINES[build.__name__] = build
    return build


def pipeline_with_handle(build: Callable[[], Any]) -> Callable[[], Any]:
    """Adds a pipeline whose iterator cannot make its dataset itself, because that has handles of resources."""
    WITH_HANDLES.add(build.__name__)
    return pipeline(build)


def numbers(count: int = 10) -> Any:
    """Returns the dataset of the integers below a count."""
    return Data.range(count)


@pipeline
def tensors() -> Any:
    return Data.from_tensors((np.float32([1, 2]), np.array([b"a"], object)))


@pipeline
def slices() -> Any:
    return Data.from_tensor_slices({"x": np.arange(6, dtype=np.float32).reshape(3, 2), "y": ["a", "b", "c"]})


@pipeline
def downwards() -> Any:
    return Data.range(7, 0, -3)


@pipeline
def mapped() -> Any:
    offset = tf.constant(np.int64(3))
    return numbers().map(lambda x: (x * offset, tf.cast(x, tf.float32) / 2))


@pipeline
def mapped_in_parallel() -> Any:
    return numbers().map(lambda x: x * x, num_parallel_calls=4)


@pipeline
def filtered() -> Any:
    return numbers().filter(lambda x: tf.equal(x % 3, 0))


@pipeline
def batches() -> Any:
    return numbers().map(lambda x: (x, tf.as_string(x))).batch(4)


@pipeline
def whole_batches() -> Any:
    return numbers().batch(4, drop_remainder=True)


@pipeline
def parallel_batches() -> Any:
    return numbers().batch(3, num_parallel_calls=2)


@pipeline
def uneven_batches() -> Any:
    return numbers(5).map(lambda x: tf.range(x)).batch(2)


@pipeline
def padded_batches() -> Any:
    lists = numbers(7).map(lambda x: (tf.fill([x], x), tf.fill([1, x], tf.as_string(x))))
    return lists.padded_batch(3, padded_shapes=([None], [2, None]), padding_values=(np.int64(-1), b"none"))


@pipeline
def too_long_for_their_padding() -> Any:
    return numbers(7).map(lambda x: tf.fill([x], x)).padded_batch(3, padded_shapes=[4])


@pipeline
def unbatched() -> Any:
    return numbers().map(lambda x: (tf.fill([x % 3], x), tf.fill([x % 3, 2], 1.5))).unbatch()


@pipeline
def repeated() -> Any:
    return numbers(3).repeat(2).concatenate(numbers(2)).take(20).skip(1)


@pipeline
def endless() -> Any:
    return numbers(3).repeat().shard(4, 1)


@pipeline
def endless_without_elements() -> Any:
    return numbers(0).repeat()


@pipeline
def zipped() -> Any:
    return Data.zip((numbers(3), (numbers(5), Data.from_tensors("s").repeat())))


@pipeline
def flat() -> Any:
    return numbers(5).flat_map(lambda x: Data.range(x).map(lambda y: x * 10 + y))


@pipeline
def interleaved() -> Any:
    return numbers(7).interleave(lambda x: Data.from_tensors(x).repeat(x), cycle_length=3, block_length=2)


@pipeline
def interleaved_in_parallel() -> Any:
    return numbers(7).interleave(
        lambda x: Data.from_tensors(x).repeat(6), cycle_length=2, block_length=2, num_parallel_calls=2
    )


@pipeline
def shuffled() -> Any:
    return numbers(20).shuffle(6, seed=5)


@pipeline
def shuffled_anew() -> Any:
    return numbers(9).shuffle(20, seed=5).repeat(3)


@pipeline
def shuffled_alike() -> Any:
    return numbers(9).shuffle(4, seed=7, reshuffle_each_iteration=False).repeat(3)


@pipeline
def shuffled_and_repeated() -> Any:
    apply = tf.data.experimental.shuffle_and_repeat(6, count=3, seed=11)
    return numbers(9).apply(apply)


@pipeline
def scanned() -> Any:
    return numbers(6).scan(np.int64(100), lambda state, x: (state + x, state * x))


@pipeline
def taken_while() -> Any:
    return numbers().take_while(lambda x: x < 4)


@pipeline
def unique() -> Any:
    return Data.from_tensor_slices(["a", "b", "a", "c", "b"]).unique()


@pipeline
def windows() -> Any:
    return numbers().window(3, shift=2, stride=2).flat_map(lambda w: w.batch(3))


@pipeline
def whole_windows() -> Any:
    return numbers().window(3, shift=5, drop_remainder=True).flat_map(lambda w: w.batch(3))


@pipeline
def random_numbers() -> Any:
    return Data.random(seed=4).take(8)


@pipeline
def sampled() -> Any:
    return Data.sample_from_datasets([numbers(5), numbers(8)], weights=[0.3, 0.7], seed=3)


@pipeline
def chosen() -> Any:
    choices = Data.from_tensor_slices(np.int64([0, 1, 1, 0, 0, 1, 0, 1, 1, 1, 1]))
    return Data.choose_from_datasets([numbers(3), Data.range(10, 14)], choices, stop_on_empty_dataset=False)


@pipeline
def failing_elements() -> Any:
    return numbers(6).map(lambda x: tf.debugging.check_numerics(6.0 / tf.cast(x % 3, tf.float32), "infinite"))


@pipeline
def without_failures() -> Any:
    return failing_elements().ignore_errors()


@pipeline
def prefetched() -> Any:
    options = tf.data.Options()
    options.deterministic = True
    return numbers(5).with_options(options).prefetch(2)


@pipeline
def reduced() -> Any:
    def total(x: Any) -> Any:
        return numbers(10).take(x).reduce(np.int64(5), lambda state, y: state * 2 + y)

    return numbers(4).map(total)
