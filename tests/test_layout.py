"""The house rules that a machine can check."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ORDER = ("graphfmt", "kernels", "runtime", "cli")
MODULES = sorted(
    path for folder in ORDER for path in (ROOT / folder).rglob("*.py") if not path.name.endswith("_pb2.py")
)


def imports(path: Path) -> list[tuple[str, int]]:
    """What a module imports, each with how many dots it begins with."""
    found: list[tuple[str, int]] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [(alias.name, 0) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append((node.module or "", node.level))
    return found


def test_every_package_on_disk_is_in_the_list() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {str(path.parent.relative_to(ROOT)) for path in MODULES if path.name == "__init__.py"}
    assert folders == set(settings["package-dir"].values())
    assert set(settings["packages"]) == set(settings["package-dir"])


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_from_those_below_it(path: Path) -> None:
    folder = path.relative_to(ROOT).parts[0]
    depth = len(path.relative_to(ROOT).parts)
    if path.parent.name == "tfg":
        return
    for module, level in imports(path):
        head = module.split(".")[0]
        assert level or head not in ORDER, f"{module} must be imported relatively"
        if level == depth:
            assert ORDER.index(head) <= ORDER.index(folder), f"{folder} must not import {module}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_says_why_it_is_there_and_only_the_command_line_prints(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree) or path.name == "__main__.py"
    if path.relative_to(ROOT).parts[0] != "cli":
        calls = [
            n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)
        ]
        assert "print" not in calls


def test_heavy_packages_are_imported_by_those_who_need_them() -> None:
    heavy = {"scipy", "h5py", "rich", "ml_dtypes", "PIL", "cupy", "tensorflow"}
    for path in MODULES:
        top = [n for n in ast.parse(path.read_text()).body if isinstance(n, ast.Import | ast.ImportFrom)]
        names = {alias.name.split(".")[0] for n in top if isinstance(n, ast.Import) for alias in n.names} | {
            (n.module or "").split(".")[0] for n in top if isinstance(n, ast.ImportFrom) and not n.level
        }
        assert not names & heavy, f"{path.name} imports {names & heavy} before it is needed"


def test_one_module_imports_cupy() -> None:
    found = [path for path in MODULES if "cupy" in {module.split(".")[0] for module, _ in imports(path)}]
    assert found == [ROOT / "runtime" / "execution" / "gpu.py"]
