"""What each optimizer does to a variable: one formula each, in the order in which TensorFlow computes it.

A rule takes the variable, its slots, and the operation's other inputs in the operation's order, and gives the
new variable and slots. ``optimizer_ops`` makes the operations of it: on references and on resource handles,
for a whole variable and for some of its rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from .updates import (
    GRADIENTS,
    Symbol,
    Update,
    absolute,
    compile_rule,
    exp,
    maximum,
    minimum,
    power,
    rsqrt,
    sign,
    sqrt,
    square,
)

Formula = Callable[..., Any]

_REAL = "half bfloat16 float double"
_COMPLEX = "half bfloat16 float double complex64 complex128"
_LARGE = "float double"


@dataclass(frozen=True, eq=False)
class Rule:
    """An optimizer. ``attrs`` are its own boolean attributes with their defaults, ``choices`` say which flags
    of the formula follow from the hyperparameters' values, and ``limits`` which of those must be what."""

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
    choices: dict[str, Callable[[dict[str, Any]], bool]]
    limits: dict[str, str]

    def check(self, given: dict[str, Any], *, sparse: bool) -> None:
        pass

    @property
    def hyperparameters(self) -> tuple[str, ...]:
        return tuple(name for name in self.inputs if name not in GRADIENTS)

    def update(self, flags: tuple[bool, ...]) -> Update:
        """The compiled formula; ``flags`` are its keyword parameters' values."""
        return _compiled(self, flags)


@cache
def _compiled(rule: Rule, flags: tuple[bool, ...]) -> Update:
    names = (*rule.attrs, *rule.choices)
    return compile_rule(rule.formula, len(rule.slots), rule.inputs, dict(zip(names, flags)))


RULES: list[Rule] = []


def rule(
    name: str,
    slots: int = 0,
    *,
    attrs: dict[str, bool] | None = None,
    types: str = _COMPLEX,
    sparse_types: str = "",
    references: bool = True,
    dense: bool = True,
    sparse: bool = True,
    choices: dict[str, Callable[[dict[str, Any]], bool]] | None = None,
) -> Callable[[Formula], Formula]:
    """Declares an optimizer with its formula."""

    def declare(formula: Formula) -> Formula:
        code = formula.__code__
        names = code.co_varnames[: code.co_argcount]
        RULES.append(
            Rule(
                name, formula, names[1 : slots + 1], names[slots + 1 :], attrs or {}, types,
                sparse_types or types, references, dense, sparse, choices or {}, {},
            )
        )  # fmt: skip
        return formula

    return declare


@rule("GradientDescent", sparse=False)
def _(var: Symbol, alpha: Symbol, delta: Symbol) -> Any:
    return var - delta * alpha


@rule("Momentum", 1, attrs={"use_nesterov": False})
def _(var: Symbol, accum: Symbol, lr: Symbol, grad: Symbol, momentum: Symbol, *, use_nesterov: bool) -> Any:
    accum = accum * momentum + grad
    return var - (grad * lr + accum * momentum * lr if use_nesterov else accum * lr), accum


@rule("KerasMomentum", 1, attrs={"use_nesterov": False}, references=False)
def _(var: Symbol, accum: Symbol, lr: Symbol, grad: Symbol, momentum: Symbol, *, use_nesterov: bool) -> Any:
    step = grad * lr
    accum = accum * momentum - step
    return var + (accum * momentum - step if use_nesterov else accum), accum


def _shrunk(var: Symbol, threshold: Symbol, scale: Symbol) -> Symbol:
    """The proximal step: towards zero by a threshold, but not past it, and then smaller by a factor."""
    return sign(var) * maximum(absolute(var) - threshold, 0) / scale


@rule("ProximalGradientDescent", types=_LARGE)
def _(var: Symbol, alpha: Symbol, l1: Symbol, l2: Symbol, delta: Symbol) -> Any:
    return _shrunk(var - delta * alpha, alpha * l1, 1 + l2 * alpha)


@rule("Adagrad", 1, attrs={"update_slots": True})
def _(var: Symbol, accum: Symbol, lr: Symbol, grad: Symbol, *, update_slots: bool) -> Any:
    if update_slots:
        accum = accum + square(grad)
    return var - grad * lr * rsqrt(accum), accum


