"""Input pipelines that TensorFlow has written, against the elements that it gave: whole, and interrupted."""

from __future__ import annotations

from pathlib import Path

import pytest
import tfg

from .pipelines import FILES, GOLDEN, recorded

_NAMES = sorted(path.stem for path in GOLDEN.glob("*.json"))


@pytest.fixture(autouse=True)
def _in_the_folder_of_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FILES)


def test_there_are_pipelines() -> None:
    assert len(_NAMES) > 80


@pytest.mark.parametrize("name", _NAMES)
def test_elements(name: str) -> None:
    pipeline = recorded(name)
    with pipeline.session() as session:
        pipeline.check(session, range(len(pipeline.outcomes)))


@pytest.mark.parametrize("name", _NAMES)
def test_cardinality(name: str) -> None:
    pipeline = recorded(name)
    with tfg.Session(pipeline.graph) as session:
        assert session.run(["cardinality"])[0] == pipeline.cardinality


@pytest.mark.parametrize("steps", [1, 4, 9])
@pytest.mark.parametrize("name", _NAMES)
def test_goes_on_after_a_restart(name: str, steps: int, tmp_path: Path) -> None:
    pipeline = recorded(name)
    with pipeline.session() as session:
        pipeline.check(session, range(steps))
        session.save(tmp_path / "state.h5")
    with tfg.Session(pipeline.graph) as session:
        session.restore(tmp_path / "state.h5")
        if pipeline.init:
            session.run([], targets=pipeline.init)
        pipeline.check(session, range(steps, len(pipeline.outcomes)))
