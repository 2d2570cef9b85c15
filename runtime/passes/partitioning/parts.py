"""Parts of a partitioned graph, the transfers between them, and their union.

Parts are connected only by pairs of a send and a receive with equal attributes. Parts may have been edited by
hand, so pairs are matched anew, and faults that would block a step for ever are reported first.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from ....graphfmt.errors import TfgError, invalid
from ....graphfmt.graph import Endpoint, endpoint
from ....graphfmt.names import did_you_mean
from ....kernels.core.inference import infer_graph
from ....kernels.core.op_sets import RECVS, SENDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ....graphfmt.graph import Graph, Node
    from ....kernels.core.facts import Fact


@dataclass(frozen=True)
class Parts:
    """One graph per device, by full device name.

    ``received`` are the facts of each receive's value, inferred from the whole graph: kernels that know as much
    as in the unpartitioned graph give the same bits.
    """

    graphs: Mapping[str, Graph]
    received: Mapping[str, Sequence[Fact]] = field(default_factory=dict[str, "Sequence[Fact]"], compare=False)

    @property
    def nodes(self) -> Iterator[tuple[str, Node]]:
        """Yields every node with the device of its part."""
        return ((device, node) for device, graph in self.graphs.items() for node in graph.nodes)


class TransferKey(NamedTuple):
    """The attributes that match a send to its receive."""

    name: str
    source: str
    target: str

    def __str__(self) -> str:
        return f"{self.name!r} from {self.source} to {self.target}"


class CrossDeviceTransfer(NamedTuple):
    """A send and its receive."""

    ends: TransferKey
    send: Node
    receive: Node


def cross_device_transfers(parts: Parts) -> list[CrossDeviceTransfer]:
    """Returns the pairs of sends and receives. Raises the first of ``part_faults``."""
    for fault in part_faults(parts):
        raise fault
    sends = {transfer_key(node): node for _, node in parts.nodes if _is_send(node)}
    return [
        CrossDeviceTransfer(transfer_key(node), sends[transfer_key(node)], node)
        for _, node in parts.nodes
        if _is_receive(node)
    ]


def part_faults(parts: Parts) -> Iterator[TfgError]:
    """Yields faults that prevent parts from running together: a node placed on another device, a name in two
    parts, and a send or receive without counterpart, or with another dtype or incarnation."""
    yield from _homeless(parts)
    sends: dict[TransferKey, Node] = {}
    receives: dict[TransferKey, Node] = {}
    for device, node in parts.nodes:
        ends_of_kind = sends if _is_send(node) else receives if _is_receive(node) else None
        if ends_of_kind is not None:
            yield from _end_faults(parts, device, node, ends_of_kind)
    for ends, node in receives.items():
        if ends not in sends:
            message = f"{node.name!r} receives {ends}, which no part sends"
            yield _at(parts, ends.target, node, invalid(message, hint=_meant(ends, sends)))
    for ends, node in sends.items():
        receive = receives.get(ends)
        if receive is None:
            message = f"{node.name!r} sends {ends}, which no part receives"
            yield _at(parts, ends.source, node, invalid(message, hint=_meant(ends, receives)))
        else:
            yield from _disagreements(parts, ends, node, receive)


def _homeless(parts: Parts) -> Iterator[TfgError]:
    home: dict[str, str] = {}
    for device, node in parts.nodes:
        if node.device != device:
            message = (
                f"node {node.name!r} in the part of {device} is placed on {node.device or 'no device'!r}"
            )
            yield _at(parts, device, node, invalid(message))
        if home.setdefault(node.name, device) != device:
            message = f"Node {node.name!r} is not unique: the parts of {home[node.name]} and {device} have it"
            yield _at(parts, device, node, invalid(message))


def _end_faults(
    parts: Parts, device: str, node: Node, ends_of_kind: dict[TransferKey, Node]
) -> Iterator[TfgError]:
    """Yields the faults of a single send or receive; records it in ``found`` if it has none."""
    try:
        ends = transfer_key(node)
    except TfgError as error:
        yield _at(parts, device, node, error)
        return
    mine = ends.source if _is_send(node) else ends.target
    what = "sends" if _is_send(node) else "receives"
    if mine != device:
        yield _at(parts, device, node, invalid(f"{node.name!r} {what} {ends}, but it is on {device}"))
    elif _is_send(node) and not node.data_inputs:
        yield _at(parts, device, node, invalid(f"{node.name!r} {what} {ends}, but has no input"))
    elif ends in ends_of_kind:
        message = f"{node.name!r} {what} {ends}, and so does {ends_of_kind[ends].name!r}"
        yield _at(parts, device, node, invalid(message))
    else:
        ends_of_kind[ends] = node


def _disagreements(parts: Parts, ends: TransferKey, send: Node, receive: Node) -> Iterator[TfgError]:
    sent, received = send.attrs.get("T"), receive.attrs.get("tensor_type")
    if sent != received:
        message = f"{receive.name!r} receives {ends} as {received}, but {send.name!r} sends {sent}"
        yield _at(parts, ends.target, receive, invalid(message))
    there, here = (node.attrs.get("send_device_incarnation") for node in (send, receive))
    if there != here:
        message = f"{receive.name!r} receives {ends} of incarnation {here}, but {send.name!r} is of {there}"
        yield _at(parts, ends.target, receive, invalid(message))


def transfer_key(node: Node) -> TransferKey:
    """Returns the key of a send or receive. Raises INVALID_ARGUMENT if attributes are missing."""
    values = [node.attrs.get(name) for name in ("tensor_name", "send_device", "recv_device")]
    texts = [value.decode("utf-8", "replace") for value in values if isinstance(value, bytes)]
    if len(texts) < 3 or not all(texts) or any(";" in text for text in texts):
        raise invalid(
            f"{node.op} needs the attrs tensor_name, send_device and recv_device, texts without a semicolon"
        )
    return TransferKey(*texts)


def _is_send(node: Node) -> bool:
    return node.op in SENDS and node.attrs.get("client_terminated") is not True


def _is_receive(node: Node) -> bool:
    return node.op in RECVS and node.attrs.get("client_terminated") is not True


def _meant(ends: TransferKey, others: Mapping[TransferKey, Node]) -> str | None:
    return did_you_mean(ends.name, [other.name for other in others if other.name != ends.name])


def _at(parts: Parts, device: str, node: Node, error: TfgError) -> TfgError:
    return parts.graphs[device].error_at(error, node.name)


def join_parts(parts: Parts) -> Graph:
    """Returns one graph that computes the same as the parts: without sends and receives, whose readers read the
    sent value.

    Nodes keep their devices, so partitioning gives equivalent parts again. Raises the first of ``part_faults``,
    and INVALID_ARGUMENT for a cycle of transfers.
    """
    sent = _origins(parts)
    whole = union_graph(parts)
    return whole.with_nodes(
        _reading_what_is_sent(node, sent) for node in whole.nodes if not (_is_send(node) or _is_receive(node))
    )


def _origins(parts: Parts) -> dict[str, str]:
    """Returns the input that each receive stands for: the original one, if parts forward it."""
    pairs = {pair.receive.name: pair for pair in cross_device_transfers(parts)}
    origins: dict[str, str] = {}
    for name, pair in pairs.items():
        passed = {name}
        text = pair.send.inputs[0]
        while (earlier := pairs.get(endpoint(text).node)) is not None:
            if earlier.receive.name in passed:
                message = f"{name!r} waits for itself: the parts forward its tensor in a cycle, and none computes it"
                raise _at(parts, pair.ends.target, pair.receive, invalid(message))
            passed.add(earlier.receive.name)
            text = earlier.send.inputs[0]
        origins[name] = text
    return origins


def _reading_what_is_sent(node: Node, sent: Mapping[str, str]) -> Node:
    inputs: list[str] = []
    for text in node.inputs:
        source = endpoint(text)
        origin = sent.get(source.node)
        if origin is None:
            inputs.append(text)
        elif source.is_control:
            inputs.append(str(Endpoint(endpoint(origin).node, -1)))
        else:
            inputs.append(origin)
    return node if tuple(inputs) == node.inputs else replace(node, inputs=tuple(inputs))


def union_graph(parts: Parts) -> Graph:
    """Returns all nodes of the parts in one graph, with sends and receives; a single executor can run it."""
    graphs = list(parts.graphs.values())
    functions = {f.name: f for graph in graphs for f in graph.functions}
    gradients = {name: gradient for graph in graphs for name, gradient in graph.gradients.items()}
    nodes = [node for _, node in parts.nodes]
    whole = replace(graphs[0], nodes=tuple(nodes), functions=tuple(functions.values()), gradients=gradients)
    if all(graph.source is whole.source for graph in graphs):
        return whole
    # One source text cannot locate nodes of several files.
    return replace(whole, nodes=tuple(replace(node, offset=-1) for node in nodes), source=None)


def with_received_facts(parts: Parts) -> Parts:
    """Returns the parts with facts of their receives, inferred from all parts together.

    Raises the first of ``part_faults``, and faults found by inference.
    """
    facts = infer_graph(join_parts(parts))
    received = {pair.receive.name: _sent(facts, pair.send) for pair in cross_device_transfers(parts)}
    return replace(parts, received=received)


def _sent(facts: Mapping[str, Sequence[Fact]], send: Node) -> Sequence[Fact]:
    source = endpoint(send.inputs[0])
    fact = facts[source.node][source.port]
    return (fact._replace(dtype=fact.dtype.base),)
