"""Initialization of SavedModels and MetaGraphs: the nodes to run once before the graph is ready for use.

The variables are restored by the graph's own restore operation (SaverDef), be it a Saver's nodes or the restore
function of a TensorFlow 2 model; then the main operation (the initialiser of tables and the like) runs, with the paths
of the assets fed.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...graphfmt.errors import Location, Status, TfgError
from ...graphfmt.graph import endpoint
from ...graphfmt.load import read_graph_file
from ..checkpointing.variables import graph_variables

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ...graphfmt.checkpoints.hdf5.state_file import Key, SavedState
    from ...graphfmt.graph import Graph
    from ...graphfmt.load import GraphFile
    from ...graphfmt.metagraph import MetaGraph
    from ...graphfmt.tensors import Array
    from ..execution.session import Session

_VARIABLES = Path("variables", "variables")
_ASSETS = "assets"
_INIT_SIGNATURE = "__saved_model_init_op"
# Collections that name the initialiser, the newer one first.
_INIT_COLLECTIONS = ("saved_model_main_op", "legacy_init_op")


class Model(NamedTuple):
    """A MetaGraph with the folder of its SavedModel, None for a MetaGraph file by itself."""

    meta: MetaGraph
    folder: Path | None

    @property
    def has_variables(self) -> bool:
        """True if the folder has a checkpoint of the variables."""
        return self.folder is not None and _has_variables(self.folder)


def open_model(path: str | Path, tags: Sequence[str] | None = None) -> Model | None:
    """Opens a SavedModel or a MetaGraph; returns None for a plain graph. Raises as ``load.load``."""
    return model_of(read_graph_file(path, tags))


def model_of(file: GraphFile) -> Model | None:
    """Returns the model in a file; None for a plain graph."""
    return Model(file.meta, file.folder) if file.meta is not None else None


def restored_state(model: Model) -> SavedState:
    """The state of a session after the variables of a SavedModel are restored. The initialiser runs only if that
    leaves some without a value, such as TensorFlow 1's local variables. Raises as ``make_ready``."""
    from ..execution.session import Session

    session = Session(model.meta.graph)
    if model.folder is not None:
        assets = _asset_feeds(model.meta, model.folder)
        _restore_own(session, model.meta, model.folder, assets)
        resources = session.snapshot().resources
        if not all(resources.get(variable.key) for variable in graph_variables(session.graph)):
            _initialise(session, model.meta, assets)
    return session.snapshot()


def make_ready(session: Session, model: Model, *, needs_variables: bool = True) -> None:
    """Restores the variables in a SavedModel's folder and runs its initialiser; does nothing for a MetaGraph file.

    Raises NOT_FOUND if the folder has lost its variables, unless the caller initializes them (``needs_variables``);
    what the graph's own operations raise; UNIMPLEMENTED or NOT_FOUND for one that this build does not have.
    """
    meta, folder = model
    if folder is None:
        return
    if needs_variables:
        check_variables(model)
    assets = _asset_feeds(meta, folder)
    _restore_own(session, meta, folder, assets)
    _initialise(session, meta, assets)


def check_variables(model: Model) -> None:
    """Raises NOT_FOUND for a SavedModel with variables that are not in its folder.

    Without a Saver, the initialiser may give them their values.
    """
    meta, folder = model
    if folder is None or model.has_variables or not graph_variables(meta.graph):
        return
    if meta.saver is None and initialiser(meta) is not None:
        return
    raise TfgError(
        Status.NOT_FOUND,
        f"the model's variables are missing: there is no checkpoint {folder / _VARIABLES}",
        location=Location(str(folder)),
        hint=f"copy the folder variables/ of the model to {folder}, or initialize with --init",
    )


def restore_by_saver(session: Session, meta: MetaGraph, prefix: str) -> None:
    """Restores a checkpoint through the graph's own Restore nodes.

    Args:
        session: of the graph of ``meta``.
        prefix: the checkpoint's name, as the graph's Restore nodes take it.

    Raises FAILED_PRECONDITION if the MetaGraph names no such nodes; else what they raise.
    """
    _restore(session, meta, prefix, {})


def _initialise(session: Session, meta: MetaGraph, assets: dict[str, Array]) -> None:
    init = initialiser(meta)
    if init is not None:
        session.run(targets=[init], feeds=assets)


def _restore_own(session: Session, meta: MetaGraph, folder: Path, assets: dict[str, Array]) -> None:
    """Restores the variables in the folder, if there are any."""
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
    ``tf.saved_model.save`` computes with variables that are not restored; the restored ones are copies, which the graph
    would initialise from them."""
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
    """The pairs (copy, original) of variables where a node assigns the value of one to the other."""
    for node in graph.nodes:
        if node.op == "AssignVariableOp":
            copy, value = node.data_inputs
            read = graph[value.node]
            if read.op == "ReadVariableOp":
                yield copy.node, read.data_inputs[0].node


def initialiser(meta: MetaGraph) -> str | None:
    """The node that completes the initialization once the variables are restored; None if there is none.

    Raises FAILED_PRECONDITION if several are named.
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
    """The paths of the asset files, by the tensors that take them. Raises INVALID_ARGUMENT for a file outside of the
    folder of assets."""
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
