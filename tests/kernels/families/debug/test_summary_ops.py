"""Summaries: scalars and histograms as serialized messages."""

from __future__ import annotations

import numpy as np

from ...harness import Case, case, cast, f32, f64, i64, rand, table_tests

SCALAR = b"\n\x08\n\x01a\x15\x00\x00\x80?"
OTHER = b"\n\x08\n\x01b\x15\x00\x00\x80?"

CASES: list[Case] = [
    case("ScalarSummary", "loss", f32(1.5)),
    case("ScalarSummary", "loss", f64(1e300)),
    case("ScalarSummary", "", f32(0)),
    case("ScalarSummary", np.array(["a", "b"]), i64([-3, 1 << 40])),
    case("ScalarSummary", np.array(["a", "b"]), cast("bfloat16", [1.5, np.nan])),
    case("ScalarSummary", np.array(["a", "b"]), f32(1), error="INVALID_ARGUMENT: do not fit"),
    case("HistogramSummary", "w", rand(5, 7)),
    case("HistogramSummary", "w", f32([])),
    case("HistogramSummary", "w", f32([0, -0.0, 1e-13, 1e21, -1e30, 1e-12, 1.1e-12])),
    case("HistogramSummary", "long" * 50, i64([[1, 2], [-3, 1]])),
    case("HistogramSummary", "", cast("half", 2)),
    case("HistogramSummary", "w", f32([1, np.nan]), error="INVALID_ARGUMENT: summary histogram"),
    case("HistogramSummary", "w", f32([1, np.inf]), error="INVALID_ARGUMENT: summary histogram"),
    case("HistogramSummary", np.array(["w"]), f32([1]), error="INVALID_ARGUMENT: tag must be a scalar"),
    case("MergeSummary", [SCALAR, OTHER]),
    case("MergeSummary", [np.array([SCALAR, OTHER]), b""]),
    case("MergeSummary", [SCALAR, SCALAR], error="INVALID_ARGUMENT: summary inputs"),
    case("MergeSummary", [SCALAR[:-1]], error="INVALID_ARGUMENT: summary operation"),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
