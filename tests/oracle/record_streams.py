"""Records what TensorFlow gives for the streams of ``tests.kernels.families.random.test_random_streams``."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tests import golden
from tests.kernels.families.random.test_random_streams import GOLDEN, RUNS, STREAMS, Stream, summary
from tests.oracle.tensorflow_runner import to_graph_def, v1


def record(stream: Stream) -> list[Any]:
    """The summaries of a stream's runs."""
    graph, fetched, init = stream.graph()
    with v1.Graph().as_default() as imported:
        tf.graph_util.import_graph_def(to_graph_def(graph), name="")
        with v1.Session(graph=imported) as session:
            if init is not None:
                session.run(imported.get_operation_by_name(init))
            name = fetched if ":" in fetched else fetched + ":0"
            return [summary(stream, session.run(name)) for _ in range(RUNS)]


if __name__ == "__main__":
    store = {f"{s.name}/{run}": kept for s in STREAMS for run, kept in enumerate(record(s))}
    golden.save(GOLDEN, store, golden.plain_text(store))
    print(f"{len(STREAMS)} streams")
