"""``--skip-bad-records``: leaves out damaged records of TFRecord files, and reports them at the end."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ...graphfmt.names import counted
from ...graphfmt.records.bad_records import BAD_RECORDS
from ..common.console import note, plain

if TYPE_CHECKING:
    from collections.abc import Generator


@contextmanager
def skipping() -> Generator[None]:
    """Leaves out damaged records within."""
    BAD_RECORDS.take()
    BAD_RECORDS.skips = True
    try:
        yield
    finally:
        BAD_RECORDS.skips = False


def report_skipped(*, as_json: bool) -> dict[str, Any]:
    """Notes the files with damaged records; returns the field of ``--json``."""
    found = BAD_RECORDS.take()
    for one in found:
        records = counted(one.records, "damaged record")
        note(f"skipped {records} of {plain(one.path)}, the first at byte {one.first}")
    return {"skipped_records": [one._asdict() for one in found]} if as_json else {}
