"""``tfg run --max-restarts``: a process that watches another one run, and starts it anew when it crashes.

The run is a process of its own, because what ends a process (a signal, the system out of memory) leaves nobody
in it to start anything. It is told by its environment which attempt it is.
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
# The exit status of who is told to end, as shells have it.
_TERMINATED = 128 + signal.SIGTERM
# Exit statuses after which there is nothing to start anew: done, a wrong command line, interrupted, told to end.
_FINAL = (0, 2, 130, _TERMINATED)


class Attempt(NamedTuple):
    """Which attempt at which job this process is, and how long the earlier ones ran until they failed, in
    seconds. No two jobs have one name, so that none goes on from what another has left behind."""

    job: str
    number: int = 0
    uptime: float = 0.0


def attempt() -> Attempt | None:
    """The attempt that this process is; None where nobody watches it."""
    text = os.environ.get(_VARIABLE)
    return Attempt(*json.loads(text)) if text else None


def supervise(graph: str, feeds: tuple[str, ...], checkpoint: Path | None, restarts: int) -> NoReturn:
    """Runs this very command in a process of its own, again while it crashes and may be started anew; then
    exits as it did."""
    if checkpoint is None:
        raise console.UsageError("--max-restarts goes on from checkpoints, so it needs --checkpoint")
    if graph == "-" or any(feed.endswith("=@-") for feed in feeds):
        raise console.UsageError("standard input cannot be read again after a restart")
    now = Attempt(os.urandom(8).hex())
    while True:
        began, written = time.monotonic(), _written(checkpoint)
        status = _run(now)
        if status in _FINAL:
            sys.exit(status)
        # A failure with status 1 before any checkpoint would come again.
        is_hopeless = status == 1 and _written(checkpoint) == written
        if is_hopeless or now.number == restarts:
            sys.exit(status if status > 0 else 128 - status)
        now = Attempt(now.job, now.number + 1, now.uptime + time.monotonic() - began)
        console.note(f"restart {now.number} of {restarts}: the run {_how(status)}")


def _run(now: Attempt) -> int:
    """The exit status of an attempt, negative for a signal that came to it alone. Ctrl-C reaches both
    processes, and the one that runs knows what to do; what tells this one to end is passed on."""
    environment = {**os.environ, _VARIABLE: json.dumps(now)}
    is_told_to_end = False

    def terminate(number: int, frame: Any) -> None:
        nonlocal is_told_to_end
        is_told_to_end = True
        process.terminate()

    with subprocess.Popen([sys.executable, "-m", "tfg", *sys.argv[1:]], env=environment) as process:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        terminated = signal.signal(signal.SIGTERM, terminate)
        try:
            status = process.wait()
            return _TERMINATED if is_told_to_end else status
        finally:
            signal.signal(signal.SIGINT, before)
            signal.signal(signal.SIGTERM, terminated)


def _written(checkpoint: Path) -> int | None:
    return checkpoint.stat().st_mtime_ns if checkpoint.exists() else None


def _how(status: int) -> str:
    if status > 0:
        return f"failed with status {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"
