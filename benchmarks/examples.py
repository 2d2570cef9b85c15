"""Parsing 100,000 tf.Example messages of five features, beside TensorFlow: ``python -m benchmarks.examples``."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import tfg
from tfg.graphfmt.proto import example_pb2

from .__main__ import restart_without_harmful_settings

_COUNT = 100_000
_ROUNDS = 9


def messages(count: int) -> Any:
    """Returns serialized messages: floats, numbers, and strings, of one value or several."""
    rng = np.random.default_rng(0)
    made = np.empty(count, object)
    for number in range(count):
        message = example_pb2.Example()
        feature = message.features.feature
        feature["pixels"].float_list.value.extend(rng.normal(size=8).tolist())
        feature["weight"].float_list.value.append(float(number))
        feature["label"].int64_list.value.append(int(rng.integers(1000)))
        feature["tags"].int64_list.value.extend(rng.integers(0, 1 << 20, size=number % 4).tolist())
        feature["name"].bytes_list.value.append(b"record %d" % number)
        made[number] = message.SerializeToString()
    return made


def attributes() -> dict[str, Any]:
    """Returns the inputs and attributes of ParseExampleV2, but for the messages."""
    nothing: list[Any] = []
    empty = [np.zeros(0, dtype) for dtype in (np.float32, np.float32, np.int64)]
    return {
        "names": np.zeros(0, object), "sparse_keys": np.array([b"tags"], object),
        "dense_keys": np.array([b"pixels", b"weight", b"label", b"name"], object),
        "ragged_keys": np.zeros(0, object), "dense_defaults": [*empty, np.zeros(0, object)], "num_sparse": 1,
        "ragged_value_types": nothing, "ragged_split_types": nothing, "dense_shapes": [[8], [], [], []],
    }  # fmt: skip


def tfg_step(data: Any) -> Callable[[], Any]:
    g = tfg.GraphBuilder()
    serialized = g.placeholder("string", [None], name="serialized")
    options = attributes()
    inputs = [
        options.pop(name) for name in ("names", "sparse_keys", "dense_keys", "ragged_keys", "dense_defaults")
    ]
    g.add_op("ParseExampleV2", serialized, *inputs, **options, sparse_types=["int64"], name="parsed")
    session = tfg.Session(g.graph())
    return lambda: session.run([f"parsed:{port}" for port in range(7)], feeds={"serialized": data})


def tensorflow_step(data: Any) -> Callable[[], Any] | None:
    try:
        import tensorflow as tf  # pyright: ignore[reportMissingImports]
    except ImportError:
        return None
    module: Any = tf
    v1 = module.compat.v1
    v1.disable_eager_execution()
    serialized = v1.placeholder(module.string, [None])
    parsed = module.raw_ops.ParseExampleV2(serialized=serialized, sparse_types=[module.int64], **attributes())
    outputs = [
        *parsed.sparse_indices, *parsed.sparse_values, *parsed.sparse_shapes, *parsed.dense_values
    ]  # fmt: skip
    session = v1.Session()
    return lambda: session.run(outputs, {serialized: data})


def main() -> None:
    restart_without_harmful_settings("benchmarks.examples")
    data = messages(_COUNT)
    steps = {"tfg": tfg_step(data), "TensorFlow": tensorflow_step(data)}
    times: dict[str, list[float]] = {name: [] for name, step in steps.items() if step is not None}
    for _ in range(_ROUNDS):
        for name, step in steps.items():
            if step is not None:
                began = time.perf_counter()
                step()
                times[name].append(time.perf_counter() - began)
    for name, taken in times.items():
        print(f"{name}: {np.median(taken) * 1e3:.1f} ms, at best {min(taken) * 1e3:.1f} ms")
    if "TensorFlow" in times:
        ratios = [a / b for a, b in zip(times["tfg"], times["TensorFlow"])]
        print(f"ratio {np.median(ratios):.2f}")


if __name__ == "__main__":
    main()
