"""The command as a process of its own: pipes, signals, sudden death, and how long it takes to start."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tfg.graphfmt.checkpoints.hdf5 import state_file

from ..cli.command import strict_json, write
from ..cli.graphs import FLOAT, ONE, node, placeholder

TFG = [sys.executable, "-m", "tfg"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def start(*args: str | Path, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*TFG, *map(str, args)],
        stdout=options.pop("stdout", subprocess.PIPE),
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
        **options,
    )


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    script = f'tfg() {{ "{sys.executable}" -m tfg "$@"; }}\nset -o pipefail\n{line}'
    return subprocess.run(
        ["bash", "-c", script], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=60
    )


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    return write(tmp_path, "g.pbtxt", ONE + node("a", "Neg", "one", T=FLOAT))


def test_exit_statuses(graph: Path) -> None:
    write(graph.parent, "bad.pbtxt", node("a", "Neg", "b", T=FLOAT))
    for line, status in (
        ("tfg run g.pbtxt --fetch a", 0),
        ("tfg validate bad.pbtxt", 1),
        ("tfg run g.pbtxt --fetch b", 1),
        ("tfg run --no-such-option", 2),
    ):
        assert shell(line, graph.parent).returncode == status


def test_a_reader_that_goes_away_is_no_error(graph: Path) -> None:
    lines = [
        "tfg run g.pbtxt --fetch a --steps 20000 --json | head -1",
        "tfg ops | head -1",
        "tfg grad g.pbtxt --loss a --wrt one -o - | true",
    ]
    done = shell("; ".join(lines), graph.parent)
    assert (done.returncode, done.stderr) == (0, "")
    assert strict_json(done.stdout.splitlines()[0])["step"] == 1


def test_standard_output_that_is_closed(graph: Path) -> None:
    """What is lost is an error; what needs no standard output is none."""
    for line in (
        "tfg run g.pbtxt --fetch a",
        "tfg run g.pbtxt --fetch a --json",
        "tfg show g.pbtxt",
        "tfg ops",
    ):
        done = shell(f"{line} >&-", graph.parent)
        assert (done.returncode, done.stderr) == (
            1,
            "error[FAILED_PRECONDITION]: standard output is closed\n",
        )
    done = shell("tfg run g.pbtxt --fetch a -o a.npy <&- >&- 2>&-", graph.parent)
    assert (done.returncode, (graph.parent / "a.npy").exists()) == (0, True)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("options", ["", "--json", "--steps 5000 --json"])
def test_standard_output_on_a_full_disk(graph: Path, options: str) -> None:
    done = shell(f"tfg run g.pbtxt --fetch a {options} >/dev/full", graph.parent)
    assert done.returncode == 1
    assert done.stderr == "error[RESOURCE_EXHAUSTED]: system error: No space left on device\n"


def test_graphs_flow_through_pipes(tmp_path: Path) -> None:
    text = placeholder("x", shape="") + node("y", "Mul", "x", "x", T=FLOAT)
    write(tmp_path, "f.pbtxt", text)
    line = "tfg grad f.pbtxt --loss y --wrt x -o - | tfg run - --feed x=3 --fetch grad/x"
    assert shell(line, tmp_path).stdout == "grad/x = 6.0\n"


def test_file_names_of_any_bytes(graph: Path) -> None:
    done = shell("cp g.pbtxt $'\\xff.pbtxt'; tfg validate $'\\xff.pbtxt' $'no\\xff' --json", graph.parent)
    assert done.returncode == 1
    assert done.stderr == ""
    assert len(strict_json(done.stdout)["files"]) == 2
    done = shell("tfg validate $'no\\xff'", graph.parent)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)


def test_results_in_an_encoding_without_the_letters(tmp_path: Path) -> None:
    write(tmp_path, "g.pbtxt", ONE)
    (tmp_path / "g.pbtxt").rename(tmp_path / "→.pbtxt")
    done = shell("export PYTHONIOENCODING=latin-1; tfg validate →.pbtxt", tmp_path)
    assert (done.returncode, done.stdout) == (0, "\\u2192.pbtxt: valid, 1 node\n")


def test_only_what_is_needed_is_imported(graph: Path) -> None:
    code = "import sys\nfrom tfg.cli.main import main\ntry: main()\nexcept SystemExit: print(*sys.modules)"
    arguments = ["run", str(graph), "--fetch", "a"]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=ENVIRONMENT, check=True
    )
    loaded = set(done.stdout.split())
    unwanted = {"h5py", "rich", "google.protobuf", "PIL", "scipy", "numpy.random", "difflib", "zipfile"}
    unwanted |= {"secrets", "fcntl", "shlex"}
    assert not loaded & unwanted


# Interruptions.

LONG = 100_000_000


@pytest.fixture
def counting(tmp_path: Path) -> Path:
    variable = node("n", "VariableV2", dtype=FLOAT, shape="shape { }")
    text = ONE + variable + node("init", "Assign", "n", "one", T=FLOAT)
    return write(tmp_path, "count.pbtxt", text + node("up", "AssignAdd", "n", "one", T=FLOAT))


def count_forever(counting: Path) -> tuple[subprocess.Popen[str], str]:
    """Runs steps without end; returns once the first is done, with what it printed."""
    process = start(
        "run", counting, "--init", "init", "--fetch", "up", "--state", counting.with_name("s.h5"),
        "--steps", str(LONG), "--json",
    )  # fmt: skip
    assert process.stdout is not None
    return process, process.stdout.readline()


def test_an_interrupted_run_keeps_its_state(counting: Path) -> None:
    process, first = count_forever(counting)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err.splitlines()[-1]) == (130, "interrupted")
    last = strict_json((first + out).splitlines()[-1])["step"]
    state = state_file.read(counting.with_name("s.h5"))
    assert state.notes["step"] == last
    assert float(state.resources["", "Variable", "n"]["value"]) == last + 1


@pytest.fixture
def endless(tmp_path: Path) -> Path:
    """A loop whose condition always holds."""
    kind = "type: DT_BOOL"
    text = placeholder("x", "DT_BOOL", "") + node("enter", "Enter", "x", T=kind, frame_name='s: "loop"')
    text += node("merge", "Merge", "enter", "next", T=kind, N="i: 2") + node("test", "LoopCond", "merge")
    text += node("switch", "Switch", "merge", "test", T=kind)
    text += node("next", "NextIteration", "switch:1", T=kind) + node("out", "Exit", "switch", T=kind)
    return write(tmp_path, "endless.pbtxt", text)


@pytest.mark.parametrize(("steps", "interruptions"), [("1", 1), ("2", 2)])
def test_an_endless_step_is_interrupted(endless: Path, steps: str, interruptions: int) -> None:
    process = start("run", endless, "--feed", "x=true", "--fetch", "out", "--steps", steps)
    time.sleep(1.5)
    for _ in range(interruptions):
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err.splitlines()[-1]) == (130, "interrupted")


def test_killed_while_it_writes_its_state(tmp_path: Path) -> None:
    """Whenever it dies, the old state or the new one is there, whole, and nothing else piles up."""
    code = (
        "import sys, numpy as np\nfrom pathlib import Path\nfrom tfg.graphfmt.checkpoints.hdf5 import state_file\n"
        "path, i = Path(sys.argv[1]), 0\n"
        "while True:\n"
        "    i += 1\n"
        "    array = np.full(50_000, i, np.int64)\n"
        "    state_file.write(path, state_file.SavedState({('', 'Variable', 'v'): {'value': array}}, {'step': i}))\n"
        "    print(i, flush=True)\n"
    )
    path, chance = tmp_path / "s.h5", random.Random(1)
    for _ in range(8):
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True, env=ENVIRONMENT
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(chance.random() * 0.1)
        process.kill()
        written = [1, *map(int, process.communicate()[0].split())]
        state = state_file.read(path)
        assert state.notes["step"] in (written[-1], written[-1] + 1)
        np.testing.assert_array_equal(state.resources["", "Variable", "v"]["value"], state.notes["step"])
        assert len(list(tmp_path.iterdir())) <= 2
    state_file.write(path, state)
    assert [p.name for p in tmp_path.iterdir()] == ["s.h5"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_long_step_and_the_state_is_that_before_it(tmp_path: Path, number: int) -> None:
    """300 products of matrices take 10 s or more, and only then ``add`` would change ``v``."""
    graph, state = (
        Path(__file__).parent.parent / "cases/hostile/t01_timeout_straight_line.pbtxt",
        tmp_path / "s.h5",
    )
    running = start("run", graph, "--init", "init", "--target", "add", "--steps", "9", "--state", state)
    time.sleep(3)
    began = time.monotonic()
    running.send_signal(number)
    _, err = running.communicate(timeout=60)
    assert time.monotonic() - began < 3
    assert running.returncode == 128 + number
    assert err.endswith(("interrupted\n", "ending after the current step\n"))
    assert state_file.read(state).notes["step"] == 0


def test_an_interrupt_while_the_command_line_is_imported_prints_no_traceback(graph: Path) -> None:
    code = (
        "import os, signal, sys\n"
        "class Interrupting:\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'tfg.cli.main':\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupting())\n"
        "from tfg.cli.start import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=ENVIRONMENT)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
