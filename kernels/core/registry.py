"""The one place an operation is declared: signature, shape function, kernel, gradient.

    family = Family(__name__)
    relu = family.op("Relu(features: T; T: type in {…}) -> (activations: T)", shape=shapes.like_input)

    @relu.kernel
    def _(xp, features): ...

    @relu.gradient
    def _(g, node, dy): ...

A kernel takes ``xp`` (numpy or cupy), then one value per input argument (a list argument arrives as one
tuple), then, by keyword only, those attributes that it wants to know. A kernel that needs the step takes
``ctx`` (``StepContext``) first. It returns one value per output argument, a list argument's value being a
list. Rank-0 values may be numpy scalars, of inputs and outputs alike; strings, resources and variants are
object arrays, except that a resource handle is the resource itself.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...graphfmt import signatures
from ...graphfmt.errors import Status, TfgError
from ...graphfmt.names import did_you_mean

if TYPE_CHECKING:
    from ...graphfmt.signatures import OpSignature
    from ..functions.library import Library
    from .binding import Binding
    from .inference import ShapeContext

Kernel = Callable[..., Any]
ShapeFunction = Callable[["ShapeContext"], Any]
GradientFunction = Callable[..., Any]

# Keyword-only kernel parameters that are facts of the node rather than attributes.
NODE_PARAMETERS = frozenset({"node_name", "input_types", "output_types"})
# What an asynchronous kernel is given with every call.
DONE = "done"


@dataclass(eq=False)
class Op:
    """A declared operation. Its signature is read when first asked for, because a process that runs two
    nodes must not wait for five hundred."""

    name: str
    text: str
    shape: ShapeFunction
    stateful: bool
    differentiable: bool
    commutative: bool
    allocates_output: bool
    asynchronous: bool
    is_control_flow: bool
    ufunc: str
    operator: str
    kernel_types: dict[str, frozenset[str]]
    kernel_function: Kernel | None = None
    gradient_function: GradientFunction | None = None
    bind_function: Callable[[Binding], Kernel | None] | None = None
    elements_function: ShapeFunction | None = None
    family: str = ""

    @cached_property
    def signature(self) -> OpSignature:
        return signatures.parse(self.text)

    def kernel(self, function: Kernel) -> Kernel:
        """Decorator: what the operation computes."""
        self.kernel_function = function
        return function

    def gradient(self, function: GradientFunction) -> GradientFunction:
        """Decorator: ``(g, node, *dys)``, one dy per output, to one gradient per input (or one alone).

        A dy is None where nothing depends on that output, though never for an only output. A gradient is
        None where none flows.
        """
        self.gradient_function = function
        return function

    def bind(self, function: Callable[[Binding], Kernel | None]) -> Callable[[Binding], Kernel | None]:
        """Decorator: sees attributes, dtypes and static shapes once, when a plan is built, and returns the
        function to call on the input values alone, or None for the ordinary kernel."""
        self.bind_function = function
        return function

    def elements(self, function: ShapeFunction) -> ShapeFunction:
        """Decorator: the elements of a small integer output, None where unknown, from a ShapeContext."""
        self.elements_function = function
        return function

    @cached_property
    def takes_context(self) -> bool:
        code = getattr(self.kernel_function, "__code__", None)
        return code is not None and code.co_varnames[:1] == ("ctx",)

    @cached_property
    def wanted(self) -> tuple[str, ...]:
        """The keyword-only parameters of the kernel."""
        code = getattr(self.kernel_function, "__code__", None)
        if code is None:
            return ()
        names = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
        return tuple(name for name in names if name != DONE)

    def check(self) -> None:
        """Raises TypeError where the kernel's parameters do not fit the signature."""
        if self.kernel_function is None:
            return
        parameters = inspect.signature(self.kernel_function).parameters.values()
        positional = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        expected = (2 if self.takes_context else 1) + len(self.signature.inputs)
        variadic = any(p.kind is p.VAR_POSITIONAL for p in parameters)
        if len(positional) != expected and not variadic:
            raise TypeError(f"the kernel of {self.name} takes {positional}, but {expected} are expected")
        unknown = set(self.wanted) - set(self.signature.attr_index) - NODE_PARAMETERS
        if unknown:
            raise TypeError(f"the kernel of {self.name} wants {sorted(unknown)}, which it has no attr for")


