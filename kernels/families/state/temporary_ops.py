"""TemporaryVariable, CountUpTo and DestroyResourceOp (state_ops.cc, resource_variable_ops.cc in TensorFlow)."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any

from ....graphfmt.errors import Status, TfgError, invalid
from ....graphfmt.shapes import SCALAR, Shape
from ...core import shapes
from ...core.inference import ShapeContext, attr_shape
from ...core.registry import Family
from ...core.traits import StateAccess
from .state_ops import referenced_shape, typed_variable
from .variables import Variable

if TYPE_CHECKING:
    from ....graphfmt.dtypes import DType
    from ....graphfmt.tensors import Array

family = Family(__name__)
op = family.op


class Temporaries:
    """The temporary variables of one step, by name."""

    kind = "Temporaries"

    def __init__(self) -> None:
        self._lock = Lock()
        self._variables: dict[str, Variable] = {}

    def add(self, name: str, variable: Variable) -> None:
        """Adds a variable. Raises ALREADY_EXISTS if one of that name has not been destroyed yet."""
        with self._lock:
            if name in self._variables:
                raise TfgError(
                    Status.ALREADY_EXISTS, f"temporary variable {name!r} exists already in this step"
                )
            self._variables[name] = variable

    def remove(self, name: str) -> None:
        """Removes a variable. Raises NOT_FOUND if there is none of that name."""
        with self._lock:
            if self._variables.pop(name, None) is None:
                raise TfgError(Status.NOT_FOUND, f"no temporary variable is called {name!r} in this step")

    def save(self) -> dict[str, Array]:
        return {}

    def load(self, state: dict[str, Array]) -> None:
        pass


def _of_step(ctx: Any) -> Temporaries:
    return ctx.resource(f"__per_step_{ctx.step_id}", "temporaries", Temporaries, Temporaries)


temporary_variable = op(
    'TemporaryVariable(; shape: shape, dtype: type, var_name: string = "") -> (ref: Ref(dtype))',
    shape=lambda c: attr_shape(c.attr("shape")),
    stateful=True,
    state=StateAccess.PER_STEP,
)


@temporary_variable.kernel
def _(ctx: Any, xp: Any, *, node_name: str, shape: Shape, dtype: DType, var_name: str) -> Variable:
    if not shape.is_fully_known:
        raise invalid(f"a temporary variable needs a fully known shape, not {shape}")
    made = Variable(var_name or node_name, dtype, shape)
    # It may be read before it is assigned; TensorFlow allocates its memory at once, too.
    made.value = xp.zeros(shape.known(), dtype.numpy)
    _of_step(ctx).add(made.name, made)
    return made


destroy_temporary_variable = op(
    "DestroyTemporaryVariable(ref: Ref(T); T: type, var_name: string) -> (value: T)",
    shape=shapes.like_input,
    state=StateAccess.PER_STEP,
)


@destroy_temporary_variable.kernel
def _(ctx: Any, xp: Any, ref: Variable, *, var_name: str) -> Any:
    value = ref.read()
    _of_step(ctx).remove(var_name)
    return value


destroy_resource = op(
    "DestroyResourceOp(resource: resource; ignore_lookup_error: bool = true)",
    shape=shapes.no_outputs,
    stateful=True,
)


@destroy_resource.kernel
def _(xp: Any, resource: Any, *, ignore_lookup_error: bool) -> list[Any]:
    if isinstance(resource, Variable):
        if resource.value is None and not ignore_lookup_error:
            raise TfgError(Status.NOT_FOUND, f"there is no variable {resource.name!r} to destroy")
        resource.clear()
    elif hasattr(resource, "destroy"):
        resource.destroy()
    return []


def _count(target: Variable, limit: int) -> Any:
    """Increments a scalar variable and returns its old value. Raises OUT_OF_RANGE at the limit."""
    with target.lock:
        value = target.writable()
        if value.shape:
            raise invalid(f"counter {target.name!r} is not a scalar: it has shape {Shape(value.shape)}")
        if value >= limit:
            raise TfgError(Status.OUT_OF_RANGE, f"Reached limit of {limit}")
        before = value[()]
        value += 1
        return before


count_up_to = op(
    "CountUpTo(ref: Ref(T); limit: int, T: type in {int32, int64}) -> (output: T)",
    shape=lambda c: c.with_rank(0, 0),
)


@count_up_to.kernel
def _(xp: Any, ref: Variable, *, limit: int) -> Any:
    return _count(ref, limit)


def _counter_shape(c: ShapeContext) -> Shape:
    referenced_shape(c, c.attr("T")).merge(SCALAR)
    return SCALAR


resource_count_up_to = op(
    "ResourceCountUpTo(resource: resource; limit: int, T: type in {int32, int64}) -> (output: T)",
    shape=_counter_shape,
    stateful=True,
)


@resource_count_up_to.kernel
def _(xp: Any, resource: Any, *, limit: int, T: DType) -> Any:
    return _count(typed_variable(resource, T), limit)
