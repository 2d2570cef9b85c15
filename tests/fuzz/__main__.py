"""Tries random and mutated inputs: ``python -m tests.fuzz --seconds 60 --seed 1``.

An input is at fault if it raises anything but an error with a status of its own, crashes, hangs, or takes too much
memory. Each fault is minimised and written to ``tests/fuzz/corpus``, which the test suite replays.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

from . import worker
from .findings import Finding
from .targets import TARGETS
from .worker import Job

CORPUS = Path(__file__).parent / "corpus"
# Seconds without progress after which the worker is taken to hang where the time limit cannot interrupt it.
PATIENCE = 45.0


def main() -> int:
    options = _options()
    seed = options.seed if options.seed is not None else int.from_bytes(os.urandom(4), "big")
    targets = tuple(name for name in TARGETS if name.startswith(tuple(options.targets.split(","))))
    print(f"seed {seed}: reproduce an input with python -m tests.fuzz --seed {seed} --case NUMBER")
    if options.case is not None:
        return _one(seed, options.case, targets)
    with tempfile.TemporaryDirectory(prefix="fuzz") as name:
        folder = Path(name)
        end = time.monotonic() + options.seconds
        number = 0
        while time.monotonic() < end and number < options.count:
            job = Job(seed, number, options.count - number, end, targets, folder, options.corpus)
            number = _try(job)
        found = _findings(folder)
    for line in found:
        print(f"case {line[0]} ({line[1]}): {line[2]}\n    {line[3]}")
    print(f"{number} inputs, {len(found)} findings")
    return 1 if found else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--case", type=int, help="try this input alone, and show it")
    parser.add_argument("--count", type=int, default=1 << 40, help="the number of inputs")
    parser.add_argument("--targets", default="", help="the kinds of inputs, by the beginnings of their names")
    parser.add_argument("--corpus", type=Path, default=CORPUS, help="where minimised findings are written")
    return parser.parse_args()


def _one(seed: int, number: int, targets: tuple[str, ...]) -> int:
    name, data = worker.make_input(seed, number, targets)
    sys.stdout.write(f"{name}\n{data.decode('utf-8', 'backslashreplace') if data is not None else None}\n")
    found = None if data is None else worker.check(name, data)
    print(found or "in order")
    return 1 if found else 0


def _try(job: Job) -> int:
    """Runs a worker until it ends, crashes or hangs; returns the number of the next input."""
    progress = job.folder / "progress"
    progress.write_text(f"{job.first:20}", encoding="utf-8")
    child = os.fork()
    if not child:
        try:
            worker.run(job)
            status = 0
        except BaseException:
            traceback.print_exc()
            status = 1
        sys.stderr.flush()
        os._exit(status)
    number, since = job.first, time.monotonic()
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        current = int(progress.read_text(encoding="utf-8") or job.first)
        if done:
            break
        if current != number:
            number, since = current, time.monotonic()
        elif time.monotonic() - since > PATIENCE:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            _record_death(job, number, "hang")
            return number + 1
        time.sleep(0.05)
    if os.waitstatus_to_exitcode(status) > 0:
        raise RuntimeError(f"the fuzzer itself failed at input {current}")
    if os.WIFSIGNALED(status):
        _record_death(job, current, f"crash by {signal.Signals(os.WTERMSIG(status)).name}")
        return current + 1
    return current


def _record_death(job: Job, number: int, what: str) -> None:
    name, data = worker.make_input(job.seed, number, job.targets)
    found = Finding(f"{what} {name} {job.seed} {number}", what)
    if data is not None:
        worker.add_to_corpus(job.corpus, name, data, found)
    with (job.folder / "findings.jsonl").open("a", encoding="utf-8") as file:
        print(json.dumps([number, name, found.place, what]), file=file)


def _findings(folder: Path) -> list[list[str]]:
    file = folder / "findings.jsonl"
    return (
        [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []
    )


if __name__ == "__main__":
    sys.exit(main())
