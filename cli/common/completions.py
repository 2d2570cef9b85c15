"""Completions of values on a command line: names in its graph, files of feeds, optimizers, operations.

``nodes``, ``feeds`` and their like are the ``shell_complete`` of an option or argument: they return the candidates that
begin with a word. A graph that cannot be read has no names. Heavy imports stay inside, because every command imports
this module.
"""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from click.shell_completion import CompletionItem

    from ...graphfmt.load import GraphFile
    from ...runtime.saved_models.signatures import SignatureCall

    Items: TypeAlias = list[CompletionItem[str]]

# A larger graph takes too long to read.
_MAX_BYTES = 20 << 20
# More names than this are completed scope by scope, as paths are folder by folder.
_MAX_NAMES = 100
_ARCHIVE = re.compile(r"@(?P<path>[^\[]+\.npz)\[(?P<key>[^\]]*)")
_GENERATED = ("zeros", "ones", "random", "@")


def nodes(context: click.Context, parameter: click.Parameter, word: str) -> Items:
    """Completes the name of a node; its operation is the description."""
    return _scopes(_nodes(_graph_file(context), word), word)


def node_lists(context: click.Context, parameter: click.Parameter, word: str) -> Items:
    """Completes the last of several names between commas."""
    before, comma, last = word.rpartition(",")
    return [_item(f"{before}{comma}{found.value}", found.help) for found in nodes(context, parameter, last)]


def fetches(context: click.Context, parameter: click.Parameter, word: str) -> Items:
    """Completes the name of an output of the signature, or of a node."""
    file = _graph_file(context)
    call = _signature(context, file)
    keys = [] if call is None else [_item(k, t.name) for k, t in call.outputs.items() if k.startswith(word)]
    return [*keys, *_scopes(_nodes(file, word), word)]


def feeds(context: click.Context, parameter: click.Parameter, word: str) -> Items:
    """Completes NAME=VALUE: the name of an input, else of any node; then what a value may begin with."""
    name, equals, value = word.partition("=")
    if equals:
        return [_item(f"{name}={found}") for found in _values(value)]
    file = _graph_file(context)
    call = _signature(context, file)
    found = _nodes(file, word)
    inputs = (
        [item for item in found if str(item.help).startswith("Placeholder")]
        if call is None
        else [_item(key, tensor.name) for key, tensor in call.inputs.items() if key.startswith(word)]
    )
    if inputs:
        return [_item(f"{item.value}=", item.help) for item in inputs]
    scopes = _scopes([item for item in found if item.help != "NoOp"], word)
    return [item if item.value.endswith("/") else _item(f"{item.value}=", item.help) for item in scopes]


def signatures(context: click.Context, parameter: click.Parameter, word: str) -> Items:
    """Completes the name of a signature of a SavedModel or MetaGraph."""
    return [_item(call.name) for call in _signatures(_graph_file(context)) if call.name.startswith(word)]


def optimizers(context: click.Context, parameter: click.Parameter, word: str) -> Items:
    """Completes the name of an optimizer, and behind it the names of its hyperparameters."""
    from ...runtime.passes.optimizers.methods import METHODS

    name, colon, rest = word.partition(":")
    if not colon:
        return [_item(method) for method in METHODS if method.startswith(name)]
    if name not in METHODS:
        return []
    key = rest.rpartition(",")[2]
    done = word[: len(word) - len(key)]
    return [_item(f"{done}{known}=") for known in METHODS[name].defaults if known.startswith(key)]


def operations(context: click.Context, parameter: click.Parameter, word: str) -> Items:
    """Completes the name of an operation; the module that declares it is the description."""
    from ...kernels.core.index import FAMILY_OF

    return [_item(name, family) for name, family in FAMILY_OF.items() if name.startswith(word)]


