"""``tfg run`` asked for a GPU where there is none, and how much of one it may take."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import pytest
import tfg

from .command import run_tfg


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    g = tfg.GraphBuilder()
    g.Mul(g.constant([1.0, 2.0]), 2.0, name="y")
    path = tmp_path / "g.pbtxt"
    tfg.save(g.graph(), str(path))
    return path


def test_a_gpu_without_cupy(graph: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def without_cupy(name: str, *rest: Any, **keywords: Any) -> Any:
        if name == "cupy":
            raise ImportError("No module named 'cupy'")
        return original(name, *rest, **keywords)

    monkeypatch.setattr(builtins, "__import__", without_cupy)
    outcome = run_tfg("run", graph, "--devices", "cpu:1,gpu:1", "--fetch", "y")
    assert outcome.status == 1
    assert "device:GPU:0 cannot be used: CuPy cannot be imported (No module named 'cupy')" in outcome.err
    assert "pip install 'tfg[gpu]'" in outcome.err
    assert "Traceback" not in outcome.err


def test_a_limit_without_a_gpu(graph: Path) -> None:
    outcome = run_tfg("run", graph, "--gpu-memory-limit", "80%", "--fetch", "y")
    assert outcome.status == 1
    assert "--devices cpu:1,gpu:1" in outcome.err
