"""Runs the same steps on one graph in TensorFlow and in tfg, and compares what they fetch or how they fail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tfg
from tfg.graphfmt.errors import TfgError

from .tensorflow_runner import to_graph_def, v1


class StepCall(NamedTuple):
    """Fetches and targets, separated by blanks, and feeds."""

    fetches: str = ""
    targets: str = ""
    feeds: Mapping[str, Any] = {}


def compare_steps(graph: tfg.Graph, steps: Sequence[StepCall]) -> None:
    """Fails at the first step whose outcome differs."""
    with tf.Graph().as_default():
        v1.import_graph_def(to_graph_def(graph), name="")
        with v1.Session() as reference, tfg.Session(graph) as session:
            for number, step in enumerate(steps):
                expected = _outcome_of_tensorflow(reference, step)
                actual = _outcome(session, step)
                _assert_same(expected, actual, f"step {number}: {step}")


def _outcome_of_tensorflow(session: Any, step: StepCall) -> Any:
    feeds = {f"{name}:0": value for name, value in step.feeds.items()}
    fetches = [name if ":" in name else f"{name}:0" for name in step.fetches.split()]
    try:
        values = session.run([*fetches, *step.targets.split()], feeds)
    except tf.errors.OpError as error:
        return _status(error)
    return values[: len(fetches)]


def _status(error: Any) -> str:
    names = {number: name for name, number in vars(tf.errors).items() if isinstance(number, int)}
    return names[error.error_code]


def _outcome(session: tfg.Session, step: StepCall) -> Any:
    try:
        return session.run(step.fetches.split(), step.feeds, step.targets.split())
    except TfgError as error:
        return str(error.status)


def _assert_same(expected: Any, actual: Any, what: str) -> None:
    if isinstance(expected, str) or isinstance(actual, str):
        assert expected == actual, what
        return
    assert len(expected) == len(actual), what
    for one, other in zip(expected, actual):
        one = np.asarray(one)
        assert one.shape == other.shape, f"{what}: {one.shape}, not {other.shape}"
        if one.dtype.kind in "OSU":
            assert [bytes(x) for x in one.reshape(-1)] == [bytes(x) for x in other.reshape(-1)], what
        else:
            assert one.dtype == other.dtype, what
            np.testing.assert_allclose(other, one, rtol=1e-5, atol=1e-6, err_msg=what)
