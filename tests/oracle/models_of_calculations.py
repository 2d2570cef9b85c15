"""Graphs without much of a network: linear algebra, text, signals."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from .models import Model, entry, fed, model, v1, values, weight


@model
def linear_algebra() -> Model:
    a, given = entry("a", values(2, 4, 4).astype(np.float64))
    spd = tf.matmul(a, a, transpose_b=True) + 2 * tf.eye(4, batch_shape=[tf.shape(a)[0]], dtype=tf.float64)
    b = tf.linalg.matvec(spd, a[:, 0])[..., tf.newaxis]
    factor = tf.linalg.cholesky(spd)
    solved = tf.linalg.cholesky_solve(factor, b)
    again = tf.linalg.solve(spd, b)
    inverse = tf.linalg.inv(spd)
    logdet = tf.linalg.logdet(spd)
    determinant = tf.linalg.det(spd)
    values_only = tf.linalg.eigvalsh(spd)
    singular = tf.linalg.svd(a, compute_uv=False)
    q, r = tf.linalg.qr(a)
    trace = tf.linalg.trace(spd)
    triangular = tf.linalg.triangular_solve(factor, b)
    norm = tf.norm(a, axis=[-2, -1]) + tf.norm(a, ord=1, axis=(-2, -1))
    diagonal = tf.linalg.diag(tf.linalg.diag_part(spd))
    replaced = tf.linalg.set_diag(a, tf.zeros_like(a[..., 0]))
    least = tf.linalg.lstsq(a, b, l2_regularizer=0.1)
    kron = tf.einsum("bij,bkl->bikjl", a, spd)
    cross = tf.linalg.cross(a[:, 0, :3], a[:, 1, :3])
    permuted = tf.gather(a, tf.argsort(tf.reduce_sum(a, -1)), batch_dims=1)
    sums = tf.cumsum(a, axis=-1, exclusive=True) + tf.math.cumprod(a, axis=1, reverse=True)
    power = tf.linalg.matmul(q, tf.linalg.adjoint(q))
    unit = tf.linalg.normalize(a, axis=-1)[0]
    loss = tf.reduce_sum(solved) + tf.reduce_sum(logdet) + tf.reduce_sum(inverse) + tf.reduce_sum(kron[0, 0])
    fetches = [factor, solved, again, inverse, logdet, determinant, values_only, singular, r, trace, power]
    fetches += [triangular, norm, diagonal, replaced, least, kron, cross, permuted, sums, loss, unit]
    fetches += [tf.linalg.slogdet(a).sign, tf.linalg.pinv(a)]
    fetches += [tf.linalg.logm(tf.complex(spd, tf.zeros_like(spd)))]
    return Model(fetches, fed((a, given)), loss=loss, wrt=[a], tol=1e-7)


@model
def text_and_shapes() -> Model:
    """What a pipeline does to strings and shapes around a network."""
    words, given = entry("words", np.array([b"tea", b"Coffee ", b"tea", b""], object))
    numbers_in, digits = entry("numbers", np.array([b"1.5", b"-2", b"3e2", b"0"], object))
    lower = tf.strings.lower(tf.strings.strip(words))
    buckets = tf.strings.to_hash_bucket_fast(lower, 7)
    slow = v1.string_to_hash_bucket(lower, 7) if hasattr(v1, "string_to_hash_bucket") else buckets
    joined = tf.strings.join([lower, tf.strings.as_string(tf.range(tf.size(words)))], separator="-")
    lengths = tf.strings.length(words)
    parts = tf.strings.substr(words, tf.zeros_like(lengths), tf.minimum(lengths, 2))
    replaced = tf.strings.regex_replace(words, "[ef]+", "*")
    matched = tf.strings.regex_full_match(lower, "t.*")
    parsed = tf.strings.to_number(numbers_in)
    glued = tf.strings.reduce_join(words, 0, separator="+")
    table = weight("table", 7, 3)
    rows = tf.nn.embedding_lookup(table, buckets)
    padded = tf.pad(rows, [[0, 1], [1, 0]], "REFLECT")
    batched = tf.reshape(padded, tf.concat([[1], tf.shape(padded)], 0))
    spread = tf.nn.space_to_depth(batched[:, :4, :4, tf.newaxis], 2)
    blocks = tf.space_to_batch(batched[:, :4, :4, tf.newaxis], [2, 2], [[0, 0], [0, 0]])
    broad = tf.broadcast_to(rows[:1], [3, 3]) + tf.repeat(rows[:1], 3, 0)
    meshed = tf.meshgrid(tf.range(3.0), tf.linspace(0.0, 1.0, 2))
    updated = tf.tensor_scatter_nd_update(rows, [[0], [2]], tf.zeros([2, 3]))
    scattered = tf.scatter_nd([[1], [3]], rows[:2], [5, 3])
    nd = tf.gather_nd(rows, [[0, 1], [3, 2]])
    strided = rows[::-2, 1:] * 2
    selected = v1.where(tf.greater(rows, 0), rows, tf.nn.relu(-rows))
    stitched = tf.dynamic_stitch([[0, 2], [1, 3]], [rows[:2], rows[2:]])
    search = tf.searchsorted([0.0, 1.0, 2.0], parsed)
    loss = tf.reduce_sum(padded) + tf.reduce_sum(spread * 2) + tf.reduce_sum(blocks**2) + tf.reduce_sum(broad)
    loss += tf.reduce_sum(updated * 3) + tf.reduce_sum(scattered**2) + tf.reduce_sum(nd * nd)
    loss += tf.reduce_prod(strided) + tf.reduce_max(selected) + tf.reduce_sum(stitched**3)
    fetches = [buckets, slow, joined, parts, replaced, matched, parsed, glued, padded, spread, blocks, broad]
    fetches += [*meshed, updated, scattered, nd, strided, selected, stitched, search, tf.rank(batched)]
    return Model(fetches, fed((words, given), (numbers_in, digits)), loss=loss)


@model
def signals() -> Model:
    x, given = entry("x", values(2, 32))
    spectrum = tf.signal.rfft(x)
    magnitude = tf.abs(spectrum)
    back = tf.signal.irfft(spectrum)
    frames = tf.signal.frame(x, 8, 4)
    windowed = frames * tf.signal.hann_window(8)
    short = tf.signal.stft(x, 8, 4)
    mel = tf.tensordot(tf.abs(short), tf.signal.linear_to_mel_weight_matrix(4, 5, 8000, 80.0, 3800.0), 1)
    cosines = tf.signal.dct(x, type=2, norm="ortho")
    loss = tf.reduce_sum(magnitude) + tf.reduce_sum(back**2) + tf.reduce_sum(windowed)
    fetches = [magnitude, back, windowed, tf.abs(short), mel, cosines, tf.math.angle(spectrum)]
    return Model(fetches, fed((x, given)), loss=loss, wrt=[x], tol=1e-4)
