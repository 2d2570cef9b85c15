"""Loads and saves graphs in all formats.

The suffix decides: ``.pbtxt`` and ``.txt`` are text, ``.pb`` is binary, ``.meta`` is a MetaGraphDef, a folder is a
SavedModel. For other names, and for standard input, the content decides.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import Location, Status, TfgError, invalid
from .files import STANDARD, read_file, write_file
from .text.source import SourceText

if TYPE_CHECKING:
    from .graph import Graph
    from .metagraph import MetaGraph

# Bytes of binary tags and lengths, which text does not contain.
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")
_SNIFFED = 1 << 16
_FIRST_FIELD = re.compile(r"(?:\s++|#[^\n]*+)*+(\w+)")
_META_FIELDS = frozenset(
    {"meta_info_def", "graph_def", "saver_def", "collection_def", "signature_def", "asset_file_def"}
    | {"object_graph_def"}
)
_MODEL_FIELDS = frozenset({"saved_model_schema_version", "meta_graphs"})
_SERVE = "serve"


def load(path: str | Path) -> Graph:
    """Loads a graph from a file, a SavedModel folder, or standard input (``-``).

    Raises NOT_FOUND, PERMISSION_DENIED, INVALID_ARGUMENT (with line and column in a text) or DATA_LOSS.
    """
    if is_saved_model(path):
        return _serving(load_saved_model(path), path).graph
    if Path(path).suffix == ".meta" and str(path) != STANDARD:
        return load_metagraph(path).graph
    data, name = read_file(path)
    if not _is_text(path, data):
        from .proto.binary import graph_from_bytes

        return graph_from_bytes(data, name)
    text = decode(data, name)
    kind = _kind_of_text(text)
    if kind is None:
        from .text.reader import read_graph

        try:
            return read_graph(text, name)
        except TfgError as error:
            error.hint = error.hint or _hint(data)
            raise
    from . import metagraph

    if kind == "MetaGraphDef":
        return metagraph.metagraph_from_text(text, name).graph
    return _serving(metagraph.saved_model_from_text(text, name), path).graph


def load_metagraph(path: str | Path) -> MetaGraph:
    """Loads a MetaGraphDef: a file, or the serving one of a SavedModel folder. Raises as ``load``."""
    from . import metagraph

    if is_saved_model(path):
        return _serving(load_saved_model(path), path)
    data, name = read_file(path)
    if _looks_binary(data):
        return metagraph.metagraph_from_bytes(data, name)
    return metagraph.metagraph_from_text(decode(data, name), name)


def load_saved_model(path: str | Path) -> list[MetaGraph]:
    """Loads all MetaGraphs of a SavedModel, from its folder or its saved_model file. Raises as ``load``."""
    from . import metagraph

    file = _model_file(Path(path)) if Path(path).is_dir() else Path(path)
    data, name = read_file(file)
    if file.suffix == ".pbtxt":
        return metagraph.saved_model_from_text(decode(data, name), name)
    return metagraph.saved_model_from_bytes(data, name)


def save(graph: Graph, path: str | Path) -> None:
    """Writes a graph atomically: text, or binary if the name ends in ``.pb``; ``-`` is standard output.

    Raises NOT_FOUND, PERMISSION_DENIED, RESOURCE_EXHAUSTED or FAILED_PRECONDITION; the file is then unchanged.
    """
    if Path(path).suffix == ".pb":
        from .proto.binary import graph_to_bytes

        write_file(path, graph_to_bytes(graph))
    else:
        from .text.writer import write_graph

        write_file(path, write_graph(graph).encode())


def is_saved_model(path: str | Path) -> bool:
    """Returns True for a folder, and for a file named saved_model.pb or saved_model.pbtxt."""
    if str(path) == STANDARD:
        return False
    try:
        return Path(path).is_dir() or Path(path).name in ("saved_model.pb", "saved_model.pbtxt")
    except (OSError, ValueError):
        return False


def _model_file(folder: Path) -> Path:
    for name in ("saved_model.pb", "saved_model.pbtxt"):
        if (folder / name).is_file():
            return folder / name
    raise TfgError(
        Status.NOT_FOUND,
        f"{folder} is not a SavedModel: the folder has neither saved_model.pb nor saved_model.pbtxt",
        location=Location(str(folder)),
    )


def _serving(graphs: list[MetaGraph], path: str | Path) -> MetaGraph:
    """Returns the MetaGraph tagged for serving, or else the first."""
    if not graphs:
        raise invalid(f"{path} contains no graph").at(None, Location(str(path)))
    return next((meta for meta in graphs if _SERVE in meta.tags), graphs[0])


def _is_text(path: str | Path, data: bytes) -> bool:
    if str(path) != STANDARD and Path(path).suffix in (".pbtxt", ".txt"):
        return True
    if str(path) != STANDARD and Path(path).suffix == ".pb":
        return False
    return not _looks_binary(data)


def _looks_binary(data: bytes) -> bool:
    return _CONTROL.search(data, 0, _SNIFFED) is not None


def _kind_of_text(text: str) -> str | None:
    """Returns the message type of a text, by its first field; None for a GraphDef."""
    first = _FIRST_FIELD.match(text)
    if first is None:
        return None
    return "MetaGraphDef" if first[1] in _META_FIELDS else "SavedModel" if first[1] in _MODEL_FIELDS else None


def decode(data: bytes, name: str) -> str:
    """Decodes a text file. Raises INVALID_ARGUMENT, with the location, for a byte that is not UTF-8."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8-sig")
        fault = invalid(f"byte {data[error.start]:#04x} is not UTF-8", hint=_hint(data))
        raise fault.at(None, SourceText(name, before).position(len(before))) from None


def _hint(data: bytes) -> str | None:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "the file is UTF-16; save it as UTF-8"
    return "the file looks binary; give it a name that ends in .pb" if _looks_binary(data) else None
