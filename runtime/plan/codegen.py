"""Code generation: from straight-line instructions to one Python function, a *segment*.

Each computation becomes one line, each live value one local, deleted at its last use: measured, a thousand
dependent additions of 16 floats take 210 µs so, against 565 µs for a loop over a table and 710 µs with a
ready queue. The line number of an exception identifies the node, so that no call pays for a ``try``.

A constant is a global of the function. An elementwise operation writes into an input that dies with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...graphfmt.graph import Endpoint, Node
from ...kernels.core.binding import Inline
from . import liveness
from .ir import ClusterCall, Constant, KernelCall, is_send, scalar_or_array
from .segment import Segment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...kernels.core.facts import Fact
    from .instruction import Computation, Instruction
    from .liveness import Liveness
    from .typed_graph import TypedNode

# The size of an array on which an elementwise operation takes a few microseconds, and how many of these
# operations run before the step checks whether it was cancelled.
_FEW_ELEMENTS = 4096
_CHECK_INTERVAL = 32


def generate_segment(
    instructions: Sequence[Instruction],
    facts: Mapping[str, Sequence[Fact]],
    parameters: Sequence[Endpoint | None],
    results: Sequence[Endpoint],
    *,
    traced: bool = False,
    counts_memory: bool = False,
    reads_results: bool = True,
) -> Segment:
    """Writes and compiles the function from the values of ``parameters`` to those of ``results``.

    Args:
        facts: what is known of the outputs of every node, by node name.
        parameters: the outputs that are passed in; None for an argument that nothing reads.
        traced: the function calls ``ctx.begin(*inputs)`` before and ``ctx.record(node, *outputs)`` after every
            computation, with the outputs that are read.
        counts_memory: the function has ``ctx.memory_budget`` count the values computed and deleted.
        reads_results: references among the results are read; if False, another function is to take them.
    """
    live = liveness.analyse(instructions, results)
    writer = StatementWriter(
        live, facts, FunctionSource(parameters), traced=traced, counts_memory=counts_memory
    )
    writer.write(instructions)
    writer.write_return(results, reads_results=reads_results)
    return writer.source.compile()


class FunctionSource:
    """The source of a function while it is written, and the objects that it refers to."""

    def __init__(self, parameters: Sequence[Endpoint | None]) -> None:
        self.names = {
            parameter: f"a{place}" for place, parameter in enumerate(parameters) if parameter is not None
        }
        head = ", ".join(["ctx", *(f"a{place}" for place in range(len(parameters)))])
        # The second line is for ``halt``, if a statement uses it.
        self.lines = [f"def segment({head}):", " pass"]
        self.nodes: list[Node] = []
        self.arguments: list[Sequence[str]] = []
        self.inner: list[Segment] = []
        self.namespace: dict[str, Any] = {"reuse": _reuse, "reuse_other": _reuse_other}

    def add_line(self, line: str, node: Node, arguments: Sequence[str] = ()) -> None:
        """Adds the line that computes a node; ``arguments`` are the expressions for the values of its inputs."""
        self.lines.append(line)
        self.nodes.append(node)
        self.arguments.append(arguments)

    def add_global(self, prefix: str, value: Any) -> str:
        """The name of a new global of the function."""
        name = f"{prefix}{len(self.namespace)}"
        self.namespace[name] = value
        return name

    def use_halt(self) -> str:
        """A statement that ends the step if it must stop; a step that need not pays for the look at a local."""
        self.lines[1] = " halt = ctx.halt"
        return "halt and ctx.check_cancelled()"

    def compile(self) -> Segment:
        exec(compile("\n".join(self.lines), "<segment>", "exec"), self.namespace)
        return Segment(self.namespace["segment"], self.nodes, self.inner, self.arguments)


class StatementWriter:
    """Writes straight-line code. ``names`` are the expressions of the values alive; ``position`` counts the
    instructions as ``live`` does."""

    def __init__(
        self,
        live: Liveness,
        facts: Mapping[str, Sequence[Fact]],
        source: FunctionSource,
        indent: str = " ",
        *,
        traced: bool = False,
        counts_memory: bool = False,
    ) -> None:
        self.live = live
        self.facts = facts
        self.source = source
        self.indent = indent
        self.names = dict(source.names)
        self.position = 0
        self._traced = traced
        self._counts_memory = counts_memory
        self._dying = live.dying_at()
        self._free: list[str] = []
        self._count = 0
        self._unchecked = 0

    def write(self, instructions: Sequence[Instruction]) -> None:
        """Writes some instructions, in order."""
        first = self.position
        sharing = _last_sends(instructions)
        for number, instruction in liveness.computations(instructions):
            self.position = first + number
            node = instruction.node
            arguments = [self._argument(instruction, i) for i in range(len(instruction.inputs))]
            statement = self._statement(instruction, arguments, self._dying.get(self.position, ()))
            record = f"; {self._record(instruction)}" if self._traced else ""
            share = "; ctx.share()" if number in sharing else ""
            check = f"{self.source.use_halt()}; " if self._needs_check(instruction) else ""
            begin = f"{self._begin(arguments)}; " if self._traced else ""
            line = f"{self.indent}{check}{begin}{statement}{record}{share}"
            self.source.add_line(line, node, () if isinstance(instruction, ClusterCall) else arguments)
        self.position = first + len(instructions)

    @staticmethod
    def _begin(arguments: Sequence[str]) -> str:
        """Starts the clock. Variables are passed themselves: reading them is the node's own work."""
        names = [argument.removesuffix(".read()") for argument in arguments]
        return f"ctx.begin({', '.join(names)})"

    def _record(self, instruction: Computation) -> str:
        names = (self.names[output] for output in instruction.outputs if output in self.names)
        return f"ctx.record({', '.join([self.source.add_global('n', instruction.node), *names])})"

    def _needs_check(self, instruction: Computation) -> bool:
        """True for each computation that may take long, and now and then among the others."""
        if not _is_quick(instruction):
            self._unchecked = 0
            return True
        self._unchecked = (self._unchecked + 1) % _CHECK_INTERVAL
        return not self._unchecked

    def write_return(self, results: Sequence[Endpoint], *, reads_results: bool) -> None:
        """Returns the results; references among them are read, if so asked."""
        values = [self.result(result, reads=reads_results) for result in results]
        self.source.lines.append(f"{self.indent}return ({', '.join(values)}{',' if values else ''})")

    def result(self, result: Endpoint, *, reads: bool) -> str:
        """The expression for a result."""
        value = self.live.source.get(result, result)
        name = self._name(value)
        return f"{name}.read()" if reads and self._fact(value).dtype.is_ref else name

    def _fact(self, value: Endpoint) -> Fact:
        return self.facts[value.node][value.port]

    def _name(self, value: Endpoint) -> str:
        """The expression for a value; constants become globals when first named."""
        name = self.names.get(value)
        if name is None:
            constant = self._fact(value).constant
            assert constant is not None, value
            name = self.names[value] = self.source.add_global("c", scalar_or_array(constant))
        return name

    def _statement(
        self, instruction: Computation, arguments: Sequence[str], dying: Sequence[Endpoint]
    ) -> str:
        expression = self._expression(instruction, arguments)
        freed = [self.names.pop(v) for v in dying if self.names.get(v, "").startswith("s")]
        if self._counts_memory:
            node = self.source.add_global("n", instruction.node)
            expression = f"ctx.memory_budget.hold({node}, {expression}, [{', '.join(freed)}])"
        outputs = instruction.outputs
        slots = [self._slot(output, freed) for output in outputs]
        self._free.extend(freed)
        deletion = f"; del {', '.join(freed)}" if freed and not self._all_scalar(dying) else ""
        if not outputs:
            return expression + deletion
        target = slots[0] if instruction.returns_one else "".join(f"{slot}, " for slot in slots)
        return f"{target} = {expression}{deletion}"

    def _all_scalar(self, values: Sequence[Endpoint]) -> bool:
        return all(self._fact(value).shape.rank == 0 for value in values)

    def _slot(self, output: Endpoint, freed: list[str]) -> str:
        """A local for an output: one that has just been freed, so that the assignment drops its value."""
        if output not in self.live.read:
            return "_"
        if freed:
            name = freed.pop()
        elif self._free:
            name = self._free.pop()
        else:
            self._count += 1
            name = f"s{self._count}"
        self.names[output] = name
        return name

    def _expression(self, instruction: Computation, arguments: Sequence[str]) -> str:
        if isinstance(instruction, ClusterCall):
            return self._cluster(instruction, arguments)
        if not isinstance(instruction, KernelCall):
            return f"{self._inner_function(instruction)}({', '.join(['ctx', *arguments])})"
        typed, kernel = instruction.typed, instruction.kernel
        if isinstance(kernel, Inline):
            return kernel.expression.format(*arguments)
        if typed.op.ufunc and isinstance(kernel, np.ufunc) and not typed.input_facts[0].dtype.is_opaque:
            return self._elementwise(typed, arguments)
        context = ["ctx"] if typed.op.takes_context else []
        return f"{self.source.add_global('k', kernel)}({', '.join([*context, *arguments])})"

    def _cluster(self, cluster: ClusterCall, arguments: Sequence[str]) -> str:
        """The call of a native loop, whose outputs are written over inputs that die with it."""
        kernel = self.source.add_global("k", cluster.kernel)
        free = {
            argument: fact
            for argument, value, fact in zip(arguments, cluster.inputs, map(self._fact, cluster.inputs))
            if self._dies_here(value) and argument.startswith("s")
        }
        out: list[str] = []
        for fact in cluster.output_facts:
            fitting = (a for a, f in free.items() if f.dtype is fact.dtype and f.shape == fact.shape)
            chosen = next(fitting, "None")
            free.pop(chosen, None)
            out.append(chosen)
        return f"{kernel}({', '.join(arguments)}, out=({', '.join(out)},))"

    def _dies_here(self, value: Endpoint) -> bool:
        """True if the instruction is the last to read a value, and nothing else refers to its memory."""
        return value in self.live.reusable and self.live.last_use.get(value) == self.position

    def _inner_function(self, region: Computation) -> str:
        """The name of the function that runs a loop or a branch."""
        from .control_flow.region_codegen import generate_region

        segment = generate_region(region, self.facts)
        self.source.inner.append(segment)
        return self.source.add_global("k", segment.function)

    def _argument(self, instruction: Computation, position: int) -> str:
        source = instruction.inputs[position]
        name = self._name(self.live.source.get(source, source))
        return f"{name}.read()" if instruction.reads_reference(position) else name

    def _elementwise(self, typed: TypedNode, arguments: Sequence[str]) -> str:
        ufunc = typed.op.ufunc
        self.source.namespace.setdefault(ufunc, getattr(np, ufunc))
        overwritten = self._overwritten(typed)
        if overwritten is None:
            if typed.op.operator:
                return typed.op.operator.format(*arguments)
            return f"{ufunc}({', '.join(arguments)})"
        shapes = [fact.shape for fact in typed.input_facts]
        if all(s.is_fully_known for s in shapes) and shapes[overwritten] == typed.output_facts[0].shape:
            return f"{ufunc}({', '.join(arguments)}, out={arguments[overwritten]})"
        helper = "reuse" if overwritten == 0 else "reuse_other"
        return f"{helper}({ufunc}, {', '.join(arguments)})"

    def _overwritten(self, typed: TypedNode) -> int | None:
        """The input that the output may be written over: it dies here, and is an array of the same dtype."""
        output = typed.output_facts[0]
        for position, source in enumerate(typed.inputs):
            value = self.live.source.get(source, source)
            fact = typed.input_facts[position]
            if (
                value in self.live.reusable
                and self.live.last_use.get(value) == self.position
                and fact.dtype is output.dtype
                and fact.shape.rank
                and fact.shape.rank == output.shape.rank
                and not _repeats(fact.shape, output.shape)
                and self.names.get(value, "").startswith("s")
            ):
                return position
        return None


