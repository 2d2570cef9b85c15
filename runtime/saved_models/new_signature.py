"""Adds a signature to a MetaGraph."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ...graphfmt.errors import Status, TfgError, invalid
from ...graphfmt.graph import Endpoint, endpoint
from ...graphfmt.metagraph import SignatureDef, TensorInfo
from ...kernels.core.op_sets import PLACEHOLDERS
from ..passes import validation
from ..summary import summarize

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...graphfmt.metagraph import MetaGraph
    from ...kernels.core.facts import Fact

_PREDICT = "tensorflow/serving/predict"


def add_signature(
    meta: MetaGraph, name: str, inputs: Sequence[str] = (), outputs: Sequence[str] = ()
) -> MetaGraph:
    """Returns the MetaGraph with a signature whose keys are the names of the tensors.

    Args:
        inputs: tensors to feed; all placeholders that the outputs depend on, if empty.
        outputs: tensors to fetch; all results of the graph, if empty.

    Raises:
        TfgError: NOT_FOUND for a name that the graph does not have, INVALID_ARGUMENT for two tensors of one key,
            FAILED_PRECONDITION for a graph without results.
    """
    graph = meta.graph
    outputs = outputs or [entry.name for entry in summarize(graph).outputs]
    if not outputs:
        raise TfgError(
            Status.FAILED_PRECONDITION,
            "the graph has no results for a signature",
            hint="name them: --outputs NAME",
        )
    inputs = inputs or [node.name for node in graph.nodes if node.op in PLACEHOLDERS]
    facts = validation.shapes(graph)
    signature = SignatureDef(_infos(meta, facts, inputs), _infos(meta, facts, outputs), _PREDICT)
    return replace(meta, signatures={**meta.signatures, name: signature})


def _infos(
    meta: MetaGraph, facts: Mapping[str, Sequence[Fact]], names: Sequence[str]
) -> dict[str, TensorInfo]:
    infos: dict[str, TensorInfo] = {}
    for name in names:
        source = endpoint(name)
        node = meta.graph[source.node]
        known = facts.get(node.name, ())
        if source.port >= len(known):
            raise invalid(f"{name!r} is no tensor of the graph", node=node.name)
        key = str(Endpoint(source.node, source.port))
        if key in infos:
            raise invalid(f"{key!r} is named twice")
        fact = known[source.port]
        infos[key] = TensorInfo(f"{source.node}:{source.port}", fact.dtype.base, fact.shape)
    return infos
