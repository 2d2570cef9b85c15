"""Opens checkpoints of all formats, and writes one in the format of its name."""

from __future__ import annotations

import fnmatch
import glob
import re
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import Location, Status, TfgError, invalid
from ..files import file_error
from . import latest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .entries import CheckpointReader, StoredTensor

HDF5_SUFFIX = ".h5"
_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"

_SHARD = re.compile(r"(.+)\.(?:index|data-\d{5,}-of-\d{5,})")
_V1_SHARD = re.compile(r"-\d{5}-of-(\d{5})")


def open_checkpoint(path: str | Path) -> CheckpointReader:
    """Opens a checkpoint.

    ``path`` is an HDF5 state, the prefix or a file of a bundle, a V1 table or the common prefix of several, the folder
    of a SavedModel, or a folder whose ``checkpoint`` file names the latest. Raises NOT_FOUND, with the most similar
    checkpoint as a hint, and the errors of the format's reader.
    """
    name = str(path)
    try:
        return _open(name)
    except (OSError, ValueError) as error:
        raise file_error(error, "read", name) from error


def write_checkpoint(path: str | Path, tensors: Iterable[StoredTensor]) -> None:
    """Writes tensors as an HDF5 state if the name ends in ``.h5``, else as a bundle with that prefix; atomically."""
    if str(path).endswith(HDF5_SUFFIX):
        from .hdf5.state_file import write_tensors

        write_tensors(Path(path), tensors)
    else:
        from .bundle.writer import write_bundle

        write_bundle(str(path), tensors)


def _open(name: str) -> CheckpointReader:
    from .bundle.reader import BundleReader
    from .table.v1_checkpoint import V1Reader

    place = Path(name)
    if place.is_dir() and not _is_bundle(name):
        name = _in_folder(place)
        place = Path(name)
    part = _SHARD.fullmatch(name)
    for prefix in (name, part[1] if part else ""):
        if _is_bundle(prefix):
            return BundleReader(prefix)
    if place.exists():
        if not _is_hdf5(place):
            _refuse_others(place)
            return V1Reader(name, [name])
        from .hdf5.state_file import open_state

        return open_state(name)
    tables = _v1_tables(place)
    if not tables:
        raise _not_found(place)
    return V1Reader(name, tables)


def _refuse_others(path: Path) -> None:
    """Raises INVALID_ARGUMENT, naming what it is, for a file that is no checkpoint, and for a pipe."""
    from ..file_types import holds_graph, recognize

    if not path.is_file():
        raise invalid(f"{path} is not a file; a checkpoint cannot be read from a pipe").at(
            None, Location(str(path))
        )
    data = path.read_bytes()
    kind = recognize(data)
    name, hint = None, None
    if kind.foreign is not None and data:
        name = kind.foreign.name
    elif holds_graph(data):
        name = f"a {kind.message.value}"
        prefix = str(path.with_suffix(""))
        hint = (
            f"did you mean {prefix!r}?" if _is_bundle(prefix) else "give the graph first, then the checkpoint"
        )
    if name is not None:
        raise invalid(f"{path} is {name}, not a checkpoint", hint=hint).at(None, Location(str(path)))


def _is_bundle(prefix: str) -> bool:
    from .bundle.index import index_name

    return Path(index_name(prefix)).is_file()


def _is_hdf5(path: Path) -> bool:
    # Reading a pipe would block.
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_HDF5_MAGIC)) == _HDF5_MAGIC or path.suffix == HDF5_SUFFIX


def _in_folder(folder: Path) -> str:
    """Returns the path of the checkpoint in a folder. Raises NOT_FOUND."""
    variables = folder / "variables" / "variables"
    if _is_bundle(str(variables)):
        return str(variables)
    state = folder / latest.FILE
    if state.is_file():
        return _latest(state)
    if _is_bundle(str(folder / "variables")):
        return str(folder / "variables")
    names = sorted(_prefixes(folder))
    if len(names) == 1:
        return str(folder / names[0])
    raise _not_found(folder)


def _latest(state: Path) -> str:
    """Returns the prefix in a ``checkpoint`` file, absolute or relative to its folder.

    If an absolute prefix does not exist (the folder was moved), the checkpoint of that name beside the file is used.
    Raises DATA_LOSS for a file without a prefix.
    """
    named = Path(latest.read_latest(state))
    there = state.parent / named
    beside = state.parent / named.name
    if named.is_absolute() and not exists(named) and exists(beside):
        there = beside
    return str(there)


def exists(prefix: Path) -> bool:
    """Returns True for a bundle, a V1 checkpoint of one file, and one of several."""
    return _is_bundle(str(prefix)) or prefix.is_file() or bool(_v1_tables(prefix))


def _v1_tables(prefix: Path) -> list[str]:
    """Returns the tables of a V1 checkpoint: PREFIX-00000-of-00002 and so on, or the matches of a wildcard.

    Raises NOT_FOUND if some tables are missing.
    """
    if not prefix.parent.is_dir():
        return []
    names = sorted(path.name for path in prefix.parent.iterdir())
    if glob.has_magic(prefix.name):
        return [str(prefix.parent / name) for name in fnmatch.filter(names, prefix.name)]
    tables = [
        name for name in names if name.startswith(prefix.name) and _V1_SHARD.fullmatch(name, len(prefix.name))
    ]
    if tables and len(tables) != int(tables[0][-5:]):
        raise TfgError(
            Status.NOT_FOUND,
            f"{prefix} has only {len(tables)} of its {int(tables[0][-5:])} files: {', '.join(tables)}",
            location=Location(str(prefix)),
        )
    return [str(prefix.parent / name) for name in tables]


def _not_found(path: Path) -> TfgError:
    folder = path if path.is_dir() else path.parent
    there = sorted(_prefixes(folder))
    near = get_close_matches(path.name, there, n=1, cutoff=0.3) or there[:1]
    return TfgError(
        Status.NOT_FOUND,
        f"there is no checkpoint {str(path)!r}",
        location=Location(str(path)),
        hint=f"did you mean {str(folder / near[0])!r}?" if near else None,
    )


def _prefixes(folder: Path) -> set[str]:
    """Returns the names of the checkpoints in a folder."""
    if not folder.is_dir():
        return set()
    names = [path.name for path in folder.iterdir()]
    bundles = {name.removesuffix(".index") for name in names if name.endswith(".index")}
    return bundles | {name for name in names if name.endswith(HDF5_SUFFIX)}