# The package whose folders hold the families of operations.
FAMILIES = "tfg.kernels.families"

_OPS: dict[str, Op] = {}


class Family:
    """The operations that one module declares. The module begins with ``family = Family(__name__)`` and declares
    with ``family.op``."""

    def __init__(self, module: str) -> None:
        self.name = module.removeprefix(f"{FAMILIES}.")

    def op(
        self,
        text: str,
        *,
        shape: ShapeFunction,
        stateful: bool = False,
        differentiable: bool = True,
        commutative: bool = False,
        allocates_output: bool = False,
        asynchronous: bool = False,
        is_control_flow: bool = False,
        ufunc: str = "",
        operator: str = "",
        kernel_types: dict[str, str] | None = None,
    ) -> Op:
        """Declares an operation.

        Args:
            text: the signature, as ``graphfmt.signatures`` reads it.
            shape: from a ShapeContext to the output's Shape (or Fact), or to one per output tensor.
            stateful: it does more than compute its outputs, so it is never folded, merged or duplicated.
            differentiable: False where TensorFlow registers it as having no gradient; its inputs then get None.
            commutative: of its two inputs.
            allocates_output: its outputs are newly allocated and it keeps no reference to its inputs, so that the
                memory of either may be written over once the last reader has gone.
            asynchronous: it may have to wait. Its kernel takes ``done``, by keyword only, returns at once, and
                calls ``done(result)`` or ``done(TfgError)`` when it has one, from whatever thread.
            is_control_flow: it decides which nodes run, or in which iteration of a loop; the scheduler knows it
                by name.
            ufunc: the name in numpy (and cupy) of the elementwise function, if the kernel is just that.
            operator: the Python expression for the same, such as ``{} + {}``, which is faster on scalars.
            kernel_types: dtypes that the kernel knows, per type attribute, where they are fewer than the
                signature allows, written ``"float double"``.

        Raises:
            ValueError: an operation of that name exists.
        """
        name = text[: text.index("(")].strip()
        if name in _OPS:
            raise ValueError(f"operation {name} is declared twice")
        types = {attr: frozenset(names.split()) for attr, names in (kernel_types or {}).items()}
        declared = Op(
            name,
            text,
            shape,
            stateful,
            differentiable,
            commutative,
            allocates_output,
            asynchronous,
            is_control_flow,
            ufunc,
            operator,
            types,
            family=self.name,
        )
        if ufunc:
            declared.kernel_function = partial(_call_ufunc, ufunc)
        _OPS[name] = declared
        return declared


def _call_ufunc(ufunc: str, xp: Any, *inputs: Any) -> Any:
    return getattr(xp, ufunc)(*inputs)


def find(name: str, library: Library | None = None) -> Op | None:
    """The operation of that name, importing its family if need be; None if there is none. A function of the
    library goes before an operation."""
    found = library.op(name) if library is not None else None
    if found is None:
        found = _OPS.get(name)
    if found is not None:
        return found
    from .index import FAMILY_OF

    family = FAMILY_OF.get(name)
    if family is not None:
        importlib.import_module(f".{family}", FAMILIES)
    else:
        import_all()
    return _OPS.get(name)


def get(name: str, library: Library | None = None) -> Op:
    """The operation of that name. Raises NOT_FOUND with the nearest name there is."""
    found = find(name, library)
    if found is None:
        if not name:
            raise TfgError(Status.INVALID_ARGUMENT, "node does not specify an operation")
        hint = did_you_mean(name, _OPS if library is None else {**_OPS, **library.definitions})
        raise TfgError(Status.NOT_FOUND, f"Op type not registered {name!r}", hint=hint)
    return found


def import_all() -> None:
    """Imports every family of operations."""
    for name in families():
        importlib.import_module(f".{name}", FAMILIES)


def all_ops() -> Sequence[Op]:
    """Every operation of this build, by name."""
    import_all()
    return sorted(_OPS.values(), key=lambda declared: declared.name)


def families() -> list[str]:
    """The modules that declare operations, as ``math.unary_ops``: those whose name ends in ``_ops``."""
    root = Path(__file__).parents[1] / "families"
    return sorted(f"{path.parent.name}.{path.stem}" for path in root.glob("*/*_ops.py"))
