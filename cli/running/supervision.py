"""``tfg run --max-restarts``: a supervisor process that runs the command as a child and restarts it after a crash.

The run is a process of its own because a signal or the out-of-memory killer ends a whole process. An environment
variable tells the child which attempt it is.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from ..common import console

_VARIABLE = "_TFG_ATTEMPT"
# The exit status after SIGTERM, by the convention of shells.
_TERMINATED = 128 + signal.SIGTERM
# Exit statuses that are not retried: success, a wrong command line, interrupted, terminated.
_FINAL = (0, 2, 130, _TERMINATED)


class Attempt(NamedTuple):
    """An attempt at a job: its number from 0, and the seconds that earlier attempts ran before they failed.

    The job's name is random, so that a run never resumes from another run's checkpoints.
    """

    job: str
    number: int = 0
    uptime: float = 0.0


def current_attempt() -> Attempt | None:
    """Returns the attempt that this process is; None for an unsupervised process."""
    text = os.environ.get(_VARIABLE)
    return Attempt(*json.loads(text)) if text else None


def new_attempt() -> Attempt:
    """Returns the first attempt at a job of its own."""
    return Attempt(os.urandom(8).hex())


def supervise(graph: str, feeds: tuple[str, ...], checkpoint: Path | None, restarts: int) -> NoReturn:
    """Runs this command as a child, restarts it after a crash at most ``restarts`` times, and exits as it did."""
    if checkpoint is None:
        raise console.UsageError("--max-restarts resumes from checkpoints, so it needs --checkpoint")
    if graph == "-" or any(feed.endswith("=@-") for feed in feeds):
        raise console.UsageError("--max-restarts excludes standard input, which cannot be read again")
    attempt = new_attempt()
    while True:
        began, written = time.monotonic(), _modification_time(checkpoint)
        status = _run(attempt)
        if status in _FINAL:
            sys.exit(status)
        # A failure with status 1 before any checkpoint would recur.
        is_permanent = status == 1 and _modification_time(checkpoint) == written
        if is_permanent or attempt.number == restarts:
            sys.exit(status if status > 0 else 128 - status)
        attempt = Attempt(attempt.job, attempt.number + 1, attempt.uptime + time.monotonic() - began)
        console.note(f"restart {attempt.number} of {restarts}: the run {_describe_exit(status)}")


def _run(attempt: Attempt) -> int:
    """Runs the child; returns its exit status, negative for a signal that killed it.

    Ctrl-C reaches both processes and is left to the child. SIGTERM is passed on to the child.
    """
    environment = {**os.environ, _VARIABLE: json.dumps(attempt)}
    is_terminated = False

    def terminate(number: int, frame: Any) -> None:
        nonlocal is_terminated
        is_terminated = True
        process.terminate()

    with subprocess.Popen([sys.executable, "-m", "tfg", *sys.argv[1:]], env=environment) as process:
        on_interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)
        on_terminate = signal.signal(signal.SIGTERM, terminate)
        try:
            status = process.wait()
            return _TERMINATED if is_terminated else status
        finally:
            signal.signal(signal.SIGINT, on_interrupt)
            signal.signal(signal.SIGTERM, on_terminate)


def _modification_time(path: Path) -> int | None:
    return path.stat().st_mtime_ns if path.exists() else None


def _describe_exit(status: int) -> str:
    if status > 0:
        return f"failed with status {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"
