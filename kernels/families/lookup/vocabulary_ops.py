"""GenerateVocabRemapping and LoadAndRemapMatrix: weights of one vocabulary, taken over into another
(generate_vocab_remapping_op.cc, load_and_remap_matrix_op.cc in TensorFlow)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt import dtypes
from ....graphfmt.errors import Status, TfgError, invalid
from ....graphfmt.names import did_you_mean
from ....graphfmt.shapes import SCALAR, Shape, matrix, vector
from ...core.cancellation import check
from ...core.registry import Family
from ...core.traits import Effects, GpuSupport
from ...numeric.int_arguments import check_allocation
from .text_files import TextColumns, read_columns

if TYPE_CHECKING:
    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

_WHOLE_LINE, _LINE_NUMBER = -2, -1


def _remapping_shape(c: ShapeContext) -> list[Shape]:
    c.with_rank(0, 0)
    c.with_rank(1, 0)
    return [vector(c.attr("num_new_vocab")), SCALAR]


remapping = op(
    "GenerateVocabRemapping(new_vocab_file: string, old_vocab_file: string; new_vocab_offset: int >= 0, "
    "num_new_vocab: int >= 0, old_vocab_size: int >= -1 = -1) -> (remapping: int64, num_present: int32)",
    shape=_remapping_shape,
    differentiable=False,
    effects=Effects(reads_files=("new_vocab_file", "old_vocab_file")),
)


@remapping.kernel
def _(
    xp: Any,
    new_vocab_file: Any,
    old_vocab_file: Any,
    *,
    new_vocab_offset: int,
    num_new_vocab: int,
    old_vocab_size: int,
) -> list[Any]:
    check_allocation((num_new_vocab,), 8)
    if not num_new_vocab:
        return [np.zeros(0, np.int64), np.int32(0)]
    new = _words(new_vocab_file, -1, "new_vocab_file")
    if new_vocab_offset + num_new_vocab > len(new):
        raise invalid("lookup table size must be larger than last new vocab entry's line")
    old = _words(old_vocab_file, old_vocab_size, "old_vocab_file")
    numbers = {word: number for number, word in enumerate(old)}
    if len(numbers) < len(old):
        raise invalid("Duplicate key in the old vocabulary")
    found = [numbers.get(word, -1) for word in new[new_vocab_offset : new_vocab_offset + num_new_vocab]]
    result = np.array(found, np.int64)
    return [result, np.int32((result >= 0).sum())]


def _words(name: Any, size: int, what: str) -> list[bytes]:
    path = name[()] if isinstance(name, np.ndarray) and name.ndim == 0 else name
    if not isinstance(path, bytes):
        raise invalid(f"{what} should be a single string, but got {Shape(np.shape(name))}")
    columns = TextColumns(_WHOLE_LINE, _LINE_NUMBER, size, "\t", 0)
    words, _ = read_columns(path, columns, dtypes.string, dtypes.int64)
    return words.tolist()


def _matrix_shape(c: ShapeContext) -> Shape:
    c.with_rank("ckpt_path", 0)
    rows = c.with_rank("row_remapping", 1)
    rows.merge(vector(c.attr("num_rows")))
    c.with_rank("col_remapping", 1)
    c.with_rank("initializing_values", 1)
    return matrix(c.attr("num_rows"), c.attr("num_cols"))


load = op(
    "LoadAndRemapMatrix(ckpt_path: string, old_tensor_name: string, row_remapping: int64, col_remapping: int64, "
    "initializing_values: float; num_rows: int >= 0, num_cols: int >= 1, max_rows_in_memory: int = -1) "
    "-> (output_matrix: float)",
    shape=_matrix_shape,
    stateful=True,
    differentiable=False,
    effects=Effects(reads_files=("ckpt_path",)),
)


@load.kernel
def _(
    xp: Any,
    ckpt_path: Any,
    old_tensor_name: Any,
    row_remapping: Any,
    col_remapping: Any,
    initializing_values: Any,
    *,
    num_rows: int,
    num_cols: int,
) -> Any:
    check_allocation((num_rows, num_cols), 4)
    rows, columns = np.asarray(row_remapping), np.asarray(col_remapping)
    if rows.shape != (num_rows,):
        raise invalid(
            f"row_remapping should have length num_rows = {num_rows}, but has shape {Shape(rows.shape)}"
        )
    if columns.size and columns.shape != (num_cols,):
        raise invalid(
            f"col_remapping should be empty or have length num_cols = {num_cols}, but has shape {Shape(columns.shape)}"
        )
    for mapped, what in ((rows, "row"), (columns, "column")):
        _check_remapping(mapped, what)
    old = _old_matrix(_text(ckpt_path, "ckpt_path"), _text(old_tensor_name, "old_tensor_name"))
    if not columns.size:
        if old.shape[1] != num_cols:
            raise invalid(
                f"num_cols is {num_cols}, but without col_remapping must be that of the old matrix, {old.shape[1]}"
            )
        columns = np.arange(num_cols)
    for mapped, size, what in ((rows, old.shape[0], "row"), (columns, old.shape[1], "column")):
        if mapped.size and mapped.max() >= size:
            raise invalid(f"{what} {mapped.max()} of the old matrix is asked for, which has {size}")
    check()
    missing = (rows < 0)[:, None] | (columns < 0)[None, :]
    values = np.asarray(initializing_values).reshape(-1)
    if values.size != missing.sum():
        raise invalid(f"initializing_values has {values.size} values, but {missing.sum()} are missing")
    if not old.size:
        result = np.zeros((num_rows, num_cols), np.float32)
    else:
        result = old[np.maximum(rows, 0)[:, None], np.maximum(columns, 0)[None, :]]
    result[missing] = values
    return result


def _check_remapping(mapped: Any, what: str) -> None:
    used = mapped[mapped >= 0]
    if used.size == mapped.size - (mapped == -1).sum() and len(np.unique(used)) == used.size:
        return
    if (mapped < -1).any():
        raise invalid(
            f"a {what} of the old matrix is {mapped.min()}, but must be -1 for none, or not negative"
        )
    numbers, counts = np.unique(used, return_counts=True)
    raise invalid(f"Old {what} {numbers[counts.argmax()]} is mapped to several new ones")


def _text(value: Any, what: str) -> str:
    element = value[()] if isinstance(value, np.ndarray) and value.ndim == 0 else value
    if not isinstance(element, bytes):
        raise invalid(f"{what} must be a scalar string, but has shape {Shape(np.shape(value))}")
    return element.decode("utf-8", "surrogateescape")


def _old_matrix(path: str, name: str) -> Any:
    """The matrix of floats of that name in a checkpoint. Raises NOT_FOUND, INVALID_ARGUMENT for another kind."""
    from ....graphfmt.checkpoints.open import open_checkpoint

    with open_checkpoint(path) as reader:
        entry = reader.entries.get(name)
        if entry is None:
            raise TfgError(
                Status.NOT_FOUND,
                f"tensor {name!r} is not in checkpoint {path!r}",
                hint=did_you_mean(name, reader.entries),
            )
        if entry.dtype is not dtypes.float32 or len(entry.shape) != 2:
            raise invalid(f"Tensor {name} must be a matrix of float, but is {entry.dtype}{list(entry.shape)}")
        return reader.read(name)
