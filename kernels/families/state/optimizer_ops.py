"""The Apply and SparseApply operations of optimizers (training_ops.cc in TensorFlow), declared from the
rules: up to four per rule, on references or resource handles, with dense gradients or gradients of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Shape, merge_dim
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...core.types import INDEX, NUMBERS
from ...numeric.scatter import check_indices, on_host
from .fused_updates import GRADIENTS, CompiledUpdate
from .native_updates import compile_update
from .optimizer_rules import rules
from .state_ops import referenced_shape, typed_variable
from .update_rules import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ....graphfmt.dtypes import DType
    from ...core.binding import Binding
    from ...core.inference import ShapeContext
    from .native_updates import LoopCompiler, NativeUpdate
    from .variables import Variable

family = Family(__name__, gpu=GpuSupport.STATE)
op = family.op


def _signature(rule: Rule, *, by_handle: bool, sparse: bool) -> str:
    kind = "resource" if by_handle else "Ref(T)"
    inputs = [f"{name}: {kind}" for name in ("var", *rule.slots)]
    for name in rule.inputs:
        if name in GRADIENTS and sparse:
            inputs += ["grad: T", "indices: Tindices"]
        else:
            inputs.append(f"{name}: {'int64' if name == 'global_step' else 'T'}")
    attrs = [f"T: type in {NUMBERS}"]
    if sparse:
        attrs.append(f"Tindices: type in {INDEX}")
    attrs.append("use_locking: bool = false")
    attrs += [f"{name}: bool = {str(default).lower()}" for name, default in rule.attrs.items()]
    name = f"{'Resource' if by_handle else ''}{'Sparse' if sparse else ''}Apply{rule.name}"
    outputs = "" if by_handle else " -> (out: Ref(T))"
    return f"{name}({', '.join(inputs)}; {', '.join(attrs)}){outputs}"


class _Operation:
    """One operation of a rule: the positions of its inputs, its shape function and its kernel."""

    def __init__(self, rule: Rule, *, by_handle: bool, sparse: bool) -> None:
        self.rule = rule
        self.by_handle = by_handle
        self.sparse = sparse
        self.states = 1 + len(rule.slots)
        names = list(rule.inputs)
        at = next(i for i, name in enumerate(names) if name in GRADIENTS)
        if sparse:
            names.insert(at + 1, "indices")
        self.names = names
        self.gradient = self.states + at
        self.scalars = [self.states + i for i, n in enumerate(names) if n not in GRADIENTS and n != "indices"]

    def bound(self, b: Binding, native: NativeUpdate | None = None) -> Any:
        """The function of a node's inputs, which updates with native code, if given."""
        flags = tuple(bool(b.attrs[name]) for name in self.rule.attrs)
        dtype: DType = b.attrs["T"]
        xp = b.xp

        def on_references(*inputs: Any) -> Any:
            return self.kernel(xp, inputs, dtype, flags, native)

        def on_handles(*inputs: Any) -> Any:
            self.kernel(xp, inputs, dtype, flags, native)
            return []

        return on_handles if self.by_handle else on_references

    def shape(self, c: ShapeContext) -> Any:
        if self.by_handle:
            states = [referenced_shape(c, c.attr("T"), i) for i in range(self.states)]
        else:
            states = [c.input(i) for i in range(self.states)]
        for position in self.scalars:
            c.with_rank(position, 0)
        shape = states[0]
        for other in states[1:]:
            shape = shape.merge(other)
        gradient = c.input(self.gradient)
        if self.sparse:
            count = c.with_rank(self.gradient + 1, 1)[0]
            if gradient.dims is not None and shape.dims is not None:
                merge_dim(gradient.dims[0] if gradient.dims else None, count)
                shape = Shape((None, *gradient.dims[1:])).merge(shape)
        else:
            shape = shape.merge(gradient)
        return [] if self.by_handle else shape

    def kernel(
        self,
        xp: Any,
        inputs: Sequence[Any],
        dtype: DType,
        flags: tuple[bool, ...],
        native: NativeUpdate | None,
    ) -> Any:
        """Updates the variable and its slots, and returns the variable."""
        states = [typed_variable(x, dtype) if self.by_handle else x for x in inputs[: self.states]]
        others = self.hyperparameters(inputs, dtype)
        gradient = xp.asarray(inputs[self.gradient])
        rule = self.rule
        if rule.choices or rule.check:
            values = {**dict(zip(rule.hyperparameters, others)), **dict(zip(rule.attrs, flags))}
            values["by_rows"] = self.sparse
            if rule.check is not None:
                rule.check(values)
            flags += tuple(choice(values) for choice in rule.choices.values())
        update = native or rule.update(flags)
        with _Locked(states):
            arrays = [state.writable() for state in states]
            self.check_same_shape(states, arrays)
            if self.sparse:
                _update_rows(xp, update, arrays, gradient, xp.asarray(inputs[self.gradient + 1]), others)
            else:
                _check_shape(states[0], arrays[0], gradient)
                update.run(xp, arrays, gradient, others)
        return states[0]

    def hyperparameters(self, inputs: Sequence[Any], dtype: DType) -> list[Any]:
        kind = dtype.numpy
        found: list[Any] = []
        for position in self.scalars:
            value = inputs[position]
            if value.shape:
                name = self.names[position - self.states]
                raise invalid(f"{name} is not a scalar: it has shape {Shape(tuple(value.shape))}")
            found.append(value[()] if value.dtype == kind else value.astype(kind)[()])
        return found

    def check_same_shape(self, states: Sequence[Variable], arrays: Sequence[Any]) -> None:
        for slot, name, array in zip(states[1:], self.rule.slots, arrays[1:]):
            if array.shape != arrays[0].shape:
                raise invalid(
                    f"var and {name} do not have the same shape: {states[0].name!r} has "
                    f"{Shape(arrays[0].shape)}, {slot.name!r} has {Shape(array.shape)}"
                )


