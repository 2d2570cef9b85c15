"""Runs the rows of every operation on the GPU, and writes what fails as a table: ``python -m tests.gpu.report FILE``.

Where the tests stop at an operation's first row that fails, this counts them.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, NamedTuple

from . import rows


class Outcome(NamedTuple):
    """How many rows of an operation there are and fail, and what the first of them said."""

    name: str
    count: int
    failed: int
    said: str


def outcome(name: str, xp: Any) -> Outcome:
    failed, said = 0, ""
    found = rows.by_operation()[name]
    for family, row in found:
        try:
            rows.check(family, row, xp)
        except Exception as error:
            failed += 1
            said = (
                said or f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}"
            )
    return Outcome(name, len(found), failed, said)


def table(outcomes: list[Outcome], device: str) -> str:
    """A table in Markdown of the operations with rows that fail."""
    bad = [o for o in outcomes if o.failed]
    lines = [
        f"{device}: {len(outcomes) - len(bad)} of {len(outcomes)} operations pass all their rows.",
        "",
        *(["| operation | rows | failed | first failure |", "|---|---|---|---|"] if bad else []),
        *(f"| {o.name} | {o.count} | {o.failed} | {o.said.replace('|', '/')[:120]} |" for o in bad),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    import cupy  # pyright: ignore[reportMissingImports]

    name = cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()
    with cupy.cuda.Stream(non_blocking=True):
        found = [outcome(operation, cupy) for operation in sorted(rows.by_operation())]
    path = Path(sys.argv[1])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(table(found, f"{name}, CuPy {cupy.__version__}"))
    sys.stdout.write(path.read_text())


if __name__ == "__main__":
    main()
