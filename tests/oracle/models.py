"""Networks as people build them with TensorFlow, small enough to run in a moment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf

v1: Any = tf.compat.v1
v1.disable_v2_behavior()


@dataclass
class Model:
    """What to run of the default graph: ``steps`` times the fetches together with ``train``, all with the
    same feeds; with ``apart``, each operation of ``train`` is a step of its own, because TensorFlow does not
    say whether a fetch comes before it. ``loss`` is differentiated with respect to all variables and to
    ``wrt``."""

    fetches: Sequence[Any]
    feeds: dict[Any, Any] = field(default_factory=dict)
    train: Any = None
    apart: Sequence[Any] = ()
    steps: int = 1
    loss: Any = None
    wrt: Sequence[Any] = ()
    tol: float = 2e-5


MODELS: dict[str, Callable[[], Model]] = {}


def model(function: Callable[[], Model]) -> Callable[[], Model]:
    """Decorator: a model that builds itself into the default graph."""
    MODELS[function.__name__] = function
    return function


def values(*shape: int, seed: int = 0, low: float = -1.0, high: float = 1.0) -> Any:
    made = np.random.RandomState(seed + sum(shape)).uniform(low, high, shape)
    return made.astype(np.float32)


def numbers(*shape: int, limit: int, seed: int = 0, dtype: Any = np.int32) -> Any:
    return np.random.RandomState(seed).randint(0, limit, shape).astype(dtype)


def entry(name: str, array: Any, shape: Any = "batch") -> tuple[Any, Any]:
    """A placeholder whose first dimension is open, and what is fed."""
    given = [None, *array.shape[1:]] if shape == "batch" else shape
    return v1.placeholder(tf.as_dtype(array.dtype), given, name), array


def weight(name: str, *shape: int) -> Any:
    return v1.get_variable(
        name, shape, initializer=v1.glorot_uniform_initializer(seed=len(name) + sum(shape))
    )


def zeros(name: str, *shape: int) -> Any:
    return v1.get_variable(name, shape, initializer=v1.zeros_initializer())


def ones(name: str, *shape: int) -> Any:
    return v1.get_variable(name, shape, initializer=v1.ones_initializer())


def dense(x: Any, units: int, name: str, activation: Any = None) -> Any:
    with v1.variable_scope(name):
        y = tf.nn.bias_add(tf.matmul(x, weight("kernel", x.shape[-1], units)), zeros("bias", units))
        return activation(y) if activation else y


def conv(
    x: Any, filters: int, size: int, name: str, *, stride: int = 1, padding: str = "SAME", bias: bool = True
) -> Any:
    with v1.variable_scope(name):
        y = tf.nn.conv2d(x, weight("kernel", size, size, x.shape[-1], filters), stride, padding)
        return tf.nn.bias_add(y, zeros("bias", filters)) if bias else y


def batch_norm(x: Any, name: str, *, training: bool) -> Any:
    """Fused, with moving averages that a step of training updates."""
    with v1.variable_scope(name):
        count = x.shape[-1]
        scale, offset = ones("gamma", count), zeros("beta", count)
        mean, variance = zeros("moving_mean", count), ones("moving_variance", count)
        if not training:
            return v1.nn.fused_batch_norm(x, scale, offset, mean, variance, is_training=False)[0]
        y, found_mean, found_variance = v1.nn.fused_batch_norm(x, scale, offset, is_training=True)
        for moving, found in ((mean, found_mean), (variance, found_variance)):
            update = v1.assign_sub(moving, (moving - found) * 0.1)
            v1.add_to_collection(v1.GraphKeys.UPDATE_OPS, update)
        return y


def cross_entropy(logits: Any, labels: Any) -> Any:
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))


def flat(x: Any) -> Any:
    return tf.reshape(x, [-1, int(np.prod(x.shape.as_list()[1:]))])


def fed(*entries: tuple[Any, Any]) -> dict[Any, Any]:
    return dict(entries)


def minimize(loss: Any, optimizer: Any = None) -> Any:
    """A step of training that also runs the updates of moving averages."""
    with tf.control_dependencies(v1.get_collection(v1.GraphKeys.UPDATE_OPS)):
        chosen = optimizer or v1.train.MomentumOptimizer(0.05, 0.9)
        return chosen.minimize(loss, global_step=v1.train.get_or_create_global_step())
