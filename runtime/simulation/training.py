"""Predicts the steps of a training on a number of workers.

Computing times are drawn; what is moved takes as long as the slowest link needs. A synchronous step ends with the
n-th gradient of n + b workers, where b are backups (OSDI'16 section 4.4).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .failures import Upkeep, upkeep

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .scenario import Network, Scenario, Variability, Workload

# Numbers that are drawn at once, so that memory stays bounded for any number of workers.
_DRAWN_AT_ONCE = 1 << 20
# Seconds of a step without any work, so that rates stay finite.
_LEAST_STEP = 1e-9


@dataclass(frozen=True)
class PredictedTraining:
    """Steps of a training on ``workers`` workers and ``backups`` more.

    Attributes:
        step: median seconds of a step; of one worker's cycle if the training is asynchronous.
        slow_step: the seconds within which nine steps of ten end.
        rate: gradients applied a second, one for each worker and step, failures and checkpoints included.
        items_rate: the examples in them.
        limit: ``servers``, ``worker link``, ``compute`` or ``overhead``, which takes most of the time.
        upkeep: the share of time that failures and checkpoints leave, and the interval between checkpoints.
    """

    workers: int
    backups: int
    is_synchronous: bool
    step: float
    slow_step: float
    rate: float
    items_rate: float
    limit: str
    upkeep: Upkeep


def predict_training(scenario: Scenario, workers: int, backups: int = 0) -> PredictedTraining:
    """Predicts the steps of ``workers`` workers, each with its own gradient; a synchronous step has ``backups`` more
    and drops the last gradients. Deterministic for a scenario."""
    times = (
        _synchronous_steps(scenario, workers, backups)
        if scenario.is_synchronous
        else _cycles(scenario, workers)
    )
    kept = upkeep(scenario.reliability, workers + backups + scenario.network.servers)
    rate = workers / max(float(times.mean()), _LEAST_STEP) * kept.useful
    return PredictedTraining(
        workers,
        backups,
        scenario.is_synchronous,
        float(np.median(times)),
        float(np.quantile(times, 0.9)),
        rate,
        rate * scenario.workload.items,
        _limit(scenario, workers + backups),
        kept,
    )


def worker_link_time(workload: Workload, network: Network) -> float:
    """Seconds in which one worker's link moves what a step needs."""
    return workload.moved / network.worker_rate


def servers_time(workload: Workload, network: Network, workers: int) -> float:
    """Seconds in which the links of the servers move what ``workers`` workers need."""
    return workers * workload.moved / (network.servers * network.server_rate)


def moving_time(workload: Workload, network: Network, workers: int) -> float:
    """Seconds from a request for parameters to their arrival, and from sending gradients to theirs."""
    slowest = max(worker_link_time(workload, network), servers_time(workload, network, workers))
    return 2 * network.latency + slowest


def _synchronous_steps(scenario: Scenario, workers: int, backups: int) -> np.ndarray[Any, Any]:
    together = workers + backups
    waits = [
        np.partition(times, workers - 1, axis=1)[:, workers - 1] for times in _computing(scenario, together)
    ]
    network = scenario.network
    fixed = moving_time(scenario.workload, network, together) + network.overhead + network.fan_out * together
    return np.concatenate(waits) + fixed


def _cycles(scenario: Scenario, workers: int) -> np.ndarray[Any, Any]:
    """The times in which workers that wait for nobody go round: their own, unless the servers' links are full."""
    network, workload = scenario.network, scenario.workload
    alone = 2 * network.latency + worker_link_time(workload, network) + network.overhead + network.fan_out
    times = np.concatenate([drawn[:, 0] for drawn in _computing(scenario, 1)]) + alone
    busy = servers_time(workload, network, workers)
    return times * max(1.0, busy / float(times.mean())) if times.mean() else np.full_like(times, busy)


def _computing(scenario: Scenario, together: int) -> Iterator[np.ndarray[Any, Any]]:
    """Computing times ``[steps, workers]``, in portions."""
    random = np.random.default_rng([scenario.seed, together])
    portion = max(1, _DRAWN_AT_ONCE // together)
    for first in range(0, scenario.samples, portion):
        shape = (min(portion, scenario.samples - first), together)
        yield scenario.workload.compute * _factors(scenario.variability, random, shape)


def _factors(variability: Variability, random: np.random.Generator, shape: tuple[int, int]) -> Any:
    factors = np.ones(shape)
    if variability.jitter:
        spread = np.sqrt(np.log1p(variability.jitter**2))
        factors = random.lognormal(-(spread**2) / 2, spread, shape)
    if variability.straggling:
        factors = factors * np.where(
            random.random(shape) < variability.straggling, 1 + variability.slowdown, 1
        )
    return factors


def _limit(scenario: Scenario, together: int) -> str:
    workload, network = scenario.workload, scenario.network
    counted = together if scenario.is_synchronous else 1
    shares = {
        "compute": workload.compute * scenario.variability.mean,
        "servers": servers_time(workload, network, together),
        "worker link": worker_link_time(workload, network),
        "overhead": network.overhead + network.fan_out * counted + 2 * network.latency,
    }
    return max(shares, key=shares.__getitem__)
