"""Checkpoint files against TensorFlow: it restores what we wrote, and we read what it wrote."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tf = pytest.importorskip("tensorflow")

# ruff: noqa: E402
from tfg.graphfmt import dtypes
from tfg.graphfmt.checkpoints.bundle.merge import merge_bundles
from tfg.graphfmt.checkpoints.entries import Slice, StoredTensor
from tfg.graphfmt.checkpoints.open import open_checkpoint, write_checkpoint
from tfg.graphfmt.checkpoints.slices import parse_shape_and_slice
from tfg.graphfmt.errors import Status, TfgError
from tfg.graphfmt.tensors import Array

from .eager import eagerly  # noqa: F401

v1 = tf.compat.v1

SHAPES = ((), (0, 3), (2, 3), (5,))
# TensorFlow makes no constant of the others.
NUMBERS = [t for t in dtypes.DTYPES if not t.is_ref and not t.is_opaque and t.number <= 30]
QUANTIZED = [t for t in NUMBERS if t.is_quantized]
OLD = ("float", "double", "int32", "int64", "uint8", "int8", "int16", "uint16", "bool", "half", "complex64")


def example(dtype: dtypes.DType, shape: tuple[int, ...]) -> Array:
    count = int(np.prod(shape))
    if dtype is dtypes.string:
        array = np.empty(count, object)
        array[:] = [bytes([65 + i]) * (0, 1, 127, 128, 70_000)[i % 5] for i in range(count)]
        return array.reshape(shape)
    return (
        (np.arange(count) % 2 if dtype is dtypes.bool_ else np.arange(count))
        .astype(dtype.numpy)
        .reshape(shape)
    )


def theirs(array: Array, dtype: dtypes.DType) -> Any:
    """An array as a tensor of TensorFlow's, of whose types some numpy does not tell apart."""
    kind = tf.as_dtype(dtype.number)
    if dtype in QUANTIZED:
        return tf.bitcast(tf.constant(array), kind)
    return tf.constant(array.tolist() if array.dtype == object and array.size else array, kind, array.shape)


def every_tensor() -> list[StoredTensor]:
    kinds = [*NUMBERS, dtypes.string]
    return [
        StoredTensor(f"{t.name}/{i}", example(t, shape), dtype=t)
        for t in kinds
        for i, shape in enumerate(SHAPES)
    ]


def test_tensorflow_restores_every_dtype(tmp_path: Path) -> None:
    tensors = every_tensor()
    for _ in range(3):  # the data file changes its name each time
        write_checkpoint(tmp_path / "c", tensors)
        restored = tf.raw_ops.RestoreV2(
            prefix=str(tmp_path / "c"),
            tensor_names=[tensor.name for tensor in tensors],
            shape_and_slices=[""] * len(tensors),
            dtypes=[tf.as_dtype(tensor.dtype.number) for tensor in tensors],
        )
        for tensor, found in zip(tensors, restored):
            assert found.dtype == tf.as_dtype(tensor.dtype.number), tensor.name
            assert found.shape == tensor.array.shape, tensor.name
            expected = theirs(tensor.array, tensor.dtype).numpy()
            np.testing.assert_array_equal(found.numpy(), expected, tensor.name)
    reader = tf.train.load_checkpoint(str(tmp_path / "c"))
    shapes = {name: tuple(shape) for name, shape in reader.get_variable_to_shape_map().items()}
    assert shapes == {tensor.name: tensor.array.shape for tensor in tensors}


def test_we_read_every_dtype(tmp_path: Path) -> None:
    tensors = every_tensor()
    tf.raw_ops.SaveV2(
        prefix=str(tmp_path / "c"),
        tensor_names=[tensor.name for tensor in tensors],
        shape_and_slices=[""] * len(tensors),
        tensors=[theirs(tensor.array, tensor.dtype) for tensor in tensors],
    )
    with open_checkpoint(tmp_path / "c") as reader:
        assert list(reader.entries) == sorted(tensor.name for tensor in tensors)
        for tensor in tensors:
            assert reader.entries[tensor.name].dtype is tensor.dtype
            found = reader.read(tensor.name)
            assert (found.dtype, found.shape) == (tensor.array.dtype, tensor.array.shape)
            assert found.tolist() == tensor.array.tolist()


