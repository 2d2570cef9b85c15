"""``tfg ops``: what this build knows."""

from __future__ import annotations

import pytest
from tfg.kernels.core import registry

from .command import is_diagnostic, matches_golden, run_tfg


def test_all_operations_are_listed_one_a_line() -> None:
    names = run_tfg("ops").out.splitlines()
    assert names == sorted(names)
    assert names == [op.name for op in registry.all_ops()]


def test_as_json_with_signatures() -> None:
    ops = {op["name"]: op for op in run_tfg("ops", "--json").json["ops"]}
    assert ops["Neg"]["inputs"] == ["x: T"]
    assert ops["Neg"]["gradient"] == "yes"
    assert ops["Const"]["gradient"] == "zero"
    assert ops["VariableV2"]["stateful"]
    assert set(ops["Neg"]) == {
        "name", "signature", "inputs", "attrs", "outputs", "devices", "gradient", "stateful"
    }  # fmt: skip


@pytest.mark.parametrize("name", ["MatMul", "NoOp", "VariableV2", "Split"])
def test_one_operation(name: str) -> None:
    out = run_tfg("ops", name).out
    assert max(map(len, out.splitlines())) < 80
    assert matches_golden(f"ops-{name}.txt", out)


def test_a_pattern() -> None:
    assert "Conv2D" in run_tfg("ops", "Conv*").out.splitlines()
    assert is_diagnostic(run_tfg("ops", "Zzz*"), "NOT_FOUND", "'Zzz*'")


@pytest.mark.parametrize("name", ["MatMull", "matmul", "Matmul"])
def test_the_nearest_name(name: str) -> None:
    outcome = run_tfg("ops", name)
    assert outcome.status == 1
    assert is_diagnostic(outcome, "NOT_FOUND", "did you mean 'MatMul'?")
