"""ReadFile, WriteFile and MatchingFiles (whole_file_read_ops.cc, matching_files_op.cc in TensorFlow)."""

from __future__ import annotations

import glob
from pathlib import Path
from typing import Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.files import file_error, read_file
from ....graphfmt.shapes import Shape
from ...core.registry import Family
from ...core.traits import Effects, GpuSupport, StateAccess
from ...numeric.string_tensors import array_of

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op


def _path(name: Any, what: str) -> str:
    value = name[()] if isinstance(name, np.ndarray) and name.ndim == 0 else name
    if not isinstance(value, bytes):
        raise invalid(f"{what} must be a scalar string")
    return value.decode("utf-8", "surrogateescape")


def _scalar_strings(c: Any) -> Any:
    for position in range(len(c.facts)):
        c.with_rank(position, 0)
    return Shape(()) if c.bound.output_types else []


read = op(
    "ReadFile(filename: string) -> (contents: string)",
    shape=_scalar_strings,
    effects=Effects(reads_files=("filename",)),
)


@read.kernel
def _(xp: Any, filename: Any) -> Any:
    data, _ = read_file(_path(filename, "Input filename tensor"))
    return array_of((), [data])


write = op(
    "WriteFile(filename: string, contents: string)",
    shape=_scalar_strings,
    stateful=True,
    state=StateAccess.NONE,
    effects=Effects(writes_files=("filename",)),
)


@write.kernel
def _(xp: Any, filename: Any, contents: Any) -> Any:
    path = Path(_path(filename, "Input filename tensor"))
    data: Any = contents[()] if isinstance(contents, np.ndarray) else contents
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except (OSError, ValueError) as error:
        raise file_error(error, "written", str(path)) from error
    return ()


match = op(
    "MatchingFiles(pattern: string) -> (filenames: string)",
    shape=lambda c: Shape((None,)),
    effects=Effects(reads_files=("pattern",)),
)


@match.kernel
def _(xp: Any, pattern: Any) -> Any:
    if isinstance(pattern, np.ndarray) and pattern.ndim > 1:
        raise invalid(
            f"Input patterns tensor must be scalar or vector, but had shape: {Shape(tuple(pattern.shape))}"
        )
    patterns: list[bytes] = [pattern] if isinstance(pattern, bytes) else np.reshape(pattern, -1).tolist()
    names = {name for one in patterns for name in glob.glob(one)}  # noqa: PTH207 (patterns are bytes)
    return array_of((len(names),), sorted(names))
