"""TensorFlow 2 as it is by itself, for tests that need it so: others of this folder turn its ways off for the whole
process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import tensorflow as tf
from tensorflow.python.eager import context

v1 = tf.compat.v1


@pytest.fixture(autouse=True)
def eagerly() -> Iterator[None]:
    """Operations compute at once, variables are resources, shapes are TensorFlow 2's."""
    if v1.executing_eagerly_outside_functions():
        yield
        return
    v1.enable_resource_variables()
    v1.enable_v2_tensorshape()
    try:
        with context.eager_mode():
            yield
    finally:
        v1.disable_v2_tensorshape()
        v1.disable_resource_variables()
