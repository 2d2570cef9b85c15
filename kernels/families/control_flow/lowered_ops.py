"""Operations of partitioned and lowered graphs: _Arg and _Retval of functions, _SwitchN, lists and arrays of tensors,
and casts in host memory (function_ops.cc, control_flow_ops.cc in TensorFlow)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ...core import shapes
from ...core.registry import Family, get
from ...core.traits import Role
from .control_flow_ops import DEAD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....graphfmt.dtypes import DType
    from ....graphfmt.shapes import Shape
    from ...core.inference import ShapeContext

family = Family(__name__)
op = family.op


def _argument(xp: Any, *, node_name: str, T: DType) -> Any:
    raise invalid(f"You must feed a value for the argument {node_name!r} with dtype {T}")


for _name in ("_Arg", "_DeviceArg"):
    op(
        f"{_name}(; T: type, index: int >= 0) -> (output: T)",
        shape=shapes.unknown,
        stateful=True,
        role=Role.PLACEHOLDER,
    ).kernel(_argument)


def _return(xp: Any, input: Any) -> Any:
    return ()


for _name in ("_Retval", "_DeviceRetval"):
    op(f"{_name}(input: T; T: type, index: int >= 0)", shape=shapes.no_outputs, stateful=True).kernel(_return)


def _like_data(c: ShapeContext) -> list[Shape]:
    c.with_rank("output_index", 0)
    return [c.input("data")] * len(c.bound.output_types)


switch_n = op(
    "_SwitchN(data: T, output_index: int32; num_outs: int >= 1, T: type) -> (outputs: num_outs*T)",
    shape=_like_data,
    role=Role.SWITCH,
    is_free=True,
    forwards_input=True,
)


@switch_n.kernel
def _(xp: Any, data: Any, output_index: Any, *, num_outs: int) -> list[Any]:
    """Forwards data to one output; an index out of range is that of the last one."""
    if np.ndim(output_index):
        raise invalid(f"output_index must be a scalar, but has shape {list(output_index.shape)}")
    index = int(output_index)
    taken = index if 0 <= index < num_outs else num_outs - 1
    return [data if number == taken else DEAD for number in range(num_outs)]


def _list_shapes(c: ShapeContext) -> Sequence[Shape]:
    given, wanted = list(c.bound.input_types), list(c.bound.output_types)
    if given != wanted:
        raise invalid(f"the inputs are {len(given)} tensors of other types than the {len(wanted)} outputs")
    return c.inputs()


def _pass_list(xp: Any, input: Sequence[Any]) -> Sequence[Any]:
    return input


op(
    "_ArrayToList(input: N*T; T: type, N: int >= 1, out_types: list(type) >= 1) -> (output: *out_types)",
    shape=_list_shapes,
    is_free=True,
    forwards_input=True,
).kernel(_pass_list)
op(
    "_ListToArray(input: *Tin; Tin: list(type) >= 1, T: type, N: int >= 1) -> (output: N*T)",
    shape=_list_shapes,
    is_free=True,
    forwards_input=True,
).kernel(_pass_list)

_cast = get("Cast")
host_cast = op(
    "_HostCast(x: SrcT; SrcT: type, DstT: type, Truncate: bool = false) -> (y: DstT)", shape=shapes.like_input
)
host_cast.kernel_function = _cast.kernel_function
host_cast.bind_function = _cast.bind_function


start = op(
    "_ParallelConcatStart(; shape: shape, dtype: type) -> (output: dtype)",
    shape=lambda c: c.attrs["shape"],
    stateful=True,
    allocates_output=True,
)


@start.kernel
def _(xp: Any, *, shape: Shape, dtype: DType) -> Any:
    return xp.zeros(shape.known(), dtype.numpy)


update = op(
    "_ParallelConcatUpdate(value: T, update: T; T: type, loc: int) -> (output: T)",
    shape=lambda c: c.input("value"),
    allocates_output=True,
)


@update.kernel
def _(xp: Any, value: Any, update: Any, *, loc: int) -> Any:
    if (
        value.ndim < 1
        or not -len(value) <= loc < len(value)
        or update.shape[1:] != value.shape[1:]
        or len(update) != 1
    ):
        raise invalid(
            f"row {loc} of a tensor of shape {list(value.shape)} cannot be one of shape {list(update.shape)}"
        )
    result = value.copy()
    result[loc] = update[0]
    return result
