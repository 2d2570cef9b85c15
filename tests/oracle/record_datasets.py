"""Records the input pipelines: their graphs, and the outcomes of their steps in TensorFlow.

python -m tests.oracle.record_datasets
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import tensorflow as tf
import tfg

from tests.kernels.families.data.pipelines import FILES, GOLDEN, Pipeline, to_json

from . import datasets_of_files, datasets_of_groups
from .datasets import PIPELINES, WITH_HANDLES, v1

__all__ = ["PIPELINES", "build", "datasets_of_files", "datasets_of_groups"]

_STEPS = 24


def build(name: str, folder: Path, *, one_shot: bool) -> Pipeline:
    """Writes a pipeline's graph and runs it in TensorFlow."""
    one_shot = one_shot and name not in WITH_HANDLES
    with tf.Graph().as_default():
        make = v1.data.make_one_shot_iterator if one_shot else v1.data.make_initializable_iterator
        dataset = PIPELINES[name]()
        counted = tf.raw_ops.DatasetCardinality(input_dataset=dataset._variant_tensor, name="cardinality")
        iterator: Any = make(dataset)
        fetches = [x.name for x in tf.nest.flatten(iterator.get_next())]
        init = [] if one_shot else [iterator.initializer.name]
        graph: Any = v1.get_default_graph()
        v1.train.write_graph(graph, str(folder), f"{name}.pbtxt")
        with v1.Session() as session, contextlib.chdir(FILES):
            cardinality = int(session.run(counted))
            for node in init:
                session.run(graph.get_operation_by_name(node))
            outcomes = [_outcome(session, fetches) for _ in range(_STEPS)]
    return Pipeline(tfg.load(folder / f"{name}.pbtxt"), fetches, init, outcomes, cardinality)


def _outcome(session: Any, fetches: list[str]) -> Any:
    names = {number: name for name, number in vars(tf.errors).items() if isinstance(number, int)}
    try:
        return [to_json(value) for value in session.run(fetches)]
    except tf.errors.OpError as error:
        return names[error.error_code]


def record() -> None:
    """Writes the golden files. Every second pipeline has an iterator that is initialized by a node of its own."""
    for number, name in enumerate(PIPELINES):
        pipeline = build(name, GOLDEN, one_shot=number % 2 == 0)
        found = {
            "fetches": pipeline.fetches,
            "init": pipeline.init,
            "cardinality": pipeline.cardinality,
            "outcomes": pipeline.outcomes,
        }
        (GOLDEN / f"{name}.json").write_text(json.dumps(found) + "\n")


if __name__ == "__main__":
    record()
