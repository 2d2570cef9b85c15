"""MapDefun: a function for each row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tfg
from tfg.runtime.execution.session import Session

GRAPH = """
node {{ name: "x" op: "Placeholder" attr {{ key: "dtype" value {{ type: DT_FLOAT }} }} }}
node {{ name: "c" op: "Placeholder" attr {{ key: "dtype" value {{ type: DT_FLOAT }} }} }}
node {{ name: "y" op: "MapDefun" input: "x" input: "c"
  attr {{ key: "Targuments" value {{ list {{ type: DT_FLOAT }} }} }}
  attr {{ key: "Tcaptured" value {{ list {{ type: DT_FLOAT }} }} }}
  attr {{ key: "output_types" value {{ list {{ type: DT_FLOAT }} }} }}
  attr {{ key: "output_shapes" value {{ list {{ shape {{ {dims} }} }} }} }}
  attr {{ key: "f" value {{ func {{ name: "f" }} }} }} }}
library {{ function {{
  signature {{ name: "f" input_arg {{ name: "a" type: DT_FLOAT }} input_arg {{ name: "b" type: DT_FLOAT }}
    output_arg {{ name: "z" type: DT_FLOAT }} }}
  node_def {{ name: "m" op: "Mul" input: "a" input: "b" attr {{ key: "T" value {{ type: DT_FLOAT }} }} }}
  ret {{ key: "z" value: "m:z:0" }} }} }}
"""


def mapped(tmp_path: Path, x: Any, c: Any, dims: str = "dim { size: 2 }") -> Any:
    path = tmp_path / "g.pbtxt"
    path.write_text(GRAPH.format(dims=dims))
    with Session(tfg.load(path)) as session:
        return session.run(["y"], feeds={"x": np.float32(x), "c": np.float32(c)})[0]


def test_each_row_is_computed_with_what_is_captured(tmp_path: Path) -> None:
    assert mapped(tmp_path, [[1, 2], [3, 4], [5, 6]], [10, 100]).tolist() == [[10, 200], [30, 400], [50, 600]]


def test_without_rows_the_stated_shape_counts(tmp_path: Path) -> None:
    assert mapped(tmp_path, np.zeros((0, 2)), [1, 1]).shape == (0, 2)
    with pytest.raises(tfg.TfgError, match="INVALID_ARGUMENT"):
        mapped(tmp_path, np.zeros((0, 2)), [1, 1], "dim { size: -1 }")


def test_other_shapes_than_the_stated_are_refused(tmp_path: Path) -> None:
    with pytest.raises(tfg.TfgError, match=r"INVALID_ARGUMENT.*is stated"):
        mapped(tmp_path, [[1, 2, 3]], [1, 1, 1])
    with pytest.raises(tfg.TfgError, match="INVALID_ARGUMENT"):
        mapped(tmp_path, 3, [1, 1])
