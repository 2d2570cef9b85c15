"""Tensors that stay in the session under a handle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tfg


def kept() -> tfg.Session:
    g = tfg.GraphBuilder()
    value = g.placeholder("float", name="value")
    g.GetSessionHandle(value, name="keep")
    g.GetSessionHandleV2(value, name="keep_v2")
    handle = g.placeholder("string", [], name="handle")
    g.GetSessionTensor(handle, dtype="float", name="tensor")
    g.GetSessionTensor(handle, dtype="int32", name="wrong")
    g.DeleteSessionTensor(handle, name="delete")
    return tfg.Session(g.graph())


def test_a_tensor_is_read_as_often_as_asked_until_it_is_deleted() -> None:
    session = kept()
    first, second = (session.run(["keep"], feeds={"value": np.float32(n)})[0] for n in ([1, 2], [[3]]))
    assert first != second
    assert first.item().startswith(b"keep;")
    for _ in range(2):
        assert session.run(["tensor"], feeds={"handle": first})[0].tolist() == [1, 2]
    session.run(targets=["delete"], feeds={"handle": first})
    for name in ("tensor", "delete"):
        with pytest.raises(tfg.TfgError, match=r"INVALID_ARGUMENT.*not in the session store"):
            session.run(targets=[name], feeds={"handle": first})
    assert session.run(["tensor"], feeds={"handle": second})[0].tolist() == [[3]]


def test_another_dtype_is_refused() -> None:
    session = kept()
    handle = session.run(["keep"], feeds={"value": np.float32(1)})[0]
    with pytest.raises(tfg.TfgError, match="INVALID_ARGUMENT"):
        session.run(["wrong"], feeds={"handle": handle})


def test_kept_tensors_are_part_of_the_state(tmp_path: Path) -> None:
    session = kept()
    handle = session.run(["keep"], feeds={"value": np.float32([1, 2])})[0]
    session.save(tmp_path / "s.h5")
    other = kept()
    other.restore(tmp_path / "s.h5")
    assert other.run(["tensor"], feeds={"handle": handle})[0].tolist() == [1, 2]
    assert other.run(["keep"], feeds={"value": np.float32(1)})[0] != handle
