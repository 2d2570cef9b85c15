"""The update formulas of TensorFlow's optimizers (training_ops.cc), in its order of evaluation.

A formula takes the variable, its slots, and the operation's other inputs in the operation's order, and
returns the new variable and slots. ``optimizer_ops`` declares the operations: on references and on resource
handles, with dense gradients and gradients of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ....graphfmt.errors import invalid
from .fused_updates import (
    Symbol,
    absolute,
    exp,
    maximum,
    maximum_or_first,
    minimum,
    power,
    rsqrt,
    sign,
    sqrt,
    square,
    zero_unless_greater,
)
from .update_rules import RULES, Choices, Rule, RuleValues, rule

_REAL = "half bfloat16 float double"
_LARGE = "float double"


def _at_least_zero(values: RuleValues, *names: str) -> None:
    for name in names:
        if name in values and not values[name] >= 0:
            raise invalid(f"{name} must not be negative, but is {values[name]}")


def _positive(values: RuleValues, name: str) -> None:
    if not values[name] > 0:
        raise invalid(f"{name} must be positive, but is {values[name]}")


_BY_ROWS: Choices = {"by_rows": lambda values: values["by_rows"]}
# TensorFlow shrinks only if l1 > 0, which matters if l1 is negative or NaN.
_SHRINKS: Choices = {"shrinks": lambda values: bool(values["l1"] > 0)}


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
    """The proximal step: soft thresholding, then a division by ``scale``."""
    return sign(var) * maximum(absolute(var) - threshold, 0) / scale


@rule("ProximalGradientDescent", types=_LARGE, choices=_SHRINKS)
def _(var: Symbol, alpha: Symbol, l1: Symbol, l2: Symbol, delta: Symbol, *, shrinks: bool) -> Any:
    var, scale = var - delta * alpha, 1 + l2 * alpha
    return _shrunk(var, alpha * l1, scale) if shrinks else var / scale


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


def _check_proximal(values: RuleValues) -> None:
    _at_least_zero(values, "l1", "l2")
    _positive(values, "lr")


@rule("ProximalAdagrad", 1, types=_LARGE, choices=_SHRINKS, check=_check_proximal)
def _(var: Symbol, accum: Symbol, lr: Symbol, l1: Symbol, l2: Symbol, grad: Symbol, *, shrinks: bool) -> Any:
    accum = accum + square(grad)
    rate = lr * rsqrt(accum)
    var, scale = var - grad * rate, 1 + l2 * rate
    return _shrunk(var, rate * l1, scale) if shrinks else var / scale, accum


@rule("AdagradDA", 2, types=_LARGE, choices=_SHRINKS)
def _(
    var: Symbol,
    gradient_accumulator: Symbol,
    gradient_squared_accumulator: Symbol,
    grad: Symbol,
    lr: Symbol,
    l1: Symbol,
    l2: Symbol,
    global_step: Symbol,
    *,
    shrinks: bool,
) -> Any:
    total = gradient_accumulator + grad
    squares = gradient_squared_accumulator + square(grad)
    excess = sign(total) * maximum(absolute(total) - global_step * l1, 0) if shrinks else total
    return -lr * excess / (l2 * global_step * lr + sqrt(squares)), total, squares


@rule("Adadelta", 2)
def _(
    var: Symbol, accum: Symbol, accum_update: Symbol, lr: Symbol, rho: Symbol, epsilon: Symbol, grad: Symbol
) -> Any:
    accum = accum * rho + square(grad) * (1 - rho)
    update = sqrt(accum_update + epsilon) * rsqrt(accum + epsilon) * grad
    return var - update * lr, accum, accum_update * rho + square(update) * (1 - rho)


def _average(old: Symbol, new: Symbol, rho: Symbol, by_rows: bool) -> Symbol:
    """The moving average; for gradients of rows TensorFlow evaluates it in another order."""
    return old * rho + new * (1 - rho) if by_rows else old + (new - old) * (1 - rho)


def _scaled(grad: Symbol, lr: Symbol, divisor: Symbol, by_rows: bool) -> Symbol:
    """The step before momentum: the gradient divided by the root of its mean square, times the learning rate."""
    return rsqrt(divisor) * lr * grad if by_rows else grad * lr / sqrt(divisor)


@rule("RMSProp", 2, sparse_types="half float double complex64 complex128", choices=_BY_ROWS)
def _(
    var: Symbol,
    ms: Symbol,
    mom: Symbol,
    lr: Symbol,
    rho: Symbol,
    momentum: Symbol,
    epsilon: Symbol,
    grad: Symbol,
    *,
    by_rows: bool,
) -> Any:
    ms = _average(ms, square(grad), rho, by_rows)
    mom = mom * momentum + _scaled(grad, lr, ms + epsilon, by_rows)
    return var - mom, ms, mom


@rule("CenteredRMSProp", 3, sparse_types="half float double complex64 complex128", choices=_BY_ROWS)
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
    *,
    by_rows: bool,
) -> Any:
    ms = _average(ms, square(grad), rho, by_rows)
    mg = _average(mg, grad, rho, by_rows)
    divisor = ms + epsilon - square(mg) if by_rows else ms - square(mg) + epsilon
    mom = mom * momentum + _scaled(grad, lr, divisor, by_rows)
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
    vhat = maximum_or_first(vhat, v)
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
    v = maximum_or_first(beta2 * v, absolute(grad))
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


def _check_ftrl(values: RuleValues) -> None:
    if not values["by_rows"]:
        return
    if not values["multiply_linear_by_lr"]:
        _positive(values, "lr")
    _at_least_zero(values, "lr", "l1", "l2", "l2_shrinkage")
    if not values["lr_power"] <= 0:
        raise invalid(f"lr_power must not be positive, but is {values['lr_power']}")


# square_root: lr_power has its default -0.5, so the root of the accumulator is the square root.
_FTRL: Choices = {"square_root": lambda values: bool(values["lr_power"] == -0.5), **_BY_ROWS}


@rule("Ftrl", 2, attrs={"multiply_linear_by_lr": False}, types=_REAL, choices=_FTRL, check=_check_ftrl)
def _(
    var: Symbol,
    accum: Symbol,
    linear: Symbol,
    grad: Symbol,
    lr: Symbol,
    l1: Symbol,
    l2: Symbol,
    lr_power: Symbol,
    **flags: bool,
) -> Any:
    return _ftrl(var, accum, linear, grad, grad, lr, l1, l2, lr_power, **flags)


@rule("FtrlV2", 2, attrs={"multiply_linear_by_lr": False}, types=_REAL, choices=_FTRL, check=_check_ftrl)
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
    **flags: bool,
) -> Any:
    shrunk = grad + 2 * l2_shrinkage * var
    return _ftrl(var, accum, linear, grad, shrunk, lr, l1, l2, lr_power, **flags)


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
    *,
    multiply_linear_by_lr: bool,
    square_root: bool,
    by_rows: bool,
) -> Any:
    """FTRL-proximal. ``shrunk`` is the gradient with L2 shrinkage; ``linear`` is stored times the learning rate if
    ``multiply_linear_by_lr``."""

    def root(x: Symbol) -> Symbol:
        return sqrt(x) if square_root else power(x, -lr_power)

    before = root(accum)
    accum = accum + square(grad)
    after = root(accum)
    if multiply_linear_by_lr:
        linear = linear + (shrunk * lr - (after - before) * var)
        limit, divisor = l1 * lr, after + 2 * l2 * lr
    else:
        linear = linear + (shrunk - (after - before) / lr * var)
        limit, divisor = l1, after / lr + 2 * l2
    if by_rows:
        return (maximum(minimum(linear, limit), -limit) - linear) / divisor, accum, linear
    stepped = (limit * sign(linear) - linear) / divisor
    return zero_unless_greater(stepped, absolute(linear), limit), accum, linear


def rules() -> Sequence[Rule]:
    """Returns the rules of all optimizers."""
    return RULES
