"""The report, on demand (Ctrl-\\), of what the nodes of a run wait for."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..common import console

if TYPE_CHECKING:
    from collections.abc import Generator

    from ...runtime.execution.session import Session


@contextmanager
def explaining_waits(session: Session) -> Generator[None]:
    """Prints what the nodes wait for whenever SIGQUIT (Ctrl-\\) comes during the body."""
    before = signal.signal(signal.SIGQUIT, lambda number, frame: print_waits(session))
    try:
        yield
    finally:
        signal.signal(signal.SIGQUIT, before)


def print_waits(session: Session) -> None:
    """Prints what the nodes of the running steps wait for; called by SIGQUIT (Ctrl-\\)."""
    waits = session.waits()
    for wait in waits:
        console.note(console.plain(str(wait)))
    if not waits:
        console.note("no node waits for a queue")
