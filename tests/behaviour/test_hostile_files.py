"""Small hostile files: each command succeeds or gives one diagnostic with a status, and never INTERNAL."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command import run_tfg

HOSTILE = Path(__file__).parent.parent / "cases" / "hostile"


@pytest.mark.parametrize(
    ("file", "error"),
    [
        ("s05_zero_times_huge", "INVALID_ARGUMENT]: Shape [0,4611686018427387904,4] has too many elements"),
        ("s08_gather_dim_int32", ""),
        ("s09_shape_int32", ""),
        ("s11_fakequant_grad", "INVALID_ARGUMENT]: input 'inputs' must be of rank 1 or more"),
        # Graphs before version 22 state no shape with "shape { }".
        ("s12_conv", ""),
        ("s12_conv_scalar", "INVALID_ARGUMENT]: a convolution needs spatial dimensions"),
    ],
)
def test_validate(file: str, error: str) -> None:
    outcome = run_tfg("validate", HOSTILE / f"{file}.pbtxt")
    assert outcome.status == bool(error)
    assert error in outcome.err + outcome.out
    assert "INTERNAL" not in outcome.err


@pytest.mark.parametrize(
    ("file", "arguments", "error"),
    [
        ("k01_gather_scalar_params", ["x=1"], "INVALID_ARGUMENT]: input 'params' must be of rank 1 or more"),
        ("k02_refselect", [], "INVALID_ARGUMENT]: input 'index' must be of rank 0"),
        (
            "k04_matrixsolvels_l2",
            ["a=[[1,2],[3,4]]", "b=[[1],[1]]", "l=[0,0]"],
            "INVALID_ARGUMENT]: input 'l2_regularizer' must be of rank 0",
        ),
        ("k05_raggedbincount", ["s=[[0,2],[0,2]]"], "INVALID_ARGUMENT]: input 'splits' must be of rank 1"),
        ("k07_logm_nan", ["x=[[NaN,1],[1,2]]"], ""),
        ("k08_inplacesub_bool", ["x=[true]", "v=[true]"], "INVALID_ARGUMENT]: InplaceSub does not support"),
        (
            "k13_densebincount_max",
            ["x=[1,2]"],
            "INVALID_ARGUMENT]: Shape [1,9223372036854775807] has too many elements",
        ),
    ],
)
def test_run(file: str, arguments: list[str], error: str) -> None:
    feeds = [word for feed in arguments for word in ("--feed", feed)]
    outcome = run_tfg("run", HOSTILE / f"{file}.pbtxt", *feeds, "--fetch", "y")
    assert outcome.status == bool(error)
    assert error in outcome.err


def test_a_shape_of_strings_is_refused() -> None:
    outcome = run_tfg(
        "run", HOSTILE / "k11_rng_wrong_type.pbtxt", "--init", "a", "--feed", 's=["x"]', "--fetch", "y"
    )
    assert "error[INVALID_ARGUMENT]: a shape must be of integers" in outcome.err


def test_a_handle_that_is_declared_a_string_cannot_be_fetched() -> None:
    outcome = run_tfg("run", HOSTILE / "k15_fetch_tensorarrayv2.pbtxt", "--fetch", "t")
    assert "error[INVALID_ARGUMENT]: cannot fetch 't', which is a handle" in outcome.err


@pytest.mark.parametrize("command", [["show"], ["checkpoint", "list"]])
def test_a_bundle_that_claims_nothing_times_a_huge_size(command: list[str]) -> None:
    outcome = run_tfg(*command, HOSTILE / "c01.index")
    assert outcome.status == 1
    assert "error[DATA_LOSS]" in outcome.err and "too many elements" in outcome.err
