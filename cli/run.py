"""``tfg run``: runs steps of a graph."""

from __future__ import annotations

from contextlib import ExitStack, closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import click

from ..graphfmt import array_output
from ..graphfmt.errors import Status, TfgError
from ..graphfmt.load import read_graph_file
from ..runtime.execution.run_guard import NanFoundError, RunGuard
from .common import console, values
from .common.interruption import Interruption
from .common.options import (
    common_options,
    feed_options,
    fetch_options,
    graph_argument,
    strict_option,
    tags_option,
)
from .running.option_checks import check_options
from .running.options import (
    RunOptions,
    checkpoint_options,
    dump_options,
    log_options,
    result_options,
    resume_options,
    session_options,
    signature_option,
    step_options,
)
from .running.results import Results, write_trace
from .running.resume import begin
from .running.sessions import holds_parts, open_session
from .running.step_loop import joinable_fetches, make_step_loop, run_steps
from .running.step_request import RunRequest, map_signature
from .running.wait_report import explaining_waits

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from contextlib import AbstractContextManager

    from ..graphfmt.graph import Graph
    from ..graphfmt.load import GraphFile
    from ..runtime.execution.runner import Progress, StepLoop, StepResult
    from ..runtime.execution.session import Session
    from ..runtime.execution.trace import StepTrace
    from ..runtime.saved_models.initialization import Model
    from .running.checkpoint_loop import CheckpointPlan
    from .running.resume import RunStart
    from .running.saved_fetches import SavedFetches
    from .running.step_log import StepLog


# The reason with which a signal cancels a step.
_INTERRUPTED = "interrupted"


@click.command("run")
@graph_argument
@fetch_options
@dump_options
@feed_options
@signature_option
@tags_option
@step_options
@resume_options
@checkpoint_options
@result_options
@log_options
@session_options
@strict_option
@common_options
def command(graph: str, **options: Any) -> None:
    """Run steps of GRAPH: feed values, run what the fetches and targets need, print the fetches.

    \b
    tfg run mlp.pbtxt --feed 'x=@digits.npz[x_test]' --fetch probabilities -o p.npz
    tfg run train.pbtxt --state run.h5 --init init --target train --steps 2000 \\
        --feed 'x=@digits.npz[x_train]' --feed 'y=@digits.npz[y_train]' --batch 64 --fetch loss

    After several steps, the fetches of the last are printed; --json prints one line per step. -o saves those of all
    steps: with --batch, a fetch whose first axis is the rows of the batch is joined, row for row what one large step
    gives; any other is stacked along a new first axis. -v and --json tell which.
    """
    parsed = RunOptions(**options)
    restarts = parsed.checkpoint.max_restarts
    if restarts is not None:
        from .running import supervision

        if supervision.current_attempt() is None and parsed.session.cluster is None:
            supervision.supervise(graph, parsed.feed.feeds, parsed.checkpoint.checkpoint, restarts)
    _Run(graph, parsed).execute()


