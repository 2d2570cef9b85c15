"""Merges the shards of a checkpoint into one checkpoint (MergeV2Checkpoints)."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ....graphfmt.checkpoints.bundle.merge import merge_bundles
from ....graphfmt.checkpoints.entries import StoredTensor
from ....graphfmt.checkpoints.open import HDF5_SUFFIX, open_checkpoint, write_checkpoint
from ....graphfmt.errors import invalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ....graphfmt.checkpoints.entries import CheckpointReader


def merge(
    prefixes: Sequence[str], destination: str, *, delete_old_dirs: bool, allow_missing_files: bool
) -> None:
    """Merges checkpoints: the data files of bundles are renamed into place, HDF5 checkpoints are rewritten.

    Args:
        delete_old_dirs: remove the folders of the shards if they are empty afterwards.
        allow_missing_files: skip shards that do not exist.

    Raises INVALID_ARGUMENT if a shard is missing, or all are.
    """
    if not any(path.endswith(HDF5_SUFFIX) for path in (*prefixes, destination)):
        merge_bundles(
            prefixes,
            destination,
            delete_old_dirs=delete_old_dirs,
            allow_missing_files=allow_missing_files,
        )
        return
    found = [prefix for prefix in prefixes if _exists(prefix)]
    missing = [prefix for prefix in prefixes if prefix not in found]
    if missing and not allow_missing_files:
        raise invalid(f"allow_missing_files was set to false and {', '.join(missing)} did not exist.")
    if not found:
        raise invalid("there is no checkpoint to merge")
    _rewrite(found, destination)
    if delete_old_dirs:
        _remove_folders(found, destination)


def _exists(prefix: str) -> bool:
    return Path(prefix if prefix.endswith(HDF5_SUFFIX) else f"{prefix}.index").is_file()


def _rewrite(prefixes: Sequence[str], destination: str) -> None:
    with ExitStack() as stack:
        readers = [stack.enter_context(open_checkpoint(prefix)) for prefix in prefixes]
        write_checkpoint(destination, (tensor for reader in readers for tensor in _tensors(reader)))
    for prefix in prefixes:
        _remove(prefix)


def _tensors(reader: CheckpointReader) -> Iterator[StoredTensor]:
    for name, entry in reader.entries.items():
        if not entry.slices:
            yield StoredTensor(name, reader.read(name))
        for part in entry.slices:
            yield StoredTensor(name, reader.read(name, part), part, entry.shape)


def _remove(prefix: str) -> None:
    path = Path(prefix)
    for file in path.parent.iterdir():
        if file.name in (path.name, f"{path.name}.index") or file.name.startswith(f"{path.name}.data-"):
            file.unlink()


def _remove_folders(prefixes: Iterable[str], destination: str) -> None:
    kept = Path(destination).resolve().parent
    for folder in {Path(prefix).resolve().parent for prefix in prefixes} - {kept}:
        with suppress(OSError):
            folder.rmdir()
