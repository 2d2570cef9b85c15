"""``tfg checkpoint list|verify|diff``: looking at checkpoints, whatever their format."""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from ..graphfmt.arrays import jsonable
from ..graphfmt.errors import TfgError
from ..graphfmt.names import counted, nothing_called
from ..graphfmt.shapes import Shape
from ..runtime.checkpointing import checkpoint_files
from ..runtime.summary import human_bytes
from .common.columns import print_rows
from .common.console import UsageError, error_fields, note, plain, print_error, print_json
from .common.options import common

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..graphfmt.checkpoints.entries import TensorEntry
    from ..runtime.checkpointing.checkpoint_files import Checkpoint
    from ..runtime.checkpointing.differences import TensorDifference

_HOW = ("only_a", "only_b", "dtype", "shape", "values")
_VALUE_TITLES = ("tensor", "type", "differ", "max abs", "max rel", "at", "A", "B")


@click.command("list")
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@common
def list_command(files: tuple[str, ...], as_json: bool, verbose: int) -> None:
    """List checkpoints: format, step, tensors, parameters, bytes.

    Of a single FILE, and with -v of all, also every tensor: name, type, bytes, and the least, the greatest, the
    mean and the standard deviation of its elements.
    """
    detailed = len(files) == 1 or verbose > 0
    described: list[dict[str, Any]] = []
    failed: dict[str, TfgError] = {}
    for path in files:
        try:
            with checkpoint_files.read_checkpoint(path) as checkpoint:
                described.append(describe(checkpoint, detailed=detailed))
        except TfgError as error:
            if len(files) == 1:
                raise
            failed[path] = error
    if as_json:
        errors = [{"file": path, "error": error_fields(error)} for path, error in failed.items()]
        print_json({"files": described, "failed": errors})
    elif described:
        _print_list(described, detailed=detailed)
    if failed:
        for error in failed.values() if not as_json else ():
            print_error(error)
        raise click.exceptions.Exit(1)


def _print_list(described: Sequence[dict[str, Any]], *, detailed: bool) -> None:
    if not detailed:
        titles = ("file", "format", "step", "tensors", "parameters", "bytes")
        print_rows([titles, *map(_line, described)], right={2, 3, 4, 5}, indent="")
        return
    for number, file in enumerate(described):
        click.echo("\n" if number else "", nl=False)
        print_checkpoint(file)


def _line(file: dict[str, Any]) -> tuple[str, ...]:
    step = "-" if file["step"] is None else str(file["step"])
    numbers = (str(file["count"]), f"{file['parameters']:,}", human_bytes(file["bytes"]))
    return (file["file"], file["format"], step, *numbers)


def show(path: str, *, as_json: bool) -> None:
    """A checkpoint, as ``tfg show`` shows it."""
    with checkpoint_files.read_checkpoint(path) as checkpoint:
        described = describe(checkpoint)
    if as_json:
        print_json(described)
    else:
        print_checkpoint(described)


def describe(checkpoint: Checkpoint, *, detailed: bool = True) -> dict[str, Any]:
    """A checkpoint as ``--json`` shows it: ``count`` tensors with so many elements (``parameters``) and
    ``bytes`` in all, the ``step`` where it is known, and if ``detailed`` the ``tensors`` with their statistics,
    None otherwise, and ``others``, what a session keeps besides variables."""
    entries = checkpoint.tensors
    return {
        "file": checkpoint.path,
        "format": checkpoint.format,
        "step": checkpoint.step,
        "count": len(entries),
        "parameters": sum(Shape(entry.shape).size or 0 for entry in entries.values()),
        "bytes": sum(size_of(entry) or 0 for entry in entries.values()),
        "tensors": [_tensor(checkpoint, name, e) for name, e in entries.items()] if detailed else None,
        "others": [{"kind": kind, "name": name} for kind, name in checkpoint.others],
    }


def size_of(entry: TensorEntry) -> int | None:
    """The bytes of a tensor's elements in memory; None for strings."""
    return None if entry.dtype.is_opaque else entry.dtype.size * (Shape(entry.shape).size or 0)


def _tensor(checkpoint: Checkpoint, name: str, entry: TensorEntry) -> dict[str, Any]:
    from ..runtime.checkpointing.tensor_statistics import Statistics, statistics

    found = statistics(checkpoint.reader, name) or Statistics(None, None, None, None, 0)
    numbers = {
        key: None if value is None else jsonable(np.asarray(value)) for key, value in found._asdict().items()
    }
    return {"name": name, **_type(entry), "bytes": size_of(entry), **numbers}


def _type(entry: TensorEntry | None) -> dict[str, Any]:
    return {"dtype": entry.dtype.name if entry else None, "shape": list(entry.shape) if entry else None}


def print_checkpoint(file: dict[str, Any]) -> None:
    """A checkpoint for a person, from what ``describe`` gives."""
    step = "" if file["step"] is None else f", step {file['step']}"
    size = f"{file['parameters']:,} parameters, {human_bytes(file['bytes'])}"
    click.echo(f"{plain(file['file'])}: {file['format']}{step}, {counted(file['count'], 'tensor')}, {size}")
    if file["tensors"]:
        titles = ("tensor", "type", "bytes", "min", "max", "mean", "std", "")
        click.echo()
        print_rows([titles, *map(_row, file["tensors"])], right={2, 3, 4, 5, 6})
    if file["others"]:
        click.echo("\nother state:")
        print_rows([(other["kind"], other["name"]) for other in file["others"]])


