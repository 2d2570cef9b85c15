"""Writes SavedModels with TensorFlow 2 into a folder: ``python -m tests.oracle.write_saved_models FOLDER``.

A process of its own, because the other oracles have switched TensorFlow's second version off. Beside every
model lies ``NAME.npz``: the inputs and outputs of its signatures, as ``signature|in|key``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

Make = Callable[[], tuple[Any, Any]]
MODELS: dict[str, Make] = {}
F32: Any = tf.float32


def model(function: Make) -> Make:
    """Decorator: a function that gives an object to be saved, and its signatures."""
    MODELS[function.__name__] = function
    return function


def spec(name: str, *shape: int | None, dtype: Any = F32) -> Any:
    return tf.TensorSpec(shape, dtype, name=name)


class _Module(tf.Module):
    def __init__(self) -> None:
        super().__init__()
        random = np.random.default_rng(0)
        self.w = tf.Variable(random.standard_normal((4, 3)).astype(np.float32), name="w")
        self.b = tf.Variable(random.standard_normal(3).astype(np.float32), name="same")
        self.table = tf.Variable(random.standard_normal((10, 4)).astype(np.float32), name="same")
        self.count = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.half = tf.Variable(tf.constant([1, 2, 3], tf.bfloat16))
        self.words = tf.Variable(["a", "bc"])

    @tf.function(input_signature=[spec("x", None, 4)])
    def dense(self, x: Any) -> Any:
        half = tf.cast(self.half, tf.float32)
        return {"y": tf.nn.relu(x @ self.w + self.b) * half, "p": tf.nn.softmax(x @ self.w)}

    @tf.function(input_signature=[spec("ids", None, None, dtype=tf.int32)])
    def look_up(self, ids: Any) -> Any:
        rows = tf.nn.embedding_lookup(self.table, ids)
        return {"mean": tf.reduce_mean(rows, 1), "element": tf.gather_nd(self.w, [[1, 2]])}

    @tf.function(input_signature=[spec("n", dtype=tf.int64)])
    def add_up(self, n: Any) -> Any:
        self.count.assign_add(n)
        return {"n": self.count.read_value()}

    @tf.function(input_signature=[spec("x", None, 4), spec("k", dtype=tf.int32)])
    def loop(self, x: Any, k: Any) -> Any:
        h = x @ self.w
        for _ in tf.range(k):
            h = tf.tanh(h @ tf.transpose(self.w) @ self.w + self.b)
        return {"h": h + self.b if tf.reduce_sum(h) > 0 else h - self.b * 2.0}


@model
def module() -> tuple[Any, Any]:
    made = _Module()
    return made, {
        "serving_default": made.dense,
        "look_up": made.look_up,
        "add_up": made.add_up,
        "loop": made.loop,
    }


def _layers(*names_and_arguments: Any, shape: tuple[int, ...], dtype: str = "float32") -> tuple[Any, Any]:
    keras = tf.keras
    given = keras.Input(shape, dtype=dtype)
    found = given
    for name, *arguments in names_and_arguments:
        found = getattr(keras.layers, name)(*arguments)(found)
    return keras.Model(given, found), None


@model
def perceptron() -> tuple[Any, Any]:
    return _layers(
        ("Dense", 8, "relu"), ("Dropout", 0.5), ("BatchNormalization",), ("LayerNormalization",), ("Dense", 3),
        shape=(6,),
    )  # fmt: skip


@model
def convolutions() -> tuple[Any, Any]:
    return _layers(
        ("Conv2D", 4, 3), ("MaxPooling2D", 2), ("BatchNormalization",), ("SeparableConv2D", 4, 2),
        ("GlobalAveragePooling2D",), ("Dense", 2),
        shape=(12, 12, 3),
    )  # fmt: skip


@model
def recurrent() -> tuple[Any, Any]:
    return _layers(("Embedding", 20, 6), ("LSTM", 5), ("Dense", 2), shape=(7,), dtype="int32")


def _example(wanted: Any, random: Any) -> Any:
    shape = [size or 3 for size in wanted.shape.as_list()]
    if wanted.dtype.is_integer:
        return tf.constant(random.integers(0, 5, shape), wanted.dtype)
    return tf.constant(random.standard_normal(shape), wanted.dtype)


def _examples(path: Path) -> Iterator[tuple[str, Any]]:
    random = np.random.default_rng(1)
    for name, call in tf.saved_model.load(str(path)).signatures.items():
        given = {key: _example(wanted, random) for key, wanted in call.structured_input_signature[1].items()}
        for key, value in given.items():
            yield f"{name}|in|{key}", value.numpy()
        for key, value in call(**given).items():
            yield f"{name}|out|{key}", value.numpy()


def main(folder: Path) -> None:
    for name, make in MODELS.items():
        made, signatures = make()
        tf.saved_model.save(made, str(folder / name), signatures=signatures)
        np.savez(folder / f"{name}.npz", **dict(_examples(folder / name)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
