"""Runs the command line on a terminal of a given width."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Sequence
from pathlib import Path

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def on_terminal(*args: str | Path, width: int, stdout: bool = True, seconds: float = 60) -> str:
    """Runs ``tfg ARGS`` with standard error, and with ``stdout`` also standard output, on a terminal.

    Returns what it shows, with escape sequences.
    """
    terminal, end = pty.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "OMP_NUM_THREADS": "1"}
    for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "CI"):
        environment.pop(name, None)
    process = subprocess.Popen(
        [sys.executable, "-m", "tfg", *map(str, args)],
        stdin=subprocess.DEVNULL,
        stdout=end if stdout else subprocess.DEVNULL,
        stderr=end,
        env=environment,
    )
    os.close(end)
    try:
        return _read(terminal, time.monotonic() + seconds).replace("\r\n", "\n")
    finally:
        process.kill()
        process.wait()
        os.close(terminal)


def _read(terminal: int, end: float) -> str:
    shown = b""
    while time.monotonic() < end:
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                data = os.read(terminal, 65536)
            except OSError:
                break
            if not data:
                break
            shown += data
    return shown.decode()


def plain_lines(shown: str) -> Sequence[str]:
    """Returns the lines without escape sequences and blanks at the end."""
    return [line.rstrip() for line in _ESCAPES.sub("", shown).split("\n")]
