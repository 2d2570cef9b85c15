"""SavedModels that TensorFlow 2 wrote: run by their signatures, saved, and frozen."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

tf: Any = pytest.importorskip("tensorflow")

import tfg  # noqa: E402
from tfg.graphfmt.errors import Status, TfgError  # noqa: E402
from tfg.runtime.checkpointing.variables import graph_variables  # noqa: E402
from tfg.runtime.passes.freezing.freeze import freeze  # noqa: E402
from tfg.runtime.saved_models import initialization, signatures  # noqa: E402

from .models import v1  # noqa: E402
from .tensorflow_runner import plain_config  # noqa: E402

CALLS = [
    ("module", "serving_default"),
    ("module", "look_up"),
    ("module", "loop"),
    ("module", "add_up"),
    ("perceptron", "serving_default"),
    ("convolutions", "serving_default"),
    ("recurrent", "serving_default"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("models")
    subprocess.run([sys.executable, "-m", "tests.oracle.write_saved_models", str(found)], check=True)
    return found


class Example:
    """A signature of a model, with inputs and what TensorFlow makes of them."""

    def __init__(self, folder: Path, name: str, signature: str) -> None:
        model = initialization.open_model(folder / name)
        assert model is not None
        self.model = model
        self.graph = model.meta.graph
        self.call = signatures.find(model.meta, signature)
        data = np.load(folder / f"{name}.npz")
        self.feeds = {t.name: data[f"{signature}|in|{t.key}"] for t in self.call.inputs.values()}
        self.fetches = [t.name for t in self.call.outputs.values()]
        self.expected = [data[f"{signature}|out|{key}"] for key in self.call.outputs]

    def ready(self) -> tfg.Session:
        session = tfg.Session(self.graph)
        initialization.make_ready(session, self.model)
        return session

    def check(self, found: Any) -> None:
        for value, expected in zip(found, self.expected, strict=True):
            np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("name", "signature"), CALLS)
def test_signatures(folder: Path, name: str, signature: str, tmp_path: Path) -> None:
    example = Example(folder, name, signature)
    found = example.ready().run(example.fetches, example.feeds)
    example.check(found)
    if signature == "add_up":
        return
    state = initialization.restored_state(example.model).resources
    given = {v.name: state[v.key]["value"] for v in graph_variables(example.graph) if state.get(v.key)}
    frozen = freeze(example.graph, given, keep=[*example.fetches, *example.feeds])
    assert not graph_variables(frozen)
    with tfg.Session(frozen) as session:
        for mine, value in zip(session.run(example.fetches, example.feeds), found, strict=True):
            assert mine.tobytes() == value.tobytes()
    tfg.save(frozen, tmp_path / "frozen.pb")
    message = v1.GraphDef.FromString((tmp_path / "frozen.pb").read_bytes())
    with tf.Graph().as_default(), v1.Session(config=plain_config()) as session:
        tf.import_graph_def(message, name="")
        example.check(session.run(example.fetches, example.feeds))


def test_a_counter_cannot_be_frozen(folder: Path) -> None:
    example = Example(folder, "module", "add_up")
    state = initialization.restored_state(example.model).resources
    given = {v.name: state[v.key]["value"] for v in graph_variables(example.graph) if state.get(v.key)}
    with pytest.raises(TfgError, match="AssignAddVariableOp") as caught:
        freeze(example.graph, given, keep=example.fetches)
    assert caught.value.status == Status.FAILED_PRECONDITION


def test_what_its_save_function_writes(folder: Path, tmp_path: Path) -> None:
    example = Example(folder, "module", "add_up")
    saver = example.model.meta.saver
    assert saver is not None
    session = example.ready()
    for total in (1, 2):
        session.run(example.fetches, dict.fromkeys(example.feeds, np.int64(1)))
        for name in ("ours", "ours.h5"):
            file = np.array(str(tmp_path / name), object)
            session.run([saver.save_tensor], {saver.filename_tensor: file})
            with tfg.Session(example.graph) as other:
                initialization.restore_by_saver(other, example.model.meta, str(tmp_path / name))
                (found,) = other.run(example.fetches, dict.fromkeys(example.feeds, np.int64(0)))
                assert found == total
        reader = tf.train.load_checkpoint(str(tmp_path / "ours"))
        assert reader.get_tensor("count/.ATTRIBUTES/VARIABLE_VALUE") == total
