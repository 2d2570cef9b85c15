"""Loops whose chunks run on several threads.

A chunk belongs to the thread that claims it, and the caller claims chunks too. At the end it waits only for chunks that
another thread has begun: on a busy machine, a helper that does not get a processor costs nothing. Chunks are the same
for any number of threads, so results are the same, bit for bit.

Library thread pools wait for each other at barriers, so BLAS runs on one thread per call (``limit_blas``).
"""

from __future__ import annotations

import math
import os
from collections import deque
from pathlib import Path
from threading import Condition, Lock, Semaphore, Thread
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    Chunk = Callable[[int], None]

# Variables by which users limit the threads of numerical programs; the first that is set counts.
_VARIABLES = ("TFG_NUM_THREADS", "OMP_NUM_THREADS")
_MOST = 64


def available_threads() -> int:
    """Returns the processors that this process may use: of its affinity, its cgroup's quota and the usual variables."""
    try:
        count = len(os.sched_getaffinity(0))
    except AttributeError:
        count = os.cpu_count() or 1
    for name in _VARIABLES:
        text = os.environ.get(name, "")
        if text.isdecimal() and int(text) > 0:
            count = min(count, int(text))
            break
    return max(1, min(count, _quota(), _MOST))


def _quota() -> int:
    """Returns the processors that the cgroup of this process may fill, rounded up."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        try:
            folder = Path("/sys/fs/cgroup/cpu")
            quota = (folder / "cpu.cfs_quota_us").read_text(encoding="ascii").strip()
            period = (folder / "cpu.cfs_period_us").read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            return _MOST
    if not quota.isdecimal() or not period.isdecimal() or not int(period):
        return _MOST
    return max(1, math.ceil(int(quota) / int(period)))


class _Loop:
    """A loop under way: chunks are claimed in order, and counted while they run."""

    def __init__(self, chunk: Chunk, count: int) -> None:
        self._chunk = chunk
        self._count = count
        self._next = 0
        self._running = 0
        self._error: BaseException | None = None
        self._changed = Condition(Lock())

    def work(self) -> None:
        """Runs chunks until none is left to claim."""
        while True:
            with self._changed:
                number = self._next
                if number >= self._count:
                    return
                self._next += 1
                self._running += 1
            try:
                self._chunk(number)
            except BaseException as error:
                with self._changed:
                    # Chunks that no thread has begun are not computed.
                    self._next = self._count
                    self._error = self._error or error
            finally:
                with self._changed:
                    self._running -= 1
                    if not self._running:
                        self._changed.notify_all()

    def finish(self) -> None:
        """Waits for the chunks that other threads have begun. Raises the first exception of a chunk."""
        with self._changed:
            while self._running:
                self._changed.wait()
        if self._error is not None:
            raise self._error


class Pool:
    """Threads that help with loops; they are started when the first loop is long enough, and sleep otherwise."""

    def __init__(self, threads: int | None = None) -> None:
        self._limit = threads
        self._helpers = 0
        self._loops: deque[_Loop] = deque()
        self._wanted = Semaphore(0)
        self._lock = Lock()

    @property
    def threads(self) -> int:
        """The number of threads that run a loop, the caller included."""
        if self._limit is None:
            self._limit = available_threads()
        return self._limit

    def limit(self, threads: int | None) -> int | None:
        """Sets the number of threads, None for what the machine has; returns the setting before."""
        before, self._limit = self._limit, threads
        return before

    def run(self, chunk: Chunk, count: int) -> None:
        """Calls ``chunk`` with 0 to ``count - 1``, in any order, on any threads. Raises what a chunk raises first."""
        helpers = min(self.threads, count) - 1
        if helpers < 1:
            for number in range(count):
                chunk(number)
            return
        loop = _Loop(chunk, count)
        self._ask(loop, helpers)
        loop.work()
        loop.finish()

    def _ask(self, loop: _Loop, helpers: int) -> None:
        with self._lock:
            self._loops.extend([loop] * helpers)
            for _ in range(min(helpers, self.threads - 1 - self._helpers)):
                self._helpers += 1
                Thread(target=self._serve, name="tfg-pool", daemon=True).start()
        for _ in range(helpers):
            self._wanted.release()

    def _serve(self) -> None:
        np.seterr(all="ignore")
        while True:
            self._wanted.acquire()
            with self._lock:
                loop = self._loops.popleft() if self._loops else None
            if loop is not None:
                loop.work()
            # The arrays of a loop must not be kept alive until the next.
            del loop

    def forget_threads(self) -> None:
        """Starts anew in a child process, which has none of its parent's threads."""
        self.__init__(self._limit)


POOL = Pool()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=POOL.forget_threads)

_blas_is_limited = False


def limit_blas() -> None:
    """Makes the BLAS of numpy run on one thread per call, for the whole process. Does nothing for an unknown one."""
    global _blas_is_limited
    if _blas_is_limited:
        return
    _blas_is_limited = True
    import ctypes

    folders = Path(np.__file__).parents[1].glob("numpy.libs")
    for path in (found for folder in folders for found in folder.glob("lib*openblas*")):
        library = ctypes.CDLL(str(path))
        for name in (
            "scipy_openblas_set_num_threads64_",
            "openblas_set_num_threads64_",
            "openblas_set_num_threads",
        ):
            function = getattr(library, name, None)
            if function is not None:
                function(1)
                return
