"""The rules of the house that a machine can check: which folder imports which, names, sizes, and what is packaged."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
ORDER = ("graphfmt", "kernels", "runtime", "cli")
# The folders inside a folder, of which each imports only from those before it while it is imported itself. What a
# function imports when it is called may stand above.
ROOMS = {
    "kernels": ("core", "numeric", "builder", "functions", "families"),
    "runtime": (
        "passes",
        "plan",
        "execution",
        "multi_device",
        "checkpointing",
        "saved_models",
        "profiling",
        "visualization",
        "scan",
    ),
    "cli": ("common", "running"),
}
# Modules that earlier rooms use too: analyses of control flow, and the interfaces of what runs a plan.
SHARED = (
    "plan.control_flow.frames",
    "plan.control_flow.nesting",
    "execution.executor",
    "execution.scheduler",
    "execution.state_lock",
    "execution.trace",
)
# Pages and samples, which are packaged beside the code.
DATA_FOLDERS = {"docs", "samples"}
GENERATED = {"graphfmt/proto/fields.py", "kernels/core/index.py"}
MODULES = sorted(
    path
    for folder in ORDER
    for path in (ROOT / folder).rglob("*.py")
    if not path.name.endswith("_pb2.py") and path.parent.name != "tfg"
)
WRITTEN = [path for path in MODULES if str(path.relative_to(ROOT)) not in GENERATED]
EACH_MODULE = pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
MOST_MODULES, MOST_LINES, MOST_LINES_OF_A_FUNCTION = 25, 450, 60


class Import(NamedTuple):
    """A module that is imported, as written, with the number of dots before it."""

    name: str
    level: int


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(node: ast.AST, *, at_once: bool = False) -> Iterator[Import]:
    """The imports within a node; with ``at_once`` those that run when the module is imported."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, 0) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            prefix = f"{child.module}." if child.module else ""
            yield from (Import(prefix + alias.name, child.level) for alias in child.names)
        elif at_once and isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        elif at_once and isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            yield from (found for other in child.orelse for found in imports(other, at_once=True))
        else:
            yield from imports(child, at_once=at_once)


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


# Which folder imports which.


@EACH_MODULE
def test_a_module_imports_only_from_the_folders_below(path: Path) -> None:
    parts = path.relative_to(ROOT).parts
    for name, level in imports(tree(path)):
        head = name.split(".")[0]
        assert level or head not in ORDER, f"{name} must be imported relatively"
        if level == len(parts):
            assert ORDER.index(head) <= ORDER.index(parts[0]), f"{parts[0]} must not import {name}"


def upward_imports(path: Path) -> list[str]:
    """The imports of a module, at once, from rooms above its own."""
    folder, *inner = path.relative_to(ROOT).parent.parts
    rooms = ROOMS.get(folder, ())
    if not inner or inner[0] not in rooms:
        return []
    names = [name for name, level in imports(tree(path), at_once=True) if level == len(inner) + 1]
    above = rooms[rooms.index(inner[0]) + 1 :]
    return [name for name in names if name.split(".")[0] in above and not name.startswith(SHARED)]


@EACH_MODULE
def test_the_rooms_of_a_folder_import_only_from_those_before_them(path: Path) -> None:
    assert not upward_imports(path)


def test_heavy_packages_are_imported_only_where_they_are_needed() -> None:
    heavy = {"scipy", "h5py", "rich", "ml_dtypes", "PIL", "cupy", "tensorflow"}
    for path in MODULES:
        names = {name.split(".")[0] for name, level in imports(tree(path), at_once=True) if not level}
        assert not names & heavy, f"{relative(path)} imports {names & heavy} before it needs them"


def test_one_module_imports_cupy() -> None:
    importing = [p for p in MODULES if "cupy" in {name.split(".")[0] for name, _ in imports(tree(p))}]
    assert importing == [ROOT / "runtime" / "execution" / "gpu.py"]


# Names and sizes.


