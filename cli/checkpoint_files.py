"""``tfg checkpoint list|verify|diff``: inspects checkpoints of any format."""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from ..graphfmt.arrays import jsonable
from ..graphfmt.errors import TfgError
from ..graphfmt.names import counted, nothing_called
from ..graphfmt.shapes import Shape
from ..graphfmt.units import human_bytes
from ..runtime.checkpointing import checkpoint_files
from .common import completions
from .common.console import UsageError, error_fields, note, plain, print_error, print_json, say
from .common.options import common_options
from .common.report import element_text
from .common.tables import print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..graphfmt.checkpoints.entries import TensorEntry
    from ..runtime.checkpointing.checkpoint_files import Checkpoint
    from ..runtime.checkpointing.differences import TensorDifference

_DIFFERENCE_KINDS = ("only_a", "only_b", "dtype", "shape", "values")
_VALUE_TITLES = ("tensor", "type", "differ", "max abs", "max rel", "at", "A", "B")


@click.command("list")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, shell_complete=completions.paths)
@common_options
def list_command(files: tuple[str, ...], as_json: bool, verbose: int) -> None:
    """List checkpoints: format, step, tensors, parameters, bytes.

    For a single FILE, or with -v, also list the tensors: name, type, bytes, and the minimum, maximum, mean and
    standard deviation of the elements.
    """
    detailed = len(files) == 1 or verbose > 0
    documents: list[dict[str, Any]] = []
    failed: dict[str, TfgError] = {}
    for path in files:
        try:
            with checkpoint_files.read_checkpoint(path) as checkpoint:
                documents.append(checkpoint_fields(checkpoint, detailed=detailed))
        except TfgError as error:
            if len(files) == 1:
                raise
            failed[path] = error
    if as_json:
        errors = [{"file": path, "error": error_fields(error)} for path, error in failed.items()]
        print_json({"files": documents, "failed": errors})
    elif documents:
        _print_list(documents, detailed=detailed)
    if failed:
        for error in failed.values() if not as_json else ():
            print_error(error)
        raise click.exceptions.Exit(1)


def _print_list(documents: Sequence[dict[str, Any]], *, detailed: bool) -> None:
    if not detailed:
        titles = ("file", "format", "step", "tensors", "parameters", "bytes")
        print_table(list(map(_list_row, documents)), header=titles, right={2, 3, 4, 5}, indent=0)
        return
    for number, file in enumerate(documents):
        click.echo("\n" if number else "", nl=False)
        print_checkpoint(file)


def _list_row(file: dict[str, Any]) -> tuple[str, ...]:
    step = "-" if file["step"] is None else str(file["step"])
    numbers = (str(file["count"]), f"{file['parameters']:,}", human_bytes(file["bytes"]))
    return (file["file"], file["format"], step, *numbers)


def show_checkpoint(path: str, *, as_json: bool) -> None:
    """Prints a checkpoint for ``tfg show``."""
    with checkpoint_files.read_checkpoint(path) as checkpoint:
        document = checkpoint_fields(checkpoint)
    if as_json:
        print_json(document)
    else:
        print_checkpoint(document)


def checkpoint_fields(checkpoint: Checkpoint, *, detailed: bool = True) -> dict[str, Any]:
    """Returns a checkpoint's fields in ``--json``.

    ``count`` tensors have ``parameters`` elements and ``bytes`` in all; ``step`` is None if unknown; ``tensors`` with
    their statistics is None unless ``detailed``; ``others`` are the resources besides variables.
    """
    entries = checkpoint.tensors
    return {
        "file": checkpoint.path,
        "format": checkpoint.format,
        "step": checkpoint.step,
        "count": len(entries),
        "parameters": sum(Shape(entry.shape).size or 0 for entry in entries.values()),
        "bytes": sum(byte_size(entry) or 0 for entry in entries.values()),
        "tensors": [_tensor(checkpoint, name, e) for name, e in entries.items()] if detailed else None,
        "others": [{"kind": kind, "name": name} for kind, name in checkpoint.others],
    }


