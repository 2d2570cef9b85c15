"""Completion: the candidates for a line, and the scripts in bash, zsh and fish where they are installed."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .command import Outcome, run_tfg

DIGITS = Path(__file__).parents[2] / "samples" / "digits"
SHELLS = ("bash", "zsh", "fish")


@pytest.fixture(autouse=True)
def _in_the_folder_of_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(DIGITS)


@pytest.fixture
def complete(monkeypatch: pytest.MonkeyPatch):
    """``complete("tfg va")`` returns the candidates for the last word."""

    def candidates(line: str) -> list[str]:
        monkeypatch.setenv("_TFG_COMPLETE", "zsh")
        monkeypatch.setenv("_TFG_WORDS", line.replace(" ", "\n"))
        outcome = run_tfg()
        assert (outcome.status, outcome.err) == (0, "")
        return [text.partition("\t")[0] for text in outcome.out.splitlines()]

    return candidates


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("tfg va", ["validate"]),
        ("tfg run --fetc", ["--fetch", "--fetch-all", "--fetch-kind"]),
        ("tfg run mlp.pbtxt --fetch acc", ["accuracy"]),
        ("tfg run mlp.pbtxt --fetch=acc", ["--fetch=accuracy"]),
        ("tfg run --steps 3 mlp.pbtxt --target hidden/", ["hidden/product", "hidden/sum"]),
        ("tfg run mlp.pbtxt --init ini", ["init"]),
        ("tfg run mlp.pbtxt --feed ", ["x=", "y="]),
        ("tfg run mlp.pbtxt --feed x=z", ["x=zeros"]),
        ("tfg run mlp.pbtxt --feed x=@di", ["x=@digits.npz["]),
        ("tfg run mlp.pbtxt --feed x=@../rnn/te", ["x=@../rnn/text.npz["]),
        ("tfg run mlp.pbtxt --feed x=@digits.npz[x", ["x=@digits.npz[x_train]", "x=@digits.npz[x_test]"]),
        ("tfg run mlp.pbtxt --feed x=@mlp.pbtxt[x", []),
        ("tfg run mlp.pbtxt --feed 'x=@di", ["x=@digits.npz["]),
        ("tfg grad mlp.pbtxt --wrt hidden/s", ["hidden/sum"]),
        ("tfg grad mlp.pbtxt --optimizer ad", ["adagrad", "adadelta", "adam", "adamax"]),
        ("tfg grad mlp.pbtxt --optimizer adam:beta1=0.9,e", ["adam:beta1=0.9,epsilon="]),
        ("tfg grad mlp.pbtxt --optimizer xyzzy:", []),
        ("tfg run mlp.pbtxt --background ini", ["init"]),
        ("tfg run mlp.pbtxt --devices c", ["cpu:", ":file"]),
        ("tfg run mlp.pbtxt --devices cpu:2,g", ["cpu:2,gpu:", ":file"]),
        ("tfg run mlp.pbtxt --restore ck", [":file"]),
        ("tfg convert mlp.pbtxt --outputs loss,acc", ["loss,accuracy"]),
        ("tfg compare mlp.pbtxt mlp.pbtxt --fetch acc", ["accuracy"]),
        ("tfg run mlp.pbtxt --strict --fetch acc", ["accuracy"]),
        ("tfg checkpoint ver", ["verify", ":file"]),
        ("tfg checkpoint verify ck", [":file"]),
        ("tfg checkpoint diff --rto", ["--rtol"]),
        ("tfg ops MatrixTri", ["MatrixTriangularSolve"]),
        ("tfg help js", ["json"]),
        ("tfg completion f", ["fish"]),
        ("tfg run ml", [":file"]),
        ("tfg run no-such-file --fetch a", []),
        ("tfg run digits.npz --fetch a", []),
        ("tfg run --fetch a", []),
        ("tfg run mlp.pbtxt --signature s", []),
        ("tfg show mlp.pbtxt --bogus x --sig", ["--signature"]),
    ],
)
def test_candidates(line: str, expected: list[str], complete) -> None:
    assert complete(line) == expected


def test_signatures(tmp_path: Path, complete) -> None:
    from tests.runtime.models import saved_model

    path = saved_model(tmp_path / "model")
    assert complete(f"tfg run {path} --signature ") == ["negate", "scale"]
    assert complete(f"tfg run {path} --signature scale --feed ") == ["in="]
    assert complete(f"tfg run {path} --signature scale --fetch ou") == ["out"]


def test_many_names_are_completed_scope_by_scope(tmp_path: Path, complete) -> None:
    nodes = [f"model/layer_{i % 200}/n{i}" for i in range(10_000)]
    text = "".join(f'node {{ name: "{name}" op: "NoOp" }}\n' for name in [*nodes, "init"])
    path = tmp_path / "many.pbtxt"
    path.write_text(text)
    assert complete(f"tfg run {path} --target ") == ["model/", "init"]
    assert complete(f"tfg run {path} --target mod") == [f"model/layer_{i}/" for i in range(200)]
    assert complete(f"tfg run {path} --target model/layer_7/n9") == [
        name for name in nodes if name.startswith("model/layer_7/n9")
    ]
    assert complete(f"tfg run {path} --target model/layer_7") == [
        "model/layer_7/",
        *(f"model/layer_{i}/" for i in range(70, 80)),
    ]


@pytest.mark.parametrize("content", [b"", b"node {", b"\xff\x00garbage", b'node { name: "a" op: "" op: 3 }'])
def test_a_broken_graph_has_no_names(content: bytes, tmp_path: Path, complete) -> None:
    path = tmp_path / "broken.pbtxt"
    path.write_bytes(content)
    assert complete(f"tfg run {path} --fetch a") == []
    path.with_suffix(".npz").write_bytes(content)
    assert complete(f"tfg run {path} --feed x=@{tmp_path}/broken.npz[") == []


def test_a_line_that_makes_no_sense_has_no_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_TFG_COMPLETE", "zsh")
    for words in ("", "tfg\nxyzzy\n", "tfg\nrun\n\x00\n--fetch\n"):
        monkeypatch.setenv("_TFG_WORDS", words.replace("\x00", "\x7f"))
        outcome = run_tfg()
        assert (outcome.out, outcome.err) == ("", "") or outcome.status == 0


# In shells.


def script(shell: str) -> Outcome:
    outcome = run_tfg("completion", shell)
    assert outcome.status == 0
    return outcome


@pytest.mark.parametrize("shell", SHELLS)
def test_scripts_parse(shell: str) -> None:
    text = script(shell).out
    assert "_TFG_COMPLETE" in text
    assert run_tfg("completion", shell, "--json").json["script"] == text
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=text, text=True, check=True)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment whose ``tfg`` runs these sources."""
    (tmp_path / "tfg").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tfg "$@"\n')
    (tmp_path / "tfg").chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PS1": "> ", "TERM": "dumb", "OMP_NUM_THREADS": "1"}


