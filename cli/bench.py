"""``tfg bench``: times the steps of a graph."""

from __future__ import annotations

import resource
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from ..graphfmt.units import human_bytes, human_seconds
from .common import completions
from .common.console import UsageError, note, plain, print_json
from .common.options import (
    FeedOptions,
    FetchOptions,
    check_devices,
    common_options,
    feed_options,
    fetch_options,
    graph_argument,
    init_option,
)
from .common.tables import print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..runtime.execution.step_timing import Ratio, SampleLimit, Timing
    from .running.bench_subject import BenchSubject


def _numbers(context: click.Context, option: click.Parameter, text: str | None) -> tuple[int, ...]:
    """A click callback: the numbers of a list ``1,8,32``."""
    if text is None:
        return ()
    numbers = text.split(",")
    if not all(number.isdecimal() and 1 <= int(number) <= 1 << 20 for number in numbers):
        raise click.BadParameter(f"{text!r} is not a list of numbers such as 1,8,32", context, option)
    return tuple(map(int, numbers))


_SWITCH = ("on", "off")


@click.command("bench")
@graph_argument
@fetch_options
@feed_options
@click.option(
    "--signature",
    metavar="NAME",
    shell_complete=completions.signatures,
    help="Run this signature of a model.",
)
@init_option
@click.option(
    "--batch", metavar="N,...", callback=_numbers, help="Sizes of the open first dimension of feeds."
)
@click.option("--threads", metavar="N,...", callback=_numbers, help="Numbers of threads for one computation.")
@click.option("--workers", metavar="N,...", callback=_numbers, help="Numbers of steps that run at once.")
@click.option("--steps", metavar="N", type=click.IntRange(min=1), help="Time this many steps.")
@click.option(
    "--seconds", type=click.FloatRange(min=0), default=2.0, show_default=True, help="Time steps for so long."
)
@click.option(
    "--warm-up", metavar="N", type=click.IntRange(min=0), default=3, show_default=True, help="Untimed steps."
)
@click.option(
    "--against",
    metavar="GRAPH",
    shell_complete=completions.paths,
    help="Time another graph in turn, and print the ratio.",
)
@click.option(
    "--devices",
    metavar="SPEC",
    callback=check_devices,
    shell_complete=completions.devices,
    help="Run on these devices.",
)
@click.option(
    "--b-devices",
    metavar="SPEC",
    callback=check_devices,
    shell_complete=completions.devices,
    help="Run the other graph, or without --against this one once more, on these devices.",
)
@click.option(
    "--optimize",
    type=click.Choice(_SWITCH),
    default="on",
    show_default=True,
    help="Optimize and compile the plan.",
)
@click.option(
    "--b-optimize", type=click.Choice(_SWITCH), help="The same for the other graph, or this one once more."
)
@common_options
def command(graph: str, **options: Any) -> None:
    """Time the steps of GRAPH: percentiles, throughput, first step, peak memory.

    \b
    tfg bench model.pb --batch 1,8,32
    tfg bench model.pbtxt --fetch logits --against optimized.pb --json
    tfg bench model.pb --b-optimize off

    Without --fetch, --target and --signature, the outputs that `tfg show` names are computed. Feeds that are not given
    are made up, and variables initialized. With --against or a setting of B, the two take turns step by step.
    """
    parsed = _BenchOptions(**options)
    if parsed.workers and parsed.has_other:
        raise UsageError("--workers excludes --against and the settings of B")
    from ..kernels.core.parallel import POOL

    subjects = [_subject(graph, parsed, parsed.devices, parsed.optimize)]
    if parsed.has_other:
        other = (parsed.b_devices or parsed.devices, parsed.b_optimize or parsed.optimize)
        subjects.append(_subject(parsed.against or graph, parsed, *other))
    before = POOL.limit(None)
    rows: list[_BenchRow] = []
    try:
        for batch in parsed.batch or (None,):
            for threads in parsed.threads or (None,):
                POOL.limit(threads)
                for workers in parsed.workers or (1,):
                    setting = (batch, threads or POOL.threads, workers)
                    rows.append(_measure(subjects, setting, parsed.limit))
    finally:
        POOL.limit(before)
        for subject in subjects:
            subject.close()
    if parsed.as_json:
        print_json(_fields(subjects, rows))
    else:
        _print(subjects, rows)


