"""Optimizers with their hyperparameters, parsed from text such as ``adam:learning_rate=1e-3``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ....graphfmt.errors import invalid
from ....graphfmt.names import did_you_mean
from .methods import METHODS, Method

if TYPE_CHECKING:
    from collections.abc import Mapping

# Accepted abbreviations.
_ALIASES = {"lr": "learning_rate", "nesterov": "use_nesterov", "eps": "epsilon"}


@dataclass(frozen=True)
class Optimizer:
    """An optimizer with the values of all its hyperparameters."""

    name: str
    values: Mapping[str, float | bool]

    @property
    def method(self) -> Method:
        return METHODS[self.name].variant(self.values)


def parse_optimizer(text: str, **more: Any) -> Optimizer:
    """Parses ``adam`` or ``adam:learning_rate=1e-3,beta1=0.9``; ``more`` are further hyperparameters.

    Raises:
        TfgError: INVALID_ARGUMENT for an unknown optimizer or hyperparameter, with the nearest name as a hint.
    """
    name, _, rest = text.partition(":")
    name = name.strip().lower()
    if name not in METHODS:
        hint = did_you_mean(name, METHODS) or f"there are {', '.join(METHODS)}"
        raise invalid(f"no optimizer is called {name!r}", hint=hint)
    defaults = METHODS[name].defaults
    values: dict[str, float | bool] = dict(defaults)
    for part in filter(None, (p.strip() for p in rest.split(","))):
        key, equals, value = part.partition("=")
        if not equals:
            rate = part if _is_number(part) else "0.1"
            raise invalid(f"{part!r} is not of the form KEY=VALUE", hint=f"write {name}:learning_rate={rate}")
        key = _hyperparameter(name, key.strip(), defaults)
        values[key] = _number(key, value.strip(), defaults[key])
    for key, value in more.items():
        key = _hyperparameter(name, key, defaults)
        values[key] = _number(key, str(value), defaults[key])
    return Optimizer(name, values)


def _hyperparameter(optimizer: str, name: str, defaults: Mapping[str, Any]) -> str:
    full = name if name in defaults else _ALIASES.get(name, name)
    if full not in defaults:
        hint = did_you_mean(name, defaults) or f"there are {', '.join(defaults)}"
        raise invalid(f"optimizer {optimizer} has no hyperparameter {name!r}", hint=hint)
    return full


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _number(name: str, text: str, default: float | bool) -> float | bool:
    if isinstance(default, bool):
        if text.lower() not in ("true", "false", "1", "0"):
            raise invalid(f"{name} is {text!r}, but must be true or false")
        return text.lower() in ("true", "1")
    if not _is_number(text):
        raise invalid(f"{name} is {text!r}, which is not a number")
    return float(text)
