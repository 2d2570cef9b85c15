"""Parts as files: what is written is read back, and what does not fit is refused with file, line and node."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tfg
from tfg.graphfmt.text.writer import write_graph
from tfg.runtime.passes.partitioning.folder import is_folder_of_parts, read_parts, write_parts
from tfg.runtime.passes.partitioning.partition import partition
from tfg.runtime.passes.partitioning.parts import Parts

from .placing import device, on


def graph() -> tfg.Graph:
    g = tfg.GraphBuilder()
    a = g.Tanh(g.placeholder("float", [2, 3], name="x"), name="a")
    g.Neg(a, name="b")
    return on(g.graph(), {"b": 1})


def write(folder: Path) -> Parts:
    parts = partition(graph(), incarnations={device(0): 5})
    write_parts(parts, folder, graph(), name="g.pbtxt")
    return parts


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    parts = write(tmp_path / "parts")
    assert is_folder_of_parts(tmp_path / "parts") and not is_folder_of_parts(tmp_path)
    assert names(tmp_path / "parts") == ["CPU_0.pbtxt", "CPU_1.pbtxt", "manifest.json"]
    again = read_parts(tmp_path / "parts")
    assert {d: write_graph(g) for d, g in again.graphs.items()} == {
        d: write_graph(g) for d, g in parts.graphs.items()
    }
    assert again.received == parts.received
    assert names(tmp_path) == ["parts"]


def test_the_manifest_says_what_each_part_takes_gives_and_exchanges(tmp_path: Path) -> None:
    write(tmp_path / "parts")
    document = json.loads((tmp_path / "parts" / "manifest.json").read_text())
    assert (document["version"], document["graph"], document["wire"]) == (1, "g.pbtxt", None)
    first, second = document["parts"]
    key = f"{device(0)};0000000000000005;{device(1)};edge_0_a;0:0"
    end = {"key": key, "dtype": "float", "shape": [2, 3], "bytes": 24}
    assert first == {
        "file": "CPU_0.pbtxt", "device": device(0), "incarnation": 5, "nodes": 3, "feeds": ["x"],
        "fetches": ["x", "a"], "sends": [{"node": "a/_send_0", **end}], "receives": [],
    }  # fmt: skip
    assert second["receives"] == [{"node": "a/_recv_0", **end}] and second["fetches"] == ["b"]


def test_devices_of_several_tasks_have_files_of_whole_names(tmp_path: Path) -> None:
    other = device(1).replace("task:0", "task:3")
    placed = graph().with_nodes(replace(n, device=other) if n.name == "b" else n for n in graph().nodes)
    write_parts(partition(placed), tmp_path / "parts", placed)
    assert "localhost_0_3_CPU_1.pbtxt" in names(tmp_path / "parts")


def test_older_parts_are_replaced_and_nothing_else_is(tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    write(folder)
    write(folder)
    (folder / "mine.txt").write_text("keep")
    with pytest.raises(tfg.TfgError, match=r"it contains other files, such as 'mine\.txt'") as caught:
        write(folder)
    assert caught.value.status == "FAILED_PRECONDITION" and (folder / "mine.txt").read_text() == "keep"
    file = tmp_path / "file"
    file.write_text("keep")
    with pytest.raises(tfg.TfgError, match="it is not a folder"):
        write(file)
    assert names(tmp_path) == ["file", "parts"]


def test_nothing_is_left_of_parts_that_could_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "parts")
    before = (tmp_path / "parts" / "manifest.json").read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(tfg.TfgError, match="No space left") as caught:
        write(tmp_path / "parts")
    assert caught.value.status == "RESOURCE_EXHAUSTED"
    assert names(tmp_path) == ["parts"]
    assert (tmp_path / "parts" / "manifest.json").read_bytes() == before


def test_a_folder_that_is_missing_has_no_place_for_parts(tmp_path: Path) -> None:
    with pytest.raises(tfg.TfgError) as caught:
        write(tmp_path / "nowhere" / "parts")
    assert caught.value.status == "NOT_FOUND"


def test_a_part_edited_by_hand_is_refused_at_its_line(tmp_path: Path) -> None:
    write(tmp_path)
    path = tmp_path / "CPU_1.pbtxt"
    path.write_text(path.read_text().replace("edge_0_a", "edge_9_a"))
    with pytest.raises(tfg.TfgError, match="which no part sends") as caught:
        read_parts(tmp_path)
    place = caught.value.location
    assert place is not None and place.file == str(path) and place.line > 0
    assert caught.value.node == "a/_recv_0" and "edge_0_a" in str(caught.value.hint)


def test_a_part_that_is_missing_is_named(tmp_path: Path) -> None:
    write(tmp_path / "parts")
    (tmp_path / "parts" / "CPU_1.pbtxt").unlink()
    with pytest.raises(tfg.TfgError, match=r"the part .*CPU_1.pbtxt is missing") as caught:
        read_parts(tmp_path / "parts")
    assert caught.value.status == "NOT_FOUND"


def entry(**fields: Any) -> dict[str, Any]:
    return {"file": "a.pbtxt", "device": device(0), **fields}


MANIFESTS = {
    "{": "not JSON",
    "[]": "not one of parts",
    '{"format": "tfg parts", "version": 2}': "of version 2",
    '{"format": "tfg parts", "version": 1}': "lists no parts",
    '{"format": "tfg parts", "version": 1, "parts": [3]}': "needs a file and a device",
    json.dumps(
        {"format": "tfg parts", "version": 1, "parts": [entry(), entry(file="b")]}
    ): "the device .* twice",
    json.dumps(
        {"format": "tfg parts", "version": 1, "parts": [entry(), entry(device=device(1))]}
    ): "the file 'a.pbtxt' twice",
    json.dumps(
        {"format": "tfg parts", "version": 1, "parts": [entry(file="../a")]}
    ): "in the manifest's folder",
    json.dumps({"format": "tfg parts", "version": 1, "parts": [entry(device="/cpu:0")]}): "is not one device",
    "[" * 100_000: "not JSON",
}


@pytest.mark.parametrize("text", MANIFESTS, ids=MANIFESTS.values())
def test_a_manifest_at_fault_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(tfg.TfgError, match=MANIFESTS[text]) as caught:
        read_parts(tmp_path)
    assert caught.value.location is not None and caught.value.location.file.endswith("manifest.json")
