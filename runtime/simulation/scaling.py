"""Predictions for growing numbers of workers, and what real runs say of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .training import predict_training

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .scenario import Scenario
    from .training import PredictedTraining

# Where a further worker adds less than this share of what the first one did, training no longer scales.
_LEAST_GAIN = 0.5


@dataclass(frozen=True)
class Scaling:
    """Predictions by number of workers and of backups.

    Attributes:
        trainings: in the order of the numbers asked for, those of backups within those of workers.
        saturation: the least number of workers beyond which a further one adds less than half of what the first one
            adds, without backups; None where none of the numbers is beyond it.
    """

    trainings: Sequence[PredictedTraining]
    saturation: int | None

    def normalised_gain(self, training: PredictedTraining) -> float | None:
        """The step's gain over that without backups, for equal numbers of machines (OSDI'16 section 6.3); None without
        that one."""
        for other in self.trainings:
            if other.workers == training.workers and other.backups == 0:
                machines = training.workers / (training.workers + training.backups)
                return other.step / training.step * machines - 1
        return None


class StepComparison(NamedTuple):
    """A real run beside its prediction, in seconds; ``error`` is the prediction's, as a share of the real time."""

    workers: int
    measured: float
    predicted: float

    @property
    def error(self) -> float:
        """The predicted time over the measured one, less 1."""
        return self.predicted / self.measured - 1


def predict_scaling(scenario: Scenario, workers: Sequence[int], backups: Sequence[int]) -> Scaling:
    """Predicts training on each number of workers with each number of backups."""
    trainings = [predict_training(scenario, n, b) for n in workers for b in backups]
    return Scaling(trainings, _saturation(scenario, workers))


def _saturation(scenario: Scenario, workers: Sequence[int]) -> int | None:
    single = predict_training(scenario, 1).rate
    before = 1, single
    for number in sorted(set(workers) - {1}):
        rate = predict_training(scenario, number).rate
        if (rate - before[1]) / (number - before[0]) < _LEAST_GAIN * single:
            return _least_saturated(scenario, before[0], number, single)
        before = number, rate
    return None


def _least_saturated(scenario: Scenario, good: int, bad: int, single: float) -> int:
    """The least number of workers from ``good`` on whose successor adds too little; ``bad`` at most."""
    while good < bad:
        middle = (good + bad) // 2
        gain = predict_training(scenario, middle + 1).rate - predict_training(scenario, middle).rate
        if gain < _LEAST_GAIN * single:
            bad = middle
        else:
            good = middle + 1
    return good


def fit(scenario: Scenario, measured: Mapping[int, float]) -> Scenario:
    """Returns the scenario with the overhead, and the time for each worker, that fit the measured steps best (least
    squares of the relative errors; neither is negative). One measured step decides the overhead alone."""
    network = replace(scenario.network, overhead=0.0, fan_out=0.0)
    bare = replace(scenario, network=network)
    workers = np.array(sorted(measured), np.float64)
    seconds = np.array([measured[int(n)] for n in workers])
    left = seconds - [predict_training(bare, int(n)).step for n in workers]
    overhead, fan_out = _line(workers, left, 1 / seconds)
    return replace(scenario, network=replace(network, overhead=overhead, fan_out=fan_out))


def _line(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """The line ``a + b x`` of least weighted squares with neither ``a`` nor ``b`` negative."""
    squares = weight**2
    constant = max(0.0, float((squares * y).sum() / squares.sum()))
    if len(x) == 1:
        return constant, 0.0
    a, b = np.linalg.lstsq(np.stack([weight, weight * x], 1), weight * y)[0].tolist()
    if a >= 0 and b >= 0:
        return a, b
    slope = max(0.0, float((squares * x * y).sum() / (squares * x * x).sum()))
    candidates = [(constant, 0.0), (0.0, slope)]
    return min(candidates, key=lambda line: float((squares * (y - line[0] - line[1] * x) ** 2).sum()))


def compare(scenario: Scenario, measured: Mapping[int, float], *, fitted: bool) -> list[StepComparison]:
    """Compares measured steps, by number of workers, with predictions. Those of a fitted scenario leave the step that
    they are compared with out of the fit, if at least two others are left."""
    return [
        StepComparison(
            workers, seconds, predict_training(_without(scenario, measured, workers, fitted), workers).step
        )
        for workers, seconds in sorted(measured.items())
    ]


def _without(scenario: Scenario, measured: Mapping[int, float], workers: int, fitted: bool) -> Scenario:
    others = {n: seconds for n, seconds in measured.items() if n != workers}
    return fit(scenario, others) if fitted and len(others) >= 2 else scenario
