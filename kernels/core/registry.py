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
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ...graphfmt import dtypes, signatures
from ...graphfmt.errors import Status, TfgError
from ...graphfmt.names import did_you_mean
from .traits import CONTROL_FLOW, NO_EFFECTS, CallForm, Effects, GpuSupport, Role, StateAccess

if TYPE_CHECKING:
    from ...graphfmt.signatures import Bound, OpSignature
    from ..functions.library import Library
    from .binding import Binding
    from .inference import ShapeContext

Kernel = Callable[..., Any]
ShapeFunction = Callable[["ShapeContext"], Any]
GradientFunction = Callable[..., Any]
# From a binding and a compiler of native loops.
CompiledFunction = Callable[..., Kernel | None]

# Keyword-only kernel parameters that are facts of the node rather than attributes.
NODE_PARAMETERS = frozenset({"node_name", "input_types", "output_types"})
# What an asynchronous kernel is given with every call.
DONE = "done"


class KernelParameters(NamedTuple):
    """The parameters of a kernel: the number of ``positional`` ones, ``ctx`` and ``xp`` included, and by keyword only
    the names of attributes or of facts of the node."""

    takes_context: bool
    positional: int
    is_variadic: bool
    attrs: tuple[str, ...]


# Without __repr__ and __eq__, which would be generated in every process.
@dataclass(eq=False, repr=False, kw_only=True)
class Op:
    """A declared operation. Its signature is parsed when first asked for, because a process that runs two
    nodes must not wait for seven hundred.

    Attributes:
        text: the signature, as ``graphfmt.signatures`` reads it.
        shape: from a ShapeContext to the output's Shape (or Fact), or to one per output tensor.
        family: the module that declares it, below ``kernels.families``.
        kernel_types: dtypes that the kernel knows, per type attribute, where they are fewer than the signature
            allows.
        stateful: TensorFlow's flag: the operation does more than compute its outputs, so it is never folded,
            merged or duplicated.
        differentiable: False where TensorFlow registers it as having no gradient; its inputs then get None.
        why_no_gradient: the reason, where an operation has no gradient for one that its name does not suggest.
        sparse_gradient: its gradient function passes IndexedSlices on instead of wanting them dense.
        commutative: of its two inputs.
        asynchronous: it may have to wait. Its kernel takes ``done``, by keyword only, returns at once, and
            calls ``done(result)`` or ``done(TfgError)`` when it has one, from whatever thread. It returns None, or
            a ``context.Pending`` if it waits and can be cancelled.
        allocates_output: its outputs are newly allocated and it keeps no reference to its inputs, so that the
            memory of either may be written over after its last use.
        forwards_input: an output is one of the inputs itself: of a reference, the reference.
        is_free: it names, routes, reinterprets or holds a value, at a cost that cost models count as zero.
        ufunc: the name in numpy (and cupy) of the elementwise function, if the kernel is just that.
        operator: the Python expression for the same, such as ``{} + {}``, which is faster on scalars.
        role: the part it plays in a graph.
        calls: the way in which it calls functions, None if it calls none.
        state: what it does to the state of its session; None for CHANGES if it is stateful or takes a reference
            or a resource, else NONE (``changes_state``).
        gpu: whether a GPU runs it.
        host_inputs: names of arguments that its kernel wants in host memory, where they are integers: shapes, axes,
            sizes and seeds (TensorFlow's HostMemory).
        host_outputs: its kernel leaves its outputs in host memory.
        computed_on_host: the host computes it for a GPU too, and copies the outputs.
        effects: what it does outside of the session: files, prints, network.
        expands: it may make a large output of small inputs, so a GPU computes it even if they are in host memory.
    """

    name: str
    text: str
    shape: ShapeFunction
    family: str = ""
    kernel_types: dict[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    stateful: bool = False
    differentiable: bool = True
    why_no_gradient: str = ""
    sparse_gradient: bool = False
    commutative: bool = False
    asynchronous: bool = False
    allocates_output: bool = False
    forwards_input: bool = False
    is_free: bool = False
    ufunc: str = ""
    operator: str = ""
    role: Role = Role.COMPUTATION
    calls: CallForm | None = None
    state: StateAccess | None = None
    gpu: GpuSupport = GpuSupport.TENSORS
    host_inputs: frozenset[str] = frozenset()
    host_outputs: bool = False
    computed_on_host: bool = False
    expands: bool = False
    effects: Effects = NO_EFFECTS
    kernel_function: Kernel | None = None
    gradient_function: GradientFunction | None = None
    bind_function: Callable[[Binding], Kernel | None] | None = None
    elements_function: ShapeFunction | None = None
    compiled_function: CompiledFunction | None = None

    @cached_property
    def signature(self) -> OpSignature:
        return signatures.parse(self.text)

    @property
    def is_control_flow(self) -> bool:
        """True if it decides which nodes run, or in which iteration of a loop."""
        return self.role in CONTROL_FLOW

    def changes_state(self, bound: Bound) -> bool:
        """True if it may leave the state of the session other than it was; ``bound`` are its dtypes at a node."""
        if self.state is not None:
            return self.state is StateAccess.CHANGES
        return self.stateful or any(t.is_ref or t is dtypes.resource for t in bound.input_types)

    def kernel(self, function: Kernel) -> Kernel:
        """Decorator: the kernel."""
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

    def compiled(self, function: CompiledFunction) -> CompiledFunction:
        """Decorator: as ``bind``, for plans of steps that run often. The function is also given the compiler of native
        loops; what it returns has the same results, bit for bit. None stands for the kernel that the plan has."""
        self.compiled_function = function
        return function

    def elements(self, function: ShapeFunction) -> ShapeFunction:
        """Decorator: the elements of a small integer output, None where unknown, from a ShapeContext."""
        self.elements_function = function
        return function

    @cached_property
    def parameters(self) -> KernelParameters:
        """The parameters of the kernel."""
        if self.kernel_function is None:
            return KernelParameters(takes_context=False, positional=0, is_variadic=False, attrs=())
        declared = inspect.signature(self.kernel_function).parameters
        by_position = [p.name for p in declared.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
        return KernelParameters(
            takes_context=next(iter(declared), "") == "ctx",
            positional=len(by_position),
            is_variadic=any(p.kind is p.VAR_POSITIONAL for p in declared.values()),
            attrs=tuple(p.name for p in declared.values() if p.kind is p.KEYWORD_ONLY and p.name != DONE),
        )

    @property
    def takes_context(self) -> bool:
        """True if the kernel takes the step's context first."""
        return self.parameters.takes_context

    def check(self) -> None:
        """Raises TypeError where the kernel's parameters do not fit the signature."""
        if self.kernel_function is None:
            return
        parameters = self.parameters
        expected = (2 if parameters.takes_context else 1) + len(self.signature.inputs)
        if parameters.positional != expected and not parameters.is_variadic:
            raise TypeError(f"the kernel of {self.name} takes {parameters.positional} values, not {expected}")
        unknown = set(parameters.attrs) - set(self.signature.attr_index) - NODE_PARAMETERS
        if unknown:
            raise TypeError(
                f"the kernel of {self.name} takes {sorted(unknown)}, which are no attributes of it"
            )


# The package whose folders hold the families of operations.
FAMILIES = "tfg.kernels.families"

_OPS: dict[str, Op] = {}


@dataclass(eq=False, repr=False)
class Family:
    """The operations that one module declares. The module begins with ``family = Family(__name__)`` and declares
    with ``family.op``; traits given here hold for all operations of the family that do not state their own.

    Attributes:
        host_inputs: names of arguments, separated by blanks.
    """

    module: str
    gpu: GpuSupport = GpuSupport.TENSORS
    state: StateAccess | None = None
    host_inputs: str = ""
    computed_on_host: bool = False

    @property
    def name(self) -> str:
        """The module's name below ``kernels.families``: ``math.unary_ops``."""
        return self.module.removeprefix(f"{FAMILIES}.")

    def op(
        self,
        text: str,
        *,
        shape: ShapeFunction,
        kernel_types: dict[str, str] | None = None,
        stateful: bool = False,
        differentiable: bool = True,
        sparse_gradient: bool = False,
        commutative: bool = False,
        asynchronous: bool = False,
        allocates_output: bool = False,
        forwards_input: bool = False,
        is_free: bool = False,
        ufunc: str = "",
        operator: str = "",
        role: Role = Role.COMPUTATION,
        calls: CallForm | None = None,
        state: StateAccess | None = None,
        gpu: GpuSupport | None = None,
        host_outputs: bool = False,
        computed_on_host: bool = False,
        expands: bool = False,
        effects: Effects = NO_EFFECTS,
    ) -> Op:
        """Declares an operation with these traits (see ``Op``). Raises ValueError if one of its name exists.

        Args:
            kernel_types: the dtypes per type attribute, written ``"float double"``.
        """
        return _register(
            Op(
                name=text[: text.index("(")].strip(),
                text=text,
                shape=shape,
                family=self.name,
                kernel_types={attr: frozenset(names.split()) for attr, names in (kernel_types or {}).items()},
                stateful=stateful,
                differentiable=differentiable,
                sparse_gradient=sparse_gradient,
                commutative=commutative,
                asynchronous=asynchronous,
                allocates_output=allocates_output,
                forwards_input=forwards_input,
                is_free=is_free,
                ufunc=ufunc,
                operator=operator,
                role=role,
                calls=calls,
                state=state or self.state,
                gpu=gpu or self.gpu,
                host_inputs=frozenset(self.host_inputs.split()),
                host_outputs=host_outputs,
                computed_on_host=computed_on_host or self.computed_on_host,
                expands=expands,
                effects=effects,
                kernel_function=partial(_call_ufunc, ufunc) if ufunc else None,
            )
        )


def _register(declared: Op) -> Op:
    if declared.name in _OPS:
        raise ValueError(f"operation {declared.name} is declared twice")
    _OPS[declared.name] = declared
    return declared


def _call_ufunc(ufunc: str, xp: Any, *inputs: Any) -> Any:
    return getattr(xp, ufunc)(*inputs)


def find(name: str, library: Library | None = None) -> Op | None:
    """Returns the operation of that name, importing its family if necessary; None if there is none. A function of the
    library takes precedence."""
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
    """Returns the operation of that name. Raises NOT_FOUND with a similar name as a hint."""
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
    """Returns every operation of this build, sorted by name."""
    import_all()
    return sorted(_OPS.values(), key=lambda declared: declared.name)


def families() -> list[str]:
    """Returns the modules that declare operations, as ``math.unary_ops``: those whose name ends in ``_ops``."""
    root = Path(__file__).parents[1] / "families"
    return sorted(f"{path.parent.name}.{path.stem}" for path in root.glob("*/*_ops.py"))
