"""``tfg convert``: writes a graph in another format, or another part or form of it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..graphfmt.load import read_graph_file, save
from ..graphfmt.names import counted
from .common import completions
from .common.console import UsageError, note, plain, print_json, usage_errors
from .common.options import common_options, graph_argument, strict_option, tags_option
from .common.output_paths import check_not_input, check_output_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..graphfmt.checkpoints.entries import CheckpointReader
    from ..graphfmt.graph import Graph
    from ..graphfmt.load import GraphFile
    from ..graphfmt.metagraph import MetaGraph

_FORMATS = ("text", "binary", "metagraph", "savedmodel")
_STRIPPED = ("training", "asserts", "debug")
# Without --to, the suffix of OUT decides; a name without one is a folder.
_SUFFIXES = {".pb": "binary", ".meta": "metagraph", "": "savedmodel"}


def _parse_size(context: click.Context, option: click.Parameter, text: str | None) -> int | None:
    if text is None:
        return None
    from ..graphfmt.units import parse_bytes

    with usage_errors():
        return parse_bytes(text)


@click.command("convert")
@graph_argument
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="OUT",
    shell_complete=completions.paths,
    help="Output: text, binary if OUT ends in .pb, a MetaGraph if it ends in .meta, a SavedModel if it has no suffix; "
    "- is standard output.",
)
@click.option("--to", "form", type=click.Choice(_FORMATS), help="The format, whatever the name of OUT.")
@click.option(
    "--inputs",
    metavar="NAME,...",
    shell_complete=completions.node_lists,
    multiple=True,
    help="Take the part that starts at these values, which become placeholders; repeatable.",
)
@click.option(
    "--outputs",
    metavar="NAME,...",
    shell_complete=completions.node_lists,
    multiple=True,
    help="Take the part that computes these values; repeatable.",
)
@click.option(
    "--rename",
    metavar="OLD=NEW",
    shell_complete=completions.nodes,
    multiple=True,
    help="Rename nodes. A * in OLD matches any text, and * in NEW stands for it; repeatable.",
)
@click.option("--prefix", metavar="SCOPE", help="Put all nodes into this scope.")
@click.option(
    "--strip",
    "stripped",
    type=click.Choice(_STRIPPED),
    multiple=True,
    help="training: gradients, updates and savers. asserts: Assert nodes. debug: summaries and prints; repeatable.",
)
@click.option(
    "--batch-size", metavar="N", type=click.IntRange(min=1), help="Fix the first dimension of placeholders."
)
@click.option("--clear-devices", is_flag=True, help="Remove device requests and colocation.")
@click.option("--inline-functions", is_flag=True, help="Replace calls by the bodies of the functions.")
@click.option(
    "--external-constants",
    metavar="SIZE",
    callback=_parse_size,
    help="Keep constants of at least SIZE (4kB, 1MiB) in a .npz file beside a text graph, which refers to it.",
)
@click.option(
    "--state",
    metavar="FILE",
    shell_complete=completions.paths,
    help="For a SavedModel: the values of its variables, a state or a checkpoint of any format.",
)
@click.option(
    "--signature",
    metavar="NAME",
    help="For a model: add a signature of the --inputs and --outputs, or else of all. Default: serving_default, if "
    "there is none.",
)
@tags_option
@strict_option
@common_options
def command(**options: Any) -> None:
    """Write GRAPH in another format, a part of it, or with other names.

    \b
    tfg convert model.pbtxt -o model.pb
    tfg convert model.pb --inputs hidden/Relu --outputs logits -o head.pbtxt
    tfg convert train.pbtxt --state run.h5 --outputs prediction -o exported/
    tfg convert saved_model/ --strip training --inline-functions -o plain.pbtxt

    What is dropped is said: a plain graph has no signatures, variables or assets. Changes are made in the order
    inputs and outputs, strip, inline, batch size, names, devices.
    """
    parsed = _ConvertOptions(**options)
    form = _form(parsed)
    _check_options(parsed, form)
    from ..runtime.passes.graph_checks import check_graph

    file = read_graph_file(parsed.graph, parsed.tags)
    check_graph(file.graph)
    graph, names = _changed(file, parsed)
    if form in ("text", "binary"):
        dropped = _parts_of_model(file)
        written = graph if parsed.external_constants is None else _externalized(graph, parsed)
        _save_graph(written, parsed.output, form)
    else:
        graph, dropped = _write_model(file, graph, names, parsed, form)
    _report(file.graph, graph, dropped, parsed)


@dataclass(frozen=True)
class _ConvertOptions:
    graph: str
    output: str
    form: str | None
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    rename: tuple[str, ...]
    prefix: str | None
    stripped: tuple[str, ...]
    batch_size: int | None
    clear_devices: bool
    inline_functions: bool
    external_constants: int | None
    state: str | None
    signature: str | None
    tags: tuple[str, ...] | None
    as_json: bool
    verbose: int

    @property
    def input_names(self) -> list[str]:
        return _split(self.inputs)

    @property
    def output_names(self) -> list[str]:
        return _split(self.outputs)


def _split(texts: Sequence[str]) -> list[str]:
    return [name for text in texts for name in text.split(",") if name]


def _form(options: _ConvertOptions) -> str:
    if options.form is not None:
        return options.form
    if options.output == "-":
        return "text"
    return (
        "savedmodel" if Path(options.output).is_dir() else _SUFFIXES.get(Path(options.output).suffix, "text")
    )


def _check_options(options: _ConvertOptions, form: str) -> None:
    """Raises before anything is read for contradictory options and for an output that cannot be written."""
    if form == "savedmodel":
        if options.output == "-":
            raise UsageError("a SavedModel is a folder, and cannot go to standard output")
        from ..runtime.saved_models.export import check_target

        check_target(Path(options.output))
    elif options.output != "-":
        check_output_path(options.output)
        check_not_input(options.output, [options.state])
    elif options.as_json:
        raise UsageError("-o - and --json both write to standard output")
    if options.state is not None and form != "savedmodel":
        raise UsageError(
            "--state is for a SavedModel",
            "tfg restore GRAPH CKPT -o OUT puts values into the graph as constants",
        )
    if options.external_constants is not None and (form != "text" or options.output == "-"):
        raise UsageError("--external-constants is for a text file")
    if options.signature is not None and form in ("text", "binary"):
        raise UsageError("--signature is for a SavedModel or MetaGraph")


def _changed(file: GraphFile, options: _ConvertOptions) -> tuple[Graph, dict[str, str]]:
    """Returns the graph after all changes, and the new names of renamed nodes."""
    from ..runtime.passes.conversion.extraction import extract
    from ..runtime.passes.conversion.function_inlining import inline_functions
    from ..runtime.passes.conversion.node_attributes import clear_devices, fix_batch_size
    from ..runtime.passes.conversion.stripping import strip

    graph = file.graph
    if options.inputs or options.outputs:
        graph = extract(graph, options.input_names, options.output_names)
    keep = options.output_names or _signature_outputs(file, graph)
    for kind in options.stripped:
        graph = strip(graph, kind, keep)
    if options.inline_functions:
        graph = inline_functions(graph)
    if options.batch_size is not None:
        graph = fix_batch_size(graph, options.batch_size)
    graph, names = _renamed(graph, options)
    return (clear_devices(graph) if options.clear_devices else graph), names


def _renamed(graph: Graph, options: _ConvertOptions) -> tuple[Graph, dict[str, str]]:
    from ..graphfmt.rename_rules import parse_rule
    from ..runtime.passes.conversion.node_renaming import new_node_names, rename_nodes

    with usage_errors():
        rules = [parse_rule(text) for text in options.rename]
        prefix = [parse_rule(f"*={options.prefix.rstrip('/')}/*")] if options.prefix is not None else []
    names: dict[str, str] = {}
    for group in (rules, prefix):
        if group:
            new = new_node_names(graph, group)
            graph = rename_nodes(graph, new)
            names = {old: new.get(now, now) for old, now in ({name: name for name in new} | names).items()}
    return graph, names


def _signature_outputs(file: GraphFile, graph: Graph) -> list[str]:
    from ..runtime.saved_models import signatures

    if file.meta is None:
        return []
    names = [call.fetch(file.graph, name) for call in signatures.calls(file.meta) for name in call.outputs]
    return [name for name in names if signatures.is_in_graph(graph, name)]


def _parts_of_model(file: GraphFile) -> list[str]:
    """Returns the parts of a model that a plain graph does not have."""
    meta = file.meta
    if meta is None:
        return []
    parts = [f"signature {name!r}" for name in meta.signatures]
    if meta.saver is not None:
        parts.append("the saver")
    if file.folder is not None and (file.folder / "variables").is_dir():
        parts.append("the values of variables (tfg restore makes them constants)")
    parts += [f"asset {name!r}" for name in meta.assets.values()]
    return parts + [f"collection {name!r}" for name in meta.collections]


def _externalized(graph: Graph, options: _ConvertOptions) -> Graph:
    """Writes large constants to a file beside the output; returns the graph that refers to it."""
    from ..graphfmt import array_output
    from ..graphfmt.external_constants import externalized

    assert options.external_constants is not None
    target = Path(options.output).with_suffix(".constants.npz")
    short, arrays = externalized(graph, target.name, options.external_constants)
    if arrays:
        array_output.save(target, arrays)
        note(f"{target}: {counted(len(arrays), 'constant')}")
    return short


def _save_graph(graph: Graph, output: str, form: str) -> None:
    if Path(output).suffix == ".pb" or (output != "-" and form == "text"):
        is_binary_name = Path(output).suffix == ".pb"
        if is_binary_name == (form == "binary"):
            save(graph, output)
            return
    from ..graphfmt.files import write_file
    from ..graphfmt.proto.binary import graph_to_bytes
    from ..graphfmt.text.writer import write_graph

    write_file(output, graph_to_bytes(graph) if form == "binary" else write_graph(graph).encode())


def _write_model(
    file: GraphFile, graph: Graph, names: dict[str, str], options: _ConvertOptions, form: str
) -> tuple[Graph, list[str]]:
    """Writes a MetaGraph or SavedModel; returns its graph, and what it has lost."""
    from ..graphfmt.metagraph import MetaGraph
    from ..runtime.saved_models.metagraph_edits import fit_metagraph

    fitted = fit_metagraph(file.meta or MetaGraph(file.graph), graph, names)
    meta = _with_signature(fitted.meta, names, options)
    if form == "savedmodel":
        meta = _write_saved_model(file, meta, options)
    else:
        _write_metagraph(meta, options.output)
    return meta.graph, list(fitted.dropped)


def _write_metagraph(meta: MetaGraph, output: str) -> None:
    from ..graphfmt.files import write_file
    from ..graphfmt.metagraph_writer import metagraph_to_bytes, metagraph_to_text

    is_text = output == "-" or Path(output).suffix in (".pbtxt", ".txt")
    write_file(output, metagraph_to_text(meta).encode() if is_text else metagraph_to_bytes(meta))


def _with_signature(meta: MetaGraph, names: dict[str, str], options: _ConvertOptions) -> MetaGraph:
    """Returns the MetaGraph with the signature asked for, or with a default one if it has none."""
    from ..runtime.passes.conversion.node_renaming import renamed_tensor
    from ..runtime.saved_models.new_signature import add_signature

    if options.signature is None and meta.signatures:
        return meta
    inputs = [renamed_tensor(name, names) for name in options.input_names]
    outputs = [renamed_tensor(name, names) for name in options.output_names]
    return add_signature(meta, options.signature or "serving_default", inputs, outputs)


def _write_saved_model(file: GraphFile, meta: MetaGraph, options: _ConvertOptions) -> MetaGraph:
    from ..runtime.saved_models.export import write_saved_model

    with ExitStack() as stack:
        reader = _values(file, meta, options, stack)
        return write_saved_model(Path(options.output), meta, reader, file.folder)


def _values(
    file: GraphFile, meta: MetaGraph, options: _ConvertOptions, stack: ExitStack
) -> CheckpointReader | None:
    """Returns a reader of the values of variables: of --state, or of the model's own."""
    from ..runtime.checkpointing.checkpoint_files import checkpoint_of_state, read_checkpoint
    from ..runtime.checkpointing.variables import graph_variables

    if options.state is not None:
        return stack.enter_context(read_checkpoint(options.state)).reader
    if file.meta is None or file.folder is None or not graph_variables(meta.graph):
        return None
    from ..runtime.saved_models.initialization import Model, check_variables, restored_state

    model = Model(file.meta, file.folder)
    check_variables(model)
    return checkpoint_of_state(restored_state(model), options.graph).reader


def _report(before: Graph, after: Graph, dropped: Sequence[str], options: _ConvertOptions) -> None:
    if options.as_json:
        fields = {"file": options.output, "nodes_before": len(before.nodes), "nodes": len(after.nodes)}
        print_json({**fields, "dropped": list(dropped)})
        return
    target = plain(options.output) if options.output != "-" else "converted"
    note(f"{target}: {counted(len(after.nodes), 'node')}")
    if dropped:
        note(f"note: dropped {', '.join(map(plain, dropped))}")