def typed(argv: list[str], environment: dict[str, str], keys: str, awaited: str) -> str:
    """Types into a shell on a terminal; returns what it shows, once that has the awaited text or after 20 s."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(argv[0], argv, environment)
    shown, end = "", time.monotonic() + 20
    os.write(terminal, keys.encode())
    try:
        while awaited not in shown and time.monotonic() < end:
            if select.select([terminal], [], [], 0.1)[0]:
                shown += os.read(terminal, 65536).decode(errors="replace")
    except OSError:
        pass
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        os.close(terminal)
    return shown


@pytest.mark.parametrize(
    ("keys", "awaited"),
    [
        ("tfg va\t", "tfg validate "),
        ("tfg run mlp.pbtxt --fetch acc\t", "--fetch accuracy "),
        ("tfg run mlp.pbtxt --feed 'x=@digits.npz[x_te\t", "'x=@digits.npz[x_test]' "),
        ("tfg grad mlp.pbtxt --optimizer adam:le\t", "adam:learning_rate="),
        ("tfg run mlp.pb\t", "tfg run mlp.pbtxt "),
    ],
)
@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_keys_typed_into_a_shell(shell: str, keys: str, awaited: str, environment: dict[str, str]) -> None:
    if not shutil.which(shell):
        pytest.skip(f"needs {shell}")
    argv = {"bash": ["bash", "--norc", "-i"], "zsh": ["zsh", "-f", "-i"]}[shell]
    shown = typed(argv, environment, f"source <(tfg completion {shell})\n{keys}", awaited)
    assert awaited in shown


@pytest.mark.skipif(not shutil.which("fish"), reason="needs fish")
def test_fish(environment: dict[str, str]) -> None:
    lines = ["tfg va", "tfg run mlp.pbtxt --fetch acc", "tfg run mlp.pbtxt --feed x=@di", "tfg run ml"]
    program = "; ".join(["tfg completion fish | source", *(f"complete -C '{line}'" for line in lines)])
    done = subprocess.run(
        ["fish", "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    found = [line.partition("\t")[0] for line in done.stdout.splitlines()]
    assert found == ["validate", "accuracy", "x=@digits.npz[", "mlp.pbtxt"]
