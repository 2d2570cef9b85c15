"""Assertions, checks for infinities, prints; and the clock."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from tfg.graphfmt.errors import TfgError
from tfg.kernels.builder.graph_builder import GraphBuilder
from tfg.kernels.families.debug.check_ops import PrintCount
from tfg.kernels.numeric.value_summary import summarize_value

from tests import reference

from ...harness import case, cast, f32, i32, rand, table_tests

FLOATS = ("half", "bfloat16", "float", "double")
CHECKS = ("CheckNumerics", "CheckNumericsV2")

CASES = [
    *(case(op, cast(d, values), message="found") for op in CHECKS for d in FLOATS
      for values in ([1, 2], np.zeros((0, 3)), 2.5)),
    *(case(op, cast(d, values), message="found", error=f"INVALID_ARGUMENT: found : Tensor had {what}")
      for op, infinity in zip(CHECKS, ("Inf", "+Inf")) for d in FLOATS
      for values, what in (([1, np.nan], "NaN values"), ([np.inf], f"{infinity} values"))),
    *(case(op, rand(2, 3), message="found", grad=True) for op in CHECKS),
    case("Assert", cast("bool", True), [f32(1)]),
    case("Assert", cast("bool", False), [f32(1)], error="INVALID_ARGUMENT: assertion failed"),
    case("Assert", cast("bool", [True]), [f32(1)], error="INVALID_ARGUMENT: 'condition' must be of rank"),
    case("Print", rand(2, 3), [i32([1, 2]), np.array([b"a"], object)], message="m", grad=True),
    case("PrintV2", np.array(b"text", object)),
    case("PrintV2", np.array([b"text"], object), error="INVALID_ARGUMENT: 'input' must be of rank"),
    case("PrintV2", np.array(b"text", object), output_stream="nowhere",
         error="INVALID_ARGUMENT: unknown output"),
]  # fmt: skip

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)


# What TensorFlow writes.
SUMMARIES = [
    (i32(np.arange(6).reshape(2, 3)), 3, "[0 1 2]..."),
    (i32(np.arange(6).reshape(2, 3)), 2, "[0 1...]..."),
    (i32(np.arange(6).reshape(2, 3)), 4, "[0 1 2][3...]..."),
    (i32(np.arange(6).reshape(2, 3)), -1, "[0 1 2][3 4 5]"),
    (i32(np.arange(12).reshape(2, 3, 2)), 5, "[[0 1][2 3][4...]]..."),
    (i32(np.arange(4)), 0, "..."),
    (f32([]), 3, ""),
    (f32([[], []]), 3, ""),
    (f32(1.5), 3, "1.5"),
    (b"a b", 3, "a b"),
    (f32([1e10, 1 / 3, np.nan, -np.inf, -0.0, 123456789, 1e5, 1e6]), 9,
     "1e+10 0.333333343 nan -inf -0 123456792 100000 1e+06"),
    (np.float64([1e10, 1 / 3, 1e15]), 9, "10000000000 0.33333333333333331 1e+15"),
    (cast("half", [1.1]), 3, "1.09960938"),
    (cast("bfloat16", [1.1]), 3, "1.1015625"),
    (cast("bool", [1, 0]), 3, "1 0"),
    (np.complex64([[1], [2]]), 3, "? ?"),
    (np.uint64([2**64 - 1]), 3, "18446744073709551615"),
    (np.array([b"x'\"\\", b"\t\n\x0b", "é".encode()], object), 3, "x\\'\\\"\\\\ \\t\\n\\013 é"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "limit", "text"), SUMMARIES, ids=lambda x: str(x)[:30])
def test_summaries(value: object, limit: int, text: str) -> None:
    assert summarize_value(value, limit) == text


def test_a_failed_assertion_shows_its_data() -> None:
    g = GraphBuilder()
    node = g.Assert(cast("bool", False), [g.constant("less than"), g.constant([1, 2, 3])], summarize=2)
    with pytest.raises(TfgError, match=r"assertion failed: \[less than\] \[1 2\.\.\.\]"):
        reference.run(g.graph(), [node], {})


@pytest.mark.parametrize(
    ("values", "kinds"),
    [
        ([np.nan], "NaN"),
        ([np.inf, 1], "+Inf"),
        ([-np.inf, np.inf], "-Inf and +Inf"),
        ([-np.inf, np.nan, np.inf], "-Inf, +Inf, and NaN"),
    ],
)
def test_checks_tell_what_there_is(values: list[float], kinds: str) -> None:
    g = GraphBuilder()
    checked = g.CheckNumericsV2(f32(values), message="here")
    with pytest.raises(TfgError) as caught:
        reference.run(g.graph(), [checked.name], {})
    assert caught.value.message == f"here : Tensor had {kinds} values"


def test_prints_go_to_the_log() -> None:
    g = GraphBuilder()
    printed = g.Print(f32(1), [i32([1, 2, 3, 4]), g.constant("x")], message="m: ", first_n=2)
    again = g.PrintV2(g.constant("he"), output_stream="stdout", end="!\n")
    context = reference.Context()
    for _ in range(3):
        reference.run(g.graph(), [printed.name, again], {}, context)
    assert context.lines == ["m: [1 2 3...][x]", "he!"] * 2 + ["he!"]


def test_prints_to_a_file_are_appended(tmp_path: Path) -> None:
    g = GraphBuilder()
    node = g.PrintV2(g.constant("line"), output_stream=f"file://{tmp_path}/log")
    for _ in range(2):
        reference.run(g.graph(), [node], {})
    assert (tmp_path / "log").read_text() == "line\nline\n"


def test_a_count_of_prints_is_kept() -> None:
    count, other = PrintCount(), PrintCount()
    count.step()
    other.load(count.save())
    assert other.step() == 1


def test_the_clock() -> None:
    g = GraphBuilder()
    now = g.Timestamp()
    (seconds,) = reference.run(g.graph(), [now.name], {})
    assert abs(seconds - time.time()) < 5
    assert seconds.dtype == np.float64
