"""``tfg compare``: finds the first value that differs between two graphs, settings or files of values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import click
import numpy as np

from ..graphfmt.arrays import jsonable
from ..graphfmt.names import counted
from .common import completions
from .common.console import note, plain, print_json, say, usage_errors
from .common.options import (
    FeedOptions,
    FetchOptions,
    check_devices,
    common_options,
    feed_options,
    fetch_options,
    init_option,
)
from .common.report import element_text
from .common.tables import print_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..graphfmt.errors import TfgError
    from ..runtime.checkpointing.differences import Tolerance
    from .running.comparison import Comparison, ComparisonFailure, Difference

# The number of differing values that are listed without --verbose.
_SHOWN = 10


@click.command("compare")
@click.argument("a", type=click.Path())
@click.argument("b", type=click.Path())
@fetch_options
@feed_options
@click.option(
    "--signature",
    metavar="NAME",
    shell_complete=completions.signatures,
    help="Compare what this signature of a model computes.",
)
@init_option
@click.option(
    "--state",
    metavar="FILE.h5",
    shell_complete=completions.paths,
    help="Give both graphs the variables in this file.",
)
@click.option(
    "--devices",
    metavar="SPEC",
    callback=check_devices,
    shell_complete=completions.devices,
    help="Run A on these devices.",
)
@click.option(
    "--b-devices",
    metavar="SPEC",
    callback=check_devices,
    shell_complete=completions.devices,
    help="Run B on these devices.",
)
@click.option("--optimize", type=click.Choice(["on", "off"]), default="on", help="Optimize the plan of A.")
@click.option("--b-optimize", type=click.Choice(["on", "off"]), default="on", help="Optimize the plan of B.")
@click.option(
    "--names",
    metavar="FILE",
    shell_complete=completions.paths,
    help="Pairs of names that correspond, a line each: NAME-IN-A NAME-IN-B.",
)
@click.option(
    "--tolerance",
    metavar="DTYPE=RTOL[,ATOL]",
    multiple=True,
    help="Tolerances of elements of this dtype; repeatable.",
)
@common_options
def command(a: str, b: str, **options: Any) -> None:
    """Find the first value that differs between the graphs A and B, which get the same feeds.

    \b
    tfg compare model.pb optimized.pb
    tfg compare model.pb model.pb --b-devices gpu:1
    tfg compare model.pb tensorflow.npz --feeds inputs.npz

    B may be a file of values by tensor name: .npz or .h5. Every tensor that the fetches need and that both have is
    compared, a few at a time. Feeds that are not given are made up. Exit status 0 if nothing differs, 1 otherwise.
    """
    parsed = _CompareOptions(**options)
    from .running.comparison import open_sides, run_comparison

    with usage_errors():
        tolerances = _tolerances(parsed.tolerance)
    with open_sides(a, b, parsed) as (one, other):
        comparison = run_comparison(one, other, parsed.names, tolerances)
    differs = bool(comparison.differences or comparison.failures)
    if parsed.as_json:
        print_json({"equal": not differs, "a": a, "b": b, **_fields(comparison)})
    else:
        _print(comparison, None if parsed.verbose else _SHOWN)
    if differs:
        raise click.exceptions.Exit(1)


class _CompareOptions(NamedTuple):
    fetch: FetchOptions
    feed: FeedOptions
    signature: str | None
    init: tuple[str, ...]
    state: str | None
    devices: str | None
    b_devices: str | None
    optimize: str
    b_optimize: str
    names: str | None
    tolerance: tuple[str, ...]
    as_json: bool
    verbose: int


def _tolerances(texts: Sequence[str]) -> Mapping[str, Tolerance]:
    """Returns the tolerances by dtype. Raises for a text that is not DTYPE=RTOL or DTYPE=RTOL,ATOL."""
    from ..graphfmt import dtypes
    from ..runtime.checkpointing.differences import Tolerance
    from ..runtime.value_comparison import DEFAULT_TOLERANCES

    tolerances = dict(DEFAULT_TOLERANCES)
    for text in texts:
        name, _, numbers = text.partition("=")
        try:
            values = [float(number) for number in numbers.split(",")]
        except ValueError:
            values = []
        if not 1 <= len(values) <= 2 or not all(value >= 0 for value in values):
            raise click.UsageError(f"--tolerance {text!r} is not of the form DTYPE=RTOL or DTYPE=RTOL,ATOL")
        tolerances[dtypes.parse(name).name] = Tolerance(*values)
    return tolerances


def _fields(comparison: Comparison) -> dict[str, Any]:
    return {
        "compared": comparison.compared,
        "not_executed": list(comparison.not_executed),
        "failures": [
            {"name": failed.name, "a": _error_fields(failed, failed.a), "b": _error_fields(failed, failed.b)}
            for failed in comparison.failures
        ],
        "differences": [_difference_fields(difference) for difference in comparison.differences],
    }


def _error_fields(failed: ComparisonFailure, error: TfgError | None) -> dict[str, Any] | None:
    if error is None:
        return None
    return {"status": str(error.status), "message": error.message, "node": error.node or failed.name}


def _difference_fields(difference: Difference) -> dict[str, Any]:
    values, statistics = difference.value.difference, difference.value.statistics
    return {
        "name": difference.name,
        "name_in_b": difference.name_in_b,
        "op": difference.op,
        "how": difference.value.how,
        "a": {"dtype": difference.a.dtype, "shape": list(difference.a.shape)},
        "b": {"dtype": difference.b.dtype, "shape": list(difference.b.shape)},
        "inputs": [{"name": name, "verdict": verdict} for name, verdict in difference.inputs],
        "elements": None if values is None else values.elements,
        "at": None if values is None else list(values.at),
        "absolute": None if values is None else _number(values.absolute),
        "relative": None if values is None else _number(values.relative),
        "statistics": None
        if statistics is None
        else {
            "mean": _number(statistics.mean),
            "ulps": statistics.ulps,
            "decades": [{"exponent": e, "count": count} for e, count in statistics.decades.items()],
            "nans": list(statistics.nans),
            "infinities": list(statistics.infinities),
        },
    }


def _number(number: float | None) -> Any:
    """Returns a number as JSON has it: an infinity is a string."""
    return None if number is None else jsonable(np.asarray(number))


def _print(comparison: Comparison, shown: int | None) -> None:
    note(f"compared {counted(comparison.compared, 'value')}")
    if comparison.not_executed:
        note(f"not executed: {counted(len(comparison.not_executed), 'value')}")
    _print_failures(comparison.failures)
    if not comparison.differences:
        note(
            "no difference"
            if not comparison.failures
            else "no difference among the values that were computed"
        )
        return
    _print_first(comparison.differences[0])
    rows = [_row(difference) for difference in comparison.differences[:shown]]
    say(f"values that differ, in execution order: {len(comparison.differences)}")
    titles = ("name", "op", "shape", "elements", "largest", "relative")
    print_table(rows, header=titles, right={3, 4, 5})
    if len(comparison.differences) > len(rows):
        say(f"  and {len(comparison.differences) - len(rows)} more (-v lists them)")


def _print_failures(failures: Sequence[ComparisonFailure]) -> None:
    """Tells which values could not be computed, and why the first could not."""
    if not failures:
        return
    first = failures[0]
    for side, error in (("A", first.a), ("B", first.b)):
        if error is not None:
            at = f" at {plain(error.node)}" if error.node else ""
            say(f"{plain(first.name)} fails in {side}: {error.status}{at}: {plain(error.message)}")
    if len(failures) > 1:
        say(f"  and with it {counted(len(failures) - 1, 'other value')}")


def _print_first(first: Difference) -> None:
    say(f"first difference: {plain(first.name)} ({plain(first.op or 'value')}), {_how(first)}")
    for name, verdict in first.inputs:
        say(f"  input {plain(name)}: {verdict}")
    values, statistics = first.value.difference, first.value.statistics
    if values is not None:
        at = f" at [{','.join(map(str, values.at))}]" if values.at else ""
        say(f"  largest{at}: {element_text(values.a)} and {element_text(values.b)}")
    if statistics is not None:
        ulps = "" if statistics.ulps is None else f", at most {counted(statistics.ulps, 'ULP')}"
        say(f"  mean {statistics.mean:.3g}{ulps}")
        decades = "  ".join(f"1e{e}: {count}" for e, count in statistics.decades.items())
        say(f"  differences by size: {decades}" if decades else "  no finite difference")
        if any((*statistics.nans, *statistics.infinities)):
            (a, b), (c, d) = statistics.nans, statistics.infinities
            say(f"  NaN: {a} and {b}; infinite: {c} and {d}")


def _how(difference: Difference) -> str:
    if difference.value.how == "values":
        return f"{difference.a}: values differ"
    return f"{difference.value.how} differs: {difference.a} and {difference.b}"


def _row(difference: Difference) -> Sequence[str]:
    values = difference.value.difference
    numbers = (
        ("", "", "")
        if values is None
        else (
            str(values.elements),
            "" if values.absolute is None else f"{values.absolute:.3g}",
            "" if values.relative is None else f"{values.relative:.3g}",
        )
    )
    return (difference.name, difference.op or "", str(difference.a), *numbers)