def byte_size(entry: TensorEntry) -> int | None:
    """Returns the bytes of a tensor's elements in memory; None for strings."""
    return None if entry.dtype.is_opaque else entry.dtype.size * (Shape(entry.shape).size or 0)


def _tensor(checkpoint: Checkpoint, name: str, entry: TensorEntry) -> dict[str, Any]:
    from ..runtime.checkpointing.tensor_statistics import Statistics, statistics

    numbers = statistics(checkpoint.reader, name) or Statistics(None, None, None, None, 0)
    fields = {key: _item(value) for key, value in numbers._asdict().items()}
    return {"name": name, **_type(entry), "bytes": byte_size(entry), **fields}


def _type(entry: TensorEntry | None) -> dict[str, Any]:
    return {"dtype": entry.dtype.name if entry else None, "shape": list(entry.shape) if entry else None}


def print_checkpoint(file: dict[str, Any]) -> None:
    """Prints a checkpoint as text, from its ``checkpoint_fields``."""
    step = "" if file["step"] is None else f", step {file['step']}"
    size = f"{file['parameters']:,} parameters, {human_bytes(file['bytes'])}"
    say(f"{plain(file['file'])}: {file['format']}{step}, {counted(file['count'], 'tensor')}, {size}")
    if file["tensors"]:
        titles = ("tensor", "type", "bytes", "min", "max", "mean", "std", "")
        click.echo()
        print_table(list(map(_tensor_row, file["tensors"])), header=titles, right={2, 3, 4, 5, 6})
    if file["others"]:
        click.echo("\nother state:")
        print_table([(other["kind"], other["name"]) for other in file["others"]])


def _tensor_row(tensor: dict[str, Any]) -> tuple[str, ...]:
    kind = f"{tensor['dtype']}{Shape(tuple(tensor['shape']))}"
    numbers = ["" if tensor[key] is None else _short(tensor[key]) for key in ("min", "max", "mean", "std")]
    return (
        tensor["name"],
        kind,
        human_bytes(tensor["bytes"]),
        *numbers,
        f"{tensor['nans']} NaN" if tensor["nans"] else "",
    )


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


@click.command("verify")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, shell_complete=completions.paths)
@common_options
def verify_command(files: tuple[str, ...], as_json: bool, verbose: int) -> None:
    """Read every FILE and verify its checksums.

    Reports every damaged dataset. Exit status 0 if there is none, 1 otherwise.
    """
    reports: list[dict[str, Any]] = []
    for path in files:
        count, faults = checkpoint_files.verify(path)
        reports.append(
            {"file": path, "valid": not faults, "count": count, "faults": list(map(error_fields, faults))}
        )
        if not as_json:
            _print_verification(path, count, faults)
    if as_json:
        print_json({"valid": all(report["valid"] for report in reports), "files": reports})
    if not all(report["valid"] for report in reports):
        raise click.exceptions.Exit(1)


def _print_verification(path: str, count: int | None, faults: Sequence[TfgError]) -> None:
    for fault in faults:
        print_error(fault)
    if faults:
        note(f"{plain(path)}: {counted(len(faults), 'fault')}")
    else:
        say(f"{plain(path)}: verified, {counted(count or 0, 'tensor')}")


