"""The pass from a loss to a training step: adds gradients, slots, updates and an initializer."""

from __future__ import annotations

import fnmatch
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ....graphfmt.errors import invalid
from ....graphfmt.names import nothing_called
from ....graphfmt.traversal import ancestors
from ....kernels.builder.graph_builder import GraphBuilder, IndexedSlices, Tensor
from ....kernels.core import registry
from ....kernels.families.state.fused_updates import GRADIENTS
from ..gradients.backpropagation import Gradient, add_gradients, variables_behind
from .initializers import initial_assignments, uninitialised_variables
from .optimizer import Optimizer, parse_optimizer
from .variables import VariableNodes, add_variable, unused_name, variable_nodes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ....graphfmt.dtypes import DType
    from ....graphfmt.graph import Graph


def minimize(
    graph: Graph, loss: str, optimizer: str | Optimizer, wrt: Sequence[str] | None = None, **hyper: Any
) -> Graph:
    """Returns the graph with a training step for a loss.

    The node ``train`` updates all floating-point variables that the loss depends on. Slots are variables named
    ``<variable>/<Optimizer>``, of the same kind and on the same device.

    The node ``init`` runs the initial assignments of all variables, including slots: for each, the first
    assignment in file order whose value depends on the graph alone. An existing NoOp ``init`` is kept, and also
    waits for the slots' assignments.

    Args:
        optimizer: as for ``parse_optimizer``.
        wrt: names or globs of the variables to update; None for all.
        hyper: further hyperparameters, such as ``learning_rate=0.1``.

    Raises:
        TfgError: INVALID_ARGUMENT where the loss depends on no variable, a variable has no initial value, or
            ``train`` or ``init`` is in use; NOT_FOUND where a name or glob matches no variable.
    """
    return minimize_each(graph, {"train": loss}, optimizer, wrt, **hyper)


def minimize_each(
    graph: Graph,
    losses: Mapping[str, str],
    optimizer: str | Optimizer,
    wrt: Sequence[str] | None = None,
    **hyper: Any,
) -> Graph:
    """Adds a training step for each of several losses of the same variables, keyed by the names of the steps'
    nodes.

    The steps share the slots, and each is a complete step: asynchronous training.
    """
    chosen = optimizer if isinstance(optimizer, Optimizer) else parse_optimizer(optimizer, **hyper)
    if isinstance(optimizer, Optimizer) and hyper:
        raise invalid("hyperparameters belong into the Optimizer that is given")
    for name in losses:
        if name in graph:
            raise graph.error_at(
                invalid(f"the graph has a node {name!r} already", hint="it seems to have an optimizer"), name
            )
    return _Training(graph, losses, chosen, wrt).graph()


