"""Profiles of a run as tables on standard error, and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...graphfmt.units import human_bytes
from ...runtime.profiling.machine_peaks import measure_peaks
from ...runtime.profiling.profile import profile
from ..common.console import note
from ..common.tables import print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...runtime.execution.trace import StepTrace
    from ...runtime.profiling.machine_peaks import MachinePeaks
    from ...runtime.profiling.profile import Profile, ProfileEntry

# Rows of a table, if not all are asked for.
_MOST_ROWS = 20


def report_profile(trace: StepTrace, *, as_json: bool, verbose: int) -> dict[str, Any]:
    """Prints the profile of a run, or returns it for a JSON document."""
    found, peaks = profile(trace.events), measure_peaks()
    if as_json:
        return _document(found, peaks)
    _print(found, peaks, None if verbose else _MOST_ROWS)
    return {}


def _document(found: Profile, peaks: MachinePeaks) -> dict[str, Any]:
    return {
        "profile": [{"op": entry.name, **_fields(entry)} for entry in found.operations],
        "profile_nodes": [
            {"node": entry.name, "op": found.node_ops[entry.name], **_fields(entry)} for entry in found.nodes
        ],
        "profile_scopes": [{"scope": entry.name, **_fields(entry)} for entry in found.scopes],
        "profile_peak_bytes": found.peak,
        "machine": {"flops_per_second": peaks.flop_rate, "bytes_per_second": peaks.byte_rate},
    }


def _fields(entry: ProfileEntry) -> dict[str, Any]:
    return {
        "calls": entry.calls,
        "seconds": entry.nanoseconds / 1e9,
        "flops": entry.flops,
        "bytes": entry.bytes,
        "memory": entry.memory,
    }


def _print(found: Profile, peaks: MachinePeaks, most: int | None) -> None:
    _print_entries("operation", found.operations, found, most)
    _print_entries("node", found.nodes, found, most)
    _print_entries("scope", found.scopes, found, most)
    note(
        f"This machine reaches {peaks.flop_rate / 1e9:.1f} GFLOP/s in a float32 product and "
        f"{peaks.byte_rate / 1e9:.1f} GB/s in a copy; a step held up to {human_bytes(found.peak)}."
    )


def _print_entries(title: str, entries: Sequence[ProfileEntry], found: Profile, most: int | None) -> None:
    total = found.nanoseconds or 1
    rows = [
        (
            entry.name,
            str(entry.calls),
            f"{entry.nanoseconds / 1e6:.3f}",
            f"{entry.nanoseconds / entry.calls / 1e3:.2f}",
            f"{entry.nanoseconds / total:.1%}",
            f"{entry.flop_rate / 1e9:.2f}" if entry.flops else "",
            f"{entry.byte_rate / 1e9:.2f}" if entry.bytes else "",
            human_bytes(entry.memory),
        )
        for entry in entries[:most]
    ]
    header = (title, "calls", "total ms", "µs per call", "share", "GFLOP/s", "GB/s", "memory")
    print_table(rows, header=header, right=set(range(1, 8)), indent=0, err=True)
    if len(entries) > len(rows):
        note(f"… {len(entries) - len(rows):,} more; -v prints all")
    note("")
