"""What a graph is: nodes that name their inputs. All of it is immutable; a pass makes a new graph."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from .attributes import AttrValue
from .errors import Location, TfgError, invalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .text.source import SourceText


# What graphs written here claim as their producer; TensorFlow has accepted it since 2.0.
PRODUCER = 1087


class Endpoint(NamedTuple):
    """One output of a node: ``name:port``. Port -1 is the control output, ``^name``."""

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
    """Reads ``node``, ``node:1`` or ``^node``. Raises INVALID_ARGUMENT for anything else."""
    match = _ENDPOINT.fullmatch(text)
    if match is None or (match[1] and match[3]):
        raise invalid(f"{text!r} is not of the form node, node:port or ^node")
    return Endpoint(match[2], -1 if match[1] else int(match[3] or 0))


@dataclass(frozen=True, slots=True)
class Node:
    """A NodeDef. ``inputs`` are written as in the file; data inputs come first, control inputs last.

    ``offset`` is where the node begins in the text that the graph was read from, -1 for a node that a pass
    or a builder made. ``debug`` holds the fields that mean nothing here but must survive
    (``experimental_debug_info``, ``experimental_type``), serialised.
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
    """VersionDef: who wrote the graph, and who must not read it."""

    producer: int = 0
    min_consumer: int = 0
    bad_consumers: tuple[int, ...] = ()


NO_VERSIONS = Versions()


class Argument(NamedTuple):
    """OpDef.ArgDef of a function's signature; ``type_attr`` and the others as in op_def.proto."""

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
    """A function of the library: signature, body nodes, and what each output returns.

    ``body`` inputs are written as FunctionDefs do: ``arg``, ``node:output_name:index`` or ``^node``.
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
    """A GraphDef: nodes in file order, the function library, versions, and the text they came from.

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

    def __post_init__(self) -> None:
        object.__setattr__(self, "index", {node.name: node for node in self.nodes})

    def __contains__(self, name: str) -> bool:
        return name in self.index

    def __getitem__(self, name: str) -> Node:
        """The node of that name. Raises NOT_FOUND with the nearest name there is."""
        node = self.index.get(name)
        if node is None:
            from .names import nothing_called

            raise nothing_called("node", name, self.index)
        return node

    def with_nodes(self, nodes: Iterable[Node]) -> Graph:
        """The same library, versions and source around other nodes."""
        return replace(self, nodes=tuple(nodes))

    def locate(
        self, node: Node | str, *, input: int | None = None, attr: str | None = None
    ) -> Location | None:
        """Where a node, or one of its inputs or attributes, stands in the file; None for made nodes."""
        found = self.index.get(node) if isinstance(node, str) else node
        if self.source is None:
            return None
        if found is None or found.offset < 0:
            return Location(self.source.name)
        return self.source.locate(found.offset, input=input, attr=attr)

    def error_at(
        self, error: TfgError, node: str, *, input: int | None = None, attr: str | None = None
    ) -> TfgError:
        """The error, placed at a node of this graph."""
        return error.at(node, self.locate(node, input=input, attr=attr))