def _row(tensor: dict[str, Any]) -> tuple[str, ...]:
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
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@common
def verify_command(files: tuple[str, ...], as_json: bool, verbose: int) -> None:
    """Read all of every FILE and hold it against its checksums.

    Every dataset that does not verify is named. Exit status 0 if all do, 1 otherwise.
    """
    reports: list[dict[str, Any]] = []
    for path in files:
        count, faults = checkpoint_files.verify(path)
        reports.append(
            {"file": path, "valid": not faults, "count": count, "faults": list(map(error_fields, faults))}
        )
        if not as_json:
            _tell(path, count, faults)
    if as_json:
        print_json({"valid": all(report["valid"] for report in reports), "files": reports})
    if not all(report["valid"] for report in reports):
        raise click.exceptions.Exit(1)


def _tell(path: str, count: int | None, faults: Sequence[TfgError]) -> None:
    for fault in faults:
        print_error(fault)
    if faults:
        note(f"{plain(path)}: {counted(len(faults), 'fault')}")
    else:
        click.echo(f"{plain(path)}: verified, {counted(count or 0, 'tensor')}")


@click.command("diff")
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@click.option(
    "--rtol", metavar="X", type=click.FloatRange(min=0), default=0.0, help="Equal within X times B's value."
)
@click.option("--atol", metavar="X", type=click.FloatRange(min=0), default=0.0, help="Equal within X.")
@click.option("--only", metavar="GLOB", multiple=True, help="Compare only these tensors; repeatable.")
@common
def diff_command(
    a: str, b: str, rtol: float, atol: float, only: tuple[str, ...], as_json: bool, verbose: int
) -> None:
    """Tell in what two checkpoints differ, whatever their formats: what only A or B has, other dtypes and
    shapes, other values. Of two states also the random counters and other resources are compared.

    Numbers are equal where |a - b| <= atol + rtol * |b|; NaN equals NaN. Exit status 0 if nothing differs, 1
    otherwise.
    """
    from ..runtime.checkpointing.differences import Tolerance, differences

    if np.isnan([rtol, atol]).any():
        raise UsageError("a tolerance is a number")
    tolerance = Tolerance(rtol, atol)
    with checkpoint_files.read_checkpoint(a) as first, checkpoint_files.read_checkpoint(b) as second:
        names = _chosen(sorted({*first.tensors, *second.tensors}), only)
        found = list(differences(first.reader, second.reader, names, tolerance))
        if first.format == second.format and not only:
            mine, theirs = first.others_reader, second.others_reader
            more = sorted({*mine.entries, *theirs.entries})
            found += differences(mine, theirs, more, tolerance)
            names += more
    if as_json:
        document = {"equal": not found, "a": a, "b": b, "compared": len(names)}
        print_json({**document, "differences": list(map(_difference, found))})
    elif found:
        _print_differences(a, b, found)
    else:
        note(f"nothing differs in {counted(len(names), 'tensor')}")
    if found:
        raise click.exceptions.Exit(1)


def _chosen(names: list[str], only: Sequence[str]) -> list[str]:
    found: set[str] = set()
    for pattern in only:
        matching = [name for name in names if fnmatch.fnmatchcase(name, pattern)]
        if not matching:
            error = nothing_called("tensor", pattern, names)
            error.message = f"neither checkpoint has a tensor called {pattern!r}"
            raise error
        found.update(matching)
    return [name for name in names if name in found] if only else names


def _difference(found: TensorDifference) -> dict[str, Any]:
    values = found.values
    return {
        "name": found.name,
        "how": found.how,
        "a": _type(found.a) if found.a else None,
        "b": _type(found.b) if found.b else None,
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


def _print_differences(a: str, b: str, found: Sequence[TensorDifference]) -> None:
    titles = (f"only in {a}", f"only in {b}", "other dtype", "other shape", "other values")
    groups = [(title, [d for d in found if d.how == how]) for how, title in zip(_HOW, titles)]
    for number, (title, group) in enumerate((title, group) for title, group in groups if group):
        click.echo(("\n" if number else "") + f"{plain(title)}:")
        if group[0].values is None:
            print_rows([[d.name, *_types(d)] for d in group])
        else:
            print_rows([_VALUE_TITLES, *map(_values_row, group)], right={2, 3, 4})


def _types(found: TensorDifference) -> list[str]:
    return [f"{entry.dtype}{Shape(entry.shape)}" for entry in (found.a, found.b) if entry is not None]


def _values_row(found: TensorDifference) -> list[str]:
    values = found.values
    assert values is not None and found.a is not None
    far = ["" if number is None else _short(number) for number in (values.absolute, values.relative)]
    place = str(list(values.at)) if values.at else ""
    share = f"{values.elements} of {Shape(found.a.shape).size}"
    return [found.name, _types(found)[0], share, *far, place, _shown(values.a), _shown(values.b)]


def _shown(value: Any) -> str:
    item = value.item() if hasattr(value, "item") else value
    return f"{item:.7g}" if isinstance(item, float) else repr(item)
