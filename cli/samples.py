"""``tfg samples``: lists the sample graphs that come with tfg, and copies them."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from .common.options import common_options

# Beside the packages, in the repository as in an installation.
FOLDER = Path(__file__).parent.parent / "samples"


@click.command("samples")
@click.argument("copy_to", metavar="[COPY_TO]", type=click.Path(path_type=Path), required=False)
@common_options
def command(copy_to: Path | None, as_json: bool, verbose: int) -> None:
    """List the sample graphs, or copy them.

    Each sample is a folder with graphs, their data, and a README.md that explains the commands. They are copied into
    the folder COPY_TO, which is made if it does not exist; files that exist there already are not overwritten.

    \b
    Examples:
      tfg samples
      tfg samples my-samples
    """
    from .common.console import print_json, say
    from .common.tables import print_table

    if copy_to is not None:
        _copy(copy_to)
    samples = {
        folder: _title(folder) for folder in sorted(FOLDER.iterdir()) if (folder / "README.md").is_file()
    }
    if as_json:
        fields = [
            {"name": folder.name, "title": title, "files": [path.name for path in _files(folder)]}
            for folder, title in samples.items()
        ]
        print_json({"samples": fields, "copied_to": None if copy_to is None else str(copy_to)})
    elif copy_to is not None:
        say(f"copied to {copy_to}: {', '.join(folder.name for folder in samples)}")
    else:
        rows: list[tuple[str, str]] = []
        for folder, title in samples.items():
            files = " ".join(path.name for path in _files(folder))
            rows += [(folder.name, title), ("", files)]
        print_table(rows, indent=0)


def _title(folder: Path) -> str:
    with (folder / "README.md").open(encoding="utf-8") as readme:
        return readme.readline().strip("# \n")


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file() and path.suffix != ".pyc")


def _copy(target: Path) -> None:
    """Copies every sample. Raises ALREADY_EXISTS, before it copies anything, for files that exist."""
    from ..graphfmt.errors import Status, TfgError
    from ..graphfmt.files import file_error

    files = [path for folder in FOLDER.iterdir() if folder.is_dir() for path in _files(folder)]
    copies = {path: target / path.relative_to(FOLDER) for path in files}
    existing = next((copy for copy in copies.values() if copy.exists()), None)
    if existing is not None:
        raise TfgError(Status.ALREADY_EXISTS, f"{str(existing)!r} exists", hint="name a new folder")
    try:
        for path, copy in copies.items():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
    except OSError as error:
        raise file_error(error, "written", str(target)) from error
