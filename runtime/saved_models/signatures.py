"""The signatures of a SavedModel, whose inputs and outputs are the feeds and fetches of a step."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...graphfmt.errors import Status, TfgError, invalid
from ...graphfmt.graph import Endpoint, endpoint
from ...graphfmt.names import did_you_mean
from ...kernels.core.op_sets import PLACEHOLDERS
from ..passes import prune

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ...graphfmt.graph import Graph
    from ...graphfmt.metagraph import MetaGraph, TensorInfo

_DEFAULT = "serving_default"
# Signatures for the loader of a model, which cannot be called.
_INTERNAL = frozenset({"__saved_model_init_op", "__saved_model_train_op"})


class SignatureTensor(NamedTuple):
    """An input or output of a signature: its key and its tensor. A sparse or composite tensor is several, called
    ``key/0``, ``key/1`` and so on."""

    key: str
    name: str
    info: TensorInfo


class SignatureCall(NamedTuple):
    """A signature by its name, with its inputs and outputs by their keys, which are sorted."""

    name: str
    inputs: Mapping[str, SignatureTensor]
    outputs: Mapping[str, SignatureTensor]
    method: str = ""

    def feed(self, graph: Graph, name: str) -> str:
        """The name of the tensor to feed, from an input's key or, if there is none, a name of the graph. Raises
        NOT_FOUND."""
        return _tensor(self, self.inputs, "input", graph, name)

    def fetch(self, graph: Graph, name: str) -> str:
        """The name of the tensor to fetch, from an output's key or, if there is none, a name of the graph. Raises
        NOT_FOUND."""
        return _tensor(self, self.outputs, "output", graph, name)


def calls(meta: MetaGraph) -> list[SignatureCall]:
    """The signatures of a MetaGraph, by name."""
    return [
        SignatureCall(name, _tensors(found.inputs), _tensors(found.outputs), found.method_name)
        for name, found in sorted(meta.signatures.items())
        if name not in _INTERNAL
    ]


def find(meta: MetaGraph, name: str) -> SignatureCall:
    """The signature of that name. Raises NOT_FOUND, naming the signatures of the MetaGraph."""
    known = {call.name: call for call in calls(meta)}
    if name in known:
        return known[name]
    if not known:
        raise TfgError(
            Status.NOT_FOUND, f"there is no signature {name!r}: the graph has no signatures at all"
        )
    hint = did_you_mean(name, known) or f"it has {', '.join(map(repr, known))}"
    raise TfgError(Status.NOT_FOUND, f"the graph has no signature called {name!r}", hint=hint)


def default_call(calls: Sequence[SignatureCall]) -> SignatureCall | None:
    """Returns the signature to use where none is named: ``serving_default``, or the only one; None if there is none."""
    if len(calls) == 1:
        return calls[0]
    return next((call for call in calls if call.name == _DEFAULT), None)


def is_in_graph(graph: Graph, name: str) -> bool:
    """Returns True if a name is that of a node or an output of the graph."""
    try:
        return endpoint(name).node in graph
    except TfgError:
        return False


def check_fed(
    call: SignatureCall, graph: Graph, fetches: Sequence[str], feeds: Sequence[str], targets: Sequence[str]
) -> None:
    """Raises INVALID_ARGUMENT with all inputs of the signature that a step needs and that are not fed. All names are
    those of the graph."""
    needed = prune.prune(graph, prune.StepSignature(tuple(fetches), tuple(feeds), tuple(targets))).graph
    fed = {endpoint(feed) for feed in feeds}
    missing = [tensor for tensor in call.inputs.values() if _is_missing(tensor, needed, fed)]
    if missing:
        wanted = ", ".join(f"{t.key!r} ({t.info.dtype.name}{t.info.shape})" for t in missing)
        raise invalid(
            f"signature {call.name!r} needs the input {wanted}",
            hint=" ".join(f"--feed {t.key}=VALUE" for t in missing),
        )


def _is_missing(tensor: SignatureTensor, needed: Graph, fed: set[Endpoint]) -> bool:
    source = endpoint(tensor.name)
    node = needed.index.get(source.node)
    return node is not None and node.op in PLACEHOLDERS and source not in fed


def _tensors(infos: Mapping[str, TensorInfo]) -> dict[str, SignatureTensor]:
    return {tensor.key: tensor for key, info in sorted(infos.items()) for tensor in _parts(key, info)}


def _parts(key: str, info: TensorInfo) -> Iterable[SignatureTensor]:
    if not info.parts:
        return [SignatureTensor(key, info.name, info)]
    return [part for i, inner in enumerate(info.parts) for part in _parts(f"{key}/{i}", inner)]


def _tensor(
    call: SignatureCall, tensors: Mapping[str, SignatureTensor], what: str, graph: Graph, name: str
) -> str:
    found = tensors.get(name)
    if found is not None:
        return _normal(found.name)
    if is_in_graph(graph, name):
        return name
    hint = did_you_mean(name, tensors) or f"it has {', '.join(map(repr, tensors))}"
    raise TfgError(
        Status.NOT_FOUND,
        f"signature {call.name!r} has no {what} called {name!r}",
        hint=hint if tensors else None,
    )


def _normal(name: str) -> str:
    return str(endpoint(name))
