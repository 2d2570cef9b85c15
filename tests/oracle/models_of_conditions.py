"""What TensorFlow builds of conditions and loops, as it did before there were functions."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from .models import Model, dense, entry, fed, minimize, model, numbers, v1, values


@model
def checked_counters() -> Model:
    x, scores = entry("scores", values(6, low=0, high=1))
    y, truth = entry("truth", np.array([0, 1, 1, 0, 1, 1], np.int64))
    guessed = tf.cast(x > 0.5, tf.int64)
    metrics = [
        v1.metrics.accuracy(y, guessed),
        v1.metrics.mean(x, weights=tf.cast(y, tf.float32)),
        v1.metrics.precision(y, guessed),
        v1.metrics.mean_iou(y, guessed, 2),
    ]
    confusion = tf.math.confusion_matrix(y, guessed, 2)
    updates = [update for _, update in metrics]
    found = [value for value, _ in metrics]
    return Model([confusion, tf.math.zero_fraction(x)], fed((x, scores), (y, truth)),
                 apart=[tf.group(*updates), tf.group(*found)], steps=3)  # fmt: skip


@model
def averaged_with_debt() -> Model:
    x, given = entry("x", values(4, 3))
    loss = tf.reduce_mean(dense(x, 2, "layer") ** 2)
    step = v1.train.get_or_create_global_step()
    rate = v1.train.piecewise_constant(step, [1, 3], [0.5, 0.1, 0.01])
    train = v1.train.GradientDescentOptimizer(rate).minimize(loss, global_step=step)
    average = v1.train.ExponentialMovingAverage(0.9, num_updates=step)
    with tf.control_dependencies([train]):
        kept = average.apply(v1.trainable_variables())
    return Model([rate], fed((x, given)), apart=[kept], steps=5, loss=loss)


@model
def branches_and_loops() -> Model:
    x, given = entry("x", values(3, 4, 4).astype(np.float64))
    n, count = entry("n", np.int32(3), [])
    ids, found = entry("ids", numbers(3, limit=4))
    w = v1.get_variable("w", initializer=values(4, 4).astype(np.float64))
    total = v1.cond(n > 2, lambda: tf.reduce_sum(x @ w), lambda: tf.reduce_sum(x))
    _, power = tf.while_loop(lambda i, _: i < n, lambda i, y: (i + 1, tf.tanh(y @ w)), [0, x])
    mapped = tf.map_fn(lambda m: tf.linalg.trace(m), x)
    scanned = tf.scan(lambda a, b: a + b, tf.cast(ids, tf.float64))
    loss = total + tf.reduce_sum(power)
    feeds = fed((x, given), (n, count), (ids, found))
    fetches = [total, power, mapped, scanned, tf.linalg.expm(x), tf.image.rot90(x[..., tf.newaxis], n)]
    return Model(fetches, feeds, train=minimize(loss), steps=2, loss=loss, wrt=[x], tol=1e-9)
