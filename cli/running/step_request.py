"""The fetches, targets and feeds of a step, by the graph's names or by those of a SavedModel's signature."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from ...graphfmt.load import load
from ..common.console import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...runtime.saved_models.initialization import Model
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


def map_signature(name: str, path: str, model: Model | None, request: RunRequest) -> RunRequest:
    """Maps the input and output names of a signature to the graph's; other names stay as they are.

    Raises NOT_FOUND for an unknown file, signature, input or output, INVALID_ARGUMENT for a missing input.
    """
    if model is None:
        load(path)
        raise UsageError(f"--signature needs a SavedModel or MetaGraph, and {path!r} is a plain graph")
    from ...runtime.saved_models import signatures

    graph = model.meta.graph
    call = signatures.find(model.meta, name)
    labels = request.fetches or (() if request.targets else tuple(call.outputs))
    fetches = tuple(call.fetch(graph, label) for label in labels)
    feeds: dict[str, FeedValue] = {}
    for label, value in request.feeds.items():
        tensor = call.feed(graph, label)
        if tensor in feeds:
            raise UsageError(
                f"{label!r} is fed twice: by its name in the signature and by its name in the graph"
            )
        feeds[tensor] = replace(value, name=tensor)
    signatures.check_fed(call, graph, fetches, tuple(feeds), request.targets)
    return RunRequest(labels, fetches, request.targets, feeds)
