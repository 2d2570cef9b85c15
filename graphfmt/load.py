"""Loads and saves graphs in all formats.

The content of a file decides what it is (``file_types``), whatever its name; a folder is a SavedModel. Only ``save``
goes by the suffix.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from .errors import Location, Status, TfgError, invalid
from .external_constants import internalized
from .file_types import FileType, Message, recognize
from .files import STANDARD, read_file, write_file
from .text.source import SourceText

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .graph import Graph
    from .metagraph import MetaGraph

_SERVE = "serve"
_MODEL_NAMES = ("saved_model.pb", "saved_model.pbtxt")


class GraphFile(NamedTuple):
    """The graph in a file, and what is around it.

    ``meta`` is the graph's MetaGraph, None for a GraphDef. ``folder`` holds the variables and assets of a SavedModel,
    None for other files. ``tag_sets`` are the tags of all MetaGraphs in the file.
    """

    graph: Graph
    meta: MetaGraph | None = None
    folder: Path | None = None
    tag_sets: tuple[tuple[str, ...], ...] = ()


def load(path: str | Path, tags: Sequence[str] | None = None) -> Graph:
    """Loads a graph from a file, a SavedModel folder, or standard input (``-``).

    ``tags`` select one of several MetaGraphs; the default is the one for serving, or else the first.
    Raises NOT_FOUND, PERMISSION_DENIED, INVALID_ARGUMENT (with line and column in a text) or DATA_LOSS.
    """
    return read_graph_file(path, tags).graph


def read_graph_file(path: str | Path, tags: Sequence[str] | None = None) -> GraphFile:
    """Reads a file once, and returns its graph with the MetaGraph around it. Arguments and errors as for ``load``."""
    file, data, name = _read(path)
    kind = _recognize(data, name)
    if kind.message is Message.GRAPH:
        if tags:
            raise invalid("tags select a MetaGraph, and the file holds a plain graph").at(
                None, Location(name)
            )
        folder = None if str(path) == STANDARD else file.parent
        return GraphFile(internalized(_graph(data, name, is_text=kind.is_text), folder))
    metas = _meta_graphs(data, name, kind)
    meta = _select(metas, tags, name)
    is_model = kind.message is Message.SAVED_MODEL and str(path) != STANDARD
    return GraphFile(meta.graph, meta, file.parent if is_model else None, tuple(meta.tags for meta in metas))


def load_metagraph(path: str | Path, tags: Sequence[str] | None = None) -> MetaGraph:
    """Loads a MetaGraphDef, or one of a SavedModel. Raises INVALID_ARGUMENT for a plain graph; else as ``load``."""
    meta = read_graph_file(path, tags).meta
    if meta is None:
        raise invalid(f"{path} is a plain graph, not a MetaGraph").at(None, Location(str(path)))
    return meta


def load_saved_model(path: str | Path) -> list[MetaGraph]:
    """Loads all MetaGraphs in a file or folder; none for a plain graph. Raises as ``load``."""
    _, data, name = _read(path)
    kind = _recognize(data, name)
    return [] if kind.message is Message.GRAPH else _meta_graphs(data, name, kind)


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


def _read(path: str | Path) -> tuple[Path, bytes, str]:
    """Returns the file that holds the graph, its bytes, and its name in messages."""
    file = Path(path)
    try:
        if _is_folder(path):
            file = _model_file(file)
        return file, *read_file(file)
    except TfgError as error:
        if error.status is Status.NOT_FOUND:
            _refuse_checkpoint(str(path))
        raise


def _recognize(data: bytes, name: str) -> FileType:
    """Returns the type of a file. Raises INVALID_ARGUMENT, naming what it is, for one that holds no graph."""
    _refuse_checkpoint(name, data)
    kind = recognize(data)
    if kind.foreign is not None:
        raise invalid(f"{name} is {kind.foreign.name}", hint=kind.foreign.hint).at(None, Location(name))
    return kind


def _refuse_checkpoint(name: str, data: bytes | None = None) -> None:
    """Raises INVALID_ARGUMENT for the bytes, or else for the path, of a checkpoint."""
    from .checkpoints.format_detection import checkpoint_kind

    kind = checkpoint_kind(name, data)
    if kind is not None:
        raise invalid(
            f"{name} is {kind}, not a graph",
            hint="give the graph first, then the checkpoint: tfg restore GRAPH CKPT; tfg show CKPT looks inside",
        ).at(None, Location(name))


def _graph(data: bytes, name: str, *, is_text: bool) -> Graph:
    if is_text:
        from .text.reader import read_graph

        return read_graph(decode(data, name), name)
    from .proto.binary import graph_from_bytes

    return graph_from_bytes(data, name)


def _meta_graphs(data: bytes, name: str, kind: FileType) -> list[MetaGraph]:
    from . import metagraph

    if kind.message is Message.META_GRAPH:
        if kind.is_text:
            return [metagraph.metagraph_from_text(decode(data, name), name)]
        return [metagraph.metagraph_from_bytes(data, name)]
    if kind.is_text:
        return metagraph.saved_model_from_text(decode(data, name), name)
    return metagraph.saved_model_from_bytes(data, name)


def _select(metas: list[MetaGraph], tags: Sequence[str] | None, name: str) -> MetaGraph:
    """Returns the MetaGraph with exactly these tags; by default the one for serving, or else the first."""
    if not metas:
        raise invalid(f"{name} contains no graph").at(None, Location(name))
    if tags is None:
        return next((meta for meta in metas if _SERVE in meta.tags), metas[0])
    found = next((meta for meta in metas if set(meta.tags) == set(tags)), None)
    if found is None:
        known = ", ".join(repr(",".join(meta.tags)) for meta in metas)
        message = f"the model has no MetaGraph with the tags {','.join(tags)!r}"
        raise TfgError(Status.NOT_FOUND, message, hint=f"it has {known}", location=Location(name))
    return found


def _is_folder(path: str | Path) -> bool:
    try:
        return str(path) != STANDARD and Path(path).is_dir()
    except (OSError, ValueError):
        return False


def _model_file(folder: Path) -> Path:
    for name in _MODEL_NAMES:
        if (folder / name).is_file():
            return folder / name
    raise TfgError(
        Status.NOT_FOUND,
        f"{folder} is not a SavedModel: the folder has neither saved_model.pb nor saved_model.pbtxt",
        location=Location(str(folder)),
        hint=_folder_hint(folder),
    )


def _folder_hint(folder: Path) -> str | None:
    """Returns the hint for a folder without a SavedModel: what else is in it."""
    if (folder / "manifest.json").is_file():
        return "the folder seems to hold parts of a graph: tfg run runs them"
    if (folder / "model.json").is_file():
        return "the folder seems to hold a TensorFlow.js model: tensorflowjs_converter converts it back"
    inner = sorted(path.parent for name in _MODEL_NAMES for path in folder.glob(f"*/{name}"))
    return f"did you mean {str(inner[-1])!r}?" if inner else None


def decode(data: bytes, name: str) -> str:
    """Decodes a text file. Raises INVALID_ARGUMENT, with the location, for a byte that is not UTF-8."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8-sig")
        fault = invalid(f"byte {data[error.start]:#04x} is not UTF-8")
        raise fault.at(None, SourceText(name, before).position(len(before))) from None
