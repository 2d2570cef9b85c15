"""Growing numbers of workers: saturation, and the fit to measured steps."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tfg.runtime.simulation.scaling import compare, fit, predict_scaling
from tfg.runtime.simulation.scenario import Network, Scenario, Workload

SCENARIO = Scenario(Workload(0.1, 10**6, 10**6), Network(servers=2, latency=0.0))


def test_saturation_is_the_first_number_of_workers_beyond_which_little_is_gained() -> None:
    # The first worker computes 9.8 steps a second. Beyond two, the servers' links decide, and a step takes
    # 0.1 + n / 1000 seconds: the rate n / step grows by half of 9.8 between 42 and 43 workers.
    assert predict_scaling(SCENARIO, [1, 1000], [0]).saturation == 43
    assert predict_scaling(SCENARIO, [1, 10], [0]).saturation is None
    assert predict_scaling(SCENARIO, [1], [0]).saturation is None


def test_a_fit_finds_the_numbers_behind_the_steps() -> None:
    truth = replace(SCENARIO, network=replace(SCENARIO.network, overhead=4e-3, fan_out=3e-4))
    measured = {one.workers: one.step for one in predict_scaling(truth, [1, 3, 8], [0]).trainings}
    network = fit(SCENARIO, measured).network
    assert (network.overhead, network.fan_out) == pytest.approx((4e-3, 3e-4))


@pytest.mark.parametrize("measured", [{1: 0.05}, {1: 0.05, 9: 0.06}, {2: 0.3, 9: 0.2}])
def test_no_fitted_time_is_negative(measured: dict[int, float]) -> None:
    network = fit(SCENARIO, measured).network
    assert network.overhead >= 0 and network.fan_out >= 0


def test_the_error_of_a_fit_is_that_of_a_step_which_it_did_not_see() -> None:
    measured = {1: 0.11, 2: 0.12, 4: 0.14, 8: 0.36}
    errors = [one.error for one in compare(fit(SCENARIO, measured), measured, fitted=True)]
    # The first three lie on a line, which misses the last.
    assert errors[3] == pytest.approx(0.18 / 0.36 - 1, rel=0.02)
    stated = compare(SCENARIO, {1: 0.204}, fitted=False)
    assert stated[0].error == pytest.approx(0.102 / 0.204 - 1)
