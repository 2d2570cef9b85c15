"""Checkpoints of a running job: snapshots between steps, written by a background thread, with old files removed.

Steps wait only for the snapshot, which copies nothing (see ``Session.snapshot``). White paper section 3.3: a
restarted job continues from its newest checkpoint.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from ...graphfmt.checkpoints.hdf5 import state_file
from ...graphfmt.checkpoints.hdf5.chunks import yielding_between_strides
from ...graphfmt.errors import Location, Status, TfgError
from ...graphfmt.files import file_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from concurrent.futures import Future

    from ...graphfmt.checkpoints.hdf5.state_file import SavedState
    from ..execution.session import Session
    from .intervals import CheckpointSchedule


# Key of the note that identifies the job which wrote a checkpoint.
JOB = "job"
# Share of the time in which the writer thread works while steps run.
_SHARE = 0.05
# Seconds; longer pieces of work are counted as this long, since they waited for the disk or other processes.
_LONGEST_WORK = 0.01


@dataclass(frozen=True)
class CheckpointSeries:
    """The checkpoint files of a job. ``path`` is always the newest.

    With ``keep``, each checkpoint is also kept under its step number (``model-200.h5`` beside ``model.h5``),
    and only the newest ``keep`` of them remain.
    """

    path: Path
    keep: int | None = None

    def write(self, state: SavedState, step: int) -> None:
        """Writes a checkpoint, then removes the numbered files beyond ``keep``."""
        if self.keep is None:
            state_file.write(self.path, state)
            return
        numbered = self.numbered(step)
        state_file.write(numbered, state)
        _copy(numbered, self.path)
        for old in newest_first(self.kept())[self.keep :]:
            if _step_of(old) == _number(old):
                old.unlink(missing_ok=True)

    def numbered(self, step: int) -> Path:
        """Returns the path of the checkpoint after a number of steps."""
        return self.path.with_name(f"{self.path.stem}-{step}{self.path.suffix}")

    def kept(self) -> list[Path]:
        """Returns the existing numbered files."""
        pattern = re.compile(re.escape(self.path.stem) + r"-[0-9]+" + re.escape(self.path.suffix))
        return [path for path in self.path.parent.iterdir() if pattern.fullmatch(path.name)]

    def newest(self, job: str, say: Callable[[str], None]) -> Path | None:
        """Returns the newest valid checkpoint of this job, or None; ``say`` receives a line for each invalid one."""
        return _newest_sound([self.path, *self.kept()], say, job)


def _copy(source: Path, target: Path) -> None:
    """Makes ``target`` the same file as ``source`` atomically: a hard link, or a copy where links are not
    supported."""
    temporary = target.with_name(f".{target.name[:100]}.{os.urandom(6).hex()}.tmp")
    try:
        try:
            temporary.hardlink_to(source)
        except OSError:
            shutil.copy2(source, temporary)
        temporary.replace(target)
    except OSError as error:
        raise file_error(error, "written", str(target)) from error
    finally:
        temporary.unlink(missing_ok=True)


def newest_first(paths: Iterable[Path]) -> list[Path]:
    """Sorts files by modification time, then by the number in their name, newest first."""
    keyed = [(path.stat().st_mtime_ns, _number(path), path) for path in paths if path.is_file()]
    return [path for _, _, path in sorted(keyed, reverse=True)]


def _step_of(path: Path) -> Any:
    """Returns the step noted in a state file, or None if the file is not valid."""
    with suppress(TfgError), state_file.open_state(path) as reader:
        return reader.notes.get("step")


def _number(path: Path) -> int:
    match = re.search(r"([0-9]{1,18})\.[^.]*$", path.name)
    return int(match[1]) if match else -1


def newest_in(folder: Path, say: Callable[[str], None]) -> Path | None:
    """Returns the newest valid checkpoint in a folder, or None; ``say`` receives a line for each newer invalid
    one.

    Raises NOT_FOUND if there is no such folder.
    """
    try:
        return _newest_sound(folder.glob("*.h5"), say)
    except OSError as error:
        raise file_error(error, "read", str(folder)) from error


def _newest_sound(paths: Iterable[Path], say: Callable[[str], None], job: str | None = None) -> Path | None:
    seen: set[int] = set()
    for path in newest_first(paths):
        inode = path.stat().st_ino
        if inode in seen:
            continue
        seen.add(inode)
        try:
            notes = state_file.read(path).notes
        except TfgError as error:
            say(f"left out: {error.message}")
            continue
        if job is None or notes.get(JOB) == job:
            return path
    return None


def no_checkpoint(folder: Path) -> TfgError:
    """Returns the error for a folder without a checkpoint."""
    is_tensorflows = any(folder.glob("*.index"))
    return TfgError(
        Status.NOT_FOUND,
        f"there is no checkpoint in {str(folder)!r}",
        location=Location(str(folder)),
        hint=f"--restore {folder} takes TensorFlow's newest" if is_tensorflows else None,
    )


class WriterPace:
    """Paces the writer thread: it sleeps so that it works only a small share of the time, and steps lose little to
    it (Python's lock, a core, memory bandwidth). With ``hurry`` set it does not sleep."""

    def __init__(self) -> None:
        self.hurry = Event()
        self._began = time.perf_counter()

    def begin(self) -> None:
        self.hurry.clear()
        self._began = time.perf_counter()

    def rest(self) -> None:
        """Sleeps according to the work done since the last call; to be called between pieces of work."""
        if self.hurry.is_set():
            return
        worked = min(time.perf_counter() - self._began, _LONGEST_WORK)
        self.hurry.wait(worked * (1 / _SHARE - 1))
        self._began = time.perf_counter()


class Checkpointer:
    """Writes checkpoints of a session while it runs; the thread that runs the steps calls ``after_step``.

    One checkpoint is written at a time. With an interval in steps, the steps wait for a late writer, so that no
    checkpoint is skipped; with an interval in time, a checkpoint that falls due meanwhile is skipped. A state for which
    ``is_good`` is false is not written. ``on_take`` is called with the step of each checkpoint.
    """

    def __init__(
        self,
        session: Session,
        series: CheckpointSeries,
        schedule: CheckpointSchedule,
        first_step: int,
        is_good: Callable[[SavedState], bool] = lambda state: True,
        on_take: Callable[[int], None] = lambda step: None,
    ) -> None:
        self._session = session
        self._series = series
        self._schedule = schedule
        self._is_good = is_good
        self._on_take = on_take
        self._saved_step = first_step
        self._pace = WriterPace()
        self._writer = ThreadPoolExecutor(1, "checkpoint")
        self._pending: Future[None] | None = None

    def after_step(self, step: int, notes: Callable[[], Mapping[str, Any]]) -> None:
        """Takes a checkpoint if one is due. Raises the error of an earlier one."""
        self._schedule.step_ended(is_writing=self._pending is not None)
        if self._pending is not None and self._pending.done():
            self._wait()
        if self._schedule.is_due(step - self._saved_step):
            if self._pending is not None and self._schedule.every.steps is not None:
                self._wait()
            if self._pending is None:
                self._take(step, notes())
        self._schedule.resumed()

    def finish(self, step: int, notes: Callable[[], Mapping[str, Any]]) -> None:
        """Writes a last checkpoint, unless the newest one is of this step, and waits for it."""
        self._wait()
        if step != self._saved_step or not self._series.path.exists():
            self._take(step, notes())
        if self._pending is not None:
            self._pace.hurry.set()
            self._pending.result()
        self.close()

    def close(self) -> None:
        """Ends the writer thread after the checkpoint in progress."""
        self._pace.hurry.set()
        self._writer.shutdown()

    def _take(self, step: int, notes: Mapping[str, Any]) -> None:
        began = self._schedule.clock()
        state = self._session.snapshot(notes)
        self._schedule.taken(self._schedule.clock() - began)
        self._saved_step = step
        self._pace.begin()
        self._pending = self._writer.submit(self._write, state, step)
        self._on_take(step)

    def _write(self, state: SavedState, step: int) -> None:
        if not self._is_good(state):
            return
        with yielding_between_strides(self._pace.rest):
            self._series.write(state, step)

    def _wait(self) -> None:
        """Waits for the checkpoint in progress. Raises its error."""
        pending, self._pending = self._pending, None
        if pending is not None:
            self._pace.hurry.set()
            pending.result()
            self._schedule.written()