@rule("AdagradV2", 1, attrs={"update_slots": True})
def _(var: Symbol, accum: Symbol, lr: Symbol, epsilon: Symbol, grad: Symbol, *, update_slots: bool) -> Any:
    if update_slots:
        accum = accum + square(grad)
    return var - grad * lr / (sqrt(accum) + epsilon), accum


@rule("ProximalAdagrad", 1, types=_LARGE)
def _(var: Symbol, accum: Symbol, lr: Symbol, l1: Symbol, l2: Symbol, grad: Symbol) -> Any:
    accum = accum + square(grad)
    rate = lr * rsqrt(accum)
    return _shrunk(var - grad * rate, rate * l1, 1 + l2 * rate), accum


@rule("AdagradDA", 2, types=_LARGE)
def _(
    var: Symbol,
    gradient_accumulator: Symbol,
    gradient_squared_accumulator: Symbol,
    grad: Symbol,
    lr: Symbol,
    l1: Symbol,
    l2: Symbol,
    global_step: Symbol,
) -> Any:
    total = gradient_accumulator + grad
    squares = gradient_squared_accumulator + square(grad)
    excess = maximum(absolute(total) - global_step * l1, 0)
    return -lr * sign(total) * excess / (l2 * global_step * lr + sqrt(squares)), total, squares


@rule("Adadelta", 2)
def _(
    var: Symbol, accum: Symbol, accum_update: Symbol, lr: Symbol, rho: Symbol, epsilon: Symbol, grad: Symbol
) -> Any:
    accum = accum * rho + square(grad) * (1 - rho)
    update = sqrt(accum_update + epsilon) * rsqrt(accum + epsilon) * grad
    return var - update * lr, accum, accum_update * rho + square(update) * (1 - rho)


@rule("RMSProp", 2, sparse_types="half float double complex64 complex128")
def _(
    var: Symbol,
    ms: Symbol,
    mom: Symbol,
    lr: Symbol,
    rho: Symbol,
    momentum: Symbol,
    epsilon: Symbol,
    grad: Symbol,
) -> Any:
    ms = ms + (square(grad) - ms) * (1 - rho)
    mom = mom * momentum + grad * lr / sqrt(ms + epsilon)
    return var - mom, ms, mom


@rule("CenteredRMSProp", 3, sparse_types="half float double complex64 complex128")
def _(
    var: Symbol,
    mg: Symbol,
    ms: Symbol,
    mom: Symbol,
    lr: Symbol,
    rho: Symbol,
    momentum: Symbol,
    epsilon: Symbol,
    grad: Symbol,
) -> Any:
    ms = ms + (square(grad) - ms) * (1 - rho)
    mg = mg + (grad - mg) * (1 - rho)
    mom = mom * momentum + grad * lr / sqrt(ms - square(mg) + epsilon)
    return var - mom, mg, ms, mom


@rule("Adam", 2, attrs={"use_nesterov": False}, sparse=False)
def _(
    var: Symbol,
    m: Symbol,
    v: Symbol,
    beta1_power: Symbol,
    beta2_power: Symbol,
    lr: Symbol,
    beta1: Symbol,
    beta2: Symbol,
    epsilon: Symbol,
    grad: Symbol,
    *,
    use_nesterov: bool,
) -> Any:
    alpha = lr * sqrt(1 - beta2_power) / (1 - beta1_power)
    m = m + (grad - m) * (1 - beta1)
    v = v + (square(grad) - v) * (1 - beta2)
    direction = grad * (1 - beta1) + beta1 * m if use_nesterov else m
    return var - direction * alpha / (sqrt(v) + epsilon), m, v


@rule("AdamWithAmsgrad", 3, types=_REAL, references=False, sparse=False)
def _(
    var: Symbol,
    m: Symbol,
    v: Symbol,
    vhat: Symbol,
    beta1_power: Symbol,
    beta2_power: Symbol,
    lr: Symbol,
    beta1: Symbol,
    beta2: Symbol,
    epsilon: Symbol,
    grad: Symbol,
) -> Any:
    alpha = lr * sqrt(1 - beta2_power) / (1 - beta1_power)
    m = m + (grad - m) * (1 - beta1)
    v = v + (square(grad) - v) * (1 - beta2)
    vhat = maximum(vhat, v)
    return var - m * alpha / (sqrt(vhat) + epsilon), m, v, vhat


