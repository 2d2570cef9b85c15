"""Variables: assigning, reading, adding up, and who shares what."""

from __future__ import annotations

import numpy as np
import pytest
from tfg.graphfmt.errors import Status, TfgError
from tfg.kernels.builder.graph_builder import GraphBuilder

from tests import reference

from ...harness import cast, f32, i32, i64, rand
from ...state_harness import both, state_case, state_tests

X = rand(2, 3)

KINDS = "float double int32 uint8 int16 int8 complex64 int64 bfloat16 uint16 complex128 half uint32 uint64"

CASES = [
    *(state_case("Assign", cast(kind, [1, 2]), cast(kind, [3, 4])) for kind in (*KINDS.split(), "bool")),
    *(
        state_case("AssignVariableOp", cast(kind, [1, 2]), cast(kind, [3, 4]))
        for kind in (*KINDS.split(), "bool")
    ),
    *(
        state_case(name, cast(kind, [1, 2]), cast(kind, [3, 5]))
        for kind in KINDS.split()
        for name in ("AssignAdd", "AssignSubVariableOp")
    ),
    *(
        state_case(name, cast(kind, [1, 2]), cast(kind, [3, 5]))
        for kind in ("float", "uint8")
        for name in ("AssignSub", "AssignAddVariableOp")
    ),
    # Shapes.
    *(
        state_case(name, X, rand(3, 2), error="INVALID_ARGUMENT: Dimensions must be equal")
        for name in ("Assign", "AssignVariableOp", "AssignAdd", "AssignSubVariableOp")
    ),
    *(
        state_case(
            name, X, rand(3, 2), dynamic=True, error="INVALID_ARGUMENT: has shape [2,3], and cannot be"
        )
        for name in ("Assign", "AssignAdd", "AssignSubVariableOp")
    ),
    state_case("AssignVariableOp", X, rand(3, 2), dynamic=True),
    *(
        state_case(name, X, f32(2), dynamic=dynamic, error=f"INVALID_ARGUMENT: {words}")
        for name in ("AssignAdd", "AssignAddVariableOp")
        for dynamic, words in (
            (False, "must be equal rank"),
            (True, "cannot be updated by a value of shape []"),
        )
    ),
    *(
        state_case("Assign", X, rand(3, 2), dynamic=dynamic, validate_shape=False)
        for dynamic in (False, True)
    ),
    *(
        state_case(
            "AssignVariableOp",
            X,
            rand(3, 2),
            dynamic=dynamic,
            validate_shape=True,
            error=f"INVALID_ARGUMENT: {words}",
        )
        for dynamic, words in ((False, "Dimensions must be equal"), (True, "has shape [2,3], and cannot be"))
    ),
    *(
        state_case(name, f32(1), f32(2))
        for name in ("Assign", "AssignAdd", "AssignVariableOp", "AssignAddVariableOp")
    ),
    *(
        state_case(name, rand(0, 3), rand(0, 3))
        for name in ("Assign", "AssignAdd", "AssignVariableOp", "AssignAddVariableOp")
    ),
    # Dtypes that do not fit.
    *(
        state_case(
            name, X, i32([1]), dtype="int32", dynamic=True, error="INVALID_ARGUMENT: variable is float"
        )
        for name in ("AssignVariableOp", "AssignAddVariableOp")
    ),
    state_case("ReadVariableOp", X, dtype="int32", dynamic=True, error="INVALID_ARGUMENT: variable is float"),
    # Nothing has been assigned.
    state_case("AssignAdd", X, X, _uninitialized=True, error="FAILED_PRECONDITION: uninitialized value"),
    state_case("ReadVariableOp", X, _uninitialized=True, error="FAILED_PRECONDITION: uninitialized value"),
    state_case("ReadVariableOp", X),
    *(
        state_case("VariableShape", x, out_type=t, dynamic=d)
        for x in (X, f32(1))
        for t in ("int32", "int64")
        for d in (False, True)
    ),
    state_case("IsVariableInitialized", X),
    state_case("VarIsInitializedOp", X),
    # Counters.
    *both("CountUpTo", i32(3), limit=4),
    *both("CountUpTo", i64(3), limit=3, error="OUT_OF_RANGE: Reached limit"),
    *both("CountUpTo", i64(-3), limit=-5, error="OUT_OF_RANGE: Reached limit"),
    *both("CountUpTo", i32([3]), limit=4, error="INVALID_ARGUMENT: rank"),
    state_case("CountUpTo", i32([3]), limit=4, dynamic=True, error="INVALID_ARGUMENT: 'ref' must be of rank"),
    state_case(
        "ResourceCountUpTo", i32([3]), limit=4, dynamic=True, error="INVALID_ARGUMENT: is not a scalar"
    ),
]

test_states, test_errors = state_tests(CASES)


