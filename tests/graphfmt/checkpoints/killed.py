"""A process that is killed at a system call of one's choice, as a power cut or the batch system would.

The child is traced, and stops whenever it enters a system call and again when it leaves it; at the chosen stop it
is killed, so that the call has or has not happened. Only the thread that acts is stopped; what its other threads
do meanwhile is left to chance.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import traceback
from collections.abc import Callable

import pytest

_TRACEME, _KILL_WITH_PARENT, _SYSCALL, _SETOPTIONS = 0, 0x100000, 24, 0x4200


def _ptrace(request: int, pid: int = 0, data: int = 0) -> int:
    call = ctypes.CDLL(None, use_errno=True).ptrace
    call.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    return call(request, pid, None, data)


def kill(act: Callable[[], object], at: int | None = None) -> int | None:
    """Runs ``act`` in a child, killed at that stop. Without ``at``, or where it ends before: how often it stopped.

    Skips the test where no process may be traced.
    """
    if not sys.platform.startswith("linux"):
        pytest.skip("needs Linux's ptrace")
    child = os.fork()
    if child == 0:
        _act(act)
    _, status = os.waitpid(child, 0)
    if not os.WIFSTOPPED(status):
        pytest.skip("no process may be traced here")
    _ptrace(_SETOPTIONS, child, _KILL_WITH_PARENT)
    return _follow(child, at)


def _act(act: Callable[[], object]) -> None:
    """The child's life."""
    if _ptrace(_TRACEME) != 0:
        os._exit(3)
    os.kill(os.getpid(), signal.SIGSTOP)
    try:
        act()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _follow(child: int, at: int | None) -> int | None:
    stops = 0
    passed_on = 0
    while True:
        _ptrace(_SYSCALL, child, passed_on)
        _, status = os.waitpid(child, 0)
        if not os.WIFSTOPPED(status):
            assert os.waitstatus_to_exitcode(status) == 0, "it failed before it was killed"
            return stops
        got = os.WSTOPSIG(status)
        passed_on = 0 if got == signal.SIGTRAP else got
        stops += 1
        if stops == at:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return None


def spread(total: int, most: int) -> list[int]:
    """Stops to kill at: every one, or ``most`` of them from the first to the last."""
    if total <= most:
        return list(range(1, total + 1))
    return [1 + i * (total - 1) // (most - 1) for i in range(most)]
