"""A graph that ``tfg bench`` times or ``tfg compare`` compares: session, fetches, and feeds, made up where they are
not given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ...graphfmt.errors import Status, TfgError
from ...graphfmt.load import read_graph_file
from ...kernels.core.op_sets import PLACEHOLDERS
from ...runtime.execution.session import Session
from ...runtime.passes.graph_checks import check_graph
from ..common import console, values
from .step_request import RunRequest, map_signature

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...graphfmt.graph import Graph
    from ...graphfmt.shapes import Shape
    from ...runtime.saved_models.initialization import Model
    from ..common.options import FeedOptions, FetchOptions


class SubjectSettings(NamedTuple):
    """How a session runs the graph; ``callers`` is the number of threads that run steps."""

    devices: str | None = None
    optimize: bool = True
    callers: int = 1


class BenchSubject:
    """One graph under one setting. ``step`` runs it."""

    def __init__(
        self,
        path: str,
        fetch: FetchOptions,
        feed: FeedOptions,
        signature: str | None,
        init: Sequence[str],
        settings: SubjectSettings | None = None,
    ) -> None:
        file = read_graph_file(path)
        check_graph(file.graph)
        self.path = path
        self._graph = file.graph
        self._random = values.Randomness(feed.seed)
        model = _model(file)
        devices, optimize, callers = settings or SubjectSettings()
        self._session = Session(
            file.graph,
            log=console.note,
            callers=callers,
            devices=devices,
            optimize=optimize,
            compile=optimize,
        )
        given = values.parse_feeds(feed.feeds, feed.archives)
        request = RunRequest(fetch.fetches, fetch.fetches, fetch.targets, given)
        if model is not None:
            request = _with_signature_feeds(request, model, signature)
            request = map_signature(signature, path, model, request)
        self._request, example_init = _completed(file.graph, request)
        if model is not None:
            from ...runtime.saved_models.initialization import make_ready

            make_ready(self._session, model, needs_variables=not init)
        for node in init or (example_init if model is None else ()):
            self._session.run(targets=[node])
        self._feeds: dict[str, Any] = {}
        self._plan_feeds = self._session.plan(
            self._request.fetches, tuple(self._request.feeds), self._request.targets
        ).feeds

    def prepare(self, batch: int | None) -> None:
        """Makes the feeds up; ``batch`` is the size of the first dimension of feeds that leave it open."""
        self._feeds = {}
        for feed in self._plan_feeds:
            value = self._request.feeds[feed.name]
            text = _made_up(feed.name, feed.shape, feed.dtype.is_integer, batch)
            if value is _MADE_UP:
                value = values.parse_feed(text)
            self._feeds[feed.name] = value.read(feed, self._random)

    @property
    def graph(self) -> Graph:
        """The graph as the file has it."""
        return self._graph

    @property
    def session(self) -> Session:
        """The session, with the variables initialized."""
        return self._session

    @property
    def feeds(self) -> Mapping[str, Any]:
        """The fed arrays by tensor name."""
        return self._feeds

    @property
    def ends(self) -> Sequence[str]:
        """The fetches and targets of a step, by the graph's names."""
        return (*self._request.fetches, *self._request.targets)

    def share_feeds(self, other: BenchSubject) -> None:
        """Takes the arrays that ``other`` feeds. Raises INVALID_ARGUMENT for a feed that ``other`` does not have, or
        that does not fit this graph."""
        for feed in self._plan_feeds:
            if feed.name not in other.feeds:
                raise TfgError(
                    Status.INVALID_ARGUMENT,
                    f"{self.path!r} needs the feed {feed.name!r}, {other.path!r} does not",
                )
        self._feeds = {feed.name: other.feeds[feed.name] for feed in self._plan_feeds}

    def step(self) -> Sequence[Any]:
        """Runs one step."""
        request = self._request
        return self._session.run(request.fetches, self._feeds, request.targets)

    def close(self) -> None:
        self._session.close()

    @property
    def fetched(self) -> Sequence[str]:
        """The names of what a step computes."""
        return (*self._request.labels, *self._request.targets)


# Stands for the feed of a placeholder that is not given.
_MADE_UP: Any = values.parse_feed("x=random")


def _model(file: Any) -> Model | None:
    if file.meta is None:
        return None
    from ...runtime.saved_models.initialization import model_of

    return model_of(file)


def _with_signature_feeds(request: RunRequest, model: Model, signature: str | None) -> RunRequest:
    """Returns the request with made-up feeds for the inputs of the signature that it means."""
    from ...runtime.saved_models import signatures

    calls = signatures.calls(model.meta)
    call = signatures.find(model.meta, signature) if signature else signatures.default_call(calls)
    if call is None or (request.fetches and not signature):
        return request
    fed = {call.feed(model.meta.graph, name) for name in request.feeds}
    tensors = {tensor.name: key for key, tensor in call.inputs.items()}
    missing = {key: _MADE_UP for name, key in tensors.items() if name not in fed and key not in request.feeds}
    return request._replace(feeds={**request.feeds, **missing})


def _completed(graph: Graph, request: RunRequest) -> tuple[RunRequest, Sequence[str]]:
    """Returns the request with a step of the graph's own if it asks for none, and with made-up feeds; and the nodes
    that initialize what it needs."""
    from ...graphfmt.graph import endpoint
    from ...graphfmt.traversal import ancestors
    from ...runtime.example_step import example_step, needed_initialisers
    from ...runtime.summary import summarize

    summary = summarize(graph)
    if not request.fetches and not request.targets:
        step = example_step(graph, summary)
        if step is None:
            raise TfgError(
                Status.INVALID_ARGUMENT, "the graph has no output that can be run", hint="add --fetch NAME"
            )
        names = tuple(step.fetches)
        request = request._replace(labels=names, fetches=names, targets=tuple(step.targets))
    ends = [*request.fetches, *request.targets]
    fed = {endpoint(name).node for name in request.feeds}
    needed = ancestors(graph, [endpoint(name).node for name in ends])
    missing: Mapping[str, Any] = {
        name: _MADE_UP for name in needed if graph[name].op in PLACEHOLDERS and name not in fed
    }
    init, _ = needed_initialisers(graph, summary, ends)
    return request._replace(feeds={**request.feeds, **missing}), init


def _made_up(name: str, shape: Shape, is_integer: bool, batch: int | None) -> str:
    """Returns the text of a value for a feed: random numbers, or ones, which are valid as indices."""
    dims = [size if size is not None else 1 for size in shape.dims or ()]
    if batch is not None and shape.dims and shape.dims[0] is None:
        dims[0] = batch
    kind = "ones" if is_integer else "random"
    return f"{name}={kind}:{','.join(map(str, dims))}" if dims else f"{name}={kind}:"