def _is_quick(instruction: Computation) -> bool:
    """True for an elementwise operation on few elements."""
    if not isinstance(instruction, KernelCall):
        return False
    if not instruction.typed.op.ufunc and not isinstance(instruction.kernel, Inline):
        return False
    sizes = [fact.shape.size for fact in instruction.output_facts]
    return all(size is not None and size <= _FEW_ELEMENTS for size in sizes)


def _last_sends(instructions: Sequence[Instruction]) -> set[int]:
    """The positions of the sends after which something else is computed."""
    positions: set[int] = set()
    next_is_send: bool | None = None
    for position in range(len(instructions) - 1, -1, -1):
        instruction = instructions[position]
        if isinstance(instruction, Constant):
            continue
        if is_send(instruction) and next_is_send is False:
            positions.add(position)
        next_is_send = is_send(instruction)
    return positions


def _repeats(shape: Any, output: Any) -> bool:
    """True if a shape is known to be smaller than the output it broadcasts to."""
    return any(a is not None and b is not None and a != b for a, b in zip(shape.dims, output.dims))


def _reuse(ufunc: Any, a: Any, b: Any = None) -> Any:
    """``ufunc(a, b)`` in the memory of ``a``, if the result fits there."""
    if b is None:
        return ufunc(a, out=a)
    return ufunc(a, b, out=a) if a.shape == b.shape or b.ndim == 0 else _unless_smaller(ufunc, a, b, a)


def _reuse_other(ufunc: Any, a: Any, b: Any) -> Any:
    """``ufunc(a, b)`` in the memory of ``b``, if the result fits there."""
    return ufunc(a, b, out=b) if a.shape == b.shape or a.ndim == 0 else _unless_smaller(ufunc, a, b, b)


def _unless_smaller(ufunc: Any, a: Any, b: Any, out: Any) -> Any:
    fits = np.broadcast_shapes(a.shape, b.shape) == out.shape
    return ufunc(a, b, out=out) if fits else ufunc(a, b)
