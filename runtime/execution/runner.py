"""Running step after step: on which batches, from which position, until when."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from ...graphfmt.errors import Status, TfgError, invalid
from .batches import START, Batches, Position

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from ...graphfmt.tensors import Array
    from .session import Observer, Session


NO_FEEDS: Mapping[str, Any] = MappingProxyType({})


class StepLoop(NamedTuple):
    """A step that is repeated, and how often.

    ``steps`` and ``epochs`` bound the run, whichever ends first; with batches and neither, it is one epoch,
    without batches one step. ``until_exhausted`` goes on until a step ends with OUT_OF_RANGE. Steps that do not change
    the state (``changes_state``) begin with the first batch, whatever a restored state was trained on.
    """

    fetches: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    feeds: Mapping[str, Any] = NO_FEEDS
    batches: Batches | None = None
    steps: int | None = None
    epochs: int | None = None
    until_exhausted: bool = False
    timeout: float | None = None
    changes_state: bool = True

    @property
    def total(self) -> int | None:
        """The number of steps of a run from the start; None if only the graph decides."""
        if self.until_exhausted:
            return self.steps
        if self.batches is None:
            return 1 if self.steps is None else self.steps
        if self.epochs is None:
            return self.batches.per_epoch if self.steps is None else self.steps
        by_epochs = self.epochs * self.batches.per_epoch
        return by_epochs if self.steps is None else min(self.steps, by_epochs)

    def feeds_at(self, position: Position) -> dict[str, Any]:
        """The feeds of the step with this batch."""
        return {**self.feeds, **(self.batches.at(position) if self.batches else {})}


class Progress(NamedTuple):
    """The position of a run: the number of steps done in all, and the next batch."""

    step: int = 0
    position: Position = START

    def notes(self, batches: Batches | None) -> dict[str, Any]:
        """The position as a state file keeps it."""
        found: dict[str, Any] = {"step": self.step}
        if batches is not None:
            found["feeds"] = {
                **_order_of(batches),
                "epoch": self.position.epoch,
                "batch": self.position.batch,
            }
        return found


def _order_of(batches: Batches) -> dict[str, Any]:
    """Everything that decides which rows a batch has."""
    return {
        "rows": batches.count,
        "size": batches.size,
        "shuffle": batches.shuffle,
        "seed": batches.seed,
        "only_whole": batches.only_whole,
    }


BEGINNING = Progress()


def progress_from(notes: Mapping[str, Any], batches: Batches | None) -> Progress:
    """The position of a saved run. Batches that differ from those of the saved run start from the first."""
    step = _number(notes, "step")
    saved = notes.get("feeds")
    if batches is None or not isinstance(saved, dict):
        return Progress(step)
    if any(saved.get(key) != value for key, value in _order_of(batches).items()):
        return Progress(step)
    position = Position(_number(saved, "epoch"), _number(saved, "batch"))
    return Progress(step, position if position.batch < batches.per_epoch else START)


def _number(notes: Mapping[str, Any], key: str) -> int:
    """A count among the notes of a state, which may be any JSON. Raises DATA_LOSS for another value."""
    value = notes.get(key, 0)
    if type(value) is not int or value < 0:
        raise TfgError(Status.DATA_LOSS, f"the state says that its {key} is {value!r}")
    return value


class StepResult(NamedTuple):
    """The fetched values of a finished step, the position after it, the number of the worker that ran it, and the
    number of rows that its batch had. ``rows`` is None without batches, and with several workers, whose steps end in
    any order."""

    values: list[Array]
    progress: Progress
    worker: int = 0
    rows: int | None = None


def run(
    session: Session,
    work: StepLoop,
    start: Progress = BEGINNING,
    *,
    stop: Callable[[], bool] = lambda: False,
    observer: Observer | None = None,
    before_step: Callable[[Progress], None] = lambda progress: None,
) -> Generator[StepResult]:
    """Runs the steps and yields one result each. Between them, ``stop`` is called; True ends the run. Before each
    step, ``before_step`` is called with the position."""
    if work.batches is None and work.epochs is not None:
        raise invalid("epochs are passes over batches, and there are none")
    total, done, now = work.total, 0, start
    while (total is None or done < total) and not stop():
        before_step(now)
        feeds = work.feeds_at(now.position)
        try:
            values = session.run(work.fetches, feeds, work.targets, timeout=work.timeout, observer=observer)
        except TfgError as error:
            if work.until_exhausted and error.status == Status.OUT_OF_RANGE:
                return
            raise
        done += 1
        if work.batches is None:
            now = Progress(now.step + 1, now.position)
            yield StepResult(values, now)
            continue
        rows = work.batches.rows_at(now.position)
        if work.batches.padded:
            values = [_without_padding(value, work.batches.size, rows) for value in values]
        now = Progress(now.step + 1, work.batches.after(now.position))
        yield StepResult(values, now, rows=rows)


def _without_padding(value: Array, size: int, rows: int) -> Array:
    return value[:rows] if value.shape[:1] == (size,) else value
