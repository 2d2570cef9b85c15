"""Words, recommendations, losses and counters."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from .models import Model, dense, entry, fed, minimize, model, numbers, v1, values, weight, zeros


@model
def word2vec() -> Model:
    inputs, words = entry("inputs", numbers(5, limit=20))
    labels, contexts = entry("labels", numbers(5, 1, limit=20, seed=3, dtype=np.int64))
    table = weight("embeddings", 20, 6)
    h = tf.nn.embedding_lookup(table, inputs)
    weights, biases = weight("nce", 20, 6), zeros("nce_bias", 20)
    sampled = tf.random.log_uniform_candidate_sampler(labels, 1, 4, True, 20, seed=7)
    nce = tf.nn.nce_loss(weights, biases, labels, h, 4, 20, sampled_values=sampled)
    softmax = v1.nn.sampled_softmax_loss(weights, biases, labels, h, 4, 20, seed=9)
    loss = tf.reduce_mean(nce) + tf.reduce_mean(softmax)
    norm = tf.sqrt(tf.reduce_sum(tf.square(table), 1, keepdims=True))
    unit = table / norm
    similarity = tf.matmul(tf.nn.embedding_lookup(unit, [1, 2]), unit, transpose_b=True)
    train = v1.train.GradientDescentOptimizer(0.5).minimize(loss)
    feeds = fed((inputs, words), (labels, contexts))
    return Model([nce, softmax, similarity], feeds, apart=[train], steps=4, loss=loss)


@model
def wide_and_deep() -> Model:
    names, given = entry("ids", np.array([[3, 1], [4, 1], [5, 9]], np.int64))
    numeric, amounts = entry("numeric", values(3, 2))
    labels, wanted = entry("labels", np.array([[0.0], [1.0], [1.0]], np.float32))
    buckets = tf.cast(tf.raw_ops.Bucketize(input=numeric, boundaries=[-0.5, 0.0, 0.5]), tf.int64)
    crossed = tf.math.floormod(names[:, :1] * 7 + names[:, 1:] * 3 + buckets[:, :1], 12)
    wide = tf.reduce_sum(tf.nn.embedding_lookup(weight("wide", 12, 1), crossed), 1)
    wide += tf.nn.embedding_lookup(weight("wide_ids", 10, 1), names[:, 0])
    embedded = [tf.nn.embedding_lookup(weight(f"table{i}", 10, 3), names[:, i]) for i in range(2)]
    ragged = tf.SparseTensor([[0, 0], [0, 2], [2, 1]], tf.constant([1, 1, 5], tf.int64), [3, 3])
    weighed = tf.SparseTensor(ragged.indices, tf.constant([1.0, 0.5, 2.0]), ragged.dense_shape)
    table = weight("bag", 6, 3)
    bag = v1.nn.embedding_lookup_sparse(table, ragged, weighed, combiner="sqrtn")
    mean = v1.nn.embedding_lookup_sparse(table, ragged, None, combiner="mean")
    deep = tf.concat([*embedded, tf.reshape(bag, [-1, 3]), tf.reshape(mean, [-1, 3]), numeric], 1)
    deep = dense(dense(deep, 6, "deep1", tf.nn.relu), 1, "deep2")
    logits = wide + deep
    loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits))
    wide_step = v1.train.FtrlOptimizer(0.1, l1_regularization_strength=0.001).minimize(
        loss, var_list=[v for v in v1.trainable_variables() if "wide" in v.name]
    )
    deep_step = v1.train.AdagradOptimizer(0.1).minimize(
        loss, var_list=[v for v in v1.trainable_variables() if "wide" not in v.name]
    )
    predictions = tf.cast(tf.sigmoid(logits) > 0.5, tf.int32)
    feeds = fed((names, given), (numeric, amounts), (labels, wanted))
    return Model([crossed, predictions], feeds, apart=[wide_step, deep_step], steps=4, loss=loss)


@model
def matrix_factorisation() -> Model:
    users, who = entry("users", np.array([0, 3, 3, 1], np.int32))
    items, what = entry("items", np.array([2, 2, 0, 4], np.int32))
    ratings, stars = entry("ratings", values(4, low=1, high=5))
    p, q = tf.gather(weight("p", 4, 3), users), tf.gather(weight("q", 5, 3), items)
    bias = tf.gather(zeros("user_bias", 4), users) + tf.gather(zeros("item_bias", 5), items)
    found = tf.reduce_sum(tf.multiply(p, q), 1) + bias + v1.get_variable("mu", initializer=3.0)
    loss = tf.reduce_mean(tf.square(found - ratings)) + 0.01 * (tf.nn.l2_loss(p) + tf.nn.l2_loss(q))
    rate = v1.train.exponential_decay(0.1, v1.train.get_or_create_global_step(), 2, 0.5, staircase=False)
    train = minimize(loss, v1.train.GradientDescentOptimizer(rate))
    all_scores = tf.matmul(weight("p2", 4, 3), weight("q2", 5, 3), transpose_b=True)
    return Model(
        [rate, all_scores],
        fed((users, who), (items, what), (ratings, stars)),
        train=train,
        steps=5,
        loss=loss,
    )


@model
def losses() -> Model:
    x, found = entry("predictions", values(4, 3, low=0.05, high=0.95), [4, 3])
    y, wanted = entry("labels", np.eye(4, 3, dtype=np.float32), [4, 3])
    ids, classes = entry("ids", numbers(4, limit=3), [4])
    zoo = v1.losses
    weights = tf.constant([[1.0], [0.5], [0.0], [2.0]])
    all_losses = [
        zoo.absolute_difference(y, x, weights),
        zoo.cosine_distance(tf.nn.l2_normalize(y, 1), tf.nn.l2_normalize(x, 1), axis=1),
        zoo.hinge_loss(y, x, weights),
        zoo.huber_loss(y, x, delta=0.4),
        zoo.log_loss(y, x),
        zoo.mean_pairwise_squared_error(y, x),
        zoo.mean_squared_error(y, x, weights, reduction=zoo.Reduction.SUM),
        zoo.sigmoid_cross_entropy(y, x, label_smoothing=0.1),
        zoo.softmax_cross_entropy(y, x, label_smoothing=0.1),
        zoo.sparse_softmax_cross_entropy(ids, x, weights=weights[:, 0]),
        zoo.mean_squared_error(y, x, reduction=zoo.Reduction.NONE, loss_collection=None),
    ]
    focal = tf.nn.weighted_cross_entropy_with_logits(labels=y, logits=x, pos_weight=2.0)
    poisson = tf.nn.log_poisson_loss(y, x, compute_full_loss=True)
    others = [focal, poisson, tf.nn.l2_loss(x), tf.math.xlogy(y, x), tf.math.reduce_logsumexp(x, 1)]
    loss = zoo.get_total_loss(add_regularization_losses=False)
    total = loss + tf.reduce_sum(focal + poisson)
    feeds = fed((x, found), (y, wanted), (ids, classes))
    return Model([*all_losses, *others], feeds, loss=total, wrt=[x])


@model
def counters() -> Model:
    """Metrics as tf.compat.v1.metrics keeps them, without its conditional parts."""
    x, scores = entry("scores", values(6, low=0, high=1))
    y, truth = entry("truth", np.array([0, 1, 1, 0, 1, 1], np.int64))
    predicted = tf.cast(x > 0.5, tf.int64)
    hot, guessed = tf.one_hot(y, 2, dtype=tf.int32), tf.one_hot(predicted, 2, dtype=tf.int32)
    confusion = tf.matmul(hot, guessed, transpose_a=True)
    total = v1.get_variable("total", initializer=np.zeros((2, 2), np.int32), trainable=False)
    count = v1.get_variable("count", initializer=np.int64(0), trainable=False)
    hits = v1.get_variable("hits", initializer=np.float64(0), trainable=False)
    updates = [
        v1.assign_add(total, confusion),
        v1.assign_add(count, tf.size(x, tf.int64)),
        v1.assign_add(hits, tf.reduce_sum(tf.cast(tf.equal(y, predicted), tf.float64))),
    ]
    with tf.control_dependencies(updates):
        ratio = tf.math.divide_no_nan(tf.identity(hits), tf.cast(tf.identity(count), tf.float64))
    counts = v1.get_variable("counts", initializer=np.zeros(4, np.float32), trainable=False)
    scattered = v1.scatter_add(counts, tf.constant([1, 1, 3]), tf.constant([1.0, 2.0, 3.0]))
    with tf.control_dependencies([scattered]):
        seen = tf.identity(counts)
    histogram = tf.histogram_fixed_width(x, [0.0, 1.0], nbins=4)
    bins = tf.math.bincount(tf.cast(y, tf.int32), minlength=3)
    unique, places, many = tf.unique_with_counts(y)
    per_class = tf.math.unsorted_segment_mean(x, y, 2)
    where = tf.where(tf.equal(y, 1))
    picked = tf.boolean_mask(x, tf.equal(y, 1))
    parts = tf.dynamic_partition(x, tf.cast(y, tf.int32), 2)
    fetches = [
        ratio,
        seen,
        confusion,
        histogram,
        bins,
        unique,
        places,
        many,
        per_class,
        where,
        picked,
        *parts,
    ]
    return Model(fetches, fed((x, scores), (y, truth)), steps=3)


@model
def moving_averages() -> Model:
    x, given = entry("x", values(4, 3))
    prediction = dense(x, 2, "layer")
    loss = tf.reduce_mean(prediction**2)
    step = v1.train.get_or_create_global_step()
    rate = v1.train.polynomial_decay(0.5, step, 4, 0.01, power=2.0)
    cosine = v1.train.cosine_decay(0.1, step, 5)
    natural = v1.train.natural_exp_decay(0.1, step, 2, 0.5)
    inverse = v1.train.inverse_time_decay(0.1, step, 2, 0.5, staircase=True)
    train = v1.train.GradientDescentOptimizer(rate).minimize(loss, global_step=step)
    average = v1.train.ExponentialMovingAverage(0.9, num_updates=step)
    with tf.control_dependencies([train]):
        kept = average.apply(v1.trainable_variables())
    shadows = [average.average(v) for v in v1.trainable_variables()]
    with tf.control_dependencies([kept]):
        shown = [tf.identity(s) for s in shadows]
    return Model([rate, cosine, natural, inverse, *shown], fed((x, given)), apart=[kept], steps=5, loss=loss)


@model
def watched_training() -> Model:
    """Learning rates that fall in every way, summaries, and gradients of rows cut by their norm."""
    ids, given = entry("ids", numbers(5, limit=4))
    step = v1.train.get_or_create_global_step()
    rates = [
        v1.train.polynomial_decay(0.5, step, 4, 0.01, power=2.0),
        v1.train.cosine_decay(0.1, step, 5),
        v1.train.linear_cosine_decay(0.1, step, 5),
        v1.train.natural_exp_decay(0.1, step, 2, 0.5),
        v1.train.inverse_time_decay(0.1, step, 2, 0.5, staircase=True),
    ]
    table = weight("table", 4, 3)
    rows = tf.nn.embedding_lookup(table, ids)
    loss = tf.reduce_mean(tf.square(rows - 1.0)) + 0.1 * tf.reduce_mean(tf.abs(table))
    v1.summary.scalar("loss", loss)
    v1.summary.histogram("ids", ids)
    summaries = v1.summary.merge_all()
    optimizer = v1.train.MomentumOptimizer(rates[0], 0.9)
    rows_loss = tf.reduce_sum(tf.tanh(rows))
    slopes, norm = tf.clip_by_global_norm(v1.gradients([loss, rows_loss], [table]), 0.5)
    row_slopes, row_norm = tf.clip_by_global_norm(v1.gradients(rows_loss, [table]), 0.5)
    by_rows = v1.train.AdagradOptimizer(0.1).apply_gradients(zip(row_slopes, [table]))
    train = optimizer.apply_gradients(zip(slopes, [table]), global_step=step)
    length = tf.strings.length(summaries)
    return Model(
        [*rates, norm, row_norm, length], fed((ids, given)), apart=[train, by_rows], steps=4, loss=loss
    )