def paths(context: click.Context, parameter: click.Parameter, word: str) -> Items:
    """Leaves the completion of a path to the shell."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(word, type="file")]


def devices(context: click.Context, parameter: click.Parameter, word: str) -> Items:
    """Completes a type of devices, or the path of a file that describes them."""
    before, comma, last = word.rpartition(",")
    types = [_item(f"{before}{comma}{one}") for one in ("cpu:", "gpu:") if one.startswith(last)]
    return [*types, *paths(context, parameter, word)]


def _item(value: str, text: str | None = None) -> CompletionItem[str]:
    from click.shell_completion import CompletionItem

    return CompletionItem(value, help=text)


def _nodes(file: GraphFile | None, word: str) -> Items:
    return [] if file is None else [_item(n.name, n.op) for n in file.graph.nodes if n.name.startswith(word)]


def _scopes(items: Items, word: str) -> Items:
    """Replaces the names in one scope by the scope where there are too many to list."""
    start = len(word.rpartition("/")[0])
    while len(items) > _MAX_NAMES:
        ends = [item.value.find("/", start + 1) for item in items]
        names = [item.value if end < 0 else item.value[: end + 1] for item, end in zip(items, ends)]
        shorter = {
            name: _item(name, item.help if end < 0 else None) for name, item, end in zip(names, items, ends)
        }
        if len(shorter) > 1 or all(end < 0 for end in ends):
            return list(shorter.values())
        # All are in one scope, which needs no choice.
        start = ends[0]
    return items


def _values(value: str) -> Iterable[str]:
    """Returns what the value of a feed may be."""
    if not value.startswith("@"):
        return (text for text in _GENERATED if text.startswith(value))
    archive = _ARCHIVE.fullmatch(value)
    if archive is None:
        return (f"@{path}" for path in _paths(value[1:]))
    from ...graphfmt.arrays import npz_names
    from ...graphfmt.errors import TfgError

    try:
        names = npz_names(Path(archive["path"]).expanduser())
    except TfgError:
        return ()
    return (f"@{archive['path']}[{name}]" for name in names if name.startswith(archive["key"]))


def _paths(start: str) -> Iterator[str]:
    """Yields the paths that begin so; a folder ends in a slash, an archive in the bracket before a key."""
    folder, slash, name = start.rpartition("/")
    place = Path(f"{folder}{slash}" or ".").expanduser()
    if not place.is_dir():
        return
    with os.scandir(place) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.name.startswith(name) and (name or not entry.name.startswith(".")):
                end = "/" if entry.is_dir() else "[" if entry.name.endswith(".npz") else ""
                yield f"{folder}{slash}{entry.name}{end}"


def _arguments(context: click.Context) -> dict[str, Any]:
    """Returns the parameters on the line; click assigns no arguments while the last option still lacks its value."""
    words: list[str] = context.obj
    if words[-1].startswith("-"):
        words = words[:-1]
    return context.command.make_context(context.info_name, words[1:], resilient_parsing=True).params


def _graph_file(context: click.Context) -> GraphFile | None:
    """Returns the graph on the line; None if there is none so far, or it is too large or cannot be read."""
    from ...graphfmt.errors import TfgError
    from ...graphfmt.load import read_graph_file

    parameters = _arguments(context)
    path = parameters.get("graph") or parameters.get("a")
    if not isinstance(path, str) or path == "-":
        return None
    place = Path(path).expanduser()
    try:
        if not place.is_dir() and (not place.is_file() or place.stat().st_size > _MAX_BYTES):
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return read_graph_file(place, parameters.get("tags"))
    except (TfgError, OSError, ValueError):
        return None


def _signatures(file: GraphFile | None) -> list[SignatureCall]:
    if file is None or file.meta is None:
        return []
    from ...runtime.saved_models.signatures import calls

    return calls(file.meta)


def _signature(context: click.Context, file: GraphFile | None) -> SignatureCall | None:
    """Returns the signature that the line names, or else the default one."""
    found = _signatures(file)
    if not found:
        return None
    from ...runtime.saved_models.signatures import default_call

    name = _arguments(context).get("signature")
    return next((call for call in found if call.name == name), None) if name else default_call(found)
