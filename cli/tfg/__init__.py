"""tfg runs TensorFlow-style dataflow graphs from files.

graph = tfg.load("train.pbtxt")
with tfg.Session(graph) as session:
    session.run(targets=["init"])
    loss, = session.run(["loss"], feeds={"x": x, "y": y}, targets=["train"])
    session.save("digits.h5")
"""

from __future__ import annotations

import importlib

# Importing typing would take most of the time until the command line handles signals.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .graphfmt.errors import Location, Status, TfgError
    from .graphfmt.graph import Graph, Node
    from .graphfmt.load import load, save
    from .kernels.builder.graph_builder import GraphBuilder, IndexedSlices, Tensor
    from .runtime.passes.gradients.backpropagation import add_gradients
    from .runtime.passes.optimizers.minimize import minimize
    from .runtime.execution.session import Session

__version__ = "0.2.0"

# Imported on first use: the command line needs few of them, and so starts sooner.
_HOMES = {
    "Graph": "graphfmt.graph",
    "GraphBuilder": "kernels.builder.graph_builder",
    "IndexedSlices": "kernels.builder.graph_builder",
    "Location": "graphfmt.errors",
    "Node": "graphfmt.graph",
    "Session": "runtime.execution.session",
    "Status": "graphfmt.errors",
    "Tensor": "kernels.builder.graph_builder",
    "TfgError": "graphfmt.errors",
    "add_gradients": "runtime.passes.gradients.backpropagation",
    "load": "graphfmt.load",
    "minimize": "runtime.passes.optimizers.minimize",
    "save": "graphfmt.load",
}

_VIEWS = {"draw": ("runtime.visualization.notebook", "draw_graph"), "summary": ("runtime.summary", "summarize")}

__all__ = [
    "Graph",
    "GraphBuilder",
    "IndexedSlices",
    "Location",
    "Node",
    "Session",
    "Status",
    "Tensor",
    "TfgError",
    "__version__",
    "add_gradients",
    "load",
    "minimize",
    "save",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'tfg' has no attribute {name!r}")
    _register_views()
    return getattr(importlib.import_module(f".{home}", __name__), name)


def _register_views() -> None:
    """Gives graphs their views, which layers above them provide; each is imported when it is first asked for."""
    views = importlib.import_module(".graphfmt.graph", __name__).VIEWS
    for view, (home, name) in _VIEWS.items():
        views.setdefault(view, _LazyFunction(home, name))


class _LazyFunction:
    """A function of a module that is imported when it is first called."""

    def __init__(self, home: str, name: str) -> None:
        self._home = home
        self._name = name

    def __call__(self, *args: Any, **options: Any) -> Any:
        return getattr(importlib.import_module(f".{self._home}", __name__), self._name)(*args, **options)
