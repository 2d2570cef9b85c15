"""``python -m benchmarks`` prints the table.

Two settings that slow things down without a user's doing are dropped first: a wrong OPENBLAS_CORETYPE halves
numpy's products, and without byte code files every start compiles every module.
"""

from __future__ import annotations

import os
import sys

_HARMFUL = ("OPENBLAS_CORETYPE", "PYTHONDONTWRITEBYTECODE")


def begin_anew(module: str) -> None:
    """Starts a module anew without those settings if need be; they are read when Python and numpy start."""
    harmful = [name for name in _HARMFUL if os.environ.pop(name, None) is not None]
    if harmful:
        os.execve(sys.executable, [sys.executable, "-m", module, *sys.argv[1:]], os.environ)


def main() -> None:
    begin_anew("benchmarks")
    from .table import main as print_table

    print_table()


if __name__ == "__main__":
    main()
