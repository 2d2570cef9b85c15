"""Networks that read sequences."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from .models import Model, entry, fed, minimize, model, numbers, ones, v1, values, weight, zeros


@model
def lstm() -> Model:
    x, sequence = entry("x", values(3, 8, 4))
    lengths, given = entry("lengths", np.array([8, 3, 5], np.int32))
    units = 5
    kernel, bias = weight("kernel", 4 + units, 4 * units), zeros("bias", 4 * units)
    state = tf.zeros([tf.shape(x)[0], units])
    output = tf.zeros_like(state)
    outputs = []
    for time, step in enumerate(tf.unstack(x, axis=1)):
        gates = tf.nn.bias_add(tf.matmul(tf.concat([step, output], 1), kernel), bias)
        i, j, f, o = tf.split(gates, 4, axis=1)
        fresh = tf.sigmoid(f + 1.0) * state + tf.sigmoid(i) * tf.tanh(j)
        going = tf.less(time, lengths)
        state = v1.where(going, fresh, state)
        output = v1.where(going, tf.sigmoid(o) * tf.tanh(fresh), output)
        outputs.append(output)
    stacked = tf.stack(outputs, 1)
    mask = tf.sequence_mask(lengths, 8, dtype=tf.float32)
    loss = tf.reduce_sum(tf.reduce_mean(stacked**2, -1) * mask) / tf.reduce_sum(mask)
    optimizer = v1.train.AdamOptimizer(0.01)
    slopes, variables = zip(*optimizer.compute_gradients(loss))
    clipped, norm = tf.clip_by_global_norm(slopes, 0.05)
    train = optimizer.apply_gradients(zip(clipped, variables))
    reverse = tf.reverse_sequence(x, lengths, seq_axis=1, batch_axis=0)
    feeds = fed((x, sequence), (lengths, given))
    return Model([stacked, state, loss, norm, reverse], feeds, train=train, steps=3, loss=loss, wrt=[x])


@model
def gru() -> Model:
    tokens, ids = entry("tokens", numbers(3, 8, limit=11))
    table = weight("table", 11, 4)
    x = tf.nn.embedding_lookup(table, tokens)
    units = 5
    state = tf.tile(tf.expand_dims(ones("start", units), 0), [tf.shape(tokens)[0], 1])
    kernel, candidate = weight("gates", 4 + units, 2 * units), weight("candidate", 4 + units, units)
    states = []
    for time in range(8):
        step = x[:, time, :]
        r, u = tf.split(tf.sigmoid(tf.matmul(tf.concat([step, state], -1), kernel)), 2, -1)
        c = tf.tanh(tf.matmul(tf.concat([step, r * state], -1), candidate))
        state = u * state + (1 - u) * c
        states.append(state)
    logits = tf.tensordot(tf.stack(states, axis=1), weight("out", units, 11), 1)
    targets = tf.roll(tokens, -1, 1)
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=targets, logits=logits))
    best = tf.argmax(logits, -1)
    top = tf.nn.top_k(logits, 3)
    train = minimize(loss, v1.train.AdagradOptimizer(0.1))
    fetches = [logits, best, loss, top.values, top.indices]
    return Model(fetches, fed((tokens, ids)), train=train, steps=3, loss=loss)


def layer_norm(x: Any, name: str) -> Any:
    with v1.variable_scope(name):
        mean, variance = tf.nn.moments(x, -1, keepdims=True)
        width = x.shape[-1]
        return tf.nn.batch_normalization(x, mean, variance, zeros("beta", width), ones("gamma", width), 1e-6)


def gelu_tanh(x: Any) -> Any:
    return 0.5 * x * (1 + tf.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * tf.pow(x, 3))))


@model
def bert() -> Model:
    tokens, ids = entry("tokens", numbers(2, 6, limit=17))
    mask, valid = entry("mask", np.array([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0]], np.int32))
    kinds, segments = entry("segments", numbers(2, 6, limit=2, seed=4))
    width, heads = 8, 2
    table = weight("word_embeddings", 17, width)
    shape = tf.shape(tokens)
    word = tf.reshape(tf.gather(table, tf.reshape(tokens, [-1])), [shape[0], shape[1], width])
    kind = tf.matmul(tf.one_hot(tf.reshape(kinds, [-1]), 2), weight("kinds", 2, width))
    position = tf.slice(weight("positions", 10, width), [0, 0], [shape[1], -1])
    h = word + tf.reshape(kind, tf.shape(word)) + position
    h = tf.nn.dropout(layer_norm(h, "ln"), rate=0.1, seed=1)
    with v1.variable_scope("attention"):
        q, k, v = (
            tf.einsum("btw,whd->bthd", h, weight(n, width, heads, width // heads)) for n in ("q", "k", "v")
        )
        scores = tf.einsum("bthd,bshd->bhts", q, k) * (1 / np.sqrt(width // heads))
        adder = (1.0 - tf.cast(mask[:, tf.newaxis, tf.newaxis, :], tf.float32)) * -10000.0
        weights = tf.nn.dropout(tf.nn.softmax(scores + adder), rate=0.1, seed=2)
        context = tf.einsum("bhts,bshd->bthd", weights, v)
        attended = tf.einsum("bthd,hdw->btw", context, weight("o", heads, width // heads, width))
    h = layer_norm(h + tf.nn.dropout(attended, rate=0.1, seed=3), "ln1")
    with v1.variable_scope("feed_forward"):
        inner = tf.einsum("btw,wf->btf", h, weight("in", width, 16)) + zeros("in_bias", 16)
        inner = tf.nn.gelu(inner) + gelu_tanh(inner) + inner * 0.5 * (1 + tf.math.erf(inner / np.sqrt(2.0)))
        h = layer_norm(h + tf.tensordot(inner, weight("out", 16, width), 1), "ln2")
    pooled = tf.tanh(tf.matmul(tf.squeeze(h[:, 0:1, :], axis=1), weight("pool", width, width)))
    logits = tf.matmul(tf.reshape(h, [-1, width]), table, transpose_b=True)
    likelihood = tf.nn.log_softmax(logits)
    chosen = tf.one_hot(tf.reshape(tokens, [-1]), 17, dtype=tf.float32)
    per_token = -tf.reduce_sum(likelihood * chosen, axis=[-1])
    weights = tf.reshape(tf.cast(mask, tf.float32), [-1])
    loss = tf.reduce_sum(weights * per_token) / (tf.reduce_sum(weights) + 1e-5)
    train = minimize(loss, v1.train.AdamOptimizer(1e-2))
    feeds = fed((tokens, ids), (mask, valid), (kinds, segments))
    return Model([h, pooled, loss, likelihood], feeds, train=train, steps=2, loss=loss, tol=1e-4)


@model
def gpt() -> Model:
    tokens, ids = entry("tokens", numbers(2, 7, limit=13, dtype=np.int64))
    width, heads = 8, 2
    table = weight("wte", 13, width)
    length = tf.shape(tokens)[1]
    h = tf.gather(table, tokens) + tf.gather(weight("wpe", 9, width), tf.range(length))
    for block in range(2):
        with v1.variable_scope(f"h{block}"):
            x = layer_norm(h, "ln_1")
            qkv = tf.matmul(tf.reshape(x, [-1, width]), weight("c_attn", width, 3 * width))
            qkv = tf.reshape(qkv, [-1, length, 3 * width])
            q, k, v = (
                tf.transpose(tf.reshape(t, [-1, length, heads, width // heads]), [0, 2, 1, 3])
                for t in tf.split(qkv, 3, axis=2)
            )
            scores = tf.matmul(q, k, transpose_b=True) * tf.math.rsqrt(tf.cast(width // heads, tf.float32))
            causal = tf.linalg.band_part(tf.ones([length, length]), -1, 0)
            scores = scores * causal - 1e10 * (1 - causal)
            scores -= tf.stop_gradient(tf.reduce_max(scores, -1, keepdims=True))
            exponentials = tf.exp(scores)
            weights = exponentials / tf.reduce_sum(exponentials, -1, keepdims=True)
            joined = tf.reshape(tf.transpose(tf.matmul(weights, v), [0, 2, 1, 3]), [-1, length, width])
            h += tf.tensordot(joined, weight("c_proj", width, width), [[-1], [0]])
            x = layer_norm(h, "ln_2")
            inner = gelu_tanh(tf.tensordot(x, weight("fc", width, 16), 1))
            h += tf.tensordot(inner, weight("pr", 16, width), 1)
    logits = tf.einsum("btw,vw->btv", layer_norm(h, "ln_f"), table)
    loss = tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels=tokens[:, 1:], logits=logits[:, :-1])
    )
    last = logits[:, -1, :]
    best, where = tf.nn.top_k(last, k=4)
    kept = tf.where(last < best[:, -1, tf.newaxis], tf.ones_like(last) * -1e10, last)
    sampled = tf.random.categorical(kept, 3, seed=8, dtype=tf.int32)
    train = minimize(loss, v1.train.AdamOptimizer(1e-2))
    return Model(
        [logits, loss, kept, sampled, where], fed((tokens, ids)), train=train, steps=2, loss=loss, tol=1e-4
    )
