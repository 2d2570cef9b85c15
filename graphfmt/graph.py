"""Graphs: nodes that name their inputs. All objects are immutable; a pass returns a new graph."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from .attributes import AttrValue
from .errors import Location, TfgError, invalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .text.source import SourceText


# The producer version of graphs written by tfg; TensorFlow has accepted it since 2.0.
PRODUCER = 1087


class Endpoint(NamedTuple):
    """An output of a node: ``name:port``. Port -1 is the control output, ``^name``."""

    node: str
    port: int

    @property
    def is_control(self) -> bool:
        return self.port < 0

    def __str__(self) -> str:
        if self.port < 0:
            return "^" + self.node
        return self.node if self.port == 0 else f"{self.node}:{self.port}"


_ENDPOINT = re.compile(r"(\^?)([^:^]+)(?::(0|[1-9][0-9]{0,8}))?")


@lru_cache(maxsize=1 << 19)
def endpoint(text: str) -> Endpoint:
    """Parses ``node``, ``node:1`` or ``^node``. Raises INVALID_ARGUMENT for anything else."""
    match = _ENDPOINT.fullmatch(text)
    if match is None or (match[1] and match[3]):
        raise invalid(f"{text!r} is not of the form node, node:port or ^node")
    return Endpoint(match[2], -1 if match[1] else int(match[3] or 0))


@dataclass(frozen=True, slots=True)
class Node:
    """A NodeDef. ``inputs`` are in the file's notation, data inputs first, control inputs last.

    ``offset`` is the position of the node in the text that the graph was read from, -1 for a node that a pass or a
    builder created. ``debug`` holds the serialized fields that tfg does not interpret (``experimental_debug_info``,
    ``experimental_type``); they are written back unchanged.
    """

    name: str
    op: str
    inputs: tuple[str, ...] = ()
    attrs: Mapping[str, AttrValue] = field(default_factory=dict[str, AttrValue])
    device: str = ""
    offset: int = field(default=-1, compare=False)
    debug: bytes = b""

    @property
    def data_inputs(self) -> list[Endpoint]:
        return [endpoint(i) for i in self.inputs if not i.startswith("^")]

    @property
    def control_inputs(self) -> list[str]:
        return [i[1:] for i in self.inputs if i.startswith("^")]


class Versions(NamedTuple):
    """A VersionDef: the version of the writer, and the versions that must not read the graph."""

    producer: int = 0
    min_consumer: int = 0
    bad_consumers: tuple[int, ...] = ()


NO_VERSIONS = Versions()

# The views of a graph that higher layers provide, by name; the package registers them.
VIEWS: dict[str, Any] = {}


class Argument(NamedTuple):
    """An OpDef.ArgDef of a function's signature; the fields are those of op_def.proto."""

    name: str
    type: int = 0
    type_attr: str = ""
    number_attr: str = ""
    type_list_attr: str = ""
    is_ref: bool = False
    description: str = ""
    debug: bytes = b""


@dataclass(frozen=True, slots=True)
class FunctionDef:
    """A function of the library: signature, body nodes, and the value that each output returns.

    Inputs of ``body`` nodes are in FunctionDef notation: ``arg``, ``node:output_name:index`` or ``^node``.
    ``unknown_fields`` and ``signature_unknown_fields`` are the serialised fields of the FunctionDef and of its
    OpDef that tfg does not interpret (documentation, attributes of arguments, resource ids); they are written
    back unchanged.
    """

    name: str
    inputs: tuple[Argument, ...]
    outputs: tuple[Argument, ...]
    body: tuple[Node, ...]
    returns: Mapping[str, str]
    control_returns: Mapping[str, str] = field(default_factory=dict[str, str])
    attrs: Mapping[str, AttrValue] = field(default_factory=dict[str, AttrValue])
    is_stateful: bool = False
    signature_unknown_fields: bytes = b""
    unknown_fields: bytes = b""


@dataclass(frozen=True)
class Graph:
    """A GraphDef: nodes in file order, the function library, versions, and the source text.

    ``unknown_fields`` are the serialised fields that tfg does not interpret (debug information, gradients
    registered by name); they are written back unchanged.
    """

    nodes: tuple[Node, ...] = ()
    functions: tuple[FunctionDef, ...] = ()
    gradients: Mapping[str, str] = field(default_factory=dict[str, str])
    versions: Versions = NO_VERSIONS
    source: SourceText | None = field(default=None, compare=False, repr=False)
    unknown_fields: bytes = b""
    index: Mapping[str, Node] = field(init=False, compare=False, repr=False)

    def __repr__(self) -> str:
        return f"<Graph: nodes {len(self.nodes)}, functions {len(self.functions)}>"

    def __post_init__(self) -> None:
        object.__setattr__(self, "index", {node.name: node for node in self.nodes})

    def __contains__(self, name: str) -> bool:
        return name in self.index

    def __getitem__(self, name: str) -> Node:
        """Returns the node of that name. Raises NOT_FOUND, with the most similar name as a hint."""
        node = self.index.get(name)
        if node is None:
            from .names import nothing_called

            raise nothing_called("node", name, self.index)
        return node

    def with_nodes(self, nodes: Iterable[Node]) -> Graph:
        """Returns a graph with other nodes and the same library, versions and source."""
        return replace(self, nodes=tuple(nodes))

    def draw(self, **options: Any) -> Any:
        """Returns a drawing by scopes, which a notebook shows; the options are those of ``visualization.notebook``."""
        return VIEWS["draw"](self, **options)

    def summary(self) -> Any:
        """Returns inputs, outputs, variables and operations as ``tfg show`` lists them; a notebook shows them."""
        return VIEWS["summary"](self)

    def locate(
        self, node: Node | str, *, input: int | None = None, attr: str | None = None
    ) -> Location | None:
        """Returns the location of a node, or of one of its inputs or attributes.

        None for a graph without a source; the file alone for a node that is not in it.
        """
        located = self.index.get(node) if isinstance(node, str) else node
        if self.source is None:
            return None
        if located is None or located.offset < 0:
            return Location(self.source.name)
        return self.source.locate(located.offset, input=input, attr=attr)

    def error_at(
        self, error: TfgError, node: str, *, input: int | None = None, attr: str | None = None
    ) -> TfgError:
        """Returns the error with a node of this graph and its location."""
        return error.at(node, self.locate(node, input=input, attr=attr or error.attr))