@click.command("diff")
@click.argument("a", metavar="A", shell_complete=completions.paths)
@click.argument("b", metavar="B", shell_complete=completions.paths)
@click.option(
    "--rtol",
    metavar="X",
    type=click.FloatRange(min=0),
    default=0.0,
    help="Relative tolerance, as a fraction of B's value.",
)
@click.option("--atol", metavar="X", type=click.FloatRange(min=0), default=0.0, help="Absolute tolerance.")
@click.option("--only", metavar="GLOB", multiple=True, help="Compare only matching tensors; repeatable.")
@common_options
def diff_command(
    a: str, b: str, rtol: float, atol: float, only: tuple[str, ...], as_json: bool, verbose: int
) -> None:
    """Compare two checkpoints of any formats: tensors that only A or B has, dtypes, shapes and values. Two states are
    also compared in random counters and other resources.

    Numbers are equal if |a - b| <= atol + rtol * |b|; NaN equals NaN. Exit status 0 if nothing differs, 1
    otherwise.
    """
    from ..runtime.checkpointing.differences import Tolerance, differences

    if np.isnan([rtol, atol]).any():
        raise UsageError("a tolerance must be a number")
    tolerance = Tolerance(rtol, atol)
    with checkpoint_files.read_checkpoint(a) as first, checkpoint_files.read_checkpoint(b) as second:
        names = _select_names(sorted({*first.tensors, *second.tensors}), only)
        diffs = list(differences(first.reader, second.reader, names, tolerance))
        if first.format == second.format and not only:
            others_a, others_b = first.others_reader, second.others_reader
            other_names = sorted({*others_a.entries, *others_b.entries})
            diffs += differences(others_a, others_b, other_names, tolerance)
            names += other_names
    if as_json:
        document = {"equal": not diffs, "a": a, "b": b, "compared": len(names)}
        print_json({**document, "differences": list(map(_difference_fields, diffs))})
    elif diffs:
        _print_differences(a, b, diffs)
    else:
        note(f"no difference in {counted(len(names), 'tensor')}")
    if diffs:
        raise click.exceptions.Exit(1)


def _select_names(names: list[str], only: Sequence[str]) -> list[str]:
    selected: set[str] = set()
    for pattern in only:
        matching = [name for name in names if fnmatch.fnmatchcase(name, pattern)]
        if not matching:
            error = nothing_called("tensor", pattern, names)
            error.message = f"neither checkpoint has a tensor called {pattern!r}"
            raise error
        selected.update(matching)
    return [name for name in names if name in selected] if only else names


def _difference_fields(diff: TensorDifference) -> dict[str, Any]:
    values = diff.values
    return {
        "name": diff.name,
        "how": diff.how,
        "a": _type(diff.a) if diff.a else None,
        "b": _type(diff.b) if diff.b else None,
        "values": None
        if values is None
        else {
            "elements": values.elements,
            "at": list(values.at),
            "a": _item(values.a),
            "b": _item(values.b),
            "absolute": _item(values.absolute),
            "relative": _item(values.relative),
        },
    }


def _item(value: Any) -> Any:
    return None if value is None else jsonable(np.asarray(value))


def _print_differences(a: str, b: str, diffs: Sequence[TensorDifference]) -> None:
    titles = (f"only in {a}", f"only in {b}", "different dtype", "different shape", "different values")
    groups = [(title, [d for d in diffs if d.how == how]) for how, title in zip(_DIFFERENCE_KINDS, titles)]
    for number, (title, group) in enumerate((title, group) for title, group in groups if group):
        say(("\n" if number else "") + f"{plain(title)}:")
        if group[0].values is None:
            print_table([[d.name, *_types(d)] for d in group])
        else:
            print_table(list(map(_values_row, group)), header=_VALUE_TITLES, right={2, 3, 4})


def _types(diff: TensorDifference) -> list[str]:
    return [f"{entry.dtype}{Shape(entry.shape)}" for entry in (diff.a, diff.b) if entry is not None]


def _values_row(diff: TensorDifference) -> list[str]:
    values = diff.values
    assert values is not None and diff.a is not None
    distances = ["" if number is None else _short(number) for number in (values.absolute, values.relative)]
    index = str(list(values.at)) if values.at else ""
    share = f"{values.elements} of {Shape(diff.a.shape).size}"
    return [diff.name, _types(diff)[0], share, *distances, index, _shown(values.a), _shown(values.b)]


def _shown(value: Any) -> str:
    item = value.item() if hasattr(value, "item") else value
    return f"{item:.7g}" if isinstance(item, float) else element_text(item)
