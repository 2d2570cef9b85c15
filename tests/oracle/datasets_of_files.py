"""Input pipelines that read the files in ``golden/files``, by names relative to that folder."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from .datasets import Data, numbers, pipeline

raw: Any = tf.raw_ops
_CSV: Any = tf.data.experimental.CsvDataset
_FLOAT, _INT, _TEXT = tf.float32, tf.int32, tf.string


@pipeline
def csv() -> Any:
    return _CSV(["plain.csv", "plain.csv"], [_INT, [2.5], [b"none"]], header=True)


@pipeline
def csv_with_quotes() -> Any:
    return _CSV("quotes.csv", [_INT, _TEXT])


@pipeline
def csv_with_errors() -> Any:
    return _CSV("errors.csv", [_INT, _TEXT])


@pipeline
def csv_with_bad_numbers() -> Any:
    return _CSV("numbers.csv", [[np.int32(9)], [2.5]], na_value="NA")


@pipeline
def csv_of_wide_numbers() -> Any:
    return _CSV("numbers.csv", [tf.int64, tf.float64], na_value="NA")


@pipeline
def csv_columns() -> Any:
    return _CSV("uneven.csv", [_INT, _INT], select_cols=[0, 2])


@pipeline
def csv_without_columns() -> Any:
    return _CSV("uneven.csv", [_INT, _INT], exclude_cols=[1])


@pipeline
def csv_without_quotes() -> Any:
    return _CSV("semicolons.csv", [_INT, _TEXT], field_delim=";", use_quote_delim=False)


@pipeline
def csv_compressed() -> Any:
    return _CSV("plain.csv.gz", [_INT, [1.0], [b""]], compression_type="GZIP", header=True)


@pipeline
def csv_without_failures() -> Any:
    return _CSV("errors.csv", [_INT, _TEXT]).ignore_errors()


@pipeline
def matching_files() -> Any:
    return tf.data.experimental.from_variant(
        raw.MatchingFilesDataset(patterns=["*s.csv", "p*.gz"]), tf.TensorSpec([], tf.string)
    )


@pipeline
def matching_nothing() -> Any:
    return tf.data.experimental.from_variant(
        raw.MatchingFilesDataset(patterns=["*.nothing"]), tf.TensorSpec([], tf.string)
    )


def _example(x: int) -> bytes:
    feature = {
        "dense": tf.train.Feature(float_list=tf.train.FloatList(value=[x, x / 2])),
        "words": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"w%d" % i for i in range(x % 3)])),
        "numbers": tf.train.Feature(int64_list=tf.train.Int64List(value=range(x % 4))),
    }
    if x % 2:
        feature["rare"] = tf.train.Feature(int64_list=tf.train.Int64List(value=[x]))
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


def _parsed(**features: Any) -> Any:
    messages = Data.from_tensor_slices([_example(x) for x in range(7)]).batch(3)
    return messages.apply(tf.data.experimental.parse_example_dataset(features))


@pipeline
def parsed_examples() -> Any:
    parsed = _parsed(
        words=tf.io.VarLenFeature(tf.string),
        dense=tf.io.FixedLenFeature([2], tf.float32),
        rare=tf.io.FixedLenFeature([], tf.int64, default_value=-1),
        numbers=tf.io.RaggedFeature(tf.int64),
    )
    return parsed.map(
        lambda x: (x["dense"], x["rare"], x["words"].indices, x["words"].values, x["words"].dense_shape,
                   x["numbers"].values, x["numbers"].row_splits)
    )  # fmt: skip


@pipeline
def parsed_examples_of_any_length() -> Any:
    return _parsed(numbers=tf.io.FixedLenSequenceFeature([], tf.int64, allow_missing=True))


@pipeline
def parsed_examples_without_a_feature() -> Any:
    return _parsed(rare=tf.io.FixedLenFeature([], tf.int64))


@pipeline
def shuffled_parsed_examples() -> Any:
    parsed = _parsed(words=tf.io.VarLenFeature(tf.string)).shuffle(3, seed=1)
    return parsed.map(lambda x: tf.sparse.to_dense(x["words"], default_value=""))


@pipeline
def records() -> Any:
    return tf.compat.v1.data.TFRecordDataset(["some.tfrecord", "some.tfrecord"])


@pipeline
def lines() -> Any:
    return Data.zip((tf.compat.v1.data.TextLineDataset("quotes.csv"), numbers(20)))
