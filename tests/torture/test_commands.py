"""Commands on full disks, in folders that cannot be written, killed at any moment, and beside each other."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from ..behaviour.test_process import shell, start
from ..cli.command import run_tfg, write
from ..cli.graphs import FLOAT, const, dims, node
from . import SCALE

COUNTER = (
    const("zero", f"tensor_shape {{ {dims(20000)} }} float_val: 0")
    + const("one", f"tensor_shape {{ {dims(20000)} }} float_val: 1")
    + f"""node {{ name: "v" op: "VariableV2" attr {{ key: "dtype" value {{ type: DT_FLOAT }} }}
      attr {{ key: "shape" value {{ shape {{ {dims(20000)} }} }} }} }}\n"""
    + node("init", "Assign", "v", "zero", T=FLOAT)
    + node("add", "AssignAdd", "v", "one", T=FLOAT)
)
STEP = "tfg run g.pbtxt --state s.h5 --init init --target add"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, "g.pbtxt", COUNTER)
    return tmp_path


def value(folder: Path) -> str:
    done = run_tfg("run", folder / "g.pbtxt", "--state", folder / "s.h5", "--fetch", "v", "--json")
    assert done.status == 0, done.err
    return done.out


def test_a_full_disk_leaves_the_state(folder: Path) -> None:
    assert shell(STEP, folder).returncode == 0
    before = value(folder)
    done = shell(f"ulimit -f 20; trap '' XFSZ; {STEP} --steps 3", folder)
    assert done.returncode == 1 and done.stderr.startswith("error[RESOURCE_EXHAUSTED]"), done.stderr
    assert value(folder) == before
    assert sorted(path.name for path in folder.iterdir()) == ["g.pbtxt", "s.h5"]


def test_a_state_that_is_a_pipe_is_refused(folder: Path) -> None:
    os.mkfifo(folder / "s.h5")
    done = shell(STEP, folder)
    assert done.returncode in (1, 2) and done.stderr.startswith("error["), done.stderr


def test_two_writers_are_kept_apart(folder: Path) -> None:
    """One of them runs, or they run one after the other: no update of a run that reports success is lost."""
    assert shell(STEP, folder).returncode == 0
    line = f"for i in 1 2 3; do ({STEP}; echo $? >> done) & done; wait"
    shell(line, folder)
    succeeded = (folder / "done").read_text().split().count("0")
    assert succeeded >= 1
    expected = run_tfg(
        "run", folder / "g.pbtxt", "--init", "init", "--target", "add", "--steps", str(1 + succeeded),
        "--fetch", "v", "--state", folder / "t.h5", "--json",
    )  # fmt: skip
    assert expected.status == 0
    (folder / "s.h5").replace(folder / "u.h5")
    (folder / "t.h5").replace(folder / "s.h5")
    wanted = value(folder)
    (folder / "u.h5").replace(folder / "s.h5")
    assert value(folder) == wanted


def test_a_run_killed_at_any_moment_leaves_a_whole_state(folder: Path) -> None:
    assert shell(STEP, folder).returncode == 0
    rng = random.Random(1)
    for _ in range(2 * SCALE):
        run = start(
            "run", "g.pbtxt", "--state", "s.h5", "--target", "add", "--steps", "100000",
            "--checkpoint", "c.h5", "--every", "20", cwd=folder,
        )  # fmt: skip
        time.sleep(rng.uniform(0.3, 1.0))
        run.send_signal(signal.SIGKILL)
        run.communicate(timeout=30)
        value(folder)
        if (folder / "c.h5").exists():
            verified = run_tfg("checkpoint", "verify", folder / "c.h5")
            assert verified.status == 0, verified.err
    assert isinstance(run, subprocess.Popen)
