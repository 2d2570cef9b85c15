"""Names of devices, whole and in part."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tfg.graphfmt.devices import ANY, DeviceName, merge, parse_device
from tfg.graphfmt.errors import Status, TfgError

names = st.builds(
    DeviceName,
    st.sampled_from([None, "localhost", "worker"]),
    st.sampled_from([None, 0, 1]),
    st.sampled_from([None, 0, 17]),
    st.sampled_from([None, "CPU", "GPU"]),
    st.sampled_from([None, 0, 3]),
)


@pytest.mark.parametrize(
    "text, canonical",
    [
        ("", ""),
        ("/", ""),
        ("/cpu:0", "/device:CPU:0"),
        ("/CPU:*", "/device:CPU:*"),
        ("/gpu:1", "/device:GPU:1"),
        ("/device:cpu:0", "/device:cpu:0"),
        ("/device:TPU:0", "/device:TPU:0"),
        ("/device:CPU", "/device:CPU:*"),
        ("/device:*:1", "/device:*:1"),
        ("/device:*:*", ""),
        ("/job:*/replica:*/task:3", "/task:3"),
        ("/device:CPU:007", "/device:CPU:7"),
        ("/device:CPU:0/task:17/job:worker", "/job:worker/task:17/device:CPU:0"),
        ("/cpu:1/device:GPU:0", "/device:GPU:0"),
        ("/device:CPU:1/device:GPU", "/device:GPU:*"),
        ("/job:a/job:*", ""),
    ],
)
def test_what_is_read(text: str, canonical: str) -> None:
    assert str(parse_device(text)) == canonical


@pytest.mark.parametrize(
    "text",
    [
        *(
            "/tpu:0",
            "cpu:0",
            "device:CPU:0",
            "/cpu",
            "/Cpu:0",
            "/cpu:",
            "/job:",
            "/job:a-b",
            "/job:1",
            "/task:-1",
        ),
        *("/task:x", "/task:1x", "/device:", "/device:CPU:", "/device:CPU:0/", "//", " /cpu:0", "/cpu:0 "),
        *("/cpu:0\n", "/foo:1", "/cpu:0cpu:0", "/device:*CPU:0", "/task:18446744073709551616"),
        *("/task:" + "9" * 5000, "/task:٣"),
    ],
)
def test_what_is_malformed(text: str) -> None:
    with pytest.raises(TfgError, match="Malformed device specification") as caught:
        parse_device(text)
    assert caught.value.status is Status.INVALID_ARGUMENT
    assert len(str(caught.value)) < 400


def test_an_error_quotes_the_part_and_says_what_may_be_meant() -> None:
    with pytest.raises(
        TfgError, match=r"'/job:worker/tpu:0': '/tpu:0' is not a part of a device name"
    ) as caught:
        parse_device("/job:worker/tpu:0")
    assert caught.value.hint == "did you mean '/job:worker/device:TPU:0'?"


@given(names)
def test_a_name_is_read_as_it_is_written(name: DeviceName) -> None:
    assert parse_device(str(name)) == name


@given(names, names)
def test_merging_keeps_what_either_says(a: DeviceName, b: DeviceName) -> None:
    differ = [x is not None and y is not None and x != y for x, y in zip(a, b)]
    if any(differ):
        with pytest.raises(TfgError, match="Cannot merge devices with incompatible"):
            merge(a, b)
    else:
        assert merge(a, b) == merge(b, a) == tuple(y if x is None else x for x, y in zip(a, b))
    if any(differ[:3]):
        with pytest.raises(TfgError, match=r"incompatible (jobs|replicas|tasks)"):
            merge(a, b, soft=True)


@pytest.mark.parametrize(
    "a, b, merged",
    [
        ("/cpu:0", "/gpu:1", ""),
        ("/job:a/cpu:0", "/cpu:1", "/job:a/device:CPU:*"),
        ("/cpu:0", "/task:1/cpu:0", "/task:1/device:CPU:0"),
    ],
)
def test_merging_softly_leaves_open_what_differs(a: str, b: str, merged: str) -> None:
    assert str(merge(parse_device(a), parse_device(b), soft=True)) == merged


@given(names, names)
def test_a_name_matches_what_it_merges_with_and_does_not_change(a: DeviceName, b: DeviceName) -> None:
    if not b.is_full:
        return
    assert a.matches(b) == all(x in (None, y) for x, y in zip(a, b))
    assert ANY.matches(b)
