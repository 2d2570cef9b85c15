"""Writes functions of sequential code as LLVM IR text: integers of 64 bits, memory by address, loops and conditions.

    code = Routine("count", ["begin", "end"])
    at = code.variable(code["begin"])
    with code.loop(lambda: at.value < code["end"]):
        at.set(at.value + 1)
    ir = code.text()

Variables live on the stack until LLVM's passes put them into registers. What is known only when the code runs is a
``Number``; Python's operators on it add instructions.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence


class Condition:
    """A truth value of the code."""

    def __init__(self, code: Routine, name: str) -> None:
        self._code = code
        self.name = name

    def __and__(self, other: Condition) -> Condition:
        return Condition(self._code, self._code.instruction(f"and i1 {self.name}, {other.name}"))

    def __or__(self, other: Condition) -> Condition:
        return Condition(self._code, self._code.instruction(f"or i1 {self.name}, {other.name}"))


class Number:
    """An integer of 64 bits of the code. Comparisons are signed, shifts to the right are not."""

    def __init__(self, code: Routine, name: str) -> None:
        self._code = code
        self.name = name

    def _combined(self, operation: str, other: Number | int) -> Number:
        return Number(self._code, self._code.instruction(f"{operation} i64 {self.name}, {_name(other)}"))

    def _compared(self, predicate: str, other: Number | int) -> Condition:
        return Condition(
            self._code, self._code.instruction(f"icmp {predicate} i64 {self.name}, {_name(other)}")
        )

    def __add__(self, other: Number | int) -> Number:
        return self._combined("add", other)

    def __sub__(self, other: Number | int) -> Number:
        return self._combined("sub", other)

    def __mul__(self, other: Number | int) -> Number:
        return self._combined("mul", other)

    def __and__(self, other: Number | int) -> Number:
        return self._combined("and", other)

    def __or__(self, other: Number | int) -> Number:
        return self._combined("or", other)

    def __lshift__(self, other: Number | int) -> Number:
        return self._combined("shl", other)

    def __rshift__(self, other: Number | int) -> Number:
        return self._combined("lshr", other)

    def __lt__(self, other: Number | int) -> Condition:
        return self._compared("slt", other)

    def __le__(self, other: Number | int) -> Condition:
        return self._compared("sle", other)

    def __gt__(self, other: Number | int) -> Condition:
        return self._compared("sgt", other)

    def is_equal(self, other: Number | int) -> Condition:
        """Returns whether two numbers are equal."""
        return self._compared("eq", other)

    def differs(self, other: Number | int) -> Condition:
        """Returns whether two numbers are not equal."""
        return self._compared("ne", other)


def _name(value: Number | int) -> str:
    return str(value) if isinstance(value, int) else value.name


class LocalVariable:
    """A variable of the code."""

    def __init__(self, code: Routine, name: str) -> None:
        self._code = code
        self._name = name

    @property
    def value(self) -> Number:
        """The value that it has where the code is now."""
        return Number(self._code, self._code.instruction(f"load i64, ptr {self._name}"))

    def set(self, value: Number | int) -> None:
        """Gives it a value."""
        self._code.add(f"store i64 {_name(value)}, ptr {self._name}")


class Routine:
    """A function without result, of parameters of 64 bits."""

    def __init__(self, name: str, parameters: Sequence[str]) -> None:
        self.name = name
        self._parameters = parameters
        self._entry: list[str] = []
        self._lines: list[str] = []
        self._count = 0

    def __getitem__(self, parameter: str) -> Number:
        assert parameter in self._parameters, parameter
        return Number(self, f"%{parameter}")

    def add(self, line: str) -> None:
        """Adds an instruction without result, or a label."""
        self._lines.append(line if line.endswith(":") else f"  {line}")

    def instruction(self, text: str) -> str:
        """Adds an instruction; returns the name of its result."""
        self._count += 1
        self.add(f"%v{self._count} = {text}")
        return f"%v{self._count}"

    def variable(self, value: Number | int) -> LocalVariable:
        """Adds a variable with a first value, which it is given whenever the code comes here."""
        self._count += 1
        # All in the entry, else a loop would take more of the stack in each turn.
        self._entry.append(f"  %x{self._count} = alloca i64")
        made = LocalVariable(self, f"%x{self._count}")
        made.set(value)
        return made

    def load(self, address: Number, bits: int = 64) -> Number:
        """Returns the unsigned number of so many bits at an address."""
        value = self.instruction(f"load i{bits}, ptr {self._pointer(address)}, align 1")
        return Number(self, value if bits == 64 else self.instruction(f"zext i{bits} {value} to i64"))

    def store(self, address: Number, value: Number, bits: int = 64) -> None:
        """Stores the low bits of a number at an address."""
        low = value.name if bits == 64 else self.instruction(f"trunc i64 {value.name} to i{bits}")
        self.add(f"store i{bits} {low}, ptr {self._pointer(address)}, align 1")

    def _pointer(self, address: Number) -> str:
        return self.instruction(f"inttoptr i64 {address.name} to ptr")

    @contextmanager
    def loop(self, condition: Callable[[], Condition]) -> Generator[None]:
        """The body repeats as long as the condition holds."""
        test, body, after = self._labels()
        self.add(f"br label %{test}")
        self.add(f"{test}:")
        self.add(f"br i1 {condition().name}, label %{body}, label %{after}")
        self.add(f"{body}:")
        yield
        self.add(f"br label %{test}")
        self.add(f"{after}:")

    @contextmanager
    def when(self, condition: Condition) -> Generator[None]:
        """The body is executed if the condition holds."""
        body, after, _ = self._labels()
        self.add(f"br i1 {condition.name}, label %{body}, label %{after}")
        self.add(f"{body}:")
        yield
        self.add(f"br label %{after}")
        self.add(f"{after}:")

    def _labels(self) -> tuple[str, str, str]:
        self._count += 1
        return f"a{self._count}", f"b{self._count}", f"c{self._count}"

    def text(self) -> str:
        """Returns the LLVM module with the function."""
        parameters = ", ".join(f"i64 %{name}" for name in self._parameters)
        return "\n".join(
            [
                f"define void @{self.name}({parameters}) {{",
                "entry:",
                *self._entry,
                *self._lines,
                "  ret void",
                "}",
                "",
            ]
        )
