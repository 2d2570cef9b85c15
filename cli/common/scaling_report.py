"""The report of ``tfg simulate``, as text and as a document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ...graphfmt.names import counted
from ...graphfmt.units import human_bytes, human_seconds
from .console import say
from .tables import print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...runtime.simulation.scaling import Scaling, StepComparison
    from ...runtime.simulation.scenario import Scenario
    from ...runtime.simulation.training import PredictedTraining


class Forecast(NamedTuple):
    """A scenario, what is predicted for it, and measured steps beside their predictions."""

    scenario: Scenario
    scaling: Scaling
    comparisons: Sequence[StepComparison]


def scaling_fields(forecast: Forecast) -> dict[str, Any]:
    """The fields of ``--json``, in seconds, bytes and shares."""
    scenario, scaling, comparisons = forecast
    workload, network = scenario.workload, scenario.network
    return {
        "workload": {
            "compute": workload.compute,
            "fetched_bytes": workload.fetched,
            "pushed_bytes": workload.pushed,
            "items": workload.items,
        },
        "overhead": network.overhead,
        "fan_out": network.fan_out,
        "trainings": [_training_fields(scaling, training) for training in scaling.trainings],
        "saturation": scaling.saturation,
        "measured": [{**one._asdict(), "error": one.error} for one in comparisons],
    }


def _training_fields(scaling: Scaling, training: PredictedTraining) -> dict[str, Any]:
    return {
        "workers": training.workers,
        "backups": training.backups,
        "step": training.step,
        "step_p90": training.slow_step,
        "steps_per_second": training.rate / (training.workers if training.is_synchronous else 1),
        "items_per_second": training.items_rate,
        "limit": training.limit,
        "useful": training.upkeep.useful,
        "checkpoint_every": training.upkeep.interval,
        "normalised_gain": scaling.normalised_gain(training),
    }


def print_scaling(forecast: Forecast, *, fitted: bool) -> None:
    """Prints the worker's step, a table of predictions, the saturation and the errors."""
    scenario, scaling, comparisons = forecast
    workload = scenario.workload
    say(
        f"a worker's step: {human_seconds(workload.compute)} of computing, {human_bytes(workload.fetched)} fetched, "
        f"{human_bytes(workload.pushed)} sent"
    )
    if fitted:
        network = scenario.network
        say(
            f"fitted: --overhead {human_seconds(network.overhead)} and --fan-out {human_seconds(network.fan_out)}"
        )
    header = _header(scaling)
    shown = [place for place, says in enumerate(header.values()) if says]
    print_table(
        [[row[place] for place in shown] for row in (_row(scaling, one) for one in scaling.trainings)],
        header=[title for title, says in header.items() if says],
        right=range(len(shown) - 1),
    )
    if scaling.saturation is not None:
        workers = counted(scaling.saturation, "worker")
        say(f"saturates at {workers}: a further one adds less than half as much as the first")
    for one in comparisons:
        say(
            f"{counted(one.workers, 'worker')}: {human_seconds(one.measured)} measured, "
            f"{human_seconds(one.predicted)} predicted ({one.error:+.1%})"
        )


def _header(scaling: Scaling) -> dict[str, bool]:
    """The titles of the columns, and whether they say something here."""
    has_backups = any(one.backups for one in scaling.trainings)
    has_upkeep = any(one.upkeep.useful < 1 for one in scaling.trainings)
    return {
        "workers": True,
        "backups": has_backups,
        "step": True,
        "p90": True,
        "examples/s": True,
        "gain per machine": has_backups,
        "useful": has_upkeep,
        "checkpoint every": has_upkeep,
        "limit": True,
    }


def _row(scaling: Scaling, training: PredictedTraining) -> list[str]:
    gain, interval = scaling.normalised_gain(training), training.upkeep.interval
    return [
        str(training.workers),
        str(training.backups),
        human_seconds(training.step),
        human_seconds(training.slow_step),
        f"{training.items_rate:.4g}",
        "" if gain is None else f"{gain:+.1%}",
        f"{training.upkeep.useful:.1%}",
        "" if interval is None else human_seconds(interval),
        training.limit,
    ]
