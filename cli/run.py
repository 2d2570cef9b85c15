"""``tfg run``: steps of a graph."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import numpy as np

from ..graphfmt import arrays
from ..graphfmt.files import write_file
from ..graphfmt.load import is_saved_model
from ..runtime.execution import batches, runner
from ..runtime.execution.runner import Progress, StepLoop, StepResult
from .common import console, values
from .common.interruption import Interruption
from .common.options import (
    checkpoint_options,
    common,
    feed_options,
    graph_argument,
    init_option,
    state_option,
    work_options,
)
from .common.output_paths import check_place
from .common.progress import Meter
from .common.report import print_step, print_steps_json
from .running.resume import Beginning, begin
from .running.sessions import holds_parts, open_session, session_options
from .running.signature_option import signature_option

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from ..runtime.execution.session import Observer, Session
    from ..runtime.execution.trace import StepTrace
    from ..runtime.saved_models.initialization import Model
    from .running.checkpoint_loop import Keeper


@click.command("run")
@graph_argument
@work_options
@feed_options
@signature_option
@click.option(
    "--batch",
    metavar="N",
    type=click.IntRange(min=1),
    help="Feed N rows a step of every feed from a file, epoch after epoch.",
)
@click.option("--shuffle", is_flag=True, help="Shuffle the rows anew in every epoch; see --seed.")
@click.option(
    "--steps",
    metavar="N",
    type=click.IntRange(min=0),
    help="How many steps; 1, or an epoch with --batch, if not given.",
)
@click.option(
    "--epochs", metavar="N", type=click.IntRange(min=0), help="Stop after N passes over the batches."
)
@click.option(
    "--until-step",
    metavar="N",
    type=click.IntRange(min=0),
    help="Stop when N steps are done in all, counting those before a restore.",
)
@click.option(
    "--workers",
    metavar="N",
    type=click.IntRange(min=1),
    default=1,
    help="Run N steps at a time; {worker} in a --target or --fetch is the worker's number, from 0.",
)
@click.option("--until-exhausted", is_flag=True, help="Go on until a step runs out of input (OUT_OF_RANGE).")
@init_option
@state_option
@checkpoint_options
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Save the fetches: .npz, .npy, .json or .h5.",
)
@click.option(
    "--timeout",
    metavar="SECONDS",
    type=click.FloatRange(min=0, min_open=True),
    help="Stop a step that takes longer.",
)
@click.option(
    "--trace",
    metavar="OUT.json",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write what every node took, for Chrome's or Perfetto's viewer.",
)
@click.option("--profile", is_flag=True, help="Print what every kind of operation took.")
@session_options
@common
def command(graph: str, **options: Any) -> None:
    """Run steps of GRAPH: feed values, run what the fetches and targets need, print the fetches.

    \b
    tfg run mlp.pbtxt --feed x=@digits.npz[x_test] --fetch probabilities -o p.npz
    tfg run train.pbtxt --state run.h5 --init init --target train --steps 2000 \\
        --feed x=@digits.npz[x_train] --feed y=@digits.npz[y_train] --batch 64 --fetch loss

    With several steps the fetches of the last are printed, and those of all are saved, stacked along a new
    first axis; with --json every step is a line.
    """
    given = _Options(**options)
    if given.max_restarts is not None:
        from .running import supervision

        if supervision.attempt() is None:
            supervision.supervise(graph, given.feeds, given.checkpoint, given.max_restarts)
    _Run(graph, given).execute()


class _Options(NamedTuple):
    fetches: tuple[str, ...]
    targets: tuple[str, ...]
    feeds: tuple[str, ...]
    archives: tuple[str, ...]
    batch: int | None
    shuffle: bool
    seed: int
    signature: str | None
    steps: int | None
    epochs: int | None
    until_step: int | None
    workers: int
    until_exhausted: bool
    init: tuple[str, ...]
    state: Path | None
    restore: str | None
    checkpoint: Path | None
    every: str | None
    keep: int | None
    mtbf: str | None
    max_restarts: int | None
    output: Path | None
    timeout: float | None
    trace: Path | None
    profile: bool
    devices: str | None
    threads_per_device: int | None
    wire: str | None
    gpu_memory_limit: str | None
    no_compile_loops: bool
    as_json: bool
    verbose: int


@dataclass
class _Run:
    """One call of the command."""

    path: str
    options: _Options
    # The fetches by the names that they were asked for.
    labels: tuple[str, ...] = ()
    fed: tuple[str, ...] = ()
    saved: list[list[Any]] = field(default_factory=list[list[Any]])
    interruption: Interruption = field(default_factory=Interruption)

    def execute(self) -> None:
        self._check()
        model = self._model()
        given = self._called(model, values.parse_feeds(self.options.feeds, self.options.archives))
        options = self.options
        session = open_session(self.path, model.meta.graph if model is not None else None, options)
        work = self._work(session, given)
        self._check_state(session)
        keeper = self._keeper()
        source = keeper.written_before_crash() if keeper is not None else None
        start = begin(session, options, work, source, model)
        work = start.work
        trace = _trace() if options.trace or options.profile else None
        last, now = None, start.progress
        watched = self.interruption.watched(at_once=work.total == 1)
        with watched, self._checkpoints(keeper, session, start) as after:
            for result in self._steps(session, work, start.progress, trace):
                last, now = result, result.progress
                after(now)
        self._keep(session, work, now)
        self._report(last, work)
        if trace is not None:
            self._write_trace(trace, session, work)
        self.interruption.leave()

    def _check(self) -> None:
        """Refuses, before anything runs, what could only fail at the end."""
        options = self.options
        if options.shuffle and options.batch is None:
            raise console.UsageError("--shuffle shuffles batches, so it needs --batch")
        if options.epochs is not None and options.batch is None:
            raise console.UsageError("--epochs counts passes over batches, so it needs --batch")
        if options.output is not None and not options.signature:
            if not options.fetches:
                raise console.UsageError("-o saves what is fetched", hint="add --fetch NAME")
            arrays.check_output(options.output, set(options.fetches))
        if options.until_step is not None and (options.steps, options.epochs) != (None, None):
            raise console.UsageError("--until-step says when to stop already; leave out --steps and --epochs")
        results = (options.output, options.state, options.checkpoint, options.trace)
        written = [path.absolute() for path in results if path]
        if len(set(written)) < len(written):
            raise console.UsageError("two results are to be written to one file")
        for path in written:
            check_place(path)

    def _model(self) -> Model | None:
        """The model, where the graph comes with more than itself."""
        if not is_saved_model(self.path) and Path(self.path).suffix != ".meta":
            return None
        if holds_parts(self.path):
            return None
        from ..runtime.saved_models.initialization import open_model

        return open_model(self.path)

    def _called(self, model: Model | None, given: dict[str, values.FeedValue]) -> dict[str, values.FeedValue]:
        """Takes the names of the signature for those of the graph; gives the feeds."""
        options = self.options
        self.labels = options.fetches
        if options.signature is None:
            return given
        from .running.signature_option import by_signature

        called = by_signature(options.signature, self.path, model, options.fetches, given, options.targets)
        self.labels = called.labels
        self.options = options._replace(fetches=called.fetches)
        if options.output is not None:
            arrays.check_output(options.output, set(called.labels))
        return called.feeds

    def _keeper(self) -> Keeper | None:
        # Few runs write checkpoints; the others start without the machinery.
        if not any((self.options.checkpoint, self.options.every, self.options.keep, self.options.mtbf)):
            return None
        from .running.checkpoint_loop import keeper_of

        return keeper_of(self.options)

    def _checkpoints(
        self, keeper: Keeper | None, session: Session, start: Beginning
    ) -> AbstractContextManager[Callable[[Progress], None]]:
        if keeper is None:
            return nullcontext(lambda progress: None)
        from .running.checkpoint_loop import kept

        return kept(keeper, session, start)

    def _check_state(self, session: Session) -> None:
        """Refuses a state that could be read, but not written after all the steps."""
        state = self.options.state
        if state is not None and self._changes_state(session):
            from ..graphfmt.checkpoints.hdf5 import state_file

            state_file.check_replaceable(state)

    def _changes_state(self, session: Session) -> bool:
        options = self.options
        assert options.state is not None
        plan = session.plan(_of_worker(options.fetches, 0), self.fed, _of_worker(options.targets, 0))
        return plan.changes_state or not options.state.exists()

    def _work(self, session: Session, given: dict[str, values.FeedValue]) -> StepLoop:
        options = self.options
        self.fed = tuple(given)
        fetches, targets = _of_worker(options.fetches, 0), _of_worker(options.targets, 0)
        wanted = session.plan(fetches, self.fed, targets).feeds
        found, data = values.resolve(given, wanted, values.Randomness(options.seed))
        cut = None
        if options.batch is not None:
            rows = {n: v for n, v in found.items() if n in data and np.ndim(v) > 0}
            fixed = any(f.shape.dims and f.shape[0] is not None for f in wanted if f.name in rows)
            cut = batches.make_batches(
                rows, options.batch, shuffle=options.shuffle, seed=options.seed, only_whole=fixed
            )
            found = {n: v for n, v in found.items() if n not in rows}
        # A feed is written where the plan was asked for it, so that all steps share that plan.
        return StepLoop(
            fetches, targets, found, cut, options.steps, options.epochs,
            options.until_exhausted, options.timeout,
        )  # fmt: skip

    def _steps(
        self, session: Session, work: StepLoop, start: Progress, trace: StepTrace | None
    ) -> Iterator[StepResult]:
        meter = Meter(work) if console.on_terminal() and (work.total or 2) > 1 else None
        observer = trace.observe if trace is not None else None
        steps = self._running(session, work, start, observer)
        try:
            for result in steps:
                if self.options.output is not None:
                    self.saved.append(result.values)
                if self.options.as_json:
                    names = _of_worker(self.labels, result.worker)
                    print_steps_json(result.progress.step, names, result.values)
                if meter is not None:
                    meter.update(result)
                yield result
        finally:
            if meter is not None:
                meter.close()

    def _running(
        self, session: Session, work: StepLoop, start: Progress, observer: Observer | None
    ) -> Iterator[StepResult]:
        def stop() -> bool:
            return self.interruption.given is not None

        if self.options.workers == 1:
            return runner.run(session, work, start, stop=stop, observer=observer)
        from ..runtime.execution.workers import run_concurrently

        works = [
            work._replace(
                fetches=_of_worker(self.options.fetches, number),
                targets=_of_worker(self.options.targets, number),
            )
            for number in range(self.options.workers)
        ]
        return run_concurrently(session, works, start, stop=stop, observer=observer)

    def _keep(self, session: Session, work: StepLoop, now: Progress) -> None:
        """Writes the state. Steps that only look at it leave the file, and its step number, as they were."""
        state = self.options.state
        if state is not None and self._changes_state(session):
            session.save(state, now.notes(work.batches))

    def _report(self, last: StepResult | None, work: StepLoop) -> None:
        options = self.options
        if options.output is not None and self.saved:
            arrays.save(options.output, _stacked(self.labels, self.saved))
        elif last is not None and not options.as_json:
            print_step(_of_worker(self.labels, last.worker), last.values)

    def _write_trace(self, trace: StepTrace, session: Session, work: StepLoop) -> None:
        if self.options.trace is not None:
            document = trace.chrome()
            if session.machine is not None and self.options.workers == 1:
                from .running.simulated_trace import simulated_beside

                document["traceEvents"] += simulated_beside(trace, session, work, self.fed)
            write_file(self.options.trace, json.dumps(document).encode())
        if self.options.profile:
            from .common.report import print_profile

            print_profile(trace.costs())


def _trace() -> StepTrace:
    from ..runtime.execution.trace import StepTrace

    return StepTrace()


def _of_worker(names: tuple[str, ...], number: int) -> tuple[str, ...]:
    """Names as one of several workers means them."""
    return tuple(name.replace("{worker}", str(number)) for name in names)


def _stacked(names: tuple[str, ...], steps: list[list[Any]]) -> dict[str, Any]:
    """The fetches of all steps: as they are for a single step, stacked for several. Where shapes differ from
    step to step (a last, smaller batch), each step's value is kept under ``name/step``."""
    if len(steps) == 1:
        return dict(zip(names, steps[0]))
    found: dict[str, Any] = {}
    for name, series in zip(names, zip(*steps)):
        if len({value.shape for value in series}) == 1:
            found[name] = np.stack(series)
        else:
            found.update({f"{name}/{i + 1}": value for i, value in enumerate(series)})
    return found
