"""Predicted steps of many workers, beside what OSDI'16 measured (sections 6.2 and 6.3)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tfg.runtime.simulation.scaling import predict_scaling
from tfg.runtime.simulation.scenario import Network, Scenario, Variability, Workload
from tfg.runtime.simulation.training import predict_training

# The links of OSDI's cluster, from its null steps.
OSDI = Network(servers=16, worker_rate=930e6, server_rate=968e6)
SCALAR = replace(OSDI, overhead=1.73e-3, fan_out=70.7e-6)
DENSE = replace(OSDI, overhead=25e-3)


@pytest.mark.parametrize(
    ("fetched", "network", "workers", "measured"),
    [
        (64, SCALAR, 1, 1.8e-3),
        (64, SCALAR, 100, 8.8e-3),
        (10**8, DENSE, 1, 0.147),
        (10**8, DENSE, 100, 0.613),
        (10**9, DENSE, 1, 1.01),
        (10**9, DENSE, 100, 7.16),
    ],
)
def test_null_steps(fetched: int, network: Network, workers: int, measured: float) -> None:
    step = predict_training(Scenario(Workload(fetched=fetched), network), workers).step
    assert step == pytest.approx(measured, rel=0.1)


def test_backup_workers() -> None:
    inception = Scenario(
        Workload(1.27, 95 * 10**6, 95 * 10**6, 32), replace(OSDI, servers=17), Variability(0.03, 0.06, 0.32)
    )
    scaling = predict_scaling(inception, [50], range(6))
    steps = [one.step for one in scaling.trainings]
    gains = [scaling.normalised_gain(one) or 0.0 for one in scaling.trainings]
    assert steps[0] == pytest.approx(2.23, rel=0.1)
    assert steps[4] == pytest.approx(1.93, rel=0.1)
    assert min(steps) > 0.995 * steps[4]
    assert gains.index(max(gains)) == 3
    assert max(gains) == pytest.approx(0.095, abs=0.01)


def test_a_step_waits_for_the_slowest_and_a_backup_takes_its_place() -> None:
    always_one = Scenario(Workload(1.0), variability=Variability(0.0, 0.5, 1.0), samples=4000)
    # All of ten workers are fast in one step of 1024 alone; of four, in one of 16.
    assert predict_training(always_one, 10).step == 2.0
    few = predict_training(always_one, 4)
    assert 4 / few.rate == pytest.approx(2 - 1 / 16, rel=0.02)
    # With 30 backups, ten of 40 are fast in nearly every step.
    assert predict_training(always_one, 10, 30).slow_step == 1.0


def test_asynchronous_workers_grow_until_the_links_of_the_servers_are_full() -> None:
    scenario = Scenario(
        Workload(0.9, 5 * 10**7, 5 * 10**7), Network(servers=2, latency=0.0), is_synchronous=False
    )
    rates = [predict_training(scenario, n).rate for n in (1, 10, 20, 40, 400)]
    assert rates == pytest.approx([1, 10, 20, 20, 20], rel=0.01)
    assert [predict_training(scenario, n).limit for n in (1, 40)] == ["compute", "servers"]


def test_the_same_seed_draws_the_same_steps() -> None:
    scenario = Scenario(Workload(1.0), variability=Variability(0.1))
    assert predict_training(scenario, 7) == predict_training(scenario, 7)
    assert predict_training(scenario, 7).step != predict_training(replace(scenario, seed=1), 7).step


def test_jitter_has_the_mean_and_the_deviation_asked_for() -> None:
    training = predict_training(
        Scenario(Workload(1.0), Network(latency=0.0), Variability(0.2), samples=40_000), 1
    )
    assert 1 / training.rate == pytest.approx(1, rel=0.01)
    # The quantile of a log-normal distribution.
    assert training.slow_step == pytest.approx(1.263, rel=0.01)


def test_ten_thousand_workers_are_drawn_in_portions() -> None:
    training = predict_training(Scenario(Workload(1.0), variability=Variability(0.1), samples=300), 10_000)
    assert 1.3 < training.step < 1.7
