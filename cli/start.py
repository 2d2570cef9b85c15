"""The entry point of ``tfg``: before the command line is imported, Ctrl-C ends the process without a traceback."""

from __future__ import annotations

import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn


def _leave(number: int, frame: Any) -> NoReturn:
    # The exit status after an interrupt; there is nothing to save or to print yet.
    os._exit(130)


def main() -> NoReturn:
    """Imports and runs the command line."""
    # BLAS reads it when numpy is imported: tfg has threads of its own, which do not wait for each other.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    # A background job of a shell ignores the signal.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)
    from .main import main as run

    run()
