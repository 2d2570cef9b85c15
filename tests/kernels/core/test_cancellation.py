"""Kernels that their step leaves when it must stop."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from tfg.graphfmt.errors import Status, TfgError
from tfg.kernels.core import cancellation

LARGE = np.zeros(1 << 18)


class Step:
    """A step that must stop after some checks."""

    def __init__(self, checks: int) -> None:
        self.checks = checks

    def check_cancelled(self) -> None:
        self.checks -= 1
        if self.checks < 0:
            raise TfgError(Status.CANCELLED, "stop")


def call(kernel: Any, step: Any, *inputs: Any) -> Any:
    outer = cancellation.enter(step)
    try:
        return cancellation.abandonable(kernel)(np, *inputs)
    finally:
        cancellation.enter(outer)


def test_a_kernel_is_left_when_its_step_must_stop() -> None:
    begun = time.monotonic()
    with pytest.raises(TfgError, match="stop"):
        call(lambda xp, x: time.sleep(20), Step(1), LARGE)
    assert time.monotonic() - begun < 10


def test_a_kernel_that_ends_gives_its_result_or_error() -> None:
    assert call(lambda xp, x: x.size, Step(1000), LARGE) == LARGE.size
    with pytest.raises(ZeroDivisionError):
        call(lambda xp, x: 1 // 0, Step(1000), LARGE)


def test_errors_of_numbers_are_treated_as_the_caller_says() -> None:
    with np.errstate(all="raise"), pytest.raises(FloatingPointError):
        call(lambda xp, x: np.float64(1) / np.float64(0), Step(1000), LARGE)


def test_small_inputs_and_no_step_need_no_thread() -> None:
    from threading import current_thread

    assert call(lambda xp, x: current_thread(), Step(1000), np.zeros(4)) is current_thread()
    assert call(lambda xp, x: current_thread(), None, LARGE) is current_thread()