def test_read_is_a_snapshot() -> None:
    """What was read before an update does not change with it; what is read after it has changed."""
    g = GraphBuilder()
    w = g.VariableV2(shape=[2], dtype="float", name="w")
    g.Assign(w, f32([1, 2]), name="init")
    before = g.Identity(w, name="before")
    with g.control_dependencies([before]):
        after = g.AssignAdd(w, f32([10, 10]), name="after")
    g.AddV2(after, before, name="sum")
    context = reference.Context()
    reference.run(g.graph(), ["init"], {}, context)
    found = reference.run(g.graph(), ["before", "sum"], {}, context)
    np.testing.assert_array_equal(found[0], [1, 2])
    np.testing.assert_array_equal(found[1], [12, 14])


def test_update_is_in_place_while_nobody_looks() -> None:
    from tfg.graphfmt.dtypes import float32
    from tfg.graphfmt.shapes import Shape
    from tfg.kernels.families.state.variables import Variable

    w = Variable("w", float32, Shape((3,)))
    w.assign(f32([1, 2, 3]))
    first = id(w.value)
    with w.lock:
        w.writable()[0] = 5
    assert id(w.value) == first
    w.assign(f32([4, 5, 6]))
    assert id(w.value) == first
    held = w.read()
    with w.lock:
        w.writable()[0] = 7
    w.assign(f32([0, 0, 0]))
    assert held.tolist() == [4, 5, 6]
    view = w.read()[:1]
    with w.lock:
        w.writable()[0] = 7
    assert view.tolist() == [0]


def test_uninitialized_names_the_variable() -> None:
    g = GraphBuilder()
    g.Identity(g.VariableV2(shape=[2], dtype="float", name="w"), name="read")
    with pytest.raises(TfgError, match="Attempting to use uninitialized value w") as caught:
        reference.run(g.graph(), ["read"], {})
    assert caught.value.status is Status.FAILED_PRECONDITION


def test_shared_name_is_one_variable() -> None:
    g = GraphBuilder()
    a = g.VarHandleOp(shape=[], dtype="float", shared_name="w", name="a")
    b = g.VarHandleOp(shape=[], dtype="float", shared_name="w", name="b")
    g.AssignVariableOp(a, f32(3), name="init")
    g.ReadVariableOp(b, dtype="float", name="read")
    context = reference.Context()
    reference.run(g.graph(), ["init"], {}, context)
    assert reference.run(g.graph(), ["read"], {}, context) == [3]


def test_temporary_variable() -> None:
    g = GraphBuilder()
    made = g.TemporaryVariable(shape=[2], dtype="float", var_name="t", name="made")
    added = g.AssignAdd(g.Assign(made, f32([1, 2])), f32([3, 3]))
    g.DestroyTemporaryVariable(added, var_name="t", name="value")
    g.DestroyTemporaryVariable(added, var_name="other", name="wrong")
    context = reference.Context()
    for _ in range(2):
        (value,) = reference.run(g.graph(), ["value"], {}, context)
        np.testing.assert_array_equal(value, [4, 5])
    with pytest.raises(TfgError) as caught:
        reference.run(g.graph(), ["wrong"], {}, context)
    assert caught.value.status is Status.NOT_FOUND


def test_destroyed_resource_is_gone() -> None:
    g = GraphBuilder()
    w = g.VarHandleOp(shape=[], dtype="float", name="w")
    g.AssignVariableOp(w, f32(3), name="init")
    g.DestroyResourceOp(w, ignore_lookup_error=False, name="destroy")
    g.VarIsInitializedOp(w, name="there")
    context = reference.Context()
    reference.run(g.graph(), ["init"], {}, context)
    assert reference.run(g.graph(), ["there"], {}, context) == [True]
    reference.run(g.graph(), ["destroy"], {}, context)
    assert reference.run(g.graph(), ["there"], {}, context) == [False]
    with pytest.raises(TfgError) as caught:
        reference.run(g.graph(), ["destroy"], {}, context)
    assert caught.value.status is Status.NOT_FOUND


def test_concurrent_updates_are_not_lost() -> None:
    from threading import Thread

    from tfg.graphfmt.dtypes import int64
    from tfg.graphfmt.shapes import Shape
    from tfg.kernels.core import registry
    from tfg.kernels.families.state.variables import Variable

    w = Variable("w", int64, Shape((1000,)))
    w.assign(np.zeros(1000, np.int64))
    add = registry.get("AssignAdd").kernel_function
    assert add is not None
    torn: list[bool] = []

    def work() -> None:
        for _ in range(200):
            add(np, w, np.ones(1000, np.int64))
            value = w.read()
            torn.append(bool((value != value[0]).any()))

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not any(torn)
    assert w.read().tolist() == [800] * 1000
