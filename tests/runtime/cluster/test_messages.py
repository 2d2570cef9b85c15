"""Messages between tasks: what is decoded is what was encoded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from tfg.graphfmt import dtypes
from tfg.graphfmt.errors import Status, TfgError
from tfg.kernels.families.control_flow.control_flow_ops import DEAD
from tfg.runtime.cluster.messages import decode, encode
from tfg.runtime.cluster.transport import Parcel

NUMERIC = sorted({t.name for t in dtypes.DTYPES if not t.is_opaque and not t.is_ref and t.name[0] != "q"})


def carried(value: Any) -> Any:
    step, parcels = decode([bytes(frame) for frame in encode(7, [Parcel("key", value)])])
    assert step == 7 and [parcel.key for parcel in parcels] == ["key"]
    return parcels[0].value


@pytest.mark.parametrize("name", NUMERIC)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 4), (2, 3)])
def test_every_dtype_and_shape(name: str, shape: tuple[int, ...]) -> None:
    value = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtypes.BY_NAME[name].numpy)
    found = carried(value)
    assert np.asarray(found).dtype == value.dtype and np.shape(found) == shape
    assert np.asarray(found).tobytes() == value.tobytes()


@given(arrays.arrays(np.float64, arrays.array_shapes(min_dims=0, max_dims=3, min_side=0)))
def test_any_array_whatever_its_layout(value: Any) -> None:
    assert np.asarray(carried(value.T)).tobytes() == value.T.tobytes()


@given(st.lists(st.binary(max_size=9)))
def test_strings(elements: list[bytes]) -> None:
    value = np.empty(len(elements), object)
    value[:] = elements
    assert carried(value).tolist() == elements


def test_several_values_dead_ones_among_them() -> None:
    sent = [Parcel("a", np.float32(1)), Parcel("b", DEAD), Parcel("c", np.zeros(0)), Parcel("d", np.ones(2))]
    _, found = decode([bytes(frame) for frame in encode(1, sent)])
    assert [parcel.key for parcel in found] == ["a", "b", "c", "d"]
    assert found[1].value is DEAD and found[3].value.tolist() == [1, 1]


def test_a_value_of_one_process_alone() -> None:
    with pytest.raises(TfgError, match="a dict cannot be sent") as caught:
        encode(1, [Parcel("a", {})])
    assert caught.value.status == Status.UNIMPLEMENTED


@pytest.mark.parametrize("frames", [[b"\xff"], [], [b""]])
def test_messages_cut_short(frames: list[bytes]) -> None:
    whole = [bytes(frame) for frame in encode(1, [Parcel("a", np.ones(4))])]
    with pytest.raises(TfgError, match="not well-formed"):
        decode([*whole[:1], *frames])
