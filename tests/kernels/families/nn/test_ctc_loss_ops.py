"""The loss of sequences of labels, by all their alignments."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...harness import case, f32, i32, i64, run_tfg, table_tests

SCORES = f32(np.random.default_rng(5).normal(size=(6, 3, 5), scale=2))
# Sequences 0, 1, 1 and 2, 2, 3 and one of a single label.
ROWS = i64([[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2], [2, 0]])
LABELS = i32([0, 1, 1, 2, 2, 3, 1])
LENGTHS = i32([6, 5, 4])
# Probabilities that underflow, so that there is no alignment.
STEEP = np.where(np.arange(5) == 4, f32(1000), SCORES)


def row(
    inputs: Any = SCORES, rows: Any = ROWS, labels: Any = LABELS, lengths: Any = LENGTHS, **more: Any
) -> Any:
    return case("CTCLoss", inputs, rows, labels, lengths, **{"tol": 2e-5, **more})


CASES = [
    row(SCORES.astype(np.float64), grad=True, tol=1e-7),
    *(
        row(preprocess_collapse_repeated=collapse, ctc_merge_repeated=merge, grad=True)
        for collapse in (True, False)
        for merge in (True, False)
    ),
    # Too long labels have no loss, or are an error. A repetition needs a blank between, for which there is no time.
    row(lengths=i32([2, 5, 0]), ignore_longer_outputs_than_inputs=True, grad=True),
    row(lengths=i32([3, 3, 1])),
    row(STEEP),
    row(labels=i32([0, 1, 4, 2, 2, 3, 1])),
    row(100 * SCORES),
    row(f32(np.where(SCORES > 3, np.nan, SCORES))),
    row(lengths=i32([2, 5, 4]), error="INVALID_ARGUMENT: Not enough time"),
    row(lengths=i32([7, 5, 4]), error="INVALID_ARGUMENT: sequence_length(0)"),
    row(lengths=i32([6, -1, 4]), error="INVALID_ARGUMENT: sequence_length(1)"),
    row(lengths=i32([6, 5]), error="INVALID_ARGUMENT: must be equal"),
    row(labels=i32([0, 4, 1, 2, 2, 3, 1]), error="INVALID_ARGUMENT: null label"),
    row(labels=i32([0, -1, 1, 2, 2, 3, 1]), error="INVALID_ARGUMENT: labels must be in"),
    row(rows=ROWS[:6], labels=LABELS[:6], error="INVALID_ARGUMENT: Labels length is zero in batch 2"),
    row(rows=ROWS[::-1], error="INVALID_ARGUMENT: out of order"),
    row(rows=ROWS + i64([1, 0]), error="INVALID_ARGUMENT: out of bounds"),
    row(labels=LABELS[:5], error="INVALID_ARGUMENT: must be equal"),
    row(SCORES[:0], lengths=i32([0, 0, 0]), error="INVALID_ARGUMENT: must have times"),
    row(SCORES[0], error="INVALID_ARGUMENT: rank"),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)


def test_the_second_version_has_class_0_for_the_blank() -> None:
    first, slope = run_tfg(row())
    loss, gradient = run_tfg(
        case("CTCLossV2", np.roll(SCORES, 1, axis=2), ROWS, LABELS + np.int32(1), LENGTHS)
    )
    np.testing.assert_allclose(loss, first, rtol=1e-6)
    np.testing.assert_allclose(gradient, np.roll(slope, 1, axis=2), atol=1e-6)