@dataclass
class _Run:
    """One call of the command."""

    path: str
    options: RunOptions
    interruption: Interruption = field(default_factory=Interruption)
    model: Model | None = None

    def execute(self) -> None:
        options = self.options
        check_options(options)
        file = self._read_graph()
        self.model = model = _model(file)
        graph = file.graph if file is not None else None
        request = self._request(model, graph)
        session = open_session(self.path, self._traced(graph), options.session, options.step.workers)
        loop = make_step_loop(session, request, options)
        self._check_state(session, request)
        checkpoints = self._plan_checkpoints()
        with self._locked_files(session, request), self._skipping_records():
            try:
                self._run(session, request, loop, checkpoints)
            except TfgError as error:
                raise self._with_state(error, session) from error.__cause__

    def _traced(self, graph: Graph | None) -> Graph | None:
        """Returns the graph to run: for a trace or a profile one without calls, so that the nodes of functions are in
        it. A state names the nodes that it belongs to, and keeps the graph as it is."""
        options = self.options
        is_traced = bool(options.result.trace or options.result.profile)
        has_state = bool(options.resume.state or options.resume.restore or options.checkpoint.checkpoint)
        if graph is None or not graph.functions or not is_traced or has_state:
            return graph
        from ..runtime.passes.conversion.function_inlining import inline_functions

        return inline_functions(graph)

    def _run(
        self,
        session: Session,
        request: RunRequest,
        loop: StepLoop,
        checkpoints: CheckpointPlan | None,
    ) -> None:
        options, model = self.options, self.model
        crashed = checkpoints.written_before_crash() if checkpoints is not None else None
        start = begin(session, options, loop, crashed, model)
        trace = _new_trace() if options.result.trace or options.result.profile else None
        log = self._open_log(session, request, start)
        results = Results(options, request, start.loop, self._saved_fetches(session, request, loop), log)
        guard = _make_guard(session, start, options)
        with closing(results), explaining_waits(session):
            try:
                with self._background(session, model):
                    progress = self._run_steps(session, request, start, checkpoints, results, trace, guard)
            except NanFoundError:
                self._stop_on_nan(session, request, start, guard)
            self._save_state(session, request, start, progress)
            results.log_trace(trace)
            self._report(results, trace)
        if options.result.trace is not None and trace is not None:
            write_trace(trace, options, session, start.loop, request)
        self.interruption.leave()

    def _with_state(self, error: TfgError, session: Session) -> TfgError:
        """An error about a variable without a value says what the state has and lacks."""
        state = self.options.resume.state
        if error.status is not Status.FAILED_PRECONDITION or state is None:
            return error
        from .running.foreign_state import with_names

        return with_names(error, session.graph, state)

    def _skipping_records(self) -> AbstractContextManager[None]:
        # Few runs do; the others start faster without the import.
        if not self.options.step.skip_bad_records:
            return nullcontext()
        from .running.skipped_records import skipping

        return skipping()

    @contextmanager
    def _background(self, session: Session, model: Model | None) -> Generator[None]:
        """Runs the nodes of --background and the queue runners beside the steps."""
        # Few runs have any; the others start faster without the import.
        runs_queues = model is not None and "queue_runners" in model.meta.collections
        if not self.options.step.background and not runs_queues:
            yield
            return
        from .running.background_nodes import running_beside

        with running_beside(session, self.options.step.background, model):
            yield

    def _open_log(self, session: Session, request: RunRequest, start: RunStart) -> StepLog | None:
        # Few runs are logged; the others start faster without the import.
        if not any(self.options.log):
            return None
        from .running.step_log import open_step_log

        labels = (*request.labels, *request.fetches[len(request.labels) :])
        return open_step_log(self.options.log, start.loop, session.graph, labels)

    def _saved_fetches(self, session: Session, request: RunRequest, loop: StepLoop) -> SavedFetches | None:
        output = self.options.result.output
        if output is None:
            return None
        from .running.saved_fetches import SavedFetches

        return SavedFetches(output, request.labels, joinable_fetches(session, request, loop))

    def _report(self, results: Results, trace: StepTrace | None) -> None:
        """Prints or saves the fetches, then the profile. After an interruption, the terminal may be gone."""
        if self.interruption.has_lost_output:
            return
        with suppress(OSError) if self.interruption.is_requested else nullcontext():
            document = results.report()
            if self.options.step.skip_bad_records:
                from .running.skipped_records import report_skipped

                document |= report_skipped(as_json=self.options.as_json)
            if self.options.result.profile and trace is not None:
                from .running.profile_report import report_profile

                document |= report_profile(trace, as_json=self.options.as_json, verbose=self.options.verbose)
            if document and self.options.as_json:
                console.print_json(document)

    def _run_steps(
        self,
        session: Session,
        request: RunRequest,
        start: RunStart,
        checkpoints: CheckpointPlan | None,
        results: Results,
        trace: StepTrace | None,
        guard: RunGuard,
    ) -> Progress:
        """Runs all steps, and returns the progress after the last. Raises NanFoundError where NaN ends the run."""
        progress = start.progress
        is_alone = self.options.step.workers == 1
        watched = self.interruption.watched(
            at_once=start.loop.total == 1,
            cancel=partial(session.interrupt, _INTERRUPTED) if is_alone else None,
        )
        with watched, _checkpointing(checkpoints, session, start, guard, results) as after_step:
            steps_from = partial(self._steps_from, session, request, trace, guard)
            steps = steps_from(start)
            if self.options.session.cluster is not None:
                steps = self._surviving_losses(session, start, steps_from, checkpoints, guard)
            try:
                for result in steps:
                    guard.check(result)
                    with self.interruption.on_lost_output():
                        results.add(result)
                    progress = result.progress
                    after_step(progress)
                guard.check_state()
            except TfgError as error:
                if not self.interruption.is_requested or error.message != _INTERRUPTED:
                    raise
                session.clear_interrupts()
                guard.return_to(progress)
            finally:
                results.close_progress()
        return progress

    def _steps_from(
        self,
        session: Session,
        request: RunRequest,
        trace: StepTrace | None,
        guard: RunGuard,
        start: RunStart,
    ) -> Iterator[StepResult]:
        return run_steps(
            session,
            start.loop,
            request,
            start.progress,
            workers=self.options.step.workers,
            stop=lambda: self.interruption.is_requested,
            observer=trace.observe if trace is not None else None,
            before_step=guard.before_step,
        )

    def _surviving_losses(
        self,
        session: Session,
        start: RunStart,
        steps_from: Callable[[RunStart], Iterator[StepResult]],
        checkpoints: CheckpointPlan | None,
        guard: RunGuard,
    ) -> Iterator[StepResult]:
        """The results of the steps, which go on from the newest checkpoint after tasks of the cluster were lost."""
        from .running.cluster_restarts import surviving_losses

        def restart() -> RunStart:
            guard.forget()
            newest = checkpoints.newest() if checkpoints is not None else None
            return begin(session, self.options, start.loop, newest, self.model)

        return surviving_losses(
            session, start, steps_from, restart, self.options.checkpoint.max_restarts or 0
        )

    @contextmanager
    def _locked_files(self, session: Session, request: RunRequest) -> Generator[None]:
        """Holds the locks of the state and of the checkpoint that the run will replace."""
        state, checkpoint = self.options.resume.state, self.options.checkpoint.checkpoint
        paths = [checkpoint] if checkpoint is not None else []
        if state is not None and self._changes_state(session, request):
            paths.append(state)
        if not paths:
            yield
            return
        from ..graphfmt.file_lock import locked

        with ExitStack() as locks:
            for path in paths:
                locks.enter_context(locked(path))
            yield

    def _stop_on_nan(
        self, session: Session, request: RunRequest, start: RunStart, guard: RunGuard
    ) -> NoReturn:
        """Saves the last state without NaN, and raises the error that says which step and node made it."""
        error, good = guard.explain_nan()
        if good is not None:
            self._save_state(session, request, start, good)
        raise error from None

    def _read_graph(self) -> GraphFile | None:
        """Reads the graph; returns None for a folder of parts."""
        return None if holds_parts(self.path) else read_graph_file(self.path, self.options.tags)

    def _request(self, model: Model | None, graph: Graph | None) -> RunRequest:
        options = self.options
        feeds = values.parse_feeds(options.feed.feeds, options.feed.archives)
        fetches = options.fetch.fetches
        # Few runs have patterns; the others start faster without the import.
        if any(set("*?[") & set(name) for name in fetches):
            from .running.fetch_patterns import expand_fetches

            fetches = expand_fetches(graph, fetches)
        request = RunRequest(fetches, fetches, options.fetch.targets, feeds)
        request = map_signature(options.signature, self.path, model, request)
        if any(options.dump):
            from .running.fetch_patterns import with_dumped

            request = with_dumped(request, graph, options.dump)
        if not request.fetches and not request.targets:
            raise console.UsageError(
                "nothing to run: neither --fetch nor --target is given", "tfg show GRAPH lists the outputs"
            )
        if options.log.logdir is not None and graph is not None:
            from .running.summary_fetches import with_summaries

            request = with_summaries(request, graph)
        if options.result.output is not None:
            if not request.labels:
                raise console.UsageError("-o needs values to save", hint="add --fetch NAME")
            array_output.check_output(options.result.output, set(request.labels))
        return request

    def _plan_checkpoints(self) -> CheckpointPlan | None:
        # Few runs write checkpoints; the others start faster without the import.
        if not any(
            getattr(self.options.checkpoint, name) for name in ("checkpoint", "every", "keep", "mtbf")
        ):
            return None
        from .running.checkpoint_loop import plan_checkpoints

        return plan_checkpoints(self.options.checkpoint)

    def _check_state(self, session: Session, request: RunRequest) -> None:
        """Raises for a state file that could not be replaced after the steps."""
        state = self.options.resume.state
        if state is not None and self._changes_state(session, request):
            from ..graphfmt.checkpoints.hdf5 import state_file

            state_file.check_replaceable(state)

    def _save_state(self, session: Session, request: RunRequest, start: RunStart, progress: Progress) -> None:
        """Writes the state, unless the steps only read it: then the file keeps its step number."""
        state = self.options.resume.state
        if state is not None and self._changes_state(session, request):
            session.save(state, progress.notes(start.loop.batches))

    def _changes_state(self, session: Session, request: RunRequest) -> bool:
        state = self.options.resume.state
        assert state is not None
        first = request.for_worker(0)
        plan = session.plan(first.fetches, first.fed, first.targets)
        return plan.changes_state or bool(self.options.resume.reset) or not state.exists()


def _model(file: GraphFile | None) -> Model | None:
    """Returns the SavedModel or MetaGraph in a file; None for a plain graph."""
    if file is None or file.meta is None:
        return None
    from ..runtime.saved_models.initialization import model_of

    return model_of(file)


def _checkpointing(
    checkpoints: CheckpointPlan | None,
    session: Session,
    start: RunStart,
    guard: RunGuard,
    results: Results,
) -> AbstractContextManager[Callable[[Progress], None]]:
    if checkpoints is None:
        return nullcontext(lambda progress: None)
    from .running.checkpoint_loop import checkpointing

    return checkpointing(checkpoints, session, start, guard.is_good, results.log_checkpoint)


def _make_guard(session: Session, start: RunStart, options: RunOptions) -> RunGuard:
    step = options.step
    is_training = bool(options.fetch.targets or options.resume.state)
    return RunGuard(
        session,
        start.loop,
        keeps_state=bool(is_training or step.stop_on or options.checkpoint.checkpoint),
        stops_on_nan=step.stop_on == "nan" or (is_training and not step.allow_nan),
        repeats=step.workers == 1,
    )


def _new_trace() -> StepTrace:
    from ..runtime.execution.trace import StepTrace

    return StepTrace()