class _Training:
    """Builder of training steps. ``steps`` are, by step, the variables that it updates, with their gradients."""

    def __init__(
        self, graph: Graph, losses: Mapping[str, str], optimizer: Optimizer, wrt: Sequence[str] | None
    ) -> None:
        self.before = graph
        self.g = GraphBuilder(graph)
        self.optimizer = optimizer
        self.method = optimizer.method
        self.initial = initial_assignments(graph)
        self.constants: dict[tuple[str, DType], Tensor] = {}
        self.powers: dict[str, VariableNodes] = {}
        self.assigned: list[Tensor | str] = []
        self.steps = {name: self.gradients(loss, wrt) for name, loss in losses.items()}
        states = (var for pairs in self.steps.values() for var, _ in pairs)
        self.variables = {var.node.name: var for var in states}

    def gradients(self, loss: str, wrt: Sequence[str] | None) -> list[tuple[VariableNodes, Gradient]]:
        """Adds the gradients of a loss; returns them with their variables."""
        y = self.g.tensor(loss)
        names = _chosen(self.before, y.node, wrt)
        self.check_initialised(names)
        gradients = add_gradients(self.g, [y], [self.g.tensor(name) for name in names])
        pairs = [(variable_nodes(self.g, n), dy) for n, dy in zip(names, gradients) if dy is not None]
        if not pairs:
            raise self.before.error_at(invalid(f"no gradient of {loss!r} reaches a variable"), y.node)
        return pairs

    def check_initialised(self, names: Sequence[str]) -> None:
        """Raises INVALID_ARGUMENT where ``init`` could not initialise all variables."""
        own = self.before.index.get("init")
        if own is not None and own.op != "NoOp":
            raise self.before.error_at(
                invalid(f"the graph has a node 'init' already, a {own.op}", hint="rename it"), "init"
            )
        done = set(ancestors(self.before, ["init"])) if own is not None else set[str]()
        missing = uninitialised_variables(names, self.initial, done)
        if missing:
            raise self.before.error_at(
                invalid(
                    f"variable {missing[0]!r} has no initial value: no Assign gives it one that follows from "
                    f"the graph alone" + (f" (nor have {len(missing) - 1} others)" if missing[1:] else ""),
                    hint="add an Assign from a constant or a random operation",
                ),
                missing[0],
            )

    def graph(self) -> Graph:
        slots = {name: self.add_slots(var) for name, var in self.variables.items()}
        self.add_powers(min(self.variables.values(), key=lambda var: var.node.name))
        with self.g.name_scope(self.method.scope):
            self.add_constants()
            updates_of_step = {name: self.add_updates(pairs, slots) for name, pairs in self.steps.items()}
        for name, updates in updates_of_step.items():
            self.g.group(*updates, name=name)
        return self.with_initialiser()

    def add_updates(
        self,
        pairs: Sequence[tuple[VariableNodes, Gradient]],
        slots: Mapping[str, Mapping[str, VariableNodes]],
    ) -> list[Tensor | str]:
        """Adds the updates of one training step."""
        updates: list[Tensor | str] = []
        for var, dy in pairs:
            name = var.node.name
            with self.g.name_scope("update_" + name.replace("/", "_")), var.colocated():
                updates.append(self.update(var, slots[name], dy))
        return updates + self.raise_powers(updates)

    # Slots and powers.

    def add_slots(self, var: VariableNodes) -> dict[str, VariableNodes]:
        """Adds a variable's slots; returns them by the operation's input names."""
        slots: dict[str, VariableNodes] = {}
        for slot in self.method.slots:
            start = self.optimizer.values[slot.initial] if isinstance(slot.initial, str) else slot.initial
            name = unused_name(self.g, f"{var.node.name}/{self.method.scope}")
            with var.colocated(), self.g.name_scope(f"{name}/Initializer"):
                initial = self.filled(var, float(start))
            slots[slot.input], assigned = add_variable(self.g, var, name, initial)
            self.assigned.append(assigned)
        return slots

    def filled(self, var: VariableNodes, start: float) -> Tensor:
        """Adds a tensor of the variable's shape, filled with ``start``."""
        g = self.g
        value = g.constant(start, var.dtype, name="value")
        if var.shape.is_fully_known:
            return g.Fill(g.constant(var.shape.known(), "int32", name="shape"), value, name="fill")
        assignment = self.initial.get(var.node.name)
        if assignment is None:
            raise invalid(f"the shape of {var.node.name!r} is not known, so its slots' is not")
        source = g.tensor(str(assignment.data_inputs[1]))
        return g.Fill(g.Shape(source, name="shape"), value, name="fill")

    def add_powers(self, first: VariableNodes) -> None:
        for name, base in self.method.powers.items():
            free = unused_name(self.g, name)
            with first.colocated():
                start = float(self.optimizer.values[base])
                initial = self.g.constant(start, "float", name=f"{free}/initial_value")
            self.powers[name], assigned = add_variable(self.g, first, free, initial)
            self.assigned.append(assigned)

    def raise_powers(self, updates: Sequence[Tensor | str]) -> list[Tensor | str]:
        """Multiplies each power by its base, after all updates."""
        raised: list[Tensor | str] = []
        with self.g.control_dependencies(list(updates)):
            for name, power in self.powers.items():
                with power.colocated():
                    base = self.constant(self.method.powers[name], power.dtype)
                    raised.append(power.assign(power.read() * base))
        return raised

    # Updates.

    def add_constants(self) -> None:
        """Adds the hyperparameters once, outside the scope of any variable."""
        operation = registry.get(f"ResourceApply{self.method.operation}")
        names = [self.method.inputs.get(arg.name, arg.name) for arg in operation.signature.inputs]
        for dtype in dict.fromkeys(var.dtype for var in self.variables.values()):
            for name in names:
                if name in self.optimizer.values:
                    self.constant(name, dtype)
        for name, power in self.powers.items():
            self.constant(self.method.powers[name], power.dtype)

    def constant(self, name: str, dtype: DType) -> Tensor:
        """Returns a hyperparameter as a constant of the optimizer."""
        constant = self.constants.get((name, dtype))
        if constant is None:
            constant = self.g.constant(float(self.optimizer.values[name]), dtype, name=name)
            self.constants[name, dtype] = constant
        return constant

    def hyperparameter(self, name: str, dtype: DType) -> Tensor:
        if name in self.powers:
            with self.powers[name].colocated():
                value = self.powers[name].read()
            return self.g.cast(value, dtype)
        return self.constant(self.method.inputs.get(name, name), dtype)

    def update(self, var: VariableNodes, slots: Mapping[str, VariableNodes], dy: Gradient) -> Tensor | str:
        """Adds the update of one variable."""
        method = self.method
        if isinstance(dy, IndexedSlices) and method.sums_rows:
            dy = _summed(self.g, dy)
        prefix = ("Resource" if var.by_handle else "") + ("Sparse" if isinstance(dy, IndexedSlices) else "")
        operation = f"{prefix}Apply{method.operation}"
        if isinstance(dy, IndexedSlices) and method.rows is not None:
            return method.rows(self.g, var, slots, self.all_values(var.dtype), dy)
        if method.composed is not None and registry.find(operation) is None:
            return method.composed(self.g, var, slots, self.all_values(var.dtype), dy)
        return self.apply(operation, var, slots, dy)

    def all_values(self, dtype: DType) -> dict[str, Tensor]:
        numbers = [n for n, v in self.optimizer.values.items() if not isinstance(v, bool)]
        return {
            **{name: self.constant(name, dtype) for name in numbers},
            **{name: self.hyperparameter(name, dtype) for name in self.powers},
        }

    def apply(
        self, operation: str, var: VariableNodes, slots: Mapping[str, VariableNodes], dy: Gradient
    ) -> Tensor | str:
        """Adds the update operation; its inputs are matched by name."""
        signature = registry.get(operation).signature
        states = {"var": var, **slots}
        inputs: list[Tensor] = []
        for arg in signature.inputs:
            if arg.name in states:
                inputs.append(states[arg.name].tensor)
            elif arg.name in GRADIENTS:
                inputs.append(dy.values if isinstance(dy, IndexedSlices) else dy)
            elif arg.name == "indices" and isinstance(dy, IndexedSlices):
                inputs.append(dy.indices)
            else:
                inputs.append(self.hyperparameter(arg.name, var.dtype))
        values = self.optimizer.values
        attrs: dict[str, Any] = {n: v for n, v in values.items() if n in signature.attr_index}
        return self.g.add_op(operation, *inputs, **attrs)

    # The initialiser.

    def with_initialiser(self) -> Graph:
        done = set(ancestors(self.before, ["init"])) if "init" in self.before else set[str]()
        missing = [node.name for node in self.initial.values() if node.name not in done]
        names = [*missing, *(a.node if isinstance(a, Tensor) else a for a in self.assigned)]
        if "init" not in self.before:
            self.g.group(*names, name="init")
            return self.g.graph()
        graph = self.g.graph()
        own = graph["init"]
        longer = replace(own, inputs=(*own.inputs, *(f"^{name}" for name in names)))
        return graph.with_nodes([longer if node is own else node for node in graph.nodes])


def _summed(g: GraphBuilder, gradient: IndexedSlices) -> IndexedSlices:
    """Returns the gradient with repeated rows summed."""
    indices, place = g.Unique(gradient.indices)
    count = g.StridedSlice(g.Shape(indices), [0], [1], [1], shrink_axis_mask=1)
    return replace(gradient, values=g.UnsortedSegmentSum(gradient.values, place, count), indices=indices)


def _chosen(graph: Graph, end: str, wrt: Sequence[str] | None) -> list[str]:
    """Returns the variables to update: those that the loss depends on and that a name or glob matches."""
    names = variables_behind(graph, end)
    if not names:
        raise graph.error_at(invalid(f"{end!r} depends on no floating variable"), end)
    if not wrt:
        return names
    chosen: dict[str, None] = {}
    for pattern in wrt:
        matching = fnmatch.filter(names, pattern)
        if not matching:
            raise nothing_called("variable", pattern, names)
        chosen.update(dict.fromkeys(matching))
    return list(chosen)
