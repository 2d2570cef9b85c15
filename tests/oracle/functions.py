"""Graphs with functions as TensorFlow builds them: control flow of the second kind, and the calls of tf.function."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import attr_value_pb2
from tensorflow.python.framework import function as defuns
from tensorflow.python.ops import functional_ops

from .models import Model, dense, entry, fed, numbers, v1, values

GRAPHS: dict[str, Callable[[], Model]] = {}


def graph(build: Callable[[], Model]) -> Callable[[], Model]:
    """Decorator: a graph that builds itself into the default graph."""
    GRAPHS[build.__name__] = build
    return build


def matrix(name: str = "w", size: int = 4) -> Any:
    start = values(size, size, seed=len(name))
    return v1.get_variable(name, initializer=start, use_resource=True)


@graph
def calls_of_calls() -> Model:
    x, given = entry("x", values(3, 4))
    w = matrix()

    @tf.function
    def layer(a: Any) -> Any:
        return tf.tanh(a @ w)

    @tf.function
    def network(a: Any) -> Any:
        hidden = layer(a)
        return layer(hidden) + hidden, tf.shape(a)[0]

    y, rows = network(layer(x))
    loss = tf.reduce_sum(y) / tf.cast(rows, tf.float32)
    return Model([y, rows], fed((x, given)), loss=loss, wrt=[x])


def condition(shift: float) -> Model:
    x, given = entry("x", values(3, 4) + shift)
    w = matrix()
    y = tf.cond(tf.reduce_sum(x) > 0, lambda: tf.tanh(x @ w), lambda: x * x - 1)
    z = tf.cond(
        tf.reduce_sum(y) > 1, lambda: tf.cond(x[0, 0] > 0, lambda: y * w[:3], lambda: y), lambda: tf.sin(y)
    )
    return Model([y, z], fed((x, given)), loss=tf.reduce_sum(z), wrt=[x])


@graph
def a_condition_that_holds() -> Model:
    return condition(1.0)


@graph
def a_condition_that_does_not_hold() -> Model:
    return condition(-1.0)


@graph
def one_branch_of_many() -> Model:
    x, given = entry("x", values(3, 4))
    index, number = entry("index", np.int32(1), [])
    w = matrix()
    branches = [lambda: tf.exp(x), lambda: x @ w, lambda: x * 3]
    found = [tf.switch_case(index + d, branches) for d in (-1, 0, 1, 7, -9)]
    return Model(
        found, fed((x, given), (index, number)), loss=tf.add_n([tf.reduce_sum(y) for y in found]), wrt=[x]
    )


@graph
def loops() -> Model:
    x, given = entry("x", values(3, 4))
    n, count = entry("n", np.int32(5), [])
    w = matrix()
    _, y = tf.while_loop(lambda i, a: i < n, lambda i, a: (i + 1, tf.tanh(a @ w) + x), [0, x])
    _, z = tf.while_loop(lambda i, a: i < 0, lambda i, a: (i + 1, tf.tanh(a)), [0, y])
    return Model([y, z], fed((x, given), (n, count)), loss=tf.reduce_sum(y * z), wrt=[x])


@graph
def loops_within_loops() -> Model:
    x, given = entry("x", values(3, 4))
    w = matrix()

    def inner(a: Any) -> Any:
        def step(i: Any, b: Any) -> Any:
            return i + 1, tf.cond(tf.reduce_sum(b) > 1, lambda: tf.sin(b @ w), lambda: b * x)

        return tf.while_loop(lambda i, b: i < 3, step, [0, a])[1]

    _, y = tf.while_loop(lambda i, a: i < 4, lambda i, a: (i + 1, tf.tanh(inner(a)) + x), [0, x])
    return Model([y], fed((x, given)), loss=tf.reduce_sum(y), wrt=[x])


@graph
def a_loop_in_a_branch() -> Model:
    x, given = entry("x", values(3, 4))
    w = matrix()

    def long() -> Any:
        return tf.while_loop(lambda i, a: i < 4, lambda i, a: (i + 1, tf.tanh(a @ w)), [0, x])[1]

    y = tf.cond(x[0, 0] > 5, long, lambda: x + 1)
    z = tf.cond(x[0, 0] < 5, long, lambda: x + 1)
    return Model([y, z], fed((x, given)), loss=tf.reduce_sum(y * z), wrt=[x])


@graph
def a_state_that_grows() -> Model:
    x, given = entry("x", values(3, 4))
    shapes = [tf.TensorShape([]), tf.TensorShape([None, 4])]
    _, y = tf.while_loop(
        lambda i, a: i < 3,
        lambda i, a: (i + 1, tf.concat([a, tf.sin(a)], 0)),
        [0, x],
        shape_invariants=shapes,
    )
    return Model([y], fed((x, given)), loss=tf.reduce_sum(y), wrt=[x])


@graph
def states_of_all_kinds() -> Model:
    n, count = entry("n", np.int32(4), [])

    def step(i: Any, text: Any, flag: Any, total: Any) -> Any:
        return i + 1, tf.strings.join([text, tf.strings.as_string(i)]), tf.logical_not(flag), total * 3

    found = tf.while_loop(lambda i, *_: i < n, step, [0, "t", True, tf.constant(1, tf.int64)])
    return Model(found, fed((n, count)))


@graph
def maps_and_scans() -> Model:
    x, given = entry("x", values(5, 4))
    w = matrix()
    mapped = tf.map_fn(lambda row: tf.reduce_sum(row * w), x)
    scanned = tf.scan(lambda a, b: tf.sin(a) * b + a, x)
    counted = tf.map_fn(lambda row: tf.size(row), x, dtype=tf.int32)
    folded = tf.foldl(lambda a, b: a * 0.5 + b, x)
    loss = tf.reduce_sum(mapped**2) + tf.reduce_sum(scanned) + tf.reduce_sum(folded)
    return Model([mapped, scanned, counted, folded], fed((x, given)), loss=loss, wrt=[x])


@graph
def arrays_that_grow() -> Model:
    x, given = entry("x", values(3, 4))
    w = matrix()

    @tf.function
    def twisted(a: Any) -> Any:
        for _ in tf.range(3):
            if tf.reduce_sum(a) > 0:
                a = tf.sin(a @ w)
            else:
                a = a + w[0]
        return a

    def step(i: Any, array: Any) -> Any:
        return i + 1, array.write(i, twisted(x[i : i + 1]) * tf.cast(i, tf.float32))

    start = tf.TensorArray(tf.float32, 0, dynamic_size=True)
    _, array = tf.while_loop(lambda i, _: i < tf.shape(x)[0], step, [0, start])
    y = array.stack()
    return Model([y], fed((x, given)), loss=tf.reduce_sum(y), wrt=[x])


@graph
def a_recurrent_network() -> Model:
    x, given = entry("x", values(2, 6, 3))
    ids, found = entry("ids", numbers(2, limit=4))
    units = 4
    kernel = v1.get_variable("kernel", initializer=values(3 + units, 4 * units), use_resource=True)
    bias = v1.get_variable("bias", initializer=values(4 * units), use_resource=True)
    table = v1.get_variable("table", initializer=values(4, units), use_resource=True)

    def step(t: Any, c: Any, h: Any, outputs: Any) -> Any:
        i, j, f, o = tf.split(tf.concat([x[:, t], h], 1) @ kernel + bias, 4, 1)
        c = c * tf.sigmoid(f + 1) + tf.sigmoid(i) * tf.tanh(j)
        h = tf.tanh(c) * tf.sigmoid(o) + tf.gather(table, ids)
        return t + 1, c, h, outputs.write(t, h)

    zeros = tf.zeros([tf.shape(x)[0], units])
    start = tf.TensorArray(tf.float32, tf.shape(x)[1], element_shape=[None, units])
    _, c, h, outputs = tf.while_loop(lambda t, *_: t < tf.shape(x)[1], step, [0, zeros, zeros, start])
    y = dense(outputs.stack()[-1], 3, "last")
    loss = tf.reduce_mean(y**2)
    train = v1.train.GradientDescentOptimizer(0.5).minimize(loss)
    return Model([c, h, loss], fed((x, given), (ids, found)), train=train, steps=3, loss=loss, wrt=[x])


@graph
def branches_that_train() -> Model:
    """TensorFlow's own gradients of conditionals and loops, which carry values in optionals and lists."""
    x, given = entry("x", values(3, 4))
    w = matrix()
    y = tf.cond(tf.reduce_sum(x) > -99, lambda: tf.tanh(x @ w), lambda: x * x)
    _, z = tf.while_loop(
        lambda i, a: i < 3, lambda i, a: (i + 1, tf.cond(i > 1, lambda: a @ w, lambda: tf.sin(a))), [0, y]
    )
    loss = tf.reduce_sum(z**2)
    train = v1.train.GradientDescentOptimizer(0.1).minimize(loss)
    return Model([loss], fed((x, given)), train=train, steps=3)