def _check_shape(state: Variable, array: Any, gradient: Any) -> None:
    if gradient.shape != array.shape:
        raise invalid(
            f"var and grad do not have the same shape: {state.name!r} has {Shape(array.shape)}, the gradient "
            f"{Shape(tuple(gradient.shape))}"
        )


class _Locked:
    """Holds the locks of several variables, acquired in one order by all threads, so that they cannot deadlock."""

    __slots__ = ("locks",)

    def __init__(self, states: Sequence[Variable]) -> None:
        unique = states if len(states) == 1 else sorted(set(states), key=id)
        self.locks = [state.lock for state in unique]

    def __enter__(self) -> None:
        for lock in self.locks:
            lock.acquire()

    def __exit__(self, *_: object) -> None:
        for lock in self.locks:
            lock.release()


def _update_rows(
    xp: Any,
    update: CompiledUpdate | NativeUpdate,
    arrays: Sequence[Any],
    gradient: Any,
    indices: Any,
    others: Sequence[Any],
) -> None:
    """Updates the rows at ``indices``; the gradients of a repeated index are applied one after another, in
    order."""
    shape = arrays[0].shape
    if not shape:
        raise invalid("var must be at least 1 dimensional")
    if indices.ndim != 1:
        raise invalid(f"indices must be a vector, but are of shape {Shape(tuple(indices.shape))}")
    if gradient.shape != (indices.size, *shape[1:]):
        raise invalid(
            f"grad must have one row for each of {indices.size} indices and rows like var's, "
            f"{Shape((indices.size, *shape[1:]))}, but has shape {Shape(tuple(gradient.shape))}"
        )
    check_indices(indices, shape[0])
    if not gradient.size:
        return
    for chosen in _turns(xp, indices):
        rows = indices if chosen is None else indices[chosen]
        step = gradient if chosen is None else gradient[chosen]
        parts = [array[rows] for array in arrays]
        update.run(xp, parts, step, others)
        for array, part in zip(arrays, parts):
            array[rows] = part


def _turns(xp: Any, indices: Any) -> Iterator[Any]:
    """Yields the positions of the first gradient of every row, then of the second, and so on; None, once,
    if no index is repeated."""
    host = on_host(indices)
    order = np.argsort(host, kind="stable")
    ordered = host[order]
    new = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    if new.all():
        yield None
        return
    starts = np.flatnonzero(new)
    lengths = np.diff(np.append(starts, host.size))
    for turn in range(int(lengths.max())):
        yield xp.asarray(order[starts[lengths > turn] + turn])


def _declare(rule: Rule, *, by_handle: bool, sparse: bool) -> None:
    operation = _Operation(rule, by_handle=by_handle, sparse=sparse)
    declared = op(
        _signature(rule, by_handle=by_handle, sparse=sparse),
        shape=operation.shape,
        stateful=by_handle,
        kernel_types={"T": rule.sparse_types if sparse else rule.types},
    )

    @declared.kernel
    def _(xp: Any, *inputs: Any, T: DType) -> Any:
        # Never called: the bound function below replaces it. It declares the parameters.
        raise NotImplementedError

    @declared.bind
    def _(b: Binding) -> Any:
        return operation.bound(b)

    @declared.compiled
    def _(b: Binding, compile_loop: LoopCompiler) -> Any:
        flags = tuple(bool(b.attrs[name]) for name in rule.attrs)
        native = compile_update(rule, flags, b.attrs["T"], compile_loop, by_rows=sparse)
        return operation.bound(b, native) if native is not None else None


for _rule in rules():
    for _by_handle in (False, True):
        if _rule.references or _by_handle:
            if _rule.dense:
                _declare(_rule, by_handle=_by_handle, sparse=False)
            if _rule.sparse:
                _declare(_rule, by_handle=_by_handle, sparse=True)
