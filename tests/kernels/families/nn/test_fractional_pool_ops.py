"""Pooling with windows of random sizes, which are TensorFlow's for the same seeds."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from tfg import GraphBuilder, Session

from ...harness import case, f32, i64, rand, table_tests

POOLS = ("FractionalMaxPool", "FractionalAvgPool")
RATIO = [1.0, 1.5, 1.75, 1.0]
SEEDS = {"seed": 3, "seed2": 11, "deterministic": True}
IMAGES = rand(2, 13, 17, 3)
ROWS, COLUMNS = i64([0, 2, 3, 5]), i64([0, 1, 3, 6])
SPECIAL = f32(np.where(IMAGES > 1, np.nan, np.where(IMAGES < -1, -np.inf, IMAGES)))


def largest(x: Any, overlapping: bool) -> Any:
    """The largest elements of the windows of ROWS and COLUMNS."""
    more = int(overlapping)
    rows = [x[:, a : b + more].max(axis=1) for a, b in pairwise(ROWS)]
    return np.stack(
        [np.stack([r[:, a : b + more].max(axis=1) for a, b in pairwise(COLUMNS)], 1) for r in rows], 1
    )


CASES = [
    *(
        case(pool, IMAGES, pooling_ratio=RATIO, pseudo_random=pseudo, overlapping=over, grad=True, **SEEDS)
        for pool in POOLS
        for pseudo in (True, False)
        for over in (True, False)
    ),
    *(
        case(pool, (20 * IMAGES).astype(dtype), pooling_ratio=[1.0, 2.2, 3.7, 1.0], overlapping=over, **SEEDS)
        for pool in POOLS
        for dtype in (np.float64, np.int32, np.int64)
        for over in (True, False)
    ),
    *(case(pool, IMAGES, pooling_ratio=[1.0, r, r, 1.0], pseudo_random=True, **SEEDS)
      for pool in POOLS for r in (1.0, 2.0, 13.0)),
    case("FractionalMaxPool", SPECIAL, pooling_ratio=RATIO, **SEEDS),
    case("FractionalMaxPool", IMAGES, pooling_ratio=[1.0, 1.5, 1.5], **SEEDS, error="INVALID_ARGUMENT: pooling_ratio"),
    case("FractionalMaxPool", IMAGES, pooling_ratio=[2.0, 1.5, 1.5, 2.0], **SEEDS, error="UNIMPLEMENTED: batch"),
    case("FractionalAvgPool", IMAGES, pooling_ratio=[1.0, 0.5, 1.5, 1.0], **SEEDS,
         error="INVALID_ARGUMENT: smaller than 1"),
    case("FractionalMaxPool", IMAGES, pooling_ratio=RATIO, seed=3, error="INVALID_ARGUMENT: deterministic"),
    case("FractionalAvgPool", IMAGES[0], pooling_ratio=RATIO, **SEEDS, error="INVALID_ARGUMENT: rank 4"),
    case("FractionalAvgPool", IMAGES, pooling_ratio=[1.0, 20.0, 1.5, 1.0], **SEEDS, error="INVALID_ARGUMENT: higher"),
    *(
        case("FractionalMaxPoolGrad", x, largest(x, over), rand(1, 3, 3, 2, seed=1), ROWS, COLUMNS, overlapping=over)
        for over in (True, False)
        for x in (np.round(rand(1, 5, 6, 2)), f32(np.zeros((1, 5, 6, 2))))
    ),
    case("FractionalMaxPoolGrad", rand(1, 5, 6, 2), rand(1, 3, 3, 2), rand(1, 3, 3, 2), ROWS, COLUMNS,
         error="INVALID_ARGUMENT: orig_output"),
    *(
        case("FractionalAvgPoolGrad", i64([1, 5, 6, 2]), dy, ROWS, COLUMNS, overlapping=over)
        for over in (True, False)
        for dy in (rand(1, 3, 3, 2), (20 * rand(1, 3, 3, 2)).astype(np.int32), rand(1, 3, 3, 2, dtype="double"))
    ),
    case("FractionalMaxPoolGrad", rand(1, 5, 6, 2), rand(1, 3, 3, 2), rand(1, 3, 2, 2), ROWS, COLUMNS,
         error="INVALID_ARGUMENT: fit"),
    case("FractionalAvgPoolGrad", i64([1, 5, 6]), rand(1, 3, 3, 2), ROWS, COLUMNS,
         error="INVALID_ARGUMENT: 4 elements"),
]  # fmt: skip

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)


def test_windows_change_with_every_step_unless_they_are_deterministic() -> None:
    for deterministic in (True, False):
        g = GraphBuilder()
        x = g.placeholder("float", [1, 50, 50, 1], name="x")
        attrs = {"deterministic": True, "seed": 1} if deterministic else {}
        g.FractionalMaxPool(x, pooling_ratio=[1.0, 1.5, 1.5, 1.0], name="pool", **attrs)
        session = Session(g.graph())
        runs = [session.run(["pool:1"], {"x": f32(np.zeros((1, 50, 50, 1)))})[0].tolist() for _ in range(2)]
        assert (runs[0] == runs[1]) is deterministic
