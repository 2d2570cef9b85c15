"""Damaged records of TFRecord files, where they are left out and counted instead of ending a run."""

from __future__ import annotations

from threading import Lock
from typing import NamedTuple


class SkippedRecords(NamedTuple):
    """The damaged records of a file: how many, and where the first one begins, in the uncompressed bytes. The rest of
    a file behind a damaged length counts as one."""

    path: str
    records: int
    first: int


class BadRecords:
    """The policy of this process on damaged records: ``skips`` leaves them out, and their numbers are kept."""

    def __init__(self) -> None:
        self.skips = False
        self._lock = Lock()
        self._found: dict[str, SkippedRecords] = {}

    def add(self, path: str, offset: int) -> None:
        """Counts a record that is left out."""
        with self._lock:
            before = self._found.get(path)
            self._found[path] = (
                SkippedRecords(path, 1, offset)
                if before is None
                else before._replace(records=before.records + 1, first=min(before.first, offset))
            )

    def take(self) -> list[SkippedRecords]:
        """Returns what has been counted, by file, and begins anew."""
        with self._lock:
            found, self._found = self._found, {}
        return [found[path] for path in sorted(found)]


# One for the process: files are read in kernels, on any thread.
BAD_RECORDS = BadRecords()