class _BenchOptions(NamedTuple):
    fetch: FetchOptions
    feed: FeedOptions
    signature: str | None
    init: tuple[str, ...]
    batch: tuple[int, ...]
    threads: tuple[int, ...]
    workers: tuple[int, ...]
    steps: int | None
    seconds: float
    warm_up: int
    against: str | None
    devices: str | None
    b_devices: str | None
    optimize: str
    b_optimize: str | None
    as_json: bool
    verbose: int

    @property
    def has_other(self) -> bool:
        """True if two graphs or settings take turns."""
        return any(value is not None for value in (self.against, self.b_devices, self.b_optimize))

    @property
    def limit(self) -> SampleLimit:
        from ..runtime.execution.step_timing import SampleLimit

        return SampleLimit(self.steps, self.seconds, self.warm_up)


class _BenchRow(NamedTuple):
    """The measurements of one setting: a timing per graph, and their ratio if there are two."""

    batch: int | None
    threads: int
    workers: int
    timings: Sequence[Timing]
    ratio: Ratio | None
    peak_bytes: int


def _subject(path: str, options: _BenchOptions, devices: str | None, optimize: str) -> BenchSubject:
    from .running.bench_subject import BenchSubject, SubjectSettings

    settings = SubjectSettings(devices, optimize == "on", callers=max(options.workers or (1,)))
    return BenchSubject(path, options.fetch, options.feed, options.signature, options.init, settings)


def _measure(
    subjects: Sequence[BenchSubject], setting: tuple[int | None, int, int], limit: SampleLimit
) -> _BenchRow:
    from ..runtime.execution.step_timing import ratio, time_concurrent_steps, time_steps

    batch, threads, workers = setting
    for subject in subjects:
        subject.prepare(batch)
    if workers > 1:
        timings = [time_concurrent_steps(subjects[0].step, workers, limit)]
    else:
        timings = time_steps([subject.step for subject in subjects], limit)
    compared = ratio(timings[0], timings[1]) if len(timings) > 1 else None
    return _BenchRow(batch, threads, workers, timings, compared, _peak_bytes())


def _peak_bytes() -> int:
    """Returns the largest memory of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _fields(subjects: Sequence[BenchSubject], rows: Sequence[_BenchRow]) -> dict[str, Any]:
    return {
        "graphs": [subject.path for subject in subjects],
        "computed": list(subjects[0].fetched),
        "settings": [
            {
                "batch": row.batch,
                "threads": row.threads,
                "workers": row.workers,
                "peak_bytes": row.peak_bytes,
                "timings": [_timing_fields(timing, row.batch) for timing in row.timings],
                "ratio": None if row.ratio is None else row.ratio._asdict(),
            }
            for row in rows
        ],
    }


def _timing_fields(timing: Timing, batch: int | None) -> dict[str, Any]:
    rate = (batch or 1) * timing.rate
    return {"first": timing.first, **timing.percentiles, "steps": len(timing.samples), "throughput": rate}


def _print(subjects: Sequence[BenchSubject], rows: Sequence[_BenchRow]) -> None:
    note(f"computes {', '.join(map(plain, subjects[0].fetched))}; feeds are made up unless they are given")
    table: list[Sequence[str]] = [
        (
            "graph",
            "batch",
            "threads",
            "workers",
            "first",
            "p50",
            "p90",
            "p99",
            "per second",
            "peak memory",
            "ratio",
        )
    ]
    for row in rows:
        for subject, timing in zip(subjects, row.timings):
            percentiles = [human_seconds(value) for value in timing.percentiles.values()]
            batch = "" if row.batch is None else str(row.batch)
            rate = f"{(row.batch or 1) * timing.rate:.4g}"
            workers = "" if row.workers == 1 else str(row.workers)
            compared = "" if row.ratio is None or timing is not row.timings[0] else _ratio_text(row.ratio)
            first = human_seconds(timing.first)
            memory = human_bytes(row.peak_bytes)
            table.append(
                (
                    plain(subject.path),
                    batch,
                    str(row.threads),
                    workers,
                    first,
                    *percentiles,
                    rate,
                    memory,
                    compared,
                )
            )
    used = [i for i in range(len(table[0])) if any(line[i] for line in table[1:])]
    header, *cells = [[line[i] for i in used] for line in table]
    print_table(cells, header=header, right=set(range(1, len(used))), indent=0)


def _ratio_text(ratio: Ratio) -> str:
    return f"{ratio.median:.2f} ({ratio.low:.2f} to {ratio.high:.2f})"
