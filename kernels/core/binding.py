"""Binding: from a node to the function that a plan calls.

Attributes are bound once, when the plan is built, so a step pays for the call alone.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...graphfmt.errors import Status, TfgError
from .failures import as_tfg_error

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ...graphfmt.attributes import Function
    from ...graphfmt.dtypes import DType
    from ...graphfmt.graph import Node
    from ...graphfmt.signatures import Bound
    from ..codegen.expression import ElementLoop
    from .context import Callee
    from .facts import Fact
    from .registry import Op

    # From a function that a node names to what its kernel calls.
    Resolver = Callable[[Function, Node], Callee]


class Inline(NamedTuple):
    """A kernel so small that a plan writes it as a Python expression, ``{}`` standing for each input value.

    ``Inline("{}")`` gives its input as it is, and costs nothing at all.
    """

    expression: str

    def __call__(self, *values: Any) -> Any:
        names = [f"v{i}" for i in range(len(values))]
        return eval(self.expression.format(*names), {}, dict(zip(names, values)))


PASS_ON = Inline("{}")


class Binding(NamedTuple):
    """A node with its operation: attributes as kernels take them, dtypes, and the facts of the inputs."""

    op: Op
    node: Node
    attrs: Mapping[str, Any]
    input_types: Sequence[DType]
    output_types: Sequence[DType]
    inputs: Sequence[Fact]
    xp: Any
    functions: Resolver | None = None

    def callee(self, function: Function) -> Callee:
        """Returns a function of the library for a kernel to call. Raises NOT_FOUND if the graph has no library."""
        if self.functions is None:
            name = function.name
            raise TfgError(Status.NOT_FOUND, f"function {name!r} is called, but the graph has no library")
        return self.functions(function, self.node)

    def is_scalar(self) -> bool:
        """True if every input is known to be of rank 0."""
        return all(fact.shape.dims == () for fact in self.inputs)


def bind(
    op: Op, node: Node, bound: Bound, inputs: Sequence[Fact], xp: Any, functions: Resolver | None = None
) -> Callable[..., Any]:
    """Returns the function to call on a node's input values, after ``ctx`` if ``op.takes_context``. Input values
    come one per tensor, lists spread out; outputs come as one value, or as a flat list where the signature
    has several or a list. Where an attribute names a function, the kernel is given a ``Callee``.

    For another array module than numpy, input values may be on the host or on the device; see ``device_memory``.

    Raises UNIMPLEMENTED where this build has no kernel for the node's dtypes.
    """
    try:
        if xp is np:
            return _bind(op, node, bound, inputs, xp, functions)
        return _bind_to_device(op, node, bound, inputs, xp, functions)
    except TfgError:
        raise
    except Exception as error:
        raise as_tfg_error(error, node) from error


def bind_compiled(
    op: Op, node: Node, bound: Bound, inputs: Sequence[Fact], compile_loop: Callable[[ElementLoop], Any]
) -> Callable[..., Any] | None:
    """Returns the function of a node's input values that uses native code, None if there is none."""
    if op.compiled_function is None:
        return None
    binding = Binding(op, node, bound.plain_attrs, bound.input_types, bound.output_types, inputs, np)
    return op.compiled_function(binding, compile_loop)


def bind_for_tracing(
    op: Op, node: Node, bound: Bound, inputs: Sequence[Fact], xp: Any
) -> Callable[..., Any] | None:
    """Returns the function of a node's input values that computes with another array module, such as one that records
    expressions, None if there is none."""
    binding = Binding(op, node, bound.plain_attrs, bound.input_types, bound.output_types, inputs, xp)
    special = op.bind_function(binding) if op.bind_function is not None else None
    if special is not None or op.kernel_function is None:
        return special
    return _flat_outputs(op, _spread(binding, _partial(binding)))


def _bind_to_device(
    op: Op, node: Node, bound: Bound, inputs: Sequence[Fact], xp: Any, functions: Resolver | None
) -> Callable[..., Any]:
    from .device_memory import adapt_kernel

    on_host = _bind(op, node, bound, inputs, np, functions)
    return adapt_kernel(op, bound, inputs, xp, _bind(op, node, bound, inputs, xp, functions), on_host)


