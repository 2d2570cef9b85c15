"""``tfg simulate``: predicts training on many workers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from ..graphfmt.errors import TfgError
from .common import completions, quantities
from .common.console import UsageError, note, print_json
from .common.options import FetchOptions, common_options, fetch_options
from .common.output_paths import check_output_path
from .common.quantities import parse_share, parse_time
from .common.scaling_report import Forecast, print_scaling, scaling_fields

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..runtime.simulation.scaling import Scaling, StepComparison
    from ..runtime.simulation.scenario import Scenario, Workload

_MOST_WORKERS = 100_000
_RANGE = re.compile(r"(\d{1,6}):(\d{1,6})")
_LIST = re.compile(r"\d{1,6}(,\d{1,6})*")


def _worker_numbers(context: click.Context, option: click.Parameter, text: str) -> tuple[int, ...]:
    """A click callback: the numbers of ``1,10,50``; of ``1:100``, the ends, and 1, 2 and 5 of each decade."""
    numbers = _numbers(text, [digit * 10**power for power in range(6) for digit in (1, 2, 5)])
    if not numbers or not 1 <= numbers[0] <= numbers[-1] <= _MOST_WORKERS:
        raise click.BadParameter(
            f"{text!r} is not a range such as 1:100, nor a list such as 1,10,50, of at most {_MOST_WORKERS} workers",
            context,
            option,
        )
    return numbers


def _backup_numbers(context: click.Context, option: click.Parameter, text: str) -> tuple[int, ...]:
    """A click callback: the numbers of ``0,2,4`` or ``0:6``."""
    numbers = _numbers(text, range(1001))
    if not numbers or numbers[-1] > 1000:
        raise click.BadParameter(
            f"{text!r} is not a range such as 0:6, nor a list such as 0,2,4", context, option
        )
    return numbers


def _numbers(text: str, inner: Sequence[int]) -> tuple[int, ...]:
    if match := _RANGE.fullmatch(text):
        low, high = int(match[1]), int(match[2])
        return tuple(sorted({low, high, *(n for n in inner if low < n < high)})) if low <= high else ()
    return tuple(sorted({int(n) for n in text.split(",")})) if _LIST.fullmatch(text) else ()


def _stragglers(context: click.Context, option: click.Parameter, text: str | None) -> tuple[float, float]:
    """A click callback: the probability and the slowdown of ``6%:25%``."""
    if text is None:
        return 0.0, 0.0
    share, _, slowdown = text.partition(":")
    try:
        probability, longer = parse_share(share), parse_share(slowdown)
    except ValueError:
        probability, longer = 2.0, 0.0
    if probability > 1:
        raise click.BadParameter(
            f"{text!r} is not a share of workers and how much longer they take, such as 6%:25%",
            context,
            option,
        )
    return probability, longer


def _measured(context: click.Context, option: click.Parameter, texts: tuple[str, ...]) -> Mapping[int, float]:
    """A click callback: measured seconds by number of workers, of ``4=5.2ms``."""
    measured: dict[int, float] = {}
    for text in texts:
        workers, _, time = text.partition("=")
        try:
            seconds = parse_time(time)
        except TfgError:
            seconds = 0.0
        if not re.fullmatch(r"\d{1,6}", workers) or not 1 <= int(workers) <= _MOST_WORKERS or not seconds:
            raise click.BadParameter(f"{text!r} is not WORKERS=TIME, such as 4=5.2ms", context, option)
        measured[int(workers)] = seconds
    return measured


@click.command("simulate")
@click.argument("graph", metavar="[GRAPH]", type=click.Path(allow_dash=True), required=False)
@fetch_options
@click.option(
    "--batch",
    metavar="N",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Examples in a worker's step; size of unknown dimensions.",
)
@click.option(
    "--costs",
    metavar="TRACE.json",
    shell_complete=completions.paths,
    help="Measured costs of GRAPH's nodes: a trace written by tfg run --trace.",
)
@click.option(
    "--compute",
    metavar="TIME",
    callback=quantities.time,
    help="Computing time of a worker's step. Default: GRAPH's.",
)
@click.option(
    "--parameters",
    metavar="SIZE",
    callback=quantities.size,
    help="Bytes that a worker fetches, and sends back as gradients. Default: GRAPH's.",
)
@click.option(
    "--fetched", metavar="SIZE", callback=quantities.size, help="Bytes that a worker fetches in a step."
)
@click.option(
    "--pushed", metavar="SIZE", callback=quantities.size, help="Bytes that it sends to the servers."
)
@click.option(
    "--workers",
    metavar="A:B|N,...",
    callback=_worker_numbers,
    default="1:100",
    show_default=True,
    help="Numbers of workers.",
)
@click.option(
    "--servers",
    metavar="N",
    type=click.IntRange(1, _MOST_WORKERS),
    default=1,
    show_default=True,
    help="Number of parameter servers.",
)
@click.option(
    "--backup",
    metavar="A:B|N,...",
    callback=_backup_numbers,
    default="0",
    show_default=True,
    help="Numbers of backup workers, the last of whose gradients a step drops.",
)
@click.option("--asynchronous", is_flag=True, help="Workers wait for the servers, not for each other.")
@click.option(
    "--latency",
    metavar="TIME",
    callback=quantities.time,
    default="100us",
    show_default=True,
    help="Time of a message one way.",
)
@click.option(
    "--bandwidth",
    metavar="RATE",
    callback=quantities.rate,
    default="1GB/s",
    show_default=True,
    help="Rate of a worker's link.",
)
@click.option(
    "--server-bandwidth",
    metavar="RATE",
    callback=quantities.rate,
    help="Rate of a server's link. Default: a worker's.",
)
@click.option(
    "--overhead", metavar="TIME", callback=quantities.time, default="0", help="Further time of a step."
)
@click.option(
    "--fan-out",
    metavar="TIME",
    callback=quantities.time,
    default="0",
    help="Further time of a step for each worker.",
)
@click.option(
    "--jitter",
    metavar="SHARE",
    callback=quantities.share,
    default="0",
    help="Standard deviation of computing times: 3%.",
)
@click.option(
    "--stragglers",
    metavar="SHARE:SHARE",
    callback=_stragglers,
    help="Share of the workers' steps that straggle, and how much longer they take: 6%:25%.",
)
@click.option(
    "--mtbf",
    metavar="TIME",
    callback=quantities.time,
    help="Mean time between failures of one task. Default: none fails.",
)
@click.option(
    "--restart-time",
    metavar="TIME",
    callback=quantities.time,
    default="0",
    help="Time from a failure to the next step.",
)
@click.option(
    "--checkpoint-time",
    metavar="TIME",
    callback=quantities.time,
    default="0",
    help="Time that a checkpoint takes.",
)
@click.option(
    "--every", metavar="TIME", callback=quantities.time, help="Time between checkpoints. Default: the best."
)
@click.option(
    "--measured",
    metavar="N=TIME",
    multiple=True,
    callback=_measured,
    help="A measured step of N workers, to state the error of the prediction. Repeatable.",
)
@click.option("--fit", is_flag=True, help="Choose --overhead and --fan-out by the measured steps.")
@click.option(
    "--samples",
    metavar="N",
    type=click.IntRange(1, 1_000_000),
    default=2000,
    show_default=True,
    help="Steps drawn for each number of workers.",
)
@click.option(
    "--seed",
    metavar="N",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Seed of the random numbers.",
)
@click.option(
    "--svg",
    metavar="OUT.svg",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw time of a step and throughput by number of workers.",
)
@common_options
def command(**options: Any) -> None:
    """Predict training on many workers, with parameter servers: time of a step, throughput, where it saturates.

    \b
    tfg simulate train.pbtxt --target train --batch 64 --workers 1:100 --servers 4
    tfg simulate --compute 1.3s --parameters 95MB --workers 50 --servers 17 --stragglers 6%:31% --backup 0:5
    tfg simulate --parameters 4MB --workers 1:50 --measured 1=12ms --measured 2=14ms --measured 4=19ms --fit

    A worker's step is a step of GRAPH, on one CPU, or is given by numbers. `tfg help clusters` describes the model.
    """
    parsed = _SimulateOptions(**options)
    parsed.check()
    from ..runtime.simulation.scaling import compare, fit, predict_scaling

    scenario = _scenario(parsed)
    if parsed.fit:
        scenario = fit(scenario, parsed.measured)
    scaling = predict_scaling(scenario, parsed.workers, parsed.backup)
    comparisons = compare(scenario, parsed.measured, fitted=parsed.fit)
    if parsed.svg is not None:
        _draw(scaling, comparisons, parsed.svg, parsed.graph)
    if parsed.as_json:
        print_json(scaling_fields(Forecast(scenario, scaling, comparisons)))
    else:
        print_scaling(Forecast(scenario, scaling, comparisons), fitted=parsed.fit)
        if parsed.svg is not None:
            note(f"drawing: {parsed.svg}")


class _SimulateOptions(NamedTuple):
    graph: str | None
    fetch: FetchOptions
    batch: int
    costs: str | None
    compute: float | None
    parameters: int | None
    fetched: int | None
    pushed: int | None
    workers: tuple[int, ...]
    servers: int
    backup: tuple[int, ...]
    asynchronous: bool
    latency: float
    bandwidth: float
    server_bandwidth: float | None
    overhead: float
    fan_out: float
    jitter: float
    stragglers: tuple[float, float]
    mtbf: float | None
    restart_time: float
    checkpoint_time: float
    every: float | None
    measured: Mapping[int, float]
    fit: bool
    samples: int
    seed: int
    svg: Path | None
    as_json: bool
    verbose: int

    def check(self) -> None:
        """Raises UsageError for options that do not go together, NOT_FOUND for a drawing in a missing folder."""
        numbers = (self.compute, self.parameters, self.fetched, self.pushed)
        if self.graph is None and all(number is None for number in numbers):
            raise UsageError("nothing is simulated", hint="give a GRAPH, or --compute and --parameters")
        if self.graph is None and (self.costs is not None or any(self.fetch)):
            raise UsageError("--costs, --fetch and --target need a GRAPH")
        if self.asynchronous and self.backup != (0,):
            raise UsageError("asynchronous workers need no --backup: they do not wait for each other")
        if self.fit and not self.measured:
            raise UsageError("--fit needs --measured")
        if self.svg is not None:
            check_output_path(self.svg)


def _scenario(options: _SimulateOptions) -> Scenario:
    from ..runtime.simulation.scenario import Network, Reliability, Scenario, Variability

    probability, slowdown = options.stragglers
    return Scenario(
        _workload(options),
        Network(
            options.servers,
            options.latency,
            options.bandwidth,
            options.server_bandwidth or options.bandwidth,
            options.overhead,
            options.fan_out,
        ),
        Variability(options.jitter, probability, slowdown),
        Reliability(
            options.mtbf or float("inf"), options.restart_time, options.checkpoint_time, options.every
        ),
        not options.asynchronous,
        options.samples,
        options.seed,
    )


def _workload(options: _SimulateOptions) -> Workload:
    """The numbers of the command line, and the graph's where it gives none."""
    from ..runtime.simulation.scenario import Workload

    graph = Workload(items=options.batch) if options.graph is None else _graph_workload(options)
    fetched = options.parameters if options.fetched is None else options.fetched
    pushed = options.parameters if options.pushed is None else options.pushed
    return Workload(
        graph.compute if options.compute is None else options.compute,
        graph.fetched if fetched is None else fetched,
        graph.pushed if pushed is None else pushed,
        options.batch,
    )


def _graph_workload(options: _SimulateOptions) -> Workload:
    from ..runtime.passes.placement.costs.measured_costs import read_measurements
    from ..runtime.passes.placement.machine.machine import parse_devices
    from ..runtime.simulation.graph_workload import workload_of
    from .common.graphs import load_checked

    assert options.graph is not None
    graph = load_checked(options.graph)
    step = (*options.fetch.fetches, *options.fetch.targets)
    costs = read_measurements(options.costs).costs if options.costs else None
    return workload_of(graph, step, parse_devices("cpu:1"), batch=options.batch, costs=costs)


def _draw(scaling: Scaling, comparisons: Sequence[StepComparison], path: Path, graph: str | None) -> None:
    from ..graphfmt.files import write_file
    from ..runtime.visualization.scaling_plot import draw_scaling

    title = "Training on many workers" if graph is None else f"{Path(graph).name} on many workers"
    write_file(path, draw_scaling(scaling, title, comparisons).encode())
