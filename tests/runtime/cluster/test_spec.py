"""Specifications of clusters on the command line and in files."""

from __future__ import annotations

from pathlib import Path

import pytest
from tfg.graphfmt.errors import Status, TfgError
from tfg.runtime.cluster.cluster_file import cluster_from_text
from tfg.runtime.cluster.spec import parse_cluster

FILE = """
ray_address: "10.0.0.1:6379"
task { name: "/job:ps/task:0" address: "10.0.0.1" }
task { name: "/job:worker/task:0" address: "10.0.0.2" }
device { name: "/job:ps/task:0/device:CPU:0" speed: "50 GFLOP/s" bandwidth: "10 GB/s" }
device { name: "/job:worker/task:0/device:CPU:0" speed: "50 GFLOP/s" bandwidth: "10 GB/s" }
link { source: "/job:*" target: "/job:*" bandwidth: "1 GB/s" latency: "100 us" }
"""


def test_counts() -> None:
    spec = parse_cluster("ps, worker:2")
    assert spec.machine.names == (
        "/job:ps/replica:0/task:0/device:CPU:0",
        "/job:worker/replica:0/task:0/device:CPU:0",
        "/job:worker/replica:0/task:1/device:CPU:0",
    )
    assert len(spec.machine.links) == 6 and spec.ray_address is None
    assert spec.host("/job:ps/replica:0/task:0") == "127.0.0.1"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not of the form"),
        ("ps:1,ps:2", "'ps' is given twice"),
        ("ps:0", "at least 1 task"),
        ("worker:999", "at most 64"),
        ("worker:x", "not of the form"),
        ("worker:1:2", "not of the form"),
    ],
)
def test_counts_that_cannot_be(text: str, words: str) -> None:
    with pytest.raises(TfgError, match=words) as caught:
        parse_cluster(text)
    assert caught.value.status == Status.INVALID_ARGUMENT


def test_a_file(tmp_path: Path) -> None:
    (tmp_path / "cluster.txt").write_text(FILE)
    spec = parse_cluster(str(tmp_path / "cluster.txt"))
    assert spec.ray_address == "10.0.0.1:6379"
    assert (
        spec.node("/job:worker/replica:0/task:0") == spec.host("/job:worker/replica:0/task:0") == "10.0.0.2"
    )


@pytest.mark.parametrize(
    ("before", "after", "words", "line"),
    [
        ('/job:worker/task:0" address', '/job:worker/task:7" address', "no device is of the task", 4),
        ('/job:worker/task:0" address', '/job:ps/task:0" address', "described twice", 4),
        ("10.0.0.2", "somewhere", "not an IP address", 4),
        ('/job:ps/task:0" address', '/job:ps" address', "needs a name", 3),
        ('device:CPU:0" speed', 'device:GPU:0" speed', "have CPU devices alone", 0),
        ('task { name: "/job:ps/task:0" address: "10.0.0.1" }', "", "has no address", 1),
    ],
)
def test_files_that_cannot_be(before: str, after: str, words: str, line: int) -> None:
    assert before in FILE
    with pytest.raises(TfgError, match=words) as caught:
        cluster_from_text(FILE.replace(before, after, 1), "cluster.txt")
    location = caught.value.location
    assert (location.line if location else 0) == line


def test_a_file_that_does_not_exist() -> None:
    with pytest.raises(TfgError) as caught:
        parse_cluster("./nowhere.txt")
    assert caught.value.status == Status.NOT_FOUND
