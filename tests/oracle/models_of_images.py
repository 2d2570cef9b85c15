"""Networks that look at images, or make them."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from .models import (
    Model,
    batch_norm,
    conv,
    cross_entropy,
    dense,
    entry,
    fed,
    flat,
    minimize,
    model,
    numbers,
    v1,
    values,
    weight,
)


@model
def lenet() -> Model:
    x, images = entry("images", values(3, 28, 28, 1))
    labels, classes = entry("labels", numbers(3, limit=10))
    h = tf.nn.max_pool2d(tf.nn.relu(conv(x, 6, 5, "conv1")), 2, 2, "VALID")
    h = tf.nn.max_pool2d(tf.nn.relu(conv(h, 16, 5, "conv2", padding="VALID")), 2, 2, "VALID")
    h = dense(dense(flat(h), 120, "fc1", tf.nn.relu), 84, "fc2", tf.nn.tanh)
    logits = dense(h, 10, "fc3")
    loss = cross_entropy(logits, labels)
    accuracy = tf.reduce_mean(tf.cast(tf.equal(tf.argmax(logits, 1, tf.int32), labels), tf.float32))
    top = tf.nn.in_top_k(labels, logits, 3)
    train = minimize(loss, v1.train.AdamOptimizer(1e-3))
    return Model(
        [logits, loss, accuracy, top, tf.nn.softmax(logits)],
        fed((x, images), (labels, classes)),
        train=train,
        steps=3,
        loss=loss,
    )


@model
def vgg() -> Model:
    x, images = entry("images", values(2, 16, 16, 3))
    h = x
    for block, filters in enumerate((4, 8)):
        for layer in range(2):
            h = tf.nn.relu(conv(h, filters, 3, f"block{block}_conv{layer}"))
        h = tf.nn.max_pool2d(h, 2, 2, "SAME")
    h = tf.nn.dropout(dense(flat(h), 16, "fc1", tf.nn.relu), rate=0.5, seed=11)
    logits = dense(h, 5, "fc2")
    decay = tf.add_n([tf.nn.l2_loss(v) for v in v1.trainable_variables() if "kernel" in v.name])
    loss = tf.reduce_mean(tf.square(logits)) + 1e-3 * decay
    return Model([logits, loss], fed((x, images)), train=minimize(loss), steps=2, loss=loss, wrt=[x])


def _bottleneck(x: Any, filters: int, stride: int, name: str, *, training: bool) -> Any:
    with v1.variable_scope(name):
        h = tf.nn.relu(batch_norm(conv(x, filters, 1, "a", bias=False), "bn_a", training=training))
        h = conv(h, filters, 3, "b", stride=stride, bias=False)
        h = tf.nn.relu(batch_norm(h, "bn_b", training=training))
        h = batch_norm(conv(h, 4 * filters, 1, "c", bias=False), "bn_c", training=training)
        if stride > 1 or x.shape[-1] != 4 * filters:
            x = conv(x, 4 * filters, 1, "shortcut", stride=stride, bias=False)
            x = batch_norm(x, "bn_shortcut", training=training)
        return tf.nn.relu(x + h)


def _resnet(*, training: bool) -> Model:
    x, images = entry("images", values(4, 16, 16, 3))
    labels, classes = entry("labels", numbers(4, limit=5))
    h = tf.pad(x, [[0, 0], [3, 3], [3, 3], [0, 0]])
    h = conv(h, 4, 7, "stem", stride=2, padding="VALID", bias=False)
    h = tf.nn.max_pool2d(tf.nn.relu(batch_norm(h, "bn", training=training)), 3, 2, "SAME")
    h = _bottleneck(h, 2, 1, "block1", training=training)
    h = _bottleneck(h, 2, 1, "block2", training=training)
    h = _bottleneck(h, 4, 2, "block3", training=training)
    logits = dense(tf.reduce_mean(h, [1, 2]), 5, "head")
    loss = cross_entropy(logits, labels)
    train = minimize(loss) if training else None
    feeds = fed((x, images), (labels, classes))
    return Model([logits, loss], feeds, train=train, steps=3 if training else 1, loss=loss, tol=2e-4)


@model
def resnet_training() -> Model:
    return _resnet(training=True)


@model
def resnet_inference() -> Model:
    return _resnet(training=False)


@model
def mobilenet() -> Model:
    x, images = entry("images", values(2, 12, 12, 3))
    h = tf.nn.relu6(batch_norm(conv(x, 8, 3, "stem", stride=2, bias=False), "bn", training=True))
    expanded = tf.nn.relu6(batch_norm(conv(h, 16, 1, "expand", bias=False), "bn_expand", training=True))
    kernel = weight("depthwise", 3, 3, 16, 1)
    middle = tf.nn.depthwise_conv2d(expanded, kernel, [1, 1, 1, 1], "SAME")
    middle = tf.nn.relu6(batch_norm(middle, "bn_depthwise", training=True))
    h = h + batch_norm(conv(middle, 8, 1, "project", bias=False), "bn_project", training=True)
    squeezed = tf.reduce_mean(h, [1, 2], keepdims=True)
    gate = tf.nn.relu6(conv(tf.nn.relu(conv(squeezed, 2, 1, "squeeze")), 8, 1, "excite") + 3) / 6
    swish = tf.nn.silu(h * gate)
    separable = tf.nn.separable_conv2d(
        swish, weight("sep_depth", 3, 3, 8, 2), weight("sep_point", 1, 1, 16, 4), [1, 2, 2, 1], "SAME"
    )
    loss = tf.reduce_sum(separable**2)
    train = minimize(loss, v1.train.RMSPropOptimizer(0.01, momentum=0.9))
    return Model([separable, loss], fed((x, images)), train=train, steps=2, loss=loss, wrt=[x], tol=5e-4)


@model
def inception() -> Model:
    x, images = entry("images", values(2, 9, 9, 6))
    branches = [
        conv(x, 3, 1, "b1"),
        conv(conv(x, 2, 1, "b3_reduce"), 4, 3, "b3"),
        conv(conv(x, 2, 1, "b5_reduce"), 3, 5, "b5"),
        conv(tf.nn.max_pool2d(x, 3, 1, "SAME"), 2, 1, "pool"),
        tf.nn.avg_pool2d(x, 3, 1, "SAME"),
    ]
    h = tf.nn.relu(tf.concat(branches, -1))
    h = tf.nn.local_response_normalization(h, depth_radius=2, alpha=1e-2)
    h = tf.concat([tf.nn.max_pool2d(h, 3, 2, "VALID"), conv(h, 4, 3, "down", stride=2, padding="VALID")], 3)
    first, second = tf.split(h, 2, axis=3)
    loss = tf.reduce_mean(first * second) + tf.reduce_max(h)
    return Model([h, loss], fed((x, images)), train=minimize(loss), steps=2, loss=loss, wrt=[x])


@model
def unet() -> Model:
    x, images = entry("images", values(2, 16, 16, 2))
    masks, wanted = entry("masks", numbers(2, 16, 16, 1, limit=2).astype(np.float32))
    a = tf.nn.relu(conv(x, 4, 3, "down1"))
    b = tf.nn.relu(conv(tf.nn.max_pool2d(a, 2, 2, "SAME"), 8, 3, "down2"))
    c = tf.nn.leaky_relu(conv(tf.nn.max_pool2d(b, 2, 2, "SAME"), 8, 3, "bottom", stride=1), 0.1)
    size = tf.stack([tf.shape(c)[0], tf.shape(c)[1] * 2, tf.shape(c)[2] * 2, 8])
    up = tf.nn.conv2d_transpose(c, weight("up", 2, 2, 8, 8), size, 2, "SAME")
    up = tf.nn.elu(conv(tf.concat([up, b], 3), 4, 3, "up1"))
    up = v1.image.resize_bilinear(up, tf.shape(x)[1:3], half_pixel_centers=True)
    near = v1.image.resize_nearest_neighbor(conv(c, 2, 1, "side"), [16, 16])
    logits = conv(tf.concat([up, a, near], -1), 1, 1, "head")
    losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=masks, logits=logits)
    p = tf.sigmoid(logits)
    axes = [1, 2, 3]
    both, either = tf.reduce_sum(p * masks, axes), tf.reduce_sum(p + masks, axes)
    dice = (2 * both + 1) / (either + 1)
    loss = tf.reduce_mean(losses) + 1 - tf.reduce_mean(dice)
    train = minimize(loss, v1.train.AdamOptimizer(0.01))
    return Model(
        [logits, loss, dice], fed((x, images), (masks, wanted)), train=train, steps=2, loss=loss, tol=1e-4
    )


@model
def image_preprocessing() -> Model:
    x, images = entry("images", numbers(2, 11, 13, 3, limit=256, dtype=np.uint8))
    y = tf.image.convert_image_dtype(x, tf.float32)
    bright = tf.image.adjust_brightness(y, 0.1)
    contrast = tf.image.adjust_contrast(bright, 1.3)
    colour = tf.image.adjust_saturation(tf.image.adjust_hue(contrast, 0.05), 0.8)
    cropped = tf.image.central_crop(colour, 0.7)
    resized = v1.image.resize_images(cropped, [8, 8], align_corners=False)
    bicubic = v1.image.resize_bicubic(y, [7, 9], align_corners=True)
    area = v1.image.resize_area(y, [5, 5])
    padded = tf.image.pad_to_bounding_box(resized, 1, 2, 12, 13)
    box = tf.image.crop_to_bounding_box(padded, 2, 2, 6, 6)
    flipped = tf.image.flip_up_down(tf.image.flip_left_right(box))
    turned = tf.image.transpose(flipped)
    white = tf.image.per_image_standardization(turned)
    grey = tf.image.grayscale_to_rgb(tf.image.rgb_to_grayscale(white))
    hsv = tf.image.hsv_to_rgb(tf.image.rgb_to_hsv(tf.clip_by_value(colour, 0.0, 1.0)))
    boxes = tf.constant([[0.1, 0.1, 0.8, 0.9], [0.0, 0.0, 1.0, 1.0]])
    crops = tf.image.crop_and_resize(y, boxes, [0, 1], [4, 4])
    patches = tf.image.extract_patches(y, [1, 3, 3, 1], [1, 2, 2, 1], [1, 1, 1, 1], "VALID")
    total = tf.image.total_variation(y)
    edges = tf.image.sobel_edges(y)
    signal = tf.image.psnr(y, tf.clip_by_value(bright, 0.0, 1.0), 1.0)
    likeness = tf.image.ssim(y, tf.clip_by_value(contrast, 0.0, 1.0), 1.0, filter_size=5)
    kept = tf.image.non_max_suppression(boxes, [0.4, 0.9], 2, 0.5)
    back = tf.image.convert_image_dtype(colour, tf.uint8, saturate=True)
    yuv = tf.image.rgb_to_yuv(y)
    shown = [colour, resized, bicubic, area, padded, turned, white, grey, hsv, crops, patches, total]
    return Model(
        [*shown, edges, signal, likeness, kept, tf.cast(back, tf.int32) // 2, yuv, tf.image.rgb_to_yiq(y)],
        fed((x, images)),
        tol=1e-4,
    )


@model
def autoencoder() -> Model:
    x, images = entry("x", values(5, 12, low=0.0))
    noisy = x + tf.random.normal(tf.shape(x), stddev=0.1, seed=3)
    code = dense(dense(noisy, 8, "e1", tf.nn.selu), 3, "e2", tf.nn.softsign)
    decoded = dense(dense(code, 8, "d1", tf.nn.softplus), 12, "d2", tf.nn.sigmoid)
    loss = tf.reduce_mean(tf.math.squared_difference(decoded, x)) + 1e-3 * tf.reduce_sum(tf.abs(code))
    return Model([code, decoded, loss], fed((x, images)), train=minimize(loss), steps=4, loss=loss)


@model
def variational_autoencoder() -> Model:
    x, images = entry("x", values(6, 10, low=0.0))
    h = dense(x, 8, "encoder", tf.nn.relu)
    mean, log_variance = tf.split(dense(h, 4, "moments"), 2, 1)
    z = mean + tf.exp(0.5 * log_variance) * tf.random.normal(tf.shape(mean), seed=42)
    logits = dense(dense(z, 8, "decoder", tf.nn.relu), 10, "pixels")
    reconstruction = tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=logits), 1)
    divergence = -0.5 * tf.reduce_sum(1 + log_variance - tf.square(mean) - tf.exp(log_variance), axis=-1)
    loss = tf.reduce_mean(reconstruction + divergence)
    train = minimize(loss, v1.train.AdamOptimizer(0.01))
    return Model([z, logits, loss, divergence], fed((x, images)), train=train, steps=4, loss=loss)


@model
def generative_adversarial() -> Model:
    real, points = entry("real", values(8, 2))

    def generator(z: Any) -> Any:
        with v1.variable_scope("generator"):
            return dense(dense(z, 6, "hidden", tf.nn.leaky_relu), 2, "out")

    def discriminator(x: Any) -> Any:
        with v1.variable_scope("discriminator", reuse=v1.AUTO_REUSE):
            return dense(dense(x, 6, "hidden", tf.nn.tanh), 1, "out")

    z = tf.random.uniform([tf.shape(real)[0], 3], -1, 1, seed=5)
    made = generator(z)
    on_real, on_made = discriminator(real), discriminator(made)
    one, nought = tf.ones_like(on_real), tf.zeros_like(on_made)
    bce = tf.nn.sigmoid_cross_entropy_with_logits
    d_loss = tf.reduce_mean(bce(labels=one, logits=on_real) + bce(labels=nought, logits=on_made))
    g_loss = tf.reduce_mean(bce(labels=one, logits=on_made))
    d_step = v1.train.AdamOptimizer(1e-2, beta1=0.5).minimize(
        d_loss, var_list=v1.trainable_variables("discriminator")
    )
    g_step = v1.train.AdamOptimizer(1e-2, beta1=0.5).minimize(
        g_loss, var_list=v1.trainable_variables("generator")
    )
    mixed = 0.3 * real + 0.7 * made
    slope = tf.gradients(discriminator(mixed), mixed)[0]
    penalty = tf.reduce_mean(tf.square(tf.sqrt(tf.reduce_sum(slope**2, 1) + 1e-12) - 1))
    return Model([penalty, z], fed((real, points)), apart=[d_step, g_step], steps=4, loss=d_loss)


@model
def volumes() -> Model:
    """Three dimensions, dilation, and normalisation by groups."""
    x, given = entry("x", values(2, 4, 6, 6, 2))
    h = tf.nn.conv3d(x, weight("kernel", 2, 3, 3, 2, 4), [1, 1, 1, 1, 1], "SAME")
    h = tf.nn.max_pool3d(tf.nn.crelu(h), 2, 2, "SAME")
    up = tf.nn.conv3d_transpose(
        h, weight("up", 2, 2, 2, 2, 8), tf.concat([tf.shape(x)[:4], [2]], 0), [1, 2, 2, 2, 1], "SAME"
    )
    mean, variance = tf.nn.moments(up, [1, 2, 3], keepdims=True)
    normal = (up - mean) * tf.math.rsqrt(variance + 1e-5)
    flat_x = tf.reshape(normal, [-1, 4 * 6, 6, 2])
    dilated = tf.nn.conv2d(flat_x, weight("dilated", 3, 3, 2, 2), 1, "SAME", dilations=2)
    atrous = tf.nn.atrous_conv2d(flat_x, weight("atrous", 3, 3, 2, 2), 2, "SAME")
    line = tf.nn.conv1d(flat_x[:, :, 0], weight("line", 3, 2, 3), 2, "SAME")
    average = tf.nn.avg_pool3d(x, 2, 2, "VALID")
    loss = tf.reduce_sum(dilated**2) + tf.reduce_sum(atrous) + tf.reduce_sum(line) + tf.reduce_sum(average**2)
    fetches = [h, normal, dilated, atrous, line, average]
    return Model(fetches, fed((x, given)), train=minimize(loss), steps=2, loss=loss, wrt=[x], tol=5e-4)
