"""``python -m benchmarks`` prints the table.

Two environment variables that some machines set, and that distort the timings, are removed first: a wrong
OPENBLAS_CORETYPE halves the speed of numpy's matrix products, and PYTHONDONTWRITEBYTECODE makes every start compile
every module.
"""

from __future__ import annotations

import os
import sys

_HARMFUL = ("OPENBLAS_CORETYPE", "PYTHONDONTWRITEBYTECODE")


def restart_without_harmful_settings(module: str) -> None:
    """Restarts a module without the variables of ``_HARMFUL`` if one is set: Python and numpy read them when they
    start."""
    harmful = [name for name in _HARMFUL if os.environ.pop(name, None) is not None]
    if harmful:
        os.execve(sys.executable, [sys.executable, "-m", module, *sys.argv[1:]], os.environ)


def main() -> None:
    restart_without_harmful_settings("benchmarks")
    from .table import main as print_table

    print_table()


if __name__ == "__main__":
    main()