def _bind(
    op: Op, node: Node, bound: Bound, inputs: Sequence[Fact], xp: Any, functions: Resolver | None
) -> Callable[..., Any]:
    attrs = bound.plain_attrs
    binding = Binding(op, node, attrs, bound.input_types, bound.output_types, inputs, xp, functions)
    if op.signature.function_attrs:
        binding = binding._replace(attrs=_with_callees(binding))
    _check_types(binding)
    if op.bind_function is not None:
        special = op.bind_function(binding)
        if special is not None:
            return special
    if op.kernel_function is None:
        raise TfgError(Status.UNIMPLEMENTED, f"operation {op.name} has no kernel")
    return _flat_outputs(op, _spread(binding, _partial(binding)))


def _with_callees(binding: Binding) -> Mapping[str, Any]:
    attrs = dict(binding.attrs)
    for name in binding.op.signature.function_attrs:
        value = attrs[name]
        attrs[name] = tuple(map(binding.callee, value)) if isinstance(value, tuple) else binding.callee(value)
    return attrs


def _check_types(binding: Binding) -> None:
    for attr, known in binding.op.kernel_types.items():
        dtype: DType = binding.attrs[attr]
        if dtype.name not in known:
            raise TfgError(
                Status.UNIMPLEMENTED, f"operation {binding.op.name} has no kernel for {attr}={dtype}"
            )


def _partial(binding: Binding) -> Callable[..., Any]:
    op = binding.op
    function = op.kernel_function
    assert function is not None
    if op.ufunc:
        return getattr(binding.xp, op.ufunc)
    facts = {
        "node_name": binding.node.name,
        "input_types": binding.input_types,
        "output_types": binding.output_types,
    }
    known = {**facts, **binding.attrs}
    keywords = {k: known[k] for k in op.parameters.attrs}
    if op.asynchronous:
        return partial(_with_callback, function, binding.xp, keywords)
    if op.takes_context:
        return (
            partial(_with_context, function, binding.xp, keywords)
            if keywords
            else partial(_with_context_alone, function, binding.xp)
        )
    return partial(function, binding.xp, **keywords)


def _with_context(function: Any, xp: Any, keywords: dict[str, Any], ctx: Any, *inputs: Any) -> Any:
    return function(ctx, xp, *inputs, **keywords)


def _with_callback(
    function: Any, xp: Any, keywords: dict[str, Any], ctx: Any, *inputs: Any, done: Callable[[Any], None]
) -> Any:
    return function(ctx, xp, *inputs, done=done, **keywords)


def _with_context_alone(function: Any, xp: Any, ctx: Any, *inputs: Any) -> Any:
    return function(ctx, xp, *inputs)


def _spread(binding: Binding, function: Callable[..., Any]) -> Callable[..., Any]:
    """Gathers spread-out input values into one tuple per list argument."""
    signature = binding.op.signature
    if not any(arg.is_list for arg in signature.inputs):
        return function
    offset = 1 if binding.op.takes_context else 0
    layout = tuple((len(arg.types(binding.attrs)), arg.is_list) for arg in signature.inputs)
    return partial(_call_gathered, function, offset, layout)


def _call_gathered(
    function: Any, offset: int, layout: tuple[tuple[int, bool], ...], *values: Any, **done: Any
) -> Any:
    arguments = list(values[:offset])
    position = offset
    for width, is_list in layout:
        arguments.append(values[position : position + width] if is_list else values[position])
        position += width
    return function(*arguments, **done)


def _flat_outputs(op: Op, function: Callable[..., Any]) -> Callable[..., Any]:
    """Flattens the lists among several outputs; a single list output is flat as it is, and so is what an asynchronous
    kernel reports."""
    if op.asynchronous:
        return function
    outputs = op.signature.outputs
    if len(outputs) < 2 or not any(arg.is_list for arg in outputs):
        return function
    return partial(_call_flattened, function, tuple(arg.is_list for arg in outputs))


def _call_flattened(function: Any, lists: tuple[bool, ...], *values: Any) -> Any:
    flat: list[Any] = []
    for value, is_list in zip(function(*values), lists):
        flat.extend(value) if is_list else flat.append(value)
    return flat
