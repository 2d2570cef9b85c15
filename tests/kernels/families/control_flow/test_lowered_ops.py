"""Operations that partitioned and lowered graphs hold."""

from __future__ import annotations

import numpy as np
import pytest
import tfg
from tfg.graphfmt.errors import TfgError


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize(("index", "expected"), [(0, -3.0), (1, 9.0), (2, 3.0), (7, 3.0), (-1, 3.0)])
def test_a_switch_of_several_ways(compiled: bool, index: int, expected: float) -> None:
    g = tfg.GraphBuilder()
    ways = g.add_op(
        "_SwitchN", np.float32(3), g.placeholder("int32", [], name="index"), num_outs=3, name="ways"
    )
    g.Merge([g.Neg(ways[0]), g.Square(ways[1]), g.Identity(ways[2])], name="merged")
    session = tfg.Session(g.graph(), compile_control_flow=compiled)
    assert session.run(["merged"], {"index": index})[0] == expected


def test_arguments_are_fed() -> None:
    g = tfg.GraphBuilder()
    argument = g.add_op("_Arg", T="float", index=0, name="argument")
    g.add_op("_Retval", g.Neg(argument, name="y"), index=0, name="result")
    session = tfg.Session(g.graph())
    assert session.run(["y"], {"argument": np.float32([1, 2])}, ["result"])[0].tolist() == [-1, -2]
    with pytest.raises(TfgError, match="must feed a value for the argument 'argument'"):
        session.run(["y"])


def test_lists_arrays_casts_and_rows() -> None:
    g = tfg.GraphBuilder()
    both = g.add_op("_ListToArray", [np.int32(1), np.int32(2)], T="int32", N=2, name="both")
    back = g.add_op("_ArrayToList", both, out_types=["int32", "int32"], name="back")
    g.add_op("_HostCast", g.Add(*back), DstT="float", name="cast")
    start = g.add_op("_ParallelConcatStart", shape=[2, 2], dtype="float", name="start")
    first = g.add_op("_ParallelConcatUpdate", start, np.float32([[1, 2]]), loc=0, name="first")
    g.add_op("_ParallelConcatUpdate", first, np.float32([[3, 4]]), loc=1, name="rows")
    cast, rows = tfg.Session(g.graph()).run(["cast", "rows"])
    assert (cast.dtype, float(cast), rows.tolist()) == (np.float32, 3.0, [[1, 2], [3, 4]])
