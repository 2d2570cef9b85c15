"""Several bundles made one, as MergeV2Checkpoints does: their data files keep their bytes and get new names."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import Status, TfgError, invalid
from ...proto.checkpoint_pb2 import BundleEntryProto, BundleHeaderProto
from ..table.slice_keys import decoded_name
from .index import index_name, read_index, shard_name
from .writer import commit, refusals, writable_target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .index import Index


@dataclass
class _Merged:
    """The bundle that parts add up to so far: ``data`` are the files to be its shards."""

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
    """Makes one bundle of several, which are gone then; with ``delete_old_dirs`` the folders they were in too,
    where nothing else is in them.

    Until the new index is in place the parts stand as they did, where the file system has links. Raises
    INVALID_ARGUMENT for parts that are missing (all, with ``allow_missing_files``), have a tensor in common, or
    were written by machines or versions that differ; and what reading and writing bundles raises.
    """
    merged = _Merged()
    present = [prefix for prefix in prefixes if _merge(merged, prefix, allow_missing_files)]
    if merged.header is None:
        raise invalid("At least one prefix checkpoint file must exist, but none existed.")
    target = writable_target(destination)
    with refusals(destination):
        commit(target, merged.header, merged.entries, [Path(name) for name in merged.data])
    for prefix in present:
        if Path(prefix).resolve() != target:
            Path(index_name(prefix)).unlink(missing_ok=True)
    _remove(merged.data, target)
    if delete_old_dirs:
        for folder in {Path(prefix).parent.resolve() for prefix in prefixes} - {target.parent}:
            with suppress(OSError):
                folder.rmdir()


def _merge(merged: _Merged, prefix: str, allow_missing: bool) -> bool:
    """Adds a part, and says whether it was there."""
    if not Path(index_name(prefix)).exists():
        if allow_missing:
            return False
        raise invalid(f"allow_missing_files was set to false and {prefix} did not exist.")
    index = read_index(prefix)
    _merge_header(merged, index.header)
    for key, entry in index.entries.items():
        known = merged.entries.get(key)
        if known is None:
            merged.entries[key] = _moved(merged, entry, prefix, index)
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


def _moved(merged: _Merged, entry: BundleEntryProto, prefix: str, index: Index) -> BundleEntryProto:
    """An entry that says where its bytes will be; the tensor that has slices has none itself."""
    if not entry.slices:
        path = shard_name(prefix, entry.shard_id, index.header.num_shards)
        entry.shard_id = merged.data.setdefault(path, len(merged.data))
    return entry


def _remove(paths: dict[str, int], target: Path) -> None:
    """Removes the old names of data files; those under the target's prefix went with its old index."""
    for path in map(Path, paths):
        if not (path.parent.resolve() == target.parent and path.name.startswith(f"{target.name}.data-")):
            path.unlink(missing_ok=True)
