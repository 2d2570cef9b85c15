"""Replaces the plans of steps that run often by ones with native code, which is compiled in the background.

The first steps of a signature run as they are: a run of few steps never waits for a compiler, nor imports one. Once a
signature is hot, a thread builds a plan for the shapes that its feeds have; later steps with feeds of these shapes use
it. Both plans compute the same, bit for bit, so that it does not matter at which step that happens.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ...kernels.codegen.depthwise import DepthwiseLoop
    from ...kernels.codegen.expression import ElementLoop
    from ...kernels.codegen.max_pool import MaxPoolLoop
    from ..plan.plan import Plan

Key = tuple[Any, ...]
Shapes = tuple[tuple[int, ...], ...]
# From a signature, the shapes of its feeds, and a compiler of loops.
Builder = Callable[[Key, Shapes, "Callable[[ElementLoop], Any]"], "Plan"]

# A signature is hot after this many steps, and this many seconds after the first.
HOT_STEPS = 4
HOT_SECONDS = 0.2
# Shapes per signature, and plans in all, that are compiled.
_MOST_SHAPES = 4
_MOST_PLANS = 64


class _Signature:
    """The steps of a signature so far, and the plan for each tuple of feed shapes: None while it is not ready, or where
    it would be no better. ``is_cold`` once nothing more will be compiled, and nothing was."""

    __slots__ = ("first", "is_cold", "plans", "steps")

    def __init__(self) -> None:
        self.first = time.perf_counter()
        self.steps = 0
        self.plans: dict[Shapes, Plan | None] = {}
        self.is_cold = False


class HotPlans:
    """The compiled plans of a session. ``build`` makes one; it may raise, and the step stays as it is."""

    def __init__(self, build: Builder) -> None:
        self._build = build
        self._signatures: dict[Key, _Signature] = {}
        self._lock = Lock()
        self._wanted: list[tuple[Key, Shapes]] = []
        self._thread: Thread | None = None
        self._is_closed = False
        self._count = 0
        self.compiled_loops = 0
        self.failed_loops = 0

    def select(self, key: Key, plan: Plan, arguments: Sequence[Any]) -> Plan:
        """The plan for a step with these feeds: a compiled one, if it is ready."""
        signature = self._signatures.get(key)
        if signature is None:
            if len(self._signatures) < _MOST_PLANS:
                self._signatures[key] = _Signature()
            return plan
        if signature.is_cold:
            return plan
        if signature.steps < HOT_STEPS:
            signature.steps += 1
            return plan
        shapes = tuple([argument.shape for argument in arguments])
        if shapes in signature.plans:
            return signature.plans[shapes] or plan
        if time.perf_counter() - signature.first >= HOT_SECONDS:
            self._request(key, signature, shapes)
        return plan

    def _request(self, key: Key, signature: _Signature, shapes: Shapes) -> None:
        with self._lock:
            if self._is_closed or shapes in signature.plans:
                return
            if len(signature.plans) >= _MOST_SHAPES or self._count >= _MOST_PLANS:
                signature.is_cold = not any(signature.plans.values())
                return
            self._count += 1
            signature.plans[shapes] = None
            self._wanted.append((key, shapes))
            if self._thread is None:
                # Not a daemon: the process must not end within the compiler.
                self._thread = Thread(target=self._work, name="tfg-compile")
                self._thread.start()

    def _work(self) -> None:
        while True:
            with self._lock:
                if self._is_closed or not self._wanted:
                    self._thread = None
                    return
                key, shapes = self._wanted.pop(0)
            self._compile(key, shapes)

    def _compile(self, key: Key, shapes: Shapes) -> None:
        compiled = self.compiled_loops
        try:
            plan = self._build(key, shapes, self._compile_loop)
        except Exception:
            # The step itself reports what is wrong with the graph; one that runs needs no compiled plan.
            plan = None
        signature = self._signatures[key]
        if plan is not None and self.compiled_loops > compiled:
            signature.plans[shapes] = plan
        elif len(signature.plans) == 1 and not shapes:
            signature.is_cold = True

    def _compile_loop(self, loop: ElementLoop | MaxPoolLoop | DepthwiseLoop) -> Any:
        if self._is_closed:
            return None
        from ...kernels.codegen.native_loop import compile_loop

        native = compile_loop(loop)
        self.compiled_loops += native is not None
        self.failed_loops += native is None
        return native

    def wait(self) -> None:
        """Waits until everything that has been asked for is compiled."""
        thread = self._thread
        if thread is not None:
            thread.join()

    def close(self) -> None:
        """Compiles nothing more."""
        self._is_closed = True
