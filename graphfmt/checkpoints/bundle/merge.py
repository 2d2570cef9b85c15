"""Merges bundles, as MergeV2Checkpoints does: the data files are renamed, not copied."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import Status, TfgError, invalid
from ...proto.checkpoint_pb2 import BundleEntryProto, BundleHeaderProto
from ..table.slice_keys import decoded_name
from .index import index_name, read_index, shard_name
from .writer import commit, writable_target, write_errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .index import Index


@dataclass
class _Merged:
    """The merged bundle so far; ``data`` maps data files to shard numbers."""

    header: BundleHeaderProto | None = None
    entries: dict[bytes, BundleEntryProto] = field(default_factory=dict[bytes, BundleEntryProto])
    data: dict[str, int] = field(default_factory=dict[str, int])


def merge_bundles(
    prefixes: Sequence[str],
    destination: str,
    *,
    delete_old_dirs: bool = False,
    allow_missing_files: bool = False,
) -> None:
    """Merges bundles into one and removes them; with ``delete_old_dirs``, also their folders if empty.

    On a file system with hard links, the parts are unchanged until the new index is in place. Raises INVALID_ARGUMENT
    for a missing part (with ``allow_missing_files``, only if all are missing), for a tensor in two parts, and for parts
    of different endianness or version; and the errors of reading and writing bundles.
    """
    merged = _Merged()
    present = [prefix for prefix in prefixes if _merge(merged, prefix, allow_missing_files)]
    if merged.header is None:
        raise invalid("At least one prefix checkpoint file must exist, but none existed.")
    target = writable_target(destination)
    with write_errors(destination):
        data = [Path(name) for name in merged.data]
        commit(target, merged.header, merged.entries, data, removes_unreferenced=False)
    for prefix in present:
        if Path(prefix).resolve() != target:
            Path(index_name(prefix)).unlink(missing_ok=True)
    _remove_merged(merged, target)
    if delete_old_dirs:
        for folder in {Path(prefix).parent.resolve() for prefix in prefixes} - {target.parent}:
            with suppress(OSError):
                folder.rmdir()


def _merge(merged: _Merged, prefix: str, allow_missing: bool) -> bool:
    """Adds a part; returns False for a missing one."""
    if not Path(index_name(prefix)).exists():
        if allow_missing:
            return False
        raise invalid(f"allow_missing_files was set to false and {prefix} did not exist.")
    index = read_index(prefix)
    _merge_header(merged, index.header)
    for key, entry in index.entries.items():
        known = merged.entries.get(key)
        if known is None:
            merged.entries[key] = _renumber(merged, entry, prefix, index)
        else:
            _merge_slices(known, entry, f"tensor keyed by {decoded_name(key)}", prefix)
    return True


def _merge_header(merged: _Merged, header: BundleHeaderProto) -> None:
    if merged.header is None:
        merged.header = header
        return
    if merged.header.endianness != header.endianness:
        raise invalid("Merging bundles with conflicting endianness; inputs corrupted?")
    if merged.header.version != header.version:
        raise invalid("Merging bundles with different format versions")
    merged.header.num_shards += header.num_shards


def _merge_slices(known: BundleEntryProto, entry: BundleEntryProto, what: str, prefix: str) -> None:
    if not known.slices:
        raise invalid(f"Duplicate {what} encountered, when merging prefix: {prefix}")
    if not entry.slices:
        raise TfgError(Status.INTERNAL, f"Duplicate {what}; attempting to merge in a non-slice bundle entry")
    if (known.dtype, known.shape) != (entry.dtype, entry.shape):
        raise invalid(
            f"Slices of the {what} are not of one dtype and one shape, when merging prefix: {prefix}"
        )
    known.slices.extend(entry.slices)


def _renumber(merged: _Merged, entry: BundleEntryProto, prefix: str, index: Index) -> BundleEntryProto:
    """Renumbers the shard of an entry. The entry of a tensor in slices has no bytes of its own."""
    if not entry.slices:
        path = shard_name(prefix, entry.shard_id, index.header.num_shards)
        entry.shard_id = merged.data.setdefault(path, len(merged.data))
    return entry


def _remove_merged(merged: _Merged, target: Path) -> None:
    """Removes the old names of the merged data files, of which none is a name in the new bundle."""
    assert merged.header is not None
    new = {Path(shard_name(str(target), shard, merged.header.num_shards)) for shard in merged.data.values()}
    for path in map(Path, merged.data):
        if path.parent.resolve() / path.name not in new:
            path.unlink(missing_ok=True)
