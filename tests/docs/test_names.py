"""Every file, module and name of the code that the documentation mentions exists, and every link leads somewhere."""

from __future__ import annotations

import ast
import re
from functools import cache
from typing import TYPE_CHECKING

import pytest

from .markdown import DOCS, PAGES, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FOLDERS = ("cli", "graphfmt", "kernels", "runtime", "samples", "tests", "docs", "benchmarks")
_CODE = re.compile(r"`([^`\n]+)`")
_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_PATH = re.compile(rf"(?:{'|'.join(_FOLDERS)})/[\w./-]*")
_NAME = re.compile(r"([a-z_]+)\.([A-Za-z_]\w*(?:\.\w+)?)(?:\(.*\))?")
_LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)")

# The pages that speak of modules and the names in them.
_OF_THE_CODE = {"architecture.md", "glossary.md"}
# Dotted words that are no module and name.
_FILE_ENDINGS = {"h5", "json", "md", "npy", "npz", "pb", "pbtxt", "png", "py", "svg", "toml", "txt", "meta"}


def mentions(page: Path) -> Iterator[str]:
    """What stands in backquotes outside of examples."""
    yield from _CODE.findall(_FENCED.sub("", page.read_text(encoding="utf-8")))


@cache
def modules() -> dict[str, set[str]]:
    """The names that modules define, ``Class.member`` included, by the last part of the module's name."""
    found: dict[str, set[str]] = {"tfg": set()}
    for folder in ("cli", "graphfmt", "kernels", "runtime"):
        for path in (ROOT / folder).rglob("*.py"):
            stem = path.parent.name if path.name == "__init__.py" else path.stem
            found.setdefault(stem, set()).update(_defined(ast.parse(path.read_text(encoding="utf-8"))))
    return found


def _defined(tree: ast.Module | ast.ClassDef) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        if isinstance(node, ast.ClassDef):
            yield from (f"{node.name}.{member}" for member in _defined(node))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.ImportFrom):
            yield from (alias.asname or alias.name for alias in node.names)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_the_files_that_a_page_mentions_exist(page: Path) -> None:
    paths = {text for text in mentions(page) if _PATH.fullmatch(text)}
    assert not {path for path in paths if not (ROOT / path).exists()}


@pytest.mark.parametrize("name", sorted(_OF_THE_CODE))
def test_the_names_that_a_page_mentions_exist(name: str) -> None:
    dotted = {text: match for text in mentions(DOCS / name) if (match := _NAME.fullmatch(text))}
    unknown = {
        text
        for text, match in dotted.items()
        if match[1] != "tf"
        and match[2] not in _FILE_ENDINGS
        and match[2] not in modules().get(match[1], set())
    }
    assert not unknown


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    broken: list[str] = []
    for target, anchor in _LINK.findall(page.read_text(encoding="utf-8")):
        path = (page.parent / target).resolve() if target else page
        if target.startswith("http"):
            continue
        if not path.exists() or (anchor and anchor not in anchors(path)):
            broken.append(f"{target}#{anchor}")
    assert not broken


@cache
def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", _FENCED.sub("", path.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_index_lists_every_page() -> None:
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    assert not {page.name for page in PAGES if f"({page.name})" not in index} - {"README.md"}