def test_parts_go_both_ways(tmp_path: Path) -> None:
    whole = np.arange(35, dtype=np.float32).reshape(7, 5)
    specs = ["7 5 0,3:-", "7 5 3,4:0,2", "7 5 3,4:2,3"]
    arrays = [whole[:3], whole[3:, :2], whole[3:, 2:]]
    tf.raw_ops.SaveV2(
        prefix=str(tmp_path / "theirs"), tensor_names=["w"] * 3, shape_and_slices=specs, tensors=arrays
    )
    parts = [parse_shape_and_slice(spec)[1] for spec in specs]
    write_checkpoint(
        tmp_path / "ours", [StoredTensor("w", array, part, (7, 5)) for array, part in zip(arrays, parts)]
    )
    for name in ("ours", "theirs"):
        with open_checkpoint(tmp_path / name) as reader:
            assert reader.entries["w"].slices == tuple(parts)
            for spec in ("", "7 5 0,3:-", "7 5 2,3:1,3", "7 5 6,1:4,1"):
                part = parse_shape_and_slice(spec)[1] if spec else None
                (restored,) = tf.raw_ops.RestoreV2(
                    prefix=str(tmp_path / name),
                    tensor_names=["w"],
                    shape_and_slices=[spec],
                    dtypes=[tf.float32],
                )
                assert reader.read("w", part).tolist() == restored.numpy().tolist()
    write_checkpoint(tmp_path / "whole", [StoredTensor("w", whole)])
    (restored,) = tf.raw_ops.RestoreV2(
        prefix=str(tmp_path / "whole"),
        tensor_names=["w"],
        shape_and_slices=["7 5 2,3:1,3"],
        dtypes=[tf.float32],
    )
    assert restored.numpy().tolist() == whole[2:5, 1:4].tolist()


def test_each_merges_what_the_other_wrote(tmp_path: Path) -> None:
    whole = np.arange(6)
    for merger in ("ours", "theirs"):
        prefixes = [str(tmp_path / merger / part) for part in ("0", "1")]
        write_checkpoint(
            prefixes[0],
            [StoredTensor("w", whole[:2], Slice((0,), (2,)), (6,)), StoredTensor("a", np.ones(2))],
        )
        tf.raw_ops.SaveV2(
            prefix=prefixes[1],
            tensor_names=["w", "b"],
            shape_and_slices=["6 2,4", ""],
            tensors=[whole[2:], np.zeros(2)],
        )
        destination = str(tmp_path / f"{merger}-merged")
        if merger == "ours":
            merge_bundles(prefixes, destination, delete_old_dirs=True)
        else:
            tf.raw_ops.MergeV2Checkpoints(
                checkpoint_prefixes=prefixes, destination_prefix=destination, delete_old_dirs=True
            )
        found = tf.raw_ops.RestoreV2(
            prefix=destination,
            tensor_names=["w", "a", "b"],
            shape_and_slices=[""] * 3,
            dtypes=[tf.int64, tf.float64, tf.float64],
        )
        with open_checkpoint(destination) as reader:
            for name, tensor in zip("wab", found):
                assert reader.read(name).tolist() == tensor.numpy().tolist()
    names = [
        sorted(path.name.split("-", 1)[1] for path in tmp_path.glob(f"{m}-*")) for m in ("ours", "theirs")
    ]
    assert names[0] == names[1]
    assert not (tmp_path / "ours").exists()