@graph
def counters_in_branches() -> Model:
    x, given = entry("x", values(3, 4))
    counter = v1.get_variable("counter", initializer=0, use_resource=True)

    @tf.function
    def count(a: Any) -> Any:
        counter.assign_add(1)
        return a * tf.cast(counter.read_value(), tf.float32)

    def step(i: Any, a: Any) -> Any:
        counter.assign_add(10)
        return i + 1, count(a)

    with tf.control_dependencies([count(x)]):
        _, y = tf.while_loop(lambda i, a: i < 3, step, [0, x])
    return Model([y], fed((x, given)), steps=2)


@graph
def dropout_in_a_call() -> Model:
    """What is drawn in the forward pass must be what the gradient sees."""
    x, given = entry("x", np.ones((4, 50), np.float32))

    @tf.function
    def dropped(a: Any) -> Any:
        kept = tf.cast(tf.random.uniform(tf.shape(a), seed=3) > 0.5, tf.float32)
        return a * kept, kept

    y, kept = dropped(x)
    (slope,) = v1.gradients(tf.reduce_sum(y), [x])
    return Model([tf.reduce_max(tf.abs(slope - kept))], fed((x, given)))


@graph
def functions_as_operations() -> Model:
    x, given = entry("x", values(3))

    @defuns.Defun(tf.float32, tf.float32, func_name="Inner")
    def inner(a: Any, b: Any) -> Any:
        return tf.sin(a) * b, a + b

    @defuns.Defun(tf.float32, func_name="Outer")
    def outer(a: Any) -> Any:
        y, z = inner(a, a * 2)
        return y + z

    y = outer(x)
    return Model([y, *inner(y, x)], fed((x, given)))


