"""Steps on the graph of an input pipeline against their recorded outcomes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tfg
from tfg.graphfmt.errors import TfgError

GOLDEN = Path(__file__).parent / "golden"
# The files that pipelines read, and the folder in which they run.
FILES = GOLDEN / "files"


@dataclass(frozen=True)
class Pipeline:
    """A graph with an iterator, what to fetch and to run first, per step the name of its status or the values, and the
    cardinality of the dataset."""

    graph: tfg.Graph
    fetches: list[str]
    init: list[str]
    outcomes: list[Any]
    cardinality: int

    def session(self) -> tfg.Session:
        """Returns a session whose iterator has a dataset."""
        session = tfg.Session(self.graph)
        if self.init:
            session.run([], targets=self.init)
        return session

    def check(self, session: tfg.Session, steps: range) -> None:
        """Runs steps; fails at the first with another outcome than TensorFlow's."""
        for step in steps:
            expected = self.outcomes[step]
            if isinstance(expected, str):
                with pytest.raises(TfgError) as caught:
                    session.run(self.fetches)
                assert caught.value.status.name == expected, f"step {step}"
                continue
            for actual, wanted in zip(session.run(self.fetches), expected, strict=True):
                assert to_json(actual) == wanted, f"step {step}"


def to_json(value: Any) -> dict[str, Any]:
    """Returns a value's dtype, shape and elements; strings as text of one character per byte."""
    array = np.asarray(value, object) if isinstance(value, bytes) else np.asarray(value)
    if array.dtype.kind in "OSU":
        texts = [bytes(x).decode("latin-1") for x in array.reshape(-1)]
        return {"dtype": "string", "shape": list(array.shape), "values": texts}
    return {"dtype": str(array.dtype), "shape": list(array.shape), "values": array.reshape(-1).tolist()}


def recorded(name: str) -> Pipeline:
    """Returns a pipeline from its golden files."""
    record = json.loads((GOLDEN / f"{name}.json").read_text())
    fields = (record[key] for key in ("fetches", "init", "outcomes", "cardinality"))
    return Pipeline(tfg.load(GOLDEN / f"{name}.pbtxt"), *fields)
