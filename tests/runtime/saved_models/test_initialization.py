"""SavedModels: their signatures, and what is run before they are ready."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tfg
from tfg.graphfmt.errors import Status, TfgError
from tfg.graphfmt.load import load_metagraph
from tfg.runtime.saved_models import initialization, signatures

from ..models import W, meta_graph, saved_model

X = np.ones((1, 2), np.float32)


def failure(call: Any, *args: Any) -> TfgError:
    with pytest.raises(TfgError) as caught:
        call(*args)
    return caught.value


def opened(path: Path) -> initialization.Model:
    found = initialization.open_model(path)
    assert found is not None
    return found


def test_variables_and_assets_are_there_when_it_is_ready(tmp_path: Path) -> None:
    model = opened(saved_model(tmp_path / "m"))
    with tfg.Session(model.meta.graph) as session:
        initialization.make_ready(session, model)
        y, label = session.run(["y", "label/read"], {"x": X})
    assert y.tolist() == [W.tolist()]
    assert label[()] == str(tmp_path / "m" / "assets" / "words.txt").encode()


def test_the_file_in_the_folder_will_do(tmp_path: Path) -> None:
    folder = saved_model(tmp_path / "m")
    assert opened(folder / "saved_model.pb").folder == folder
    (tmp_path / "graph.pbtxt").write_text("node { name: 'a' op: 'NoOp' }")
    assert initialization.open_model(tmp_path / "graph.pbtxt") is None


def test_variables_that_only_the_initialiser_gives_a_value_have_it_too(tmp_path: Path) -> None:
    folder = saved_model(tmp_path / "m")
    state = initialization.restored_state(opened(folder))
    found = {name: arrays["value"].tolist() for (_, _, name), arrays in state.resources.items() if arrays}
    label = str(folder / "assets" / "words.txt").encode()
    assert found == {"w": [2, 3], "copy": [2, 3], "label": label}


def test_a_model_that_lost_its_variables(tmp_path: Path) -> None:
    folder = saved_model(tmp_path / "m")
    for file in (folder / "variables").iterdir():
        file.unlink()
    model = opened(folder)
    with tfg.Session(model.meta.graph) as session:
        error = failure(initialization.make_ready, session, model)
        assert error.status == Status.NOT_FOUND and str(folder / "variables" / "variables") in error.message
        initialization.make_ready(session, model, needs_variables=False)
        assert failure(session.run, ["y"], {"x": X}).status == Status.FAILED_PRECONDITION


def test_the_initialiser() -> None:
    meta = meta_graph()
    assert initialiser(meta) == "setup"
    meta.collection_def["saved_model_main_op"].node_list.value.append("another")
    assert failure(initialiser, meta).status == Status.FAILED_PRECONDITION
    meta.signature_def["__saved_model_init_op"].outputs["__saved_model_init_op"].name = "start"
    assert initialiser(meta) == "start"
    del meta.signature_def["__saved_model_init_op"], meta.collection_def["saved_model_main_op"]
    assert initialiser(meta) is None
    meta.collection_def["legacy_init_op"].node_list.value.append("old")
    assert initialiser(meta) == "old"


def initialiser(message: Any) -> str | None:
    return initialization.initialiser(read(message))


def read(message: Any) -> Any:
    from tfg.graphfmt.metagraph import metagraph_from_bytes

    return metagraph_from_bytes(message.SerializeToString(), "m")


def test_an_asset_outside(tmp_path: Path) -> None:
    meta = meta_graph()
    meta.asset_file_def[0].filename = "../secret"
    model = opened(saved_model(tmp_path / "m", meta))
    with tfg.Session(model.meta.graph) as session:
        error = failure(initialization.make_ready, session, model)
    assert error.status == Status.INVALID_ARGUMENT
    assert "'../secret'" in error.message


def test_a_metagraph_restores_by_its_saver(tmp_path: Path) -> None:
    (tmp_path / "g.meta").write_bytes(meta_graph().SerializeToString())
    folder = saved_model(tmp_path / "m")
    meta = load_metagraph(tmp_path / "g.meta")
    with tfg.Session(meta.graph) as session:
        initialization.restore_by_saver(session, meta, str(folder / "variables" / "variables"))
        session.run(targets=["save"], feeds={"file": np.array(str(tmp_path / "again.h5"), object)})
        initialization.restore_by_saver(session, meta, str(tmp_path / "again.h5"))
        error = failure(initialization.restore_by_saver, session, meta, "nowhere")
        assert error.status == Status.NOT_FOUND
    message = meta_graph()
    message.ClearField("saver_def")
    assert (
        failure(initialization.restore_by_saver, session, read(message), "f").status
        == Status.FAILED_PRECONDITION
    )


# Signatures.


def test_names_of_a_signature() -> None:
    meta = read(meta_graph(scale=("x:0", "y:0"), __saved_model_init_op=("x:0", "setup")))
    assert [call.name for call in signatures.calls(meta)] == ["scale"]
    call = signatures.find(meta, "scale")
    assert (call.feed(meta.graph, "in"), call.fetch(meta.graph, "out")) == ("x", "y")
    assert (call.feed(meta.graph, "x"), call.fetch(meta.graph, "z:0")) == ("x", "z:0")


def test_names_that_there_are_not() -> None:
    meta = read(meta_graph(scale=("x:0", "y:0")))
    call = signatures.find(meta, "scale")
    for error, hint in (
        (failure(signatures.find, meta, "scales"), "did you mean 'scale'?"),
        (failure(signatures.find, meta, "predict"), "it has 'scale'"),
        (failure(signatures.find, read(meta_graph()), "scale"), None),
        (failure(call.feed, meta.graph, "inn"), "did you mean 'in'?"),
        (failure(call.fetch, meta.graph, "probabilities"), "it has 'out'"),
    ):
        assert (error.status, error.hint) == (Status.NOT_FOUND, hint)


def test_an_input_that_is_missing() -> None:
    meta = read(meta_graph(scale=("x:0", "y:0")))
    call = signatures.find(meta, "scale")
    signatures.check_fed(call, meta.graph, ["y"], ["x"], [])
    signatures.check_fed(call, meta.graph, ["label/read"], [], [])
    error = failure(signatures.check_fed, call, meta.graph, ["y"], [], [])
    assert error.message == "signature 'scale' needs the input 'in' (float[?,2])"


def test_sparse_inputs_are_three() -> None:
    message = meta_graph(scale=("x:0", "y:0"))
    sparse = message.signature_def["scale"].inputs["sparse"].coo_sparse
    sparse.values_tensor_name, sparse.indices_tensor_name, sparse.dense_shape_tensor_name = (
        "a:0",
        "b:0",
        "c:0",
    )
    call = signatures.find(read(message), "scale")
    assert {key: tensor.name for key, tensor in call.inputs.items()} == {
        "in": "x:0", "sparse/0": "a:0", "sparse/1": "b:0", "sparse/2": "c:0"
    }  # fmt: skip
