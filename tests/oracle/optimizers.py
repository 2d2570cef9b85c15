"""Trains the test network with TensorFlow's own optimizers; ``python -m tests.oracle.optimizers`` records."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from tests import golden
from tests.runtime.passes.optimizers.training import FEEDS, GOLDEN, INITIAL, RECORDED, STEPS

v1: Any = tf.compat.v1
v1.disable_v2_behavior()


def trained(optimizer: str, *, by_handle: bool) -> dict[str, Any]:
    """Every variable's value after some steps, and ``losses``."""
    class_name, hyper = RECORDED[optimizer]
    with v1.Graph().as_default():
        x, y = v1.placeholder(tf.int32, [None]), v1.placeholder(tf.float32, [None, 3])
        made = {k: v1.get_variable(k, initializer=v, use_resource=by_handle) for k, v in INITIAL.items()}
        rows = tf.gather(made["table"], x)
        hidden = tf.tanh(tf.nn.bias_add(tf.matmul(rows, made["w"]), made["b"]))
        loss = tf.reduce_mean(tf.square(tf.matmul(hidden, made["v"]) - y))
        step = getattr(v1.train, class_name)(**hyper).minimize(loss)
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            feeds = {x: FEEDS["x"], y: FEEDS["y"]}
            losses = [session.run([loss, step], feeds)[0] for _ in range(STEPS)]
            values = {v.op.name: session.run(v) for v in v1.global_variables()}
    return {**values, "losses": np.array(losses)}


if __name__ == "__main__":
    store: dict[str, Any] = {}
    for name in RECORDED:
        for kind in (False, True):
            for variable, value in trained(name, by_handle=kind).items():
                store[f"{name}|{kind}|{variable}"] = value
    golden.save(GOLDEN, store, golden.plain_text(store))
    print(f"{len(store)} values recorded")
