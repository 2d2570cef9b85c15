"""Sends and receives meet under their keys, in either order."""

from __future__ import annotations

import random
import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tfg.graphfmt.errors import Status, TfgError
from tfg.kernels.families.control_flow.control_flow_ops import DEAD
from tfg.kernels.families.control_flow.rendezvous_keys import Key, make_key, parse_key
from tfg.runtime.multi_device.rendezvous import InProcessRendezvous, iteration_id

A = "/job:localhost/replica:0/task:0/device:CPU:0"
B = "/job:localhost/replica:0/task:0/device:CPU:1"


def key(tensor: str = "x", incarnation: int = 1) -> str:
    return make_key(A, incarnation, B, tensor)


def rendezvous() -> InProcessRendezvous:
    return InProcessRendezvous({A: 1, B: 2})


def test_a_key_has_five_parts() -> None:
    assert key("edge_3_x", 255) == f"{A};00000000000000ff;{B};edge_3_x;0:0"
    assert parse_key(key("edge_3_x", 255)) == Key(A, 255, B, "edge_3_x", "0:0")


def test_an_incarnation_is_an_unsigned_number() -> None:
    assert parse_key(key(incarnation=-1)).incarnation == (1 << 64) - 1


@pytest.mark.parametrize(
    "text", ["", "a", "a;1;b;x", "a;1;b;x;0:0;more", ";1;b;x;0:0", "a;;b;x;0:0", "a;1;b;;0:0", "a;-1;b;x;0:0"]
)
def test_what_is_no_key_is_refused_by_both_ends(text: str) -> None:
    found: list[Any] = []
    with pytest.raises(TfgError) as caught:
        rendezvous().send(text, 1, False)
    rendezvous().receive(text, found.append)
    assert caught.value.status == found[0].status == Status.INVALID_ARGUMENT


def test_a_value_may_be_sent_before_it_is_asked_for() -> None:
    r, found = rendezvous(), []
    r.send(key(), 5, False)
    r.receive(key(), found.append)
    assert found == [5]


def test_a_value_may_be_asked_for_before_it_is_sent() -> None:
    r, found = rendezvous(), []
    r.receive(key(), found.append)
    assert found == [] and r.waiting() == [key()]
    r.send(key(), 5, False)
    assert found == [5] and r.waiting() == []


def test_that_a_value_is_dead_travels_with_it() -> None:
    r, found = rendezvous(), []
    r.send(key(), 5, True)
    r.receive(key(), found.append)
    assert found == [DEAD]


def test_what_waits_and_what_comes_fails_once_it_is_aborted() -> None:
    r, found = rendezvous(), []
    r.receive(key("waits"), found.append)
    r.abort(TfgError(Status.UNAVAILABLE, "the first"))
    r.abort(TfgError(Status.INTERNAL, "the second"))
    r.receive(key("comes"), found.append)
    assert [error.message for error in found] == ["the first"] * 2
    with pytest.raises(TfgError, match="the first"):
        r.send(key("sent"), 1, False)


def test_a_device_that_has_begun_anew_is_another() -> None:
    found: list[Any] = []
    rendezvous().receive(key(incarnation=7), found.append)
    assert found[0].status == Status.ABORTED
    assert "expects a different device incarnation: 7 vs. 1" in found[0].message


def test_iterations_of_different_loops_have_different_ids() -> None:
    tags = [(), (("a", 0),), (("a", 1),), (("b", 0),), (("a", 0), ("b", 0)), (("a", 1), ("b", 0))]
    assert len({iteration_id(tag) for tag in tags}) == len(tags)
    assert iteration_id(()) == "0:0"
    assert iteration_id((("a", 3),)).endswith(":3")


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["send", "receive"]), st.sampled_from("xyz"))))
def test_each_key_is_a_queue_of_its_own(moves: list[tuple[str, str]]) -> None:
    r = rendezvous()
    sent: dict[str, list[int]] = {}
    found: dict[str, list[int]] = {}
    asked: dict[str, int] = {}
    for number, (what, name) in enumerate(moves):
        if what == "send":
            r.send(key(name), number, False)
            sent.setdefault(name, []).append(number)
        else:
            r.receive(key(name), found.setdefault(name, []).append)
            asked[name] = asked.get(name, 0) + 1
    for name, values in found.items():
        assert values == sent.get(name, [])[: asked[name]]
    assert len(r.waiting()) == sum(max(0, n - len(sent.get(name, []))) for name, n in asked.items())


def test_values_sent_by_many_threads_arrive_once_each() -> None:
    r, count = rendezvous(), 200
    found: list[int] = []

    def send(numbers: list[int]) -> None:
        for number in numbers:
            r.send(key(str(number)), number, False)

    def receive(numbers: list[int]) -> None:
        for number in numbers:
            r.receive(key(str(number)), found.append)

    order = random.Random(1).sample(range(count), count)
    halves = [order[: count // 2], order[count // 2 :]]
    threads = [threading.Thread(target=send, args=(half,)) for half in halves]
    threads += [threading.Thread(target=receive, args=(half[::-1],)) for half in halves]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(found) == list(range(count))
