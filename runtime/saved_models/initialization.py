"""Models as TensorFlow saves them: what is to be run, once, before a MetaGraph's graph is ready for use.

The variables come back through the graph's own restore operation (SaverDef), whatever is behind it, a
Saver's nodes or the restore function of a TensorFlow 2 model; then the main operation (the initialiser of
tables and the like) runs, with the paths of the assets fed.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...graphfmt.errors import Location, Status, TfgError
from ...graphfmt.graph import endpoint
from ...graphfmt.load import is_saved_model, load_metagraph
from ..checkpointing.variables import graph_variables

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ...graphfmt.checkpoints.hdf5.state_file import Key, SavedState
    from ...graphfmt.graph import Graph
    from ...graphfmt.metagraph import MetaGraph
    from ...graphfmt.tensors import Array
    from ..execution.session import Session

_VARIABLES = Path("variables", "variables")
_ASSETS = "assets"
_INIT_SIGNATURE = "__saved_model_init_op"
# Collections that name the initialiser, the later before the earlier.
_INIT_COLLECTIONS = ("saved_model_main_op", "legacy_init_op")


class Model(NamedTuple):
    """A MetaGraph with the SavedModel's folder that it comes from, None for one that stands by itself."""

    meta: MetaGraph
    folder: Path | None


def open_model(path: str | Path) -> Model | None:
    """The model that a SavedModel's folder or a MetaGraph's file holds; None for a file that is neither by its
    name. Raises what reading it raises."""
    if is_saved_model(path):
        found = Path(path)
        return Model(load_metagraph(path), found if found.is_dir() else found.parent)
    return Model(load_metagraph(path), None) if Path(path).suffix == ".meta" else None


def restored_state(model: Model) -> SavedState:
    """The variables of a SavedModel, as a session has them once they are restored; the initialiser runs only where
    that leaves some without a value, such as TensorFlow 1's local ones. Raises as ``make_ready``."""
    from ..execution.session import Session

    session = Session(model.meta.graph)
    if model.folder is not None:
        assets = _asset_feeds(model.meta, model.folder)
        _restore_own(session, model.meta, model.folder, assets)
        resources = session.snapshot().resources
        if not all(resources.get(variable.key) for variable in graph_variables(session.graph)):
            _initialise(session, model.meta, assets)
    return session.snapshot()


def make_ready(session: Session, model: Model) -> None:
    """Restores the variables that lie in a SavedModel's folder and runs its initialiser. Of a MetaGraph that
    stands by itself nothing is known but the graph.

    Raises what the graph's own operations raise, UNIMPLEMENTED or NOT_FOUND naming one that this build does
    not know.
    """
    meta, folder = model
    if folder is None:
        return
    assets = _asset_feeds(meta, folder)
    _restore_own(session, meta, folder, assets)
    _initialise(session, meta, assets)


def restore_by_saver(session: Session, meta: MetaGraph, prefix: str) -> None:
    """Restores a checkpoint through the graph's own Restore nodes.

    Args:
        session: of the graph of ``meta``.
        prefix: the checkpoint's name, as the graph's Restore nodes take it.

    Raises FAILED_PRECONDITION where the MetaGraph says of no such nodes; else what they raise.
    """
    _restore(session, meta, prefix, {})


def _initialise(session: Session, meta: MetaGraph, assets: dict[str, Array]) -> None:
    init = initialiser(meta)
    if init is not None:
        session.run(targets=[init], feeds=assets)


def _restore_own(session: Session, meta: MetaGraph, folder: Path, assets: dict[str, Array]) -> None:
    """Restores the variables that lie in the folder, if any do."""
    if meta.saver is not None and _has_variables(folder):
        _restore(session, meta, str(folder / _VARIABLES), assets)
        _complete(session)


def _restore(session: Session, meta: MetaGraph, prefix: str, assets: dict[str, Array]) -> None:
    saver = meta.saver
    if saver is None or not saver.restore_op:
        raise TfgError(
            Status.FAILED_PRECONDITION,
            "the MetaGraph does not say which of its nodes restore variables (it has no saver_def)",
        )
    feeds = {**assets, _name(saver.filename_tensor): _string(prefix)}
    session.run(targets=[endpoint(saver.restore_op).node], feeds=feeds)


def _complete(session: Session) -> None:
    """Gives variables that were not restored the values of their copies. A Keras model written by
    ``tf.saved_model.save`` computes with variables that nothing restores; what is restored are others, which
    the graph would initialise from them."""
    state = session.snapshot()
    variables = {v.node: v for v in graph_variables(session.graph)}
    found: dict[Key, Mapping[str, Array]] = {}
    for copy, original in _copies(session.graph):
        if original in variables and copy in variables and not state.resources.get(variables[original].key):
            value = state.resources.get(variables[copy].key)
            if value:
                found[variables[original].key] = value
    if found:
        session.take(replace(state, resources={**state.resources, **found}))


def _copies(graph: Graph) -> Iterator[tuple[str, str]]:
    """The variables that a node assigns the value of another, with that one."""
    for node in graph.nodes:
        if node.op == "AssignVariableOp":
            copy, value = node.data_inputs
            read = graph[value.node]
            if read.op == "ReadVariableOp":
                yield copy.node, read.data_inputs[0].node


def initialiser(meta: MetaGraph) -> str | None:
    """The node that makes the graph ready once its variables are restored; None where there is none.

    Raises INVALID_ARGUMENT where several are named.
    """
    signature = meta.signatures.get(_INIT_SIGNATURE)
    if signature is not None:
        info = signature.outputs.get(_INIT_SIGNATURE)
        return endpoint(info.name).node if info is not None else None
    for collection in _INIT_COLLECTIONS:
        names = [name for name in meta.collections.get(collection, ()) if isinstance(name, str)]
        if len(names) > 1:
            raise TfgError(
                Status.FAILED_PRECONDITION, f"Expected exactly one main op in {collection}, not {len(names)}"
            )
        if names:
            return endpoint(names[0]).node
    return None


def _has_variables(folder: Path) -> bool:
    return (folder / f"{_VARIABLES}.index").is_file()


def _asset_feeds(meta: MetaGraph, folder: Path) -> dict[str, Array]:
    """The paths of the asset files, by the tensors that take them. Raises INVALID_ARGUMENT for a file that
    does not lie in the folder of assets."""
    found: dict[str, Array] = {}
    for tensor, file in meta.assets.items():
        if Path(file).is_absolute() or ".." in Path(file).parts:
            raise TfgError(
                Status.INVALID_ARGUMENT,
                f"the asset {file!r} does not lie in the model's folder",
                location=Location(str(folder)),
            )
        found[_name(tensor)] = _string(str(folder / _ASSETS / file))
    return found


def _name(tensor: str) -> str:
    return str(endpoint(tensor))


def _string(text: str) -> Array:
    found = np.empty((), object)
    found[()] = text.encode("utf-8", "surrogateescape")
    return found
