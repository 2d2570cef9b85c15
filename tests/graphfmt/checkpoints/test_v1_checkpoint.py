"""V1 checkpoints: tables that hold the tensors themselves."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tfg.graphfmt import dtypes
from tfg.graphfmt.checkpoints.entries import Slice, TensorEntry
from tfg.graphfmt.checkpoints.table.slice_keys import slice_key
from tfg.graphfmt.checkpoints.table.sstable import table_bytes
from tfg.graphfmt.checkpoints.table.v1_checkpoint import V1Reader
from tfg.graphfmt.errors import Status, TfgError
from tfg.graphfmt.proto.checkpoint_pb2 import SavedTensorSlices

from .test_bundle import DATA

ALL = Slice((0,), (-1,))


def old_table(path: Path, name: str, dtype: int, size: int, field: str, values: list[object]) -> None:
    """A table of one vector."""
    meta, data = SavedTensorSlices(), SavedTensorSlices()
    tensor = meta.meta.tensor.add(name=name, type=dtype)  # pyright: ignore[reportArgumentType]
    tensor.shape.dim.add(size=size)
    tensor.slice.add().extent.add()
    getattr(data.data.data, field).extend(values)
    items = [(b"", meta.SerializeToString()), (slice_key(name, ALL), data.SerializeToString())]
    path.write_bytes(b"".join(table_bytes(items)))


def test_what_tensorflow_wrote() -> None:
    path = str(DATA / "v1.ckpt")
    with V1Reader(path, [path]) as reader:
        assert reader.entries["part"] == TensorEntry(
            dtypes.float32, (4, 3), (Slice((0, 0), (3, -1)), Slice((3, 0), (1, -1)))
        )
        assert reader.entries["i"] == TensorEntry(dtypes.int32, (2, 3))
        assert reader.read("i").tolist() == [[0, 1, 2], [3, 4, 5]]
        assert reader.read("s").tolist() == [b"a", b"", b"b" * 200]
        assert reader.read("part", Slice((2, 1), (2, 2))).tolist() == [[1.75, 2.0], [2.5, 2.75]]


@pytest.mark.parametrize(
    ("dtype", "field", "values", "result"),
    [
        (dtypes.float16, "half_val", [0x3C00, 0xC000], [1.0, -2.0]),
        (dtypes.bool_, "bool_val", [True, False], [True, False]),
        (dtypes.uint8, "int_val", [200, 1], [200, 1]),
        (dtypes.complex64, "scomplex_val", [1.0, 2.0, 3.0, 4.0], [1 + 2j, 3 + 4j]),
        (dtypes.int64, "int64_val", [2**62, -1], [2**62, -1]),
        (dtypes.parse("qint32"), "int_val", [-5, 6], [-5, 6]),
    ],
)
def test_elements_stand_in_the_field_of_their_type(
    tmp_path: Path, dtype: dtypes.DType, field: str, values: list[object], result: list[object]
) -> None:
    old_table(tmp_path / "t", "x", dtype.number, 2, field, values)
    with V1Reader("t", [str(tmp_path / "t")]) as reader:
        assert reader.read("x").tolist() == result
        assert reader.read("x").dtype == dtype.numpy


def test_a_table_that_lies_claims_no_memory(tmp_path: Path) -> None:
    old_table(tmp_path / "t", "x", 1, 2**40, "float_val", [1.0])
    with (
        V1Reader("t", [str(tmp_path / "t")]) as reader,
        pytest.raises(TfgError, match="with 1 elements"),
    ):
        reader.read("x")


def test_tables_of_one_checkpoint_must_agree(tmp_path: Path) -> None:
    old_table(tmp_path / "a", "x", 1, 2, "float_val", [1.0, 2.0])
    old_table(tmp_path / "b", "x", 3, 2, "int_val", [1, 2])
    with pytest.raises(TfgError, match="does not match its entry in another table"):
        V1Reader("t", [str(tmp_path / "a"), str(tmp_path / "b")])
    (tmp_path / "c").write_bytes(b"".join(table_bytes([(b"k", b"v")])))
    with pytest.raises(TfgError, match="it is not a checkpoint"):
        V1Reader("t", [str(tmp_path / "c")])


@given(st.integers(0, 2**32).map(Random))
@settings(
    derandomize=True,
    deadline=None,
    max_examples=50,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_damage_is_refused_or_harmless(tmp_path: Path, random: Random) -> None:
    data = bytearray((DATA / "v1.ckpt").read_bytes())
    for _ in range(random.randrange(1, 3)):
        data[random.randrange(len(data))] = random.randrange(256)
    if random.random() < 0.2:
        del data[random.randrange(len(data)) :]
    (tmp_path / "t").write_bytes(data)
    try:
        with V1Reader("t", [str(tmp_path / "t")]) as reader:
            assert reader.read("i").tolist() == [[0, 1, 2], [3, 4, 5]]
            assert reader.read("part").sum() == 16.5
    except TfgError as error:
        assert error.status is Status.DATA_LOSS
