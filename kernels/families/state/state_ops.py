"""Creation, reading and assignment of variables, by reference (VariableV2) and by resource handle
(VarHandleOp): state_ops and resource_variable_ops in TensorFlow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt import dtypes
from ....graphfmt.errors import Status, TfgError, invalid
from ....graphfmt.shapes import SCALAR, UNKNOWN, Shape
from ...core import shapes
from ...core.facts import Fact, Handle
from ...core.inference import ShapeContext, attr_shape
from ...core.registry import Family
from ...core.traits import GpuSupport, Role, StateAccess
from ...core.types import NUMBERS
from .variables import Variable

if TYPE_CHECKING:
    from collections.abc import Callable

    from ....graphfmt.dtypes import DType

family = Family(__name__, gpu=GpuSupport.STATE)
op = family.op

# The dtypes that TensorFlow's CPU kernels add: NUMBERS without the quantized.
ADDABLE = "float double int32 uint8 int16 int8 complex64 int64 bfloat16 uint16 complex128 half uint32 uint64"


def resource_variable(handle: Any) -> Variable:
    """Returns the variable of a resource handle. Raises INVALID_ARGUMENT for a handle of another resource."""
    if type(handle) is Variable:
        return handle
    kind = getattr(handle, "kind", type(handle).__name__)
    raise invalid(f"a variable is needed, but the handle is of a {kind}")


def typed_variable(handle: Any, dtype: DType) -> Variable:
    """Returns the variable of a resource handle. Raises INVALID_ARGUMENT for another resource or dtype."""
    found = resource_variable(handle)
    if found.dtype is not dtype:
        raise invalid(f"variable {found.name!r} is {found.dtype}, but {dtype} is asked of it")
    return found


def referenced_shape(c: ShapeContext, dtype: DType, key: int | str = 0) -> Shape:
    """The static shape of the variable of an input handle. Raises INVALID_ARGUMENT if it is known to have another
    dtype."""
    handle = c.handle(key)
    if handle is None:
        return UNKNOWN
    if handle.dtype is not dtype:
        raise invalid(f"the variable is {handle.dtype}, but {dtype} is asked of it")
    return handle.shape


# Creation.


def _declared_shape(c: ShapeContext) -> Shape:
    return attr_shape(c.attr("shape"))


def _legacy_shape(c: ShapeContext) -> Shape:
    """The shape of the first Variable operation, for which [] means an unknown shape."""
    shape = attr_shape(c.attr("shape"))
    return shape if shape.rank else UNKNOWN


def _make_variable(
    ctx: Any, xp: Any, *, node_name: str, shape: Shape, dtype: DType, container: str, shared_name: str
) -> Variable:
    name = shared_name or node_name
    found = ctx.resource(container, name, Variable, lambda: Variable(name, dtype, shape, xp))
    if found.dtype is not dtype:
        raise TfgError(
            Status.INTERNAL, f"variable {name!r} is {found.dtype}, but node {node_name!r} declares {dtype}"
        )
    return found


for _name, _shape in (("Variable", _legacy_shape), ("VariableV2", _declared_shape)):
    op(
        f'{_name}(; shape: shape, dtype: type, container: string = "", shared_name: string = "") '
        "-> (ref: Ref(dtype))",
        shape=_shape,
        stateful=True,
        state=StateAccess.READS,
        role=Role.REFERENCE_VARIABLE,
        is_free=True,
    ).kernel(_make_variable)


def _handle_fact(c: ShapeContext) -> Fact:
    handle = Handle(c.attr("dtype"), attr_shape(c.attr("shape")))
    return Fact(dtypes.resource, SCALAR, handle=handle)


var_handle = op(
    'VarHandleOp(; container: string = "", shared_name: string = "", debug_name: string = "", dtype: type, '
    "shape: shape, allowed_devices: list(string) = []) -> (resource: resource)",
    shape=_handle_fact,
    stateful=True,
    state=StateAccess.READS,
    role=Role.RESOURCE_VARIABLE,
    is_free=True,
)


@var_handle.kernel
def _(
    ctx: Any, xp: Any, *, node_name: str, dtype: DType, shape: Shape, container: str, shared_name: str
) -> Variable:
    name = shared_name or node_name
    return ctx.resource(container, name, Variable, lambda: Variable(name, dtype, shape, xp))


# Reading.


def _read_shape(c: ShapeContext) -> Shape:
    return referenced_shape(c, c.attr("dtype"))


read_variable = op(
    "ReadVariableOp(resource: resource; dtype: type) -> (value: dtype)",
    shape=_read_shape,
    stateful=True,
    role=Role.VARIABLE_READ,
    state=StateAccess.READS,
    is_free=True,
    sparse_gradient=True,
)


@read_variable.kernel
def _(xp: Any, resource: Any, *, dtype: DType) -> Any:
    return typed_variable(resource, dtype).read()


@read_variable.gradient
def _(g: Any, node: Any, dy: Any) -> Any:
    return dy


disable_copy_on_read = op(
    "DisableCopyOnRead(resource: resource)", shape=shapes.no_outputs, stateful=True, state=StateAccess.READS
)


@disable_copy_on_read.kernel
def _(xp: Any, resource: Any) -> list[Any]:
    """Does nothing but check the handle: a value that was read never changes (copy on write, see ``Variable``)."""
    resource_variable(resource)
    return []


is_initialized = op(
    "IsVariableInitialized(ref: Ref(dtype); dtype: type) -> (is_initialized: bool)",
    shape=shapes.scalar,
    host_outputs=True,
    state=StateAccess.READS,
    role=Role.INITIALIZATION_QUERY,
)


@is_initialized.kernel
def _(xp: Any, ref: Variable) -> Any:
    return np.bool_(ref.value is not None)


var_is_initialized = op(
    "VarIsInitializedOp(resource: resource) -> (is_initialized: bool)",
    shape=shapes.scalar,
    stateful=True,
    differentiable=False,
    host_outputs=True,
    state=StateAccess.READS,
    role=Role.INITIALIZATION_QUERY,
)


@var_is_initialized.kernel
def _(xp: Any, resource: Any) -> Any:
    return np.bool_(resource_variable(resource).value is not None)


def _variable_shape_shape(c: ShapeContext) -> Shape:
    handle = c.handle()
    return Shape((handle.shape.rank if handle else None,))


variable_shape = op(
    "VariableShape(input: resource; out_type: type in {int32, int64} = int32) -> (output: out_type)",
    shape=_variable_shape_shape,
    stateful=True,
    differentiable=False,
    host_outputs=True,
    state=StateAccess.READS,
)


@variable_shape.kernel
def _(xp: Any, input: Any, *, out_type: DType) -> Any:
    return np.array(resource_variable(input).read().shape, out_type.numpy)


@variable_shape.elements
def _(c: ShapeContext) -> Any:
    handle = c.handle()
    return handle.shape.dims if handle else None


# Assigning.


def _merged(c: ShapeContext) -> Shape:
    return c.input(0).merge(c.input(1))


def _assigned(c: ShapeContext) -> Shape:
    return _merged(c) if c.attr("validate_shape") else c.input(1)


assign = op(
    "Assign(ref: Ref(T), value: T; T: type, validate_shape: bool = true, use_locking: bool = true) "
    "-> (output_ref: Ref(T))",
    shape=_assigned,
    differentiable=False,
    role=Role.ASSIGNMENT,
)


@assign.kernel
def _(xp: Any, ref: Variable, value: Any, *, validate_shape: bool) -> Variable:
    ref.assign(value, validate_shape=validate_shape, xp=xp)
    return ref


def _assign_shape(c: ShapeContext) -> Any:
    referenced_shape(c, c.attr("dtype")).merge(c.input(1))
    return []


assign_variable = op(
    "AssignVariableOp(resource: resource, value: dtype; dtype: type, validate_shape: bool = false)",
    shape=_assign_shape,
    stateful=True,
    role=Role.ASSIGNMENT,
)


@assign_variable.kernel
def _(xp: Any, resource: Any, value: Any, *, dtype: DType, validate_shape: bool) -> list[Any]:
    target = resource_variable(resource)
    with target.lock:
        if target.value is None:
            # The first assignment determines the dtype: several handles may share a name.
            target.dtype = dtype
        elif target.dtype is not dtype:
            raise invalid(
                f"variable {target.name!r} is {target.dtype}, and cannot be assigned a {dtype} value"
            )
        target.replace(value, validate_shape=validate_shape and target.value is not None, xp=xp)
    return []


def _add_in_place(name: str) -> Callable[..., None]:
    """Returns a function that applies the ufunc ``name`` to a variable and a value of its shape, in place."""

    def update(xp: Any, target: Variable, value: Any) -> None:
        function = getattr(xp, name)
        with target.lock:
            array = target.writable()
            if array.shape != value.shape:
                raise invalid(
                    f"variable {target.name!r} has shape {Shape(array.shape)}, and cannot be updated by a "
                    f"value of shape {Shape(tuple(value.shape))}"
                )
            function(array, value, out=array)

    return update


def _declare_update(sign: str, ufunc: str) -> None:
    update = _add_in_place(ufunc)
    by_ref = op(
        f"Assign{sign}(ref: Ref(T), value: T; T: type in {NUMBERS}, use_locking: bool = false) "
        "-> (output_ref: Ref(T))",
        shape=_merged,
        differentiable=False,
        kernel_types={"T": ADDABLE},
    )
    by_handle = op(
        f"Assign{sign}VariableOp(resource: resource, value: dtype; dtype: type)",
        shape=_assign_shape,
        stateful=True,
        kernel_types={"dtype": ADDABLE},
    )

    @by_ref.kernel
    def _(xp: Any, ref: Variable, value: Any) -> Variable:
        update(xp, ref, value)
        return ref

    @by_handle.kernel
    def _(xp: Any, resource: Any, value: Any, *, dtype: DType) -> list[Any]:
        update(xp, typed_variable(resource, dtype), value)
        return []


_declare_update("Add", "add")
_declare_update("Sub", "subtract")
