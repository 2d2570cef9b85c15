"""Limits of memory, time and files: what passes, what fails, and which node is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tfg
from tfg.graphfmt.attributes import Function
from tfg.runtime.execution.budget import FileLimit, RunBudget, parse_budget


def run(
    g: tfg.GraphBuilder, budget: str, fetch: str, feeds: dict[str, Any] | None = None, **options: Any
) -> Any:
    with tfg.Session(g.graph(), budget=budget, **options) as session:
        return session.run([fetch], feeds)[0]


def refusal(
    g: tfg.GraphBuilder, budget: str, fetch: str, feeds: dict[str, Any] | None = None, **options: Any
) -> tfg.TfgError:
    with pytest.raises(tfg.TfgError) as caught:
        run(g, budget, fetch, feeds, **options)
    return caught.value


def test_limits_are_parsed(tmp_path: Path) -> None:
    assert parse_budget("memory=2GiB,time=10s,files=none") == RunBudget(2 << 30, 10.0, FileLimit((), False))
    assert parse_budget("files=read") == RunBudget(files=FileLimit((), True))
    assert parse_budget(f"files={tmp_path}").files == FileLimit((str(tmp_path.resolve()),), False)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "memory",
        "memory=",
        "memory=lots",
        "memory=0",
        "time=10",
        "memory=1GB,memory=2GB",
        "disk=1",
        "files=none,files=/",
    ],
)
def test_other_limits_are_refused(text: str) -> None:
    with pytest.raises(tfg.TfgError, match="INVALID_ARGUMENT"):
        parse_budget(text)


def filled() -> tfg.GraphBuilder:
    g = tfg.GraphBuilder()
    large = g.Fill(g.placeholder("int32", [1], name="n"), g.constant(np.float32(2)), name="large")
    g.Sum(g.Exp(large, name="exp"), [0], name="sum")
    return g


@pytest.mark.parametrize("options", [{}, {"devices": "cpu:2"}], ids=["one", "two devices"])
def test_memory_is_refused_before_it_is_allocated(options: dict[str, Any]) -> None:
    error = refusal(filled(), "memory=1MB", "sum", {"n": [2_000_000_000]}, **options)
    assert (error.status, error.node) == ("RESOURCE_EXHAUSTED", "large")
    assert "8,000,000,000" in error.message


def test_the_node_that_passes_the_limit_is_named() -> None:
    assert refusal(filled(), "memory=1MB", "sum", {"n": [200_000]}).node == "exp"


def test_a_step_within_the_limit_computes_what_it_does_without() -> None:
    assert run(filled(), "memory=1MB", "sum", {"n": [1000]}) == pytest.approx(1000 * np.exp(2), rel=1e-5)


def test_memory_is_free_again_after_its_last_use() -> None:
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [None], name="x")
    for _ in range(20):
        x = g.Exp(g.Neg(x))
    g.Identity(x, name="y")
    assert run(g, "memory=1MB", "y", {"x": np.ones(100_000, np.float32)}).shape == (100_000,)


def test_what_a_loop_collects_counts() -> None:
    g = tfg.GraphBuilder()

    def grow(b: tfg.GraphBuilder, x: Any) -> list[Any]:
        return [b.ConcatV2([x, x], b.constant(0), name="double")]

    loop = [g.placeholder("float", [None], name="x")]
    g.Identity(g.while_loop(lambda b, x: b.constant(True), grow, loop, name="loop")[0], name="y")
    error = refusal(g, "memory=1MB", "y", {"x": np.ones(100, np.float32)})
    assert error.status == "RESOURCE_EXHAUSTED"
    assert error.node is not None and error.node.startswith("loop")


def test_variables_count() -> None:
    g = tfg.GraphBuilder()
    w = g.VarHandleOp(dtype="float", shape=[200_000], name="w")
    g.AssignVariableOp(w, g.Fill([200_000], g.constant(np.float32(1))), name="init")
    g.Exp(g.ReadVariableOp(w, dtype="float"), name="exp")
    with tfg.Session(g.graph(), budget="memory=1MB") as session:
        session.run(targets=["init"])
        with pytest.raises(tfg.TfgError, match="'exp'"):
            session.run(["exp"])


def test_reshaping_takes_no_memory() -> None:
    g = tfg.GraphBuilder()
    x = g.Fill(g.placeholder("int32", [1], name="n"), g.constant(np.float32(2)))
    for _ in range(5):
        x = g.Reshape(g.Reshape(x, [2, -1]), [-1])
    g.Identity(x, name="y")
    assert run(g, "memory=1MB", "y", {"n": [200_000]}).shape == (200_000,)


def test_time_ends_an_endless_loop_and_names_it() -> None:
    g = tfg.GraphBuilder()
    body = [g.constant(np.int32(0))]
    g.Identity(
        g.while_loop(
            lambda b, i: b.constant(True), lambda b, i: [b.AddV2(i, b.constant(1))], body, name="loop"
        )[0],
        name="y",
    )
    error = refusal(g, "time=1s", "y")
    assert (error.status, error.message) == (
        "DEADLINE_EXCEEDED",
        "the run takes longer than its budget of 1 s",
    )
    assert error.node is not None and error.node.startswith("loop")


def test_no_step_begins_after_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    from tfg.runtime.execution import budget

    g = tfg.GraphBuilder()
    g.Neg(g.constant(1.0), name="y")
    with tfg.Session(g.graph(), budget="time=1h") as session:
        session.run(["y"])
        now = budget.time.monotonic()
        monkeypatch.setattr(budget.time, "monotonic", lambda: now + 4000)
        with pytest.raises(tfg.TfgError, match="DEADLINE_EXCEEDED"):
            session.run(["y"])


def files(tmp_path: Path) -> tfg.GraphBuilder:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").write_text("text")
    (tmp_path / "out").symlink_to("/")
    g = tfg.GraphBuilder()
    name = g.placeholder("string", [], name="name")
    g.ReadFile(name, name="read")
    g.WriteFile(name, "x", name="write")
    g.function("Reading", lambda inner, path: inner.ReadFile(path, name="inner"), "string")
    g.StatefulPartitionedCall([name], f=Function("Reading"), Tout=["string"], name="call")
    return g


def test_files_below_a_folder_may_be_read(tmp_path: Path) -> None:
    g = files(tmp_path)
    path = str(tmp_path / "in" / "a")
    assert run(g, f"files={tmp_path}/in", "read", {"name": path}) == b"text"
    assert run(g, "files=read", "call", {"name": path}) == b"text"


@pytest.mark.parametrize("path", ["in/../b", "out/etc/hostname", "/etc/hostname"])
def test_others_may_not_whatever_the_path(tmp_path: Path, path: str) -> None:
    error = refusal(files(tmp_path), f"files={tmp_path}/in", "read", {"name": str(tmp_path / path)})
    assert (error.status, error.node) == ("PERMISSION_DENIED", "read")


def test_functions_and_constants_are_limited_too(tmp_path: Path) -> None:
    g = files(tmp_path)
    error = refusal(g, "files=none", "call", {"name": "/etc/hostname"})
    assert (error.status, error.node) == ("PERMISSION_DENIED", "call/inner")
    g.ReadFile("/etc/hostname", name="constant")
    assert refusal(g, "files=none", "constant").status == "PERMISSION_DENIED"


def test_nothing_is_written(tmp_path: Path) -> None:
    g = files(tmp_path)
    with tfg.Session(g.graph(), budget="files=read") as session, pytest.raises(tfg.TfgError, match="'write'"):
        session.run(targets=["write"], feeds={"name": str(tmp_path / "new")})
    assert not (tmp_path / "new").exists()


def test_datasets_and_printing_are_limited(tmp_path: Path) -> None:
    g = tfg.GraphBuilder()
    g.PrintV2("text", output_stream=f"file://{tmp_path}/log", name="print")
    with tfg.Session(g.graph(), budget="files=none") as session, pytest.raises(tfg.TfgError, match="'print'"):
        session.run(targets=["print"])
    assert not (tmp_path / "log").exists()