def test_a_class_name_stands_for_one_class() -> None:
    counts = Counter(n.name for path in MODULES for n in ast.walk(tree(path)) if isinstance(n, ast.ClassDef))
    assert not {name for name, count in counts.items() if count > 1}


def test_no_folder_holds_too_many_modules() -> None:
    counts = Counter(relative(path.parent) for path in WRITTEN if path.name != "__init__.py")
    assert not {folder for folder, count in counts.items() if count > MOST_MODULES}


def test_no_file_is_too_long() -> None:
    assert not [relative(p) for p in WRITTEN if len(p.read_text(encoding="utf-8").splitlines()) > MOST_LINES]


def test_no_function_is_too_long() -> None:
    long = [
        f"{relative(path)}: {node.name}"
        for path in WRITTEN
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= MOST_LINES_OF_A_FUNCTION
    ]
    assert not long


@EACH_MODULE
def test_a_module_has_a_docstring_and_only_the_command_line_prints(path: Path) -> None:
    assert ast.get_docstring(tree(path)) or path.name == "__main__.py"
    if path.relative_to(ROOT).parts[0] != "cli":
        calls = (n.func for n in ast.walk(tree(path)) if isinstance(n, ast.Call))
        assert "print" not in {function.id for function in calls if isinstance(function, ast.Name)}


def begins_with_a_clause(node: ast.AST) -> bool:
    """True if a docstring is there and begins with a clause such as "What …"."""
    documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    return documented and (ast.get_docstring(node) or "").startswith(("What ", "Who "))


def test_docstrings_begin_with_a_verb_or_a_noun() -> None:
    assert not [relative(path) for path in MODULES if any(map(begins_with_a_clause, ast.walk(tree(path))))]


# Tests stand beside what they test.


def modules_of_tests() -> list[Path]:
    """The test modules that mirror a module, by their paths below ``tests/``; those of several are elsewhere."""
    tests = ROOT / "tests"
    paths = sorted(path.relative_to(tests) for path in tests.rglob("test_*.py"))
    return [path for path in paths if path.parts[0] in ORDER]


@pytest.mark.parametrize("path", modules_of_tests(), ids=str)
def test_a_test_carries_the_name_of_what_it_tests(path: Path) -> None:
    """``tests/a/test_b.py`` and ``test_b_aspect.py`` test a module or folder ``b`` in ``a/``, or ``a/`` itself."""
    words = path.stem.removeprefix("test_").split("_")
    names = {"_".join(words[:count]) for count in range(1, len(words) + 1)}
    below = (ROOT / path.parent).rglob("*")
    present = {p.stem for p in below if p.suffix == ".py" or p.is_dir()} | {path.parent.name}
    assert names & present


# What is packaged.


def settings() -> dict[str, dict[str, str]]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]


def test_every_package_on_disk_is_in_the_list() -> None:
    folders = {relative(path.parent) for folder in ORDER for path in (ROOT / folder).rglob("__init__.py")}
    assert folders | DATA_FOLDERS == set(settings()["package-dir"].values())
    assert set(settings()["packages"]) == set(settings()["package-dir"])


def test_a_wheel_holds_every_module_and_data_file(tmp_path: Path) -> None:
    """Builds the packages as a wheel does, without the network."""
    script = "from setuptools import setup; setup()"
    options = ["egg_info", "--egg-base", str(tmp_path), "build_py", "--build-lib", str(tmp_path / "lib")]
    subprocess.run([sys.executable, "-c", script, "-q", *options], cwd=ROOT, capture_output=True, check=True)
    built = {path.relative_to(tmp_path / "lib").as_posix() for path in (tmp_path / "lib").rglob("*.*")}
    expected = {
        f"{package.replace('.', '/')}/{path.name}"
        for package, folder in settings()["package-dir"].items()
        for path in (ROOT / folder).iterdir()
        if path.suffix in (".py", ".pyi", ".proto", ".typed")
    }
    expected |= {
        f"tfg/{relative(path)}"
        for folder in DATA_FOLDERS
        for path in (ROOT / folder).rglob("*.*")
        if path.suffix != ".pyc"
    }
    assert built == expected