@rule("AdaMax", 2, types="half float double", sparse=False)
def _(
    var: Symbol,
    m: Symbol,
    v: Symbol,
    beta1_power: Symbol,
    lr: Symbol,
    beta1: Symbol,
    beta2: Symbol,
    epsilon: Symbol,
    grad: Symbol,
) -> Any:
    m = m + (grad - m) * (1 - beta1)
    v = maximum(beta2 * v, absolute(grad))
    return var - lr / (1 - beta1_power) * (m / (v + epsilon)), m, v


@rule("AddSign", 1, types=_REAL, sparse=False)
def _(
    var: Symbol,
    m: Symbol,
    lr: Symbol,
    alpha: Symbol,
    sign_decay: Symbol,
    beta: Symbol,
    grad: Symbol,
) -> Any:
    m = m * beta + grad * (1 - beta)
    return var - lr * (alpha + sign_decay * (sign(grad) * sign(m))) * grad, m


@rule("PowerSign", 1, types=_REAL, sparse=False)
def _(
    var: Symbol,
    m: Symbol,
    lr: Symbol,
    logbase: Symbol,
    sign_decay: Symbol,
    beta: Symbol,
    grad: Symbol,
) -> Any:
    m = m * beta + grad * (1 - beta)
    return var - lr * exp(logbase * sign_decay * (sign(grad) * sign(m))) * grad, m


# Whether the root that Ftrl takes of its accumulator is the square root, as it is by default.
_FTRL: dict[str, Callable[[dict[str, Any]], bool]] = {"square_root": lambda given: given["lr_power"] == -0.5}


def _ftrl(
    var: Symbol,
    accum: Symbol,
    linear: Symbol,
    grad: Symbol,
    shrunk: Symbol,
    lr: Symbol,
    l1: Symbol,
    l2: Symbol,
    lr_power: Symbol,
    by_rate: bool,
    square_root: bool,
) -> Any:
    """``shrunk`` is the gradient with shrinkage; ``by_rate`` has ``linear`` kept multiplied by the rate."""

    def root(x: Symbol) -> Symbol:
        return sqrt(x) if square_root else power(x, -lr_power)

    before = root(accum)
    accum = accum + square(grad)
    after = root(accum)
    if by_rate:
        linear = linear + (shrunk * lr - (after - before) * var)
        limit, divisor = l1 * lr, after + 2 * l2 * lr
    else:
        linear = linear + (shrunk - (after - before) / lr * var)
        limit, divisor = l1, after / lr + 2 * l2
    return (maximum(minimum(linear, limit), -limit) - linear) / divisor, accum, linear


@rule("Ftrl", 2, attrs={"multiply_linear_by_lr": False}, types=_REAL, choices=_FTRL)
def _(
    var: Symbol,
    accum: Symbol,
    linear: Symbol,
    grad: Symbol,
    lr: Symbol,
    l1: Symbol,
    l2: Symbol,
    lr_power: Symbol,
    *,
    multiply_linear_by_lr: bool,
    square_root: bool,
) -> Any:
    return _ftrl(var, accum, linear, grad, grad, lr, l1, l2, lr_power, multiply_linear_by_lr, square_root)


@rule("FtrlV2", 2, attrs={"multiply_linear_by_lr": False}, types=_REAL, choices=_FTRL)
def _(
    var: Symbol,
    accum: Symbol,
    linear: Symbol,
    grad: Symbol,
    lr: Symbol,
    l1: Symbol,
    l2: Symbol,
    l2_shrinkage: Symbol,
    lr_power: Symbol,
    *,
    multiply_linear_by_lr: bool,
    square_root: bool,
) -> Any:
    shrunk = grad + 2 * l2_shrinkage * var
    return _ftrl(var, accum, linear, grad, shrunk, lr, l1, l2, lr_power, multiply_linear_by_lr, square_root)


def rules() -> Sequence[Rule]:
    """Every optimizer."""
    return RULES
