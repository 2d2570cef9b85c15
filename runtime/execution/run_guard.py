"""A recent state of a run, so that it can return to its last good step after NaN or an interrupted step.

The guard keeps a snapshot of the state, with the position of the run, that is about a quarter of a second old. Steps
are deterministic, so repeating them from the snapshot gives every later state again, bit for bit. A step therefore
pays for no copy of the state: only the first step after a snapshot writes its variables to new memory.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from ...graphfmt.errors import TfgError, invalid
from .nan_search import NanSearch, has_nan, nan_variables
from .runner import run

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator

    from ...graphfmt.checkpoints.hdf5.state_file import Key, SavedState
    from .runner import Progress, StepLoop, StepResult
    from .session import Session

# Seconds between snapshots, and the least time between them as a multiple of the time that one takes.
_INTERVAL = 0.25
_DUTY = 50


class NanFoundError(Exception):
    """NaN in a fetched value or in the state. ``RunGuard.explain_nan`` finds the step and the node."""


class GoodState(NamedTuple):
    """A state that whole steps have left, and the position of the run."""

    state: SavedState
    progress: Progress


class RunGuard:
    """Guards the steps of one loop.

    Args:
        keeps_state: the run changes the state, so a recent one is kept.
        stops_on_nan: ``check`` and ``check_state`` raise NanFoundError. Variables that have NaN at the start of the
            run are not looked at.
        repeats: the steps are deterministic, so they can be repeated; False for concurrent workers.
    """

    def __init__(
        self,
        session: Session,
        loop: StepLoop,
        *,
        keeps_state: bool,
        stops_on_nan: bool,
        repeats: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session = session
        self._loop = loop
        self._keeps_state = keeps_state
        self._stops_on_nan = stops_on_nan
        self._repeats = repeats
        self._clock = clock
        self._due = float("-inf")
        self._recent: GoodState | None = None
        self._ignored: Collection[Key] = ()

    def before_step(self, progress: Progress) -> None:
        """Takes a snapshot if one is due. Raises NanFoundError if the state has NaN."""
        if not self._keeps_state:
            return
        began = self._clock()
        if began < self._due:
            return
        state = self._session.snapshot()
        if self._recent is None:
            self._ignored = nan_variables(state) if self._stops_on_nan else ()
        elif self._has_nan(state):
            raise NanFoundError
        self._recent = GoodState(state, progress)
        now = self._clock()
        self._due = now + max(_INTERVAL, _DUTY * (now - began))

    def forget(self) -> None:
        """Drops the snapshot: the run continues from an earlier step than the snapshot's."""
        self._recent, self._due = None, float("-inf")

    def check(self, result: StepResult) -> None:
        """Raises NanFoundError if a fetched value has NaN."""
        if self._stops_on_nan and any(map(has_nan, result.values)):
            raise NanFoundError

    def check_state(self) -> None:
        """Raises NanFoundError if the present state has NaN."""
        if self._keeps_state and self._stops_on_nan and self._has_nan(self._session.snapshot()):
            raise NanFoundError

    def is_good(self, state: SavedState) -> bool:
        """True for a state that may replace an earlier one in a file."""
        return not self._has_nan(state)

    def _has_nan(self, state: SavedState) -> bool:
        return self._stops_on_nan and any(key not in self._ignored for key in nan_variables(state))

    def return_to(self, progress: Progress) -> None:
        """Restores the state after the last whole step, at ``progress``."""
        if self._recent is not None:
            for _ in self._repeat(progress.step):
                pass

    def explain_nan(self) -> tuple[TfgError, Progress | None]:
        """Finds the first step with NaN and the node that made it, and restores the state before that step.

        Returns the error, and the position of the restored state; None where steps cannot be repeated.
        """
        if not self._repeats or self._recent is None:
            return _error("a concurrent step"), None
        good = self._recent
        steps = self._repeat(None)
        for result in steps:
            state = self._session.snapshot()
            if any(map(has_nan, result.values)) or self._has_nan(state):
                break
            good = GoodState(state, result.progress)
        steps.close()
        error = self._culprit(good)
        self._session.take(good.state)
        return error, good.progress

    def _repeat(self, last: int | None) -> Generator[StepResult]:
        """Restores the snapshot and repeats the steps after it, up to step ``last``."""
        assert self._recent is not None
        state, start = self._recent
        self._session.take(state)
        steps = None if last is None else max(0, last - start.step)
        unlimited = self._loop._replace(steps=steps, epochs=None, until_exhausted=True)
        return run(self._session, unlimited, start)

    def _culprit(self, good: GoodState) -> TfgError:
        """Runs the step after a good state again, and watches every node."""
        loop, session = self._loop, self._session
        session.take(good.state)
        feeds = loop.feeds_at(good.progress.position)
        search = NanSearch(session.graph, feeds)
        values = session.run(loop.fetches, feeds, loop.targets, watch=search.watch)
        bad = [name for name, value in zip(loop.fetches, values) if has_nan(value)]
        changed = nan_variables(session.snapshot())
        bad += [f"variable {key[2]!r}" for key in changed if key not in self._ignored]
        what = f"step {good.progress.step + 1}: NaN in {', '.join(bad) or 'the state'}"
        return search.explain(what, [name for name in loop.fetches if name in bad])


def _error(what: str) -> TfgError:
    return invalid(f"NaN in a fetched value or in the state after {what}", hint="--allow-nan goes on")
