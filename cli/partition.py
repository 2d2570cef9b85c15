"""``tfg partition``: one runnable graph per device."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from ..graphfmt.files import STANDARD
from ..graphfmt.load import load
from ..graphfmt.names import counted
from ..runtime.passes.partitioning.folder import read_parts, write_parts
from ..runtime.passes.partitioning.partition import partition
from ..runtime.passes.partitioning.parts import cross_device_transfers
from ..runtime.passes.partitioning.recv_schedule import schedule_receives
from ..runtime.passes.partitioning.transfer_compression import WIRES
from .common import values
from .common.console import UsageError, note, plain, print_json
from .common.options import common, feed_options, graph_argument, init_option, work_options

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from ..graphfmt.graph import Graph
    from ..runtime.multi_device.proof import Proof, StepRequest
    from ..runtime.passes.partitioning.parts import Parts


@click.command("partition")
@graph_argument
@click.option("--devices", metavar="SPEC", help="Place the graph first: cpu:2, cpu:4,gpu:1, or a file.")
@click.option("-o", "--output", metavar="DIR", required=True, help="The folder that the parts go to.")
@click.option(
    "--wire", type=click.Choice(list(WIRES)), help="Send float32 between devices as this; loses precision."
)
@click.option(
    "--eager-receives", is_flag=True, help="Let receives begin with the step, not when they are needed."
)
@click.option("--prove", is_flag=True, help="Run the whole and the parts, and compare them bit by bit.")
@work_options
@feed_options
@init_option
@common
def command(graph: str, **options: Any) -> None:
    """Cut GRAPH, whose nodes have devices, into one graph per device, joined by _Send and _Recv.

    \b
    tfg place train.pbtxt --devices cpu:2 -o - | tfg partition - -o parts/ --prove
    tfg run parts/ --init init --target train --feed x=@x.npy

    The folder has a graph per device and manifest.json; `tfg run DIR` runs them together. --prove runs what
    --init, --fetch, --target and the feeds say, as `tfg run` would. Where it is not told, it makes up feeds,
    gives variables their first values, and fetches all that no node reads.
    """
    _Partition(graph, _Options(**options)).execute()


class _Options(NamedTuple):
    devices: str | None
    output: str
    wire: str | None
    eager_receives: bool
    prove: bool
    fetches: tuple[str, ...]
    targets: tuple[str, ...]
    feeds: tuple[str, ...]
    archives: tuple[str, ...]
    seed: int
    init: tuple[str, ...]
    as_json: bool
    verbose: int


class _Partition:
    """One call of the command."""

    def __init__(self, path: str, options: _Options) -> None:
        self.path = path
        self.options = options

    def execute(self) -> None:
        options = self.options
        self._check()
        graph = _placed(load(self.path), options.devices)
        parts = partition(graph, wire=options.wire)
        if not options.eager_receives:
            parts = schedule_receives(parts)
        files = write_parts(parts, options.output, graph, name=self.path, wire=options.wire)
        proof = self._prove(graph) if options.prove else None
        self._tell(parts, files, proof)
        if proof is not None and proof.differences:
            raise click.exceptions.Exit(1)

    def _check(self) -> None:
        options = self.options
        if options.output == STANDARD:
            raise UsageError("the parts are several files, which cannot go to standard output")
        if not options.prove and (options.fetches or options.targets or options.feeds or options.archives):
            raise UsageError("--fetch, --target and feeds say what --prove runs, so they need --prove")

    def _prove(self, graph: Graph) -> Proof:
        """Runs the parts as they are in their files beside the whole."""
        from ..runtime.multi_device.proof import Proof, StepRequest, everything, initialisers

        options = self.options
        proof = Proof(graph, read_parts(options.output))
        given = _Feeds(options)
        steps = [StepRequest(options.fetches, options.targets)] if options.fetches or options.targets else []
        first = options.init or initialisers(graph)
        for asked in [
            *(StepRequest((), (name,)) for name in first),
            *(steps or everything(graph, given.names)),
        ]:
            proof.step(asked, given.values(graph, proof, asked))
        proof.compare_state()
        return proof

    def _tell(self, parts: Parts, files: Sequence[Path], proof: Proof | None) -> None:
        count = len(cross_device_transfers(parts))
        if self.options.as_json:
            print_json({"folder": self.options.output, **_described(parts, files, count, proof)})
            return
        note(
            f"{plain(self.options.output)}: {counted(len(parts.graphs), 'part')}, {counted(count, 'transfer')}"
        )
        if proof is None:
            return
        for difference in proof.differences:
            click.echo(plain(f"differs: {difference}"))
        what = "values and states" if proof.compared != 1 else "value or state"
        note(f"{proof.compared} {what} compared, {len(proof.differences)} of them differ")


def _placed(graph: Graph, devices: str | None) -> Graph:
    if devices is None:
        return graph
    from ..runtime.passes.placement.machine.machine import parse_devices
    from ..runtime.passes.placement.place import place

    return place(graph, parse_devices(devices)).graph


def _described(parts: Parts, files: Sequence[Path], count: int, proof: Proof | None) -> dict[str, Any]:
    found: dict[str, Any] = {
        "parts": [
            {"file": str(file), "device": device, "nodes": len(part.nodes)}
            for file, (device, part) in zip(files, parts.graphs.items())
        ],
        "transfers": count,
    }
    if proof is not None:
        differences = [difference._asdict() for difference in proof.differences]
        found["proof"] = {"compared": proof.compared, "differences": differences}
    return found


class _Feeds:
    """The values to feed: those given, and made-up ones for what is not. Each is read or made once."""

    def __init__(self, options: _Options) -> None:
        self._given = values.parse_feeds(options.feeds, options.archives)
        self._random = values.Randomness(options.seed)
        self._known: dict[str, Any] = {}

    @property
    def names(self) -> Collection[str]:
        return {name.removesuffix(":0") for name in self._given}

    def values(self, graph: Graph, proof: Proof, asked: StepRequest) -> Mapping[str, Any]:
        for name in asked.placeholders(graph, list(self._given)):
            self._given[name] = values.parse_feed(f"{name}=random")
        for feed in proof.feeds(asked, list(self._given)):
            if feed.name not in self._known:
                self._known[feed.name] = self._given[feed.name].read(feed, self._random)
        return dict(self._known)