@graph
def symbolic_gradients() -> Model:
    x, given = entry("x", values(3))
    dy, start = entry("dy", values(3, seed=5))

    @defuns.Defun(tf.float32, tf.float32, func_name="Product")
    def product(a: Any, b: Any) -> Any:
        return tf.sin(a) * b

    found = functional_ops.symbolic_gradient([x, x * 2, dy], [tf.float32, tf.float32], product)
    return Model(list(found), fed((x, given), (dy, start)))


@graph
def conditions_that_are_no_booleans() -> Model:
    x, given = entry("x", values(3))

    @defuns.Defun(tf.float32, func_name="Then")
    def then(a: Any) -> Any:
        return a + 1

    @defuns.Defun(tf.float32, func_name="Else")
    def otherwise(a: Any) -> Any:
        return a - 1

    conditions = [
        2,
        0,
        0.5,
        0.0,
        "text",
        "",
        np.zeros([2], np.float32),
        np.zeros([0], np.float32),
        np.float64("nan"),
    ]
    chosen = [
        tf.raw_ops.If(cond=c, input=[x], Tout=[tf.float32], then_branch=then, else_branch=otherwise)[0]
        for c in conditions
    ]
    asked = [tf.raw_ops.ToBool(input=c) for c in conditions]
    away = functional_ops.remote_call(
        args=[x], Tout=[tf.float32], f=then, target="/job:localhost/replica:0/task:0/cpu:0"
    )
    index = [
        tf.raw_ops.DeviceIndex(device_names=names) for names in (["CPU", "GPU"], ["GPU", "CPU"], ["TPU"])
    ]
    return Model([*chosen, *asked, *away, *index], fed((x, given)))


@graph
def loops_counted_down() -> Model:
    x, given = entry("x", np.int32(5), [])

    @defuns.Defun(tf.int32, tf.int32, func_name="StepsLeft")
    def left(a: Any, b: Any) -> Any:
        return a

    @defuns.Defun(tf.int32, tf.int32, func_name="OneLess")
    def less(a: Any, b: Any) -> Any:
        return a - 1, a * b

    with v1.device("/cpu:0"):
        found = tf.raw_ops.While(input=[x, tf.constant(1)], cond=left, body=less)
    return Model(list(found), fed((x, given)))


def effects(kind: str, *, lower: bool) -> Model:
    """A body with an update that no result needs."""
    x, given = entry("x", np.int32(3), [])
    counter = v1.get_variable("counter", initializer=0, use_resource=True)

    @defuns.Defun(tf.int32, tf.resource, func_name="Update")
    def update(a: Any, handle: Any) -> Any:
        tf.raw_ops.AssignAddVariableOp(resource=handle, value=tf.constant(1))
        return a - 1, handle

    @defuns.Defun(tf.int32, tf.resource, func_name="IsLeft")
    def is_left(a: Any, handle: Any) -> Any:
        return a > 0

    types = [tf.int32, tf.resource]
    inputs = [x, counter.handle]
    match kind:
        case "by_name":
            found = update(*inputs)
        case "call":
            found = tf.raw_ops.StatefulPartitionedCall(args=inputs, Tout=types, f=update)
        case "while":
            found = tf.raw_ops.While(input=inputs, cond=is_left, body=update)
        case _:
            found = tf.raw_ops.If(cond=True, input=inputs, Tout=types, then_branch=update, else_branch=update)
    if lower:
        found[0].op._set_attr("_lower_using_switch_merge", attr_value_pb2.AttrValue(b=True))
    with tf.control_dependencies([found[0]]):
        return Model(
            [tf.raw_ops.ReadVariableOp(resource=counter.handle, dtype=tf.int32)], fed((x, given)), steps=2
        )


for _kind in ("by_name", "call", "while", "if"):
    for _lower in (False, True):
        GRAPHS[f"effects_{_kind}{'_lowered' if _lower else ''}"] = partial(effects, _kind, lower=_lower)
