"""Writes SavedModels: a MetaGraph, the values of its variables, and its assets, in a folder."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ...graphfmt.checkpoints.bundle.object_graph import OBJECT_GRAPH
from ...graphfmt.checkpoints.entries import StoredTensor
from ...graphfmt.checkpoints.open import open_checkpoint
from ...graphfmt.errors import Location, Status, TfgError
from ...graphfmt.files import file_error
from ...graphfmt.metagraph_writer import saved_model_to_bytes
from ..checkpointing.restoring import match_tensors
from ..checkpointing.saving import write_variables
from ..checkpointing.variables import graph_variables
from .saver_nodes import add_saver, saved_variables

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from ...graphfmt.checkpoints.entries import CheckpointReader
    from ...graphfmt.metagraph import MetaGraph

_SERVE = "serve"


def write_saved_model(
    folder: Path, meta: MetaGraph, values: CheckpointReader | None, model: Path | None = None
) -> MetaGraph:
    """Writes a SavedModel, all of it or nothing, and returns its MetaGraph.

    A MetaGraph without a saver gets one, and without tags the tag ``serve``.

    Args:
        folder: must not exist, or be empty.
        values: has the values of the variables; None for a graph without variables.
        model: the folder of the SavedModel that the MetaGraph is from, with its assets; the restoring nodes of a model
            of TensorFlow 2 read its object graph, too.

    Raises:
        TfgError: FAILED_PRECONDITION for a folder with files, and for variables without values; what matching and
            writing raise.
    """
    check_target(folder)
    variables = graph_variables(meta.graph)
    if variables and values is None:
        raise TfgError(
            Status.FAILED_PRECONDITION,
            f"the graph has {len(variables)} variables, but there are no values for them",
            hint="add --state FILE.h5 or --checkpoint CKPT",
        )
    if variables and meta.saver is None:
        graph, saver = add_saver(meta.graph, saved_variables(meta.graph))
        meta = replace(meta, graph=graph, saver=saver)
    meta = replace(meta, tags=meta.tags or (_SERVE,))
    with _new_folder(folder) as made:
        (made / "saved_model.pb").write_bytes(saved_model_to_bytes([meta]))
        if variables and values is not None:
            (made / "variables").mkdir()
            _write_variables(meta, values, made, _object_graph(model))
        if meta.assets and model is not None:
            _copy_assets(meta, model / "assets", made / "assets")
    return meta


def check_target(folder: Path) -> None:
    """Raises FAILED_PRECONDITION for a path that is no empty folder."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise TfgError(
            Status.FAILED_PRECONDITION,
            f"{str(folder)!r} exists already",
            hint="a SavedModel goes into a new folder, or an empty one",
            location=Location(str(folder)),
        )


def _object_graph(model: Path | None) -> Sequence[StoredTensor]:
    """Returns the object graph among the variables of a model, if it has one."""
    if model is None or not (model / "variables").is_dir():
        return ()
    with open_checkpoint(model / "variables" / "variables") as reader:
        if OBJECT_GRAPH not in reader.entries:
            return ()
        return (StoredTensor(OBJECT_GRAPH, reader.read(OBJECT_GRAPH)),)


def _write_variables(
    meta: MetaGraph, values: CheckpointReader, folder: Path, others: Sequence[StoredTensor]
) -> None:
    from ...graphfmt.checkpoints.hdf5.state_file import SavedState

    matched = match_tensors(graph_variables(meta.graph), values)
    write_variables(str(folder / "variables" / "variables"), matched, values, SavedState(), others=others)


def _copy_assets(meta: MetaGraph, source: Path, target: Path) -> None:
    target.mkdir()
    for file in meta.assets.values():
        if Path(file).is_absolute() or ".." in Path(file).parts:
            continue
        (target / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / file, target / file)


@contextmanager
def _new_folder(folder: Path) -> Generator[Path]:
    """Yields a folder beside the target, which takes the target's place at the end, or is removed after a failure."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise file_error(error, "written", str(folder)) from error
    try:
        yield made
        made.chmod(0o777 & ~_umask())
        if folder.exists():
            folder.rmdir()
        made.replace(folder)
    except OSError as error:
        raise file_error(error, "written", str(folder)) from error
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
