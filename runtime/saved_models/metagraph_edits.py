"""Fits what a MetaGraph says of its graph to a graph that has changed: names, and nodes that are gone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from ...graphfmt.errors import TfgError
from ...graphfmt.graph import endpoint
from ..passes.conversion.node_renaming import renamed_tensor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...graphfmt.graph import Graph
    from ...graphfmt.metagraph import Collection, MetaGraph, SignatureDef, TensorInfo


class Fitted(NamedTuple):
    """A MetaGraph that fits its graph, and what it has lost, for people."""

    meta: MetaGraph
    dropped: tuple[str, ...]


def fit_metagraph(meta: MetaGraph, graph: Graph, names: Mapping[str, str]) -> Fitted:
    """Returns the MetaGraph for a changed graph whose nodes have new ``names``, without signatures, saver, assets and
    entries of collections that name nodes which are gone.

    Collections of messages (``variables``, ``cond_context`` …) name nodes too; they are dropped if any node is gone or
    renamed.
    """
    renamed = replace(
        meta,
        graph=graph,
        signatures={key: _renamed_signature(value, names) for key, value in meta.signatures.items()},
        assets={renamed_tensor(tensor, names): file for tensor, file in meta.assets.items()},
    )
    dropped: list[str] = []
    signatures = {key: one for key, one in renamed.signatures.items() if _is_whole(one, graph)}
    dropped += [f"signature {key!r}" for key in renamed.signatures if key not in signatures]
    assets = {tensor: file for tensor, file in renamed.assets.items() if _has(graph, tensor)}
    dropped += [f"asset {file!r}" for tensor, file in renamed.assets.items() if tensor not in assets]
    fitted = replace(renamed, signatures=signatures, assets=assets)
    if meta.saver is not None:
        saver = replace(
            meta.saver,
            filename_tensor=renamed_tensor(meta.saver.filename_tensor, names),
            save_tensor=renamed_tensor(meta.saver.save_tensor, names),
            restore_op=renamed_tensor(meta.saver.restore_op, names),
        )
        is_whole = all(_has(graph, name) for name in (saver.filename_tensor, saver.restore_op) if name)
        fitted = replace(fitted, saver=saver if is_whole else None)
    is_changed = bool(names) or any(name not in graph for name in meta.graph.index)
    collections = {key: _kept(values, graph, names) for key, values in meta.collections.items()}
    if is_changed:
        lost = [key for key, values in collections.items() if values and isinstance(values[0], bytes)]
        dropped += [f"collection {key!r}" for key in lost]
        collections = {key: values for key, values in collections.items() if key not in lost}
    return Fitted(replace(fitted, collections={k: v for k, v in collections.items() if v}), tuple(dropped))


def _renamed_signature(signature: SignatureDef, names: Mapping[str, str]) -> SignatureDef:
    def renamed(infos: Mapping[str, TensorInfo]) -> dict[str, TensorInfo]:
        return {key: _renamed_info(info, names) for key, info in infos.items()}

    return replace(signature, inputs=renamed(signature.inputs), outputs=renamed(signature.outputs))


def _renamed_info(info: TensorInfo, names: Mapping[str, str]) -> TensorInfo:
    parts = tuple(_renamed_info(part, names) for part in info.parts)
    return replace(info, name=renamed_tensor(info.name, names) if info.name else "", parts=parts)


def _is_whole(signature: SignatureDef, graph: Graph) -> bool:
    infos = [*signature.inputs.values(), *signature.outputs.values()]
    return all(_has_info(graph, info) for info in infos)


def _has_info(graph: Graph, info: TensorInfo) -> bool:
    return all(_has_info(graph, part) for part in info.parts) if info.parts else _has(graph, info.name)


def _has(graph: Graph, tensor: str) -> bool:
    try:
        return endpoint(tensor).node in graph
    except TfgError:
        return False


def _kept(values: Collection, graph: Graph, names: Mapping[str, str]) -> Collection:
    """Returns a collection of names without those that are gone; any other one as it is."""
    if not values or not isinstance(values[0], str):
        return values
    renamed = tuple(renamed_tensor(value, names) for value in values if isinstance(value, str) and value)
    return tuple(value for value in renamed if _has(graph, value))