@pytest.mark.parametrize("version", [v1.train.SaverDef.V1, v1.train.SaverDef.V2])
@pytest.mark.parametrize("sharded", [False, True])
def test_savers_of_graphs(tmp_path: Path, version: int, sharded: bool) -> None:
    with tf.Graph().as_default():
        arrays = {name: example(dtypes.parse(name), (2, 3)) for name in OLD}
        arrays["zeros"] = np.zeros((100, 1000), np.float32)
        variables = {k: v1.Variable(array, name=k, use_resource=False) for k, array in arrays.items()}
        with v1.variable_scope("", partitioner=v1.fixed_size_partitioner(3)):
            parted = v1.get_variable("parted", shape=[7, 2], use_resource=False)
        saver = v1.train.Saver([*variables.values(), parted], write_version=version, sharded=sharded)
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            arrays["parted"] = np.concatenate(session.run(list(parted)))
            saver.save(session, str(tmp_path / "m"))
            with open_checkpoint(tmp_path) as reader:
                assert reader.path.startswith(str(tmp_path / "m"))
                assert list(reader.entries) == sorted(arrays)
                assert len(reader.entries["parted"].slices) == 3
                for name, array in arrays.items():
                    found = reader.read(name)
                    assert found.dtype == array.dtype
                    assert found.tolist() == array.tolist(), name
                kept = [StoredTensor(name, reader.read(name)) for name in reader.entries]
            write_checkpoint(tmp_path / "n", kept)
            session.run(
                [v.assign(v1.zeros_like(v)) for v in (*variables.values(), *parted) if v.dtype != tf.bool]
            )
            saver.restore(session, str(tmp_path / "n"))
            for name, variable in variables.items():
                assert session.run(variable).tolist() == arrays[name].tolist()
            assert np.concatenate(session.run(list(parted))).tolist() == arrays["parted"].tolist()


def test_checkpoints_of_objects(tmp_path: Path) -> None:
    module = tf.Module()
    module.w = tf.Variable([[1.0, 2.0]])
    module.s = tf.Variable("text")
    prefix = tf.train.Checkpoint(module=module).save(str(tmp_path / "c"))
    with open_checkpoint(tmp_path) as reader:
        assert reader.read("module/w/.ATTRIBUTES/VARIABLE_VALUE").tolist() == [[1.0, 2.0]]
        assert reader.read("module/s/.ATTRIBUTES/VARIABLE_VALUE").item() == b"text"
        copied = [StoredTensor(name, reader.read(name)) for name in reader.entries]
    doubled = [t._replace(array=t.array * 2) if "module/w" in t.name else t for t in copied]
    write_checkpoint(prefix, doubled)
    tf.train.Checkpoint(module=module).restore(prefix).assert_consumed()
    assert module.w.numpy().tolist() == [[2.0, 4.0]]
    tf.saved_model.save(module, str(tmp_path / "saved"))
    with open_checkpoint(tmp_path / "saved") as reader:
        assert reader.read("w/.ATTRIBUTES/VARIABLE_VALUE").tolist() == [[2.0, 4.0]]


@pytest.mark.parametrize(
    "spec",
    [
        "10",
        "10 20 0,5",
        "3 0,5",
        "2 x",
        "2 0,0",
        "2 0,1:0,1",
        "2 5,1",
        "2 ",
        "2  -",
        " ",
        "2 1",
        "a -",
        "3 1",
    ],
)
def test_refusals_are_in_tensorflows_words(tmp_path: Path, spec: str) -> None:
    with pytest.raises(tf.errors.OpError) as caught:
        tf.raw_ops.SaveV2(
            prefix=str(tmp_path / "c"), tensor_names=["v"], shape_and_slices=[spec], tensors=[tf.zeros([2])]
        )
    with pytest.raises(TfgError) as mine:
        parse_shape_and_slice(spec)
    assert mine.value.message in caught.value.message
    assert (mine.value.status is Status.INTERNAL) == isinstance(caught.value, tf.errors.InternalError)
