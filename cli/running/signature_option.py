"""``--signature``: inputs and outputs by the names that a SavedModel has for them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import click

from ...graphfmt.load import load
from ..common.console import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...runtime.saved_models.initialization import Model
    from ..common.values import FeedValue

signature_option = click.option(
    "--signature",
    metavar="NAME",
    help="Feed and fetch by the names of this signature of a SavedModel; all its outputs without --fetch.",
)


class Called(NamedTuple):
    """What a step is asked for, by the graph's names; ``labels`` are the fetches as they were asked for."""

    labels: tuple[str, ...]
    fetches: tuple[str, ...]
    feeds: dict[str, FeedValue]


def by_signature(
    name: str,
    path: str,
    model: Model | None,
    fetches: Sequence[str],
    feeds: Mapping[str, FeedValue],
    targets: Sequence[str],
) -> Called:
    """The names of a signature as names of the graph; names that only the graph has stay as they are.

    Raises NOT_FOUND for a file, a signature, an input or an output that is not there, INVALID_ARGUMENT for an input
    that is missing.
    """
    if model is None:
        load(path)
        raise UsageError(f"--signature names a way to call a SavedModel, and {path!r} is only a graph")
    from ...runtime.saved_models import signatures

    graph = model.meta.graph
    call = signatures.find(model.meta, name)
    labels = tuple(fetches) or (() if targets else tuple(call.outputs))
    asked = tuple(call.fetch(graph, label) for label in labels)
    given: dict[str, FeedValue] = {}
    for feed, value in feeds.items():
        tensor = call.feed(graph, feed)
        if tensor in given:
            raise UsageError(f"{feed!r} is fed more than once, by the signature's name and by the graph's")
        given[tensor] = replace(value, name=tensor)
    signatures.check_fed(call, graph, asked, tuple(given), targets)
    return Called(labels, asked, given)
