"""The fetches, targets and feeds of a step, by the graph's names or by those of a SavedModel's signature."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from ..common.console import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...graphfmt.metagraph import MetaGraph
    from ...runtime.saved_models.initialization import Model
    from ...runtime.saved_models.signatures import SignatureCall
    from ..common.values import FeedValue


class RunRequest(NamedTuple):
    """A step's fetches, targets and feeds by the graph's names; ``labels`` are the fetches as the user named them."""

    labels: tuple[str, ...]
    fetches: tuple[str, ...]
    targets: tuple[str, ...]
    feeds: Mapping[str, FeedValue]

    @property
    def fed(self) -> tuple[str, ...]:
        """The names of the fed tensors."""
        return tuple(self.feeds)

    def for_worker(self, number: int) -> RunRequest:
        """Returns the request with ``{worker}`` replaced by a worker's number."""
        return self._replace(
            labels=_replace_worker(self.labels, number),
            fetches=_replace_worker(self.fetches, number),
            targets=_replace_worker(self.targets, number),
        )


def _replace_worker(names: tuple[str, ...], number: int) -> tuple[str, ...]:
    return tuple(name.replace("{worker}", str(number)) for name in names)


def map_signature(name: str | None, path: str, model: Model | None, request: RunRequest) -> RunRequest:
    """Maps the input and output names of a signature to the graph's; other names stay as they are.

    Without a name the request stays as it is, unless a signature fits it (``_implied_signature``).
    Raises NOT_FOUND for an unknown signature, input or output, INVALID_ARGUMENT for a missing input.
    """
    if model is None:
        if name is None:
            return request
        raise UsageError(f"--signature needs a SavedModel or MetaGraph, and {path!r} is a plain graph")
    from ...runtime.saved_models import signatures

    graph = model.meta.graph
    call = _implied_signature(model.meta, request) if name is None else signatures.find(model.meta, name)
    if call is None:
        return request
    labels = request.fetches or (() if request.targets else tuple(call.outputs))
    fetches = tuple(call.fetch(graph, label) for label in labels)
    feeds = _map_feeds(call, model.meta, request)
    signatures.check_fed(call, graph, fetches, tuple(feeds), request.targets)
    return RunRequest(labels, fetches, request.targets, feeds)


def _map_feeds(call: SignatureCall, meta: MetaGraph, request: RunRequest) -> dict[str, FeedValue]:
    """Returns the feeds by the graph's names. Raises INVALID_ARGUMENT where two are the same tensor."""
    feeds: dict[str, FeedValue] = {}
    labels: dict[str, str] = {}
    for label, value in request.feeds.items():
        tensor = call.feed(meta.graph, label)
        if tensor in feeds:
            other = labels[tensor]
            both = f"{other!r} and {label!r}"
            if other in call.inputs and label in call.inputs:
                both = f"the inputs {both} of signature {call.name!r}"
            raise UsageError(
                f"{both} are one tensor, {tensor!r}, which is fed twice", hint="feed one of them"
            )
        feeds[tensor], labels[tensor] = replace(value, name=tensor), label
    return feeds


def _implied_signature(meta: MetaGraph, request: RunRequest) -> SignatureCall | None:
    """Returns the signature meant by a request that names none: ``serving_default``, or the only one.

    It is meant if nothing is fetched or run, or if names that the graph does not have are keys of it.
    Raises INVALID_ARGUMENT if there are several and nothing says which.
    """
    from ...runtime.saved_models import signatures

    calls = signatures.calls(meta)
    call = signatures.default_call(calls)
    asks_nothing = not request.fetches and not request.targets
    if call is None:
        if asks_nothing and calls:
            names = ", ".join(call.name for call in calls)
            raise UsageError(
                "nothing to run: neither --fetch, --target nor --signature is given",
                hint=f"the model has the signatures {names}",
            )
        return None
    if asks_nothing:
        return call
    strange = [(name, call.inputs) for name in request.feeds if not signatures.is_in_graph(meta.graph, name)]
    strange += [
        (name, call.outputs) for name in request.fetches if not signatures.is_in_graph(meta.graph, name)
    ]
    return call if strange and all(name in keys for name, keys in strange) else None
