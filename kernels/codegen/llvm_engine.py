"""The one user of llvmlite: from LLVM IR text to the address of a function.

llvmlite is imported when something is first compiled, because the import takes longer than a small graph runs. Without
it, nothing is compiled. What has been compiled is kept on disk (``object_cache``).
"""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from threading import Lock
from typing import Any

from .object_cache import ObjectCache, cache_folder

# The first bytes of an object file of Linux.
_MAGIC = b"\x7fELF"
_lock = Lock()
# By IR text: the same loop of several plans is compiled once per process.
_addresses: dict[str, int | None] = {}
_kept: list[Any] = []


class CompileCounts:
    """How many functions this process has compiled and loaded from the cache, and how many it could not compile."""

    def __init__(self) -> None:
        self.compiled = 0
        self.loaded = 0
        self.failed = 0


COUNTS = CompileCounts()


def function_address(ir: str, name: str) -> int | None:
    """The address of a function of a module; None if it cannot be compiled, which is counted. From any thread."""
    with _lock:
        if ir not in _addresses:
            try:
                _addresses[ir] = _cached(ir, name) or _compiled(ir, name)
            except Exception:
                _addresses[ir] = None
                COUNTS.failed += 1
        return _addresses[ir]


def _cached(ir: str, name: str) -> int | None:
    """The address of a function whose code lies in the cache; None if none does, or it cannot be loaded."""
    _, _, processor = _target()
    code = _cache().load(ir, processor)
    # LLVM crashes on what is no object file at all.
    if code is None or not code.startswith(_MAGIC):
        return None
    try:
        address = _load(code, name)
    except Exception:
        return None
    COUNTS.loaded += 1
    return address


def _compiled(ir: str, name: str) -> int:
    _, _, processor = _target()
    code = _compile(ir)
    address = _load(code, name)
    _cache().store(code, ir, processor)
    COUNTS.compiled += 1
    return address


def _compile(ir: str) -> bytes:
    """The object code of a module."""
    llvm, machine, _ = _target()
    module = llvm.parse_assembly(ir)
    module.triple = machine.triple
    module.data_layout = str(machine.target_data)
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    options.loop_vectorization = True
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    return machine.emit_object(module)


def _load(code: bytes, name: str) -> int:
    """The address of a function of object code. Raises ValueError where it has no such function."""
    llvm, machine, _ = _target()
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.object_file.ObjectFileRef.from_data(code))
    engine.finalize_object()
    address = engine.get_function_address(name)
    if not address:
        raise ValueError(f"the object code has no function {name}")
    _kept.append(engine)
    return address


@cache
def _cache() -> ObjectCache:
    return ObjectCache(cache_folder())


@cache
def _target() -> tuple[Any, Any, str]:
    """llvmlite's binding, the machine that code is generated for (this one, with all its features), and all of that
    on which code depends besides its IR."""
    # Typed as Any: the package has no annotations, and may be missing.
    import importlib
    from importlib.metadata import PackageNotFoundError, version

    llvm: Any = importlib.import_module("llvmlite.binding")
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    cpu: str = llvm.get_host_cpu_name()
    features: str = llvm.get_host_cpu_features().flatten()
    target = llvm.Target.from_default_triple()
    machine = target.create_target_machine(cpu=cpu, features=features, opt=2)
    versions = [f"LLVM {llvm.llvm_version_info}"]
    for package in ("tfg", "llvmlite"):
        with suppress(PackageNotFoundError):
            versions.append(f"{package} {version(package)}")
    return llvm, machine, " ".join([machine.triple, cpu, features, *versions])
