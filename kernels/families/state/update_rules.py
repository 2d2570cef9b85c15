"""Declaration of optimizer update rules: a formula with its slots, attributes and dtypes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from .fused_updates import GRADIENTS, CompiledUpdate, compile_rule

Formula = Callable[..., Any]

COMPLEX = "half bfloat16 float double complex64 complex128"


# Values by name: hyperparameters, attributes, and "by_rows", True for a gradient of rows.
RuleValues = dict[str, Any]
Choices = dict[str, Callable[[RuleValues], bool]]


@dataclass(frozen=True, eq=False)
class Rule:
    """The update rule of an optimizer.

    ``attrs`` are its boolean attributes with their defaults; ``choices`` are further flags of the formula, computed
    from the values; ``check`` raises INVALID_ARGUMENT for invalid values. ``types`` and ``sparse_types`` are the
    dtypes that TensorFlow's kernels have.
    """

    name: str
    formula: Formula
    slots: tuple[str, ...]
    inputs: tuple[str, ...]
    attrs: dict[str, bool]
    types: str
    sparse_types: str
    references: bool
    dense: bool
    sparse: bool
    choices: Choices
    check: Callable[[RuleValues], None] | None

    @cached_property
    def hyperparameters(self) -> tuple[str, ...]:
        return tuple(name for name in self.inputs if name not in GRADIENTS)

    def update(self, flags: tuple[bool, ...]) -> CompiledUpdate:
        """Returns the compiled formula for these values of ``attrs`` and ``choices``."""
        return _compiled(self, flags)


@cache
def _compiled(rule: Rule, flags: tuple[bool, ...]) -> CompiledUpdate:
    names = (*rule.attrs, *rule.choices)
    return compile_rule(rule.formula, len(rule.slots), rule.inputs, dict(zip(names, flags)))


RULES: list[Rule] = []


def rule(
    name: str,
    slots: int = 0,
    *,
    attrs: dict[str, bool] | None = None,
    types: str = COMPLEX,
    sparse_types: str = "",
    references: bool = True,
    dense: bool = True,
    sparse: bool = True,
    choices: Choices | None = None,
    check: Callable[[RuleValues], None] | None = None,
) -> Callable[[Formula], Formula]:
    """Decorator that declares an optimizer with its formula, whose parameters are the variable, the slots and the
    operation's other inputs."""

    def declare(formula: Formula) -> Formula:
        code = formula.__code__
        names = code.co_varnames[: code.co_argcount]
        RULES.append(
            Rule(
                name, formula, names[1 : slots + 1], names[slots + 1 :], attrs or {}, types,
                sparse_types or types, references, dense, sparse, choices or {}, check,
            )
        )  # fmt: skip
        return formula

    return declare
