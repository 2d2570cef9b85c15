"""The generated schema."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tfg.graphfmt.proto import fields, make_fields


def test_the_table_is_what_the_messages_say() -> None:
    assert Path(fields.__file__).read_text() == make_fields.render()


def test_messages_can_be_imported_without_a_warning() -> None:
    code = "import tfg.graphfmt.proto." + ", tfg.graphfmt.proto.".join(
        (
            "checkpoint_pb2",
            "debug_info_pb2",
            "event_pb2",
            "graph_pb2",
            "machine_pb2",
            "meta_graph_pb2",
            "step_stats_pb2",
            "tensor_pb2",
        )
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
