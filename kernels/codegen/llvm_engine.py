"""The one user of llvmlite: from LLVM IR text to the address of a function.

llvmlite is imported when something is first compiled, because the import takes longer than a small graph runs. Without
it, nothing is compiled.
"""

from __future__ import annotations

from functools import cache
from threading import Lock
from typing import Any

_lock = Lock()
# By IR text: the same loop of several plans is compiled once per process.
_addresses: dict[str, int | None] = {}
_kept: list[Any] = []


class CompileCounts:
    """How many functions this process has compiled, and how many it could not."""

    def __init__(self) -> None:
        self.compiled = 0
        self.failed = 0


COUNTS = CompileCounts()


def function_address(ir: str, name: str) -> int | None:
    """The address of a function of a module; None if it cannot be compiled, which is counted. From any thread."""
    with _lock:
        if ir not in _addresses:
            try:
                _addresses[ir] = _compile(ir, name)
                COUNTS.compiled += 1
            except Exception:
                _addresses[ir] = None
                COUNTS.failed += 1
        return _addresses[ir]


def _compile(ir: str, name: str) -> int:
    llvm, machine = _target()
    module = llvm.parse_assembly(ir)
    module.triple = machine.triple
    module.data_layout = str(machine.target_data)
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    options.loop_vectorization = True
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    _kept.append(engine)
    return engine.get_function_address(name)


@cache
def _target() -> tuple[Any, Any]:
    """llvmlite's binding, and the machine that code is generated for: this one, with all its features."""
    # Typed as Any: the package has no annotations, and may be missing.
    import importlib

    llvm: Any = importlib.import_module("llvmlite.binding")
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    features: str = llvm.get_host_cpu_features().flatten()
    target = llvm.Target.from_default_triple()
    return llvm, target.create_target_machine(cpu=llvm.get_host_cpu_name(), features=features, opt=2)
