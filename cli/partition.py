"""``tfg partition``: splits a graph into one runnable graph per device."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..graphfmt.files import STANDARD
from ..graphfmt.names import counted
from ..runtime.passes.partitioning.folder import read_parts, write_parts
from ..runtime.passes.partitioning.partition import partition
from ..runtime.passes.partitioning.parts import cross_device_transfers
from ..runtime.passes.partitioning.recv_schedule import schedule_receives
from ..runtime.passes.partitioning.transfer_compression import WIRES
from .common import completions, values
from .common.console import UsageError, note, plain, print_json, say
from .common.graphs import load_checked
from .common.machines import chosen_machine, cluster_option, devices_option
from .common.options import (
    FeedOptions,
    FetchOptions,
    common_options,
    feed_options,
    fetch_options,
    graph_argument,
    init_option,
    soft_option,
    strict_option,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from ..graphfmt.graph import Graph
    from ..runtime.multi_device.devices import DeviceSource
    from ..runtime.multi_device.proof import Proof, StepRequest
    from ..runtime.passes.partitioning.parts import Parts


@click.command("partition")
@graph_argument
@devices_option
@cluster_option
@click.option(
    "-o", "--output", metavar="DIR", required=True, shell_complete=completions.paths, help="Output folder."
)
@click.option(
    "--wire",
    type=click.Choice(list(WIRES)),
    help="Send float32 between devices in this format, which has lower precision.",
)
@click.option(
    "--eager-receives", is_flag=True, help="Start receives with the step instead of when they are needed."
)
@click.option(
    "--prove", is_flag=True, help="Run the graph and its parts, and compare the results bit by bit."
)
@fetch_options
@feed_options
@init_option
@soft_option
@strict_option
@common_options
def command(graph: str, **options: Any) -> None:
    """Split GRAPH, whose nodes have devices, into one graph per device, connected by _Send and _Recv.

    \b
    tfg place train.pbtxt --devices cpu:2 -o - | tfg partition - -o parts/ --prove
    tfg run parts/ --init init --target train --feed x=@x.npy

    The folder has one graph per device and manifest.json; `tfg run DIR` runs them together. --prove runs the steps
    that --init, --fetch, --target and the feeds describe, as `tfg run` would. By default it generates feeds,
    initializes the variables, and fetches all outputs that no node reads.
    """
    _PartitionRun(graph, _PartitionOptions(**options)).execute()


@dataclass(frozen=True)
class _PartitionOptions:
    devices: str | None
    cluster: str | None
    output: str
    wire: str | None
    eager_receives: bool
    prove: bool
    fetch: FetchOptions
    feed: FeedOptions
    init: tuple[str, ...]
    soft: bool
    as_json: bool
    verbose: int


class _PartitionRun:
    """One call of the command."""

    def __init__(self, path: str, options: _PartitionOptions) -> None:
        self.path = path
        self.options = options

    def execute(self) -> None:
        options = self.options
        self._check()
        graph = self._placed(load_checked(self.path))
        parts = partition(graph, wire=options.wire)
        if not options.eager_receives:
            parts = schedule_receives(parts)
        files = write_parts(parts, options.output, graph, name=self.path, wire=options.wire)
        proof = self._prove(graph) if options.prove else None
        self._print_summary(parts, files, proof)
        if proof is not None and proof.differences:
            raise click.exceptions.Exit(1)

    def _placed(self, graph: Graph) -> Graph:
        """Places the graph first where --devices or --cluster is given."""
        machine = chosen_machine(self.options.devices, self.options.cluster)
        if machine is None:
            return graph
        from ..runtime.passes.placement.place import PlacementOptions, place

        return place(graph, machine, options=PlacementOptions(soft=self.options.soft)).graph

    def _check(self) -> None:
        options = self.options
        if options.output == STANDARD:
            raise UsageError("-o is a folder; the parts cannot go to standard output")
        fetch, feed = options.fetch, options.feed
        if not options.prove and (fetch.fetches or fetch.targets or feed.feeds or feed.archives):
            raise UsageError("--fetch, --target, --feed and --feeds need --prove")

    def _prove(self, graph: Graph) -> Proof:
        """Runs the graph and the parts, as read from their files, and compares the results."""
        from ..runtime.multi_device.proof import Proof, StepRequest, everything, initialisers

        options = self.options
        proof = Proof(graph, read_parts(options.output), self._tasks())
        feeds = _ProofFeeds(options.feed)
        fetch = options.fetch
        steps = [StepRequest(fetch.fetches, fetch.targets)] if fetch.fetches or fetch.targets else []
        first = options.init or initialisers(graph)
        for request in [
            *(StepRequest((), (name,)) for name in first),
            *(steps or everything(graph, feeds.names)),
        ]:
            proof.step(request, feeds.values(graph, proof, request))
        proof.compare_state()
        proof.close()
        return proof

    def _tasks(self) -> DeviceSource | None:
        """The tasks on which --cluster runs the parts; None for devices of this process."""
        if self.options.cluster is None:
            return None
        from ..runtime.cluster.spec import parse_cluster

        return parse_cluster(self.options.cluster)

    def _print_summary(self, parts: Parts, files: Sequence[Path], proof: Proof | None) -> None:
        count = len(cross_device_transfers(parts))
        if self.options.as_json:
            print_json({"folder": self.options.output, **_json_fields(parts, files, count, proof)})
            return
        note(
            f"{plain(self.options.output)}: {counted(len(parts.graphs), 'part')}, {counted(count, 'transfer')}"
        )
        if proof is None:
            return
        for difference in proof.differences:
            say(plain(f"differs: {difference}"))
        note(f"compared: {counted(proof.compared, 'value')}; different: {len(proof.differences)}")


def _json_fields(parts: Parts, files: Sequence[Path], count: int, proof: Proof | None) -> dict[str, Any]:
    document: dict[str, Any] = {
        "parts": [
            {"file": str(file), "device": device, "nodes": len(part.nodes)}
            for file, (device, part) in zip(files, parts.graphs.items())
        ],
        "transfers": count,
    }
    if proof is not None:
        differences = [difference._asdict() for difference in proof.differences]
        document["proof"] = {"compared": proof.compared, "differences": differences}
    return document


class _ProofFeeds:
    """The feeds of ``--prove``: those given, and random ones for other placeholders. Each is read once."""

    def __init__(self, options: FeedOptions) -> None:
        self._feeds = values.parse_feeds(options.feeds, options.archives)
        self._random = values.Randomness(options.seed)
        self._arrays: dict[str, Any] = {}

    @property
    def names(self) -> Collection[str]:
        """The names of the fed nodes."""
        return {name.removesuffix(":0") for name in self._feeds}

    def values(self, graph: Graph, proof: Proof, request: StepRequest) -> Mapping[str, Any]:
        """Returns all feeds that are known after adding those that a step needs."""
        for name in request.placeholders(graph, list(self._feeds)):
            self._feeds[name] = values.parse_feed(f"{name}=random")
        for feed in proof.feeds(request, list(self._feeds)):
            if feed.name not in self._arrays:
                self._arrays[feed.name] = self._feeds[feed.name].read(feed, self._random)
        return dict(self._arrays)
