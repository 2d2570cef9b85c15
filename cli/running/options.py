"""The options of ``tfg run``, in groups."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from ..common import completions
from ..common.console import usage_errors
from ..common.machines import check_cluster
from ..common.options import check_devices, init_option, option_group, soft_option

if TYPE_CHECKING:
    from ...runtime.execution.budget import RunBudget
    from ..common.options import FeedOptions, FetchOptions

_FILE = click.Path(dir_okay=False, path_type=Path)

signature_option = click.option(
    "--signature",
    metavar="NAME",
    shell_complete=completions.signatures,
    help="Feed and fetch by the names of this signature of a SavedModel; without --fetch, fetch all its outputs. "
    "Default: serving_default, or the only one.",
)


class DumpOptions(NamedTuple):
    """Fetches of everything, or of all values of some operations."""

    fetch_all: bool
    fetch_kinds: tuple[str, ...]


dump_options = option_group(
    "dump",
    DumpOptions,
    click.option(
        "--fetch-all",
        is_flag=True,
        help="Fetch every value that the step computes outside of loops; without --fetch and --target, every value of "
        "the graph that the feeds allow.",
    ),
    click.option(
        "--fetch-kind",
        "fetch_kinds",
        metavar="OP",
        multiple=True,
        help="The same for the values of one operation, such as MatMul; repeatable.",
    ),
)


class StepOptions(NamedTuple):
    """The number of steps and the batches that they take; ``timeout`` in seconds."""

    batch: int | None
    shuffle: bool
    steps: int | None
    epochs: int | None
    until_step: int | None
    workers: int
    until_exhausted: bool
    background: tuple[str, ...]
    skip_bad_records: bool
    timeout: float | None
    stop_on: str | None
    allow_nan: bool


step_options = option_group(
    "step",
    StepOptions,
    click.option(
        "--batch",
        metavar="N",
        type=click.IntRange(min=1),
        help="Feed N rows per step of every feed from a file, for one epoch or as many as --steps need.",
    ),
    click.option("--shuffle", is_flag=True, help="Shuffle the rows in every epoch; see --seed."),
    click.option(
        "--steps",
        metavar="N",
        type=click.IntRange(min=0),
        help="Number of steps. Default: 1, or one epoch with --batch.",
    ),
    click.option(
        "--epochs", metavar="N", type=click.IntRange(min=0), help="Stop after N passes over the batches."
    ),
    click.option(
        "--until-step",
        metavar="N",
        type=click.IntRange(min=0),
        help="Stop after step N, counting steps before a restore.",
    ),
    click.option(
        "--workers",
        metavar="N",
        type=click.IntRange(min=1),
        default=1,
        help="Run N steps concurrently; {worker} in a --target or --fetch is replaced by the worker's number, from 0.",
    ),
    click.option("--until-exhausted", is_flag=True, help="Run until a step ends with OUT_OF_RANGE."),
    click.option(
        "--background",
        metavar="NODE[:THREADS]",
        shell_complete=completions.nodes,
        multiple=True,
        help="Run this node beside the steps, again and again, on so many threads; its queue is closed when it is "
        "exhausted. The queue runners of a MetaGraph start by themselves; repeatable.",
    ),
    click.option(
        "--skip-bad-records",
        is_flag=True,
        help="Leave out damaged records of TFRecord files, and count them, instead of stopping.",
    ),
    click.option(
        "--timeout",
        metavar="SECONDS",
        type=click.FloatRange(min=0, min_open=True),
        help="Cancel a step that takes longer.",
    ),
    click.option(
        "--stop-on",
        type=click.Choice(["nan"]),
        help="Stop at NaN in a fetched value or a variable, name the first node that made it, and keep the state "
        "before that step. Default with --target or --state.",
    ),
    click.option("--allow-nan", is_flag=True, help="Go on, and save the state, in spite of NaN."),
)


class ResumeOptions(NamedTuple):
    """The initial state of a run: initializers, a state file, or a checkpoint to restore."""

    init: tuple[str, ...]
    state: Path | None
    restore: str | None
    reset: tuple[str, ...]


resume_options = option_group(
    "resume",
    ResumeOptions,
    init_option,
    click.option(
        "--state",
        metavar="FILE.h5",
        type=_FILE,
        help="Load variables and all other state from this file if it exists, and save them there at the end.",
    ),
    click.option(
        "--restore",
        metavar="FILE",
        shell_complete=completions.paths,
        help="Start from this checkpoint; latest:FOLDER is the newest valid one in a folder.",
    ),
    click.option(
        "--reset",
        metavar="CONTAINER",
        multiple=True,
        help="Drop the variables, queues and other resources of a container from the state before the first step; "
        "'' is the default container.",
    ),
)


def _check_interval(context: click.Context, option: click.Parameter, text: str | None) -> str | None:
    if text is not None:
        from ...runtime.checkpointing.intervals import parse_interval

        with usage_errors():
            parse_interval(text)
    return text


class CheckpointOptions(NamedTuple):
    """Checkpoints written during a run, and restarts from them."""

    checkpoint: Path | None
    every: str | None
    keep: int | None
    mtbf: str | None
    max_restarts: int | None


checkpoint_options = option_group(
    "checkpoint",
    CheckpointOptions,
    click.option(
        "--checkpoint",
        metavar="FILE.h5",
        type=_FILE,
        help="Write checkpoints to this file during the run and at its end.",
    ),
    click.option(
        "--every",
        metavar="WHEN",
        callback=_check_interval,
        help="Checkpoint interval: steps (100), a time (30s, 5m), or auto, the default: the interval that minimizes "
        "the expected time lost.",
    ),
    click.option(
        "--keep",
        metavar="N",
        type=click.IntRange(min=1),
        help="Also keep the last N checkpoints, named by their step numbers.",
    ),
    click.option(
        "--mtbf",
        metavar="TIME",
        help="Mean time between failures for --every auto (6h). Default: one day, adjusted by observed failures.",
    ),
    click.option(
        "--max-restarts",
        metavar="N",
        type=click.IntRange(min=0),
        help="After a crash, resume from the newest valid checkpoint, at most N times.",
    ),
)


class ResultOptions(NamedTuple):
    """Files for the fetched values and the trace; ``profile`` prints times by operation."""

    output: Path | None
    trace: Path | None
    profile: bool


result_options = option_group(
    "result",
    ResultOptions,
    click.option(
        "-o", "--output", metavar="FILE", type=_FILE, help="Save the fetches: .npz, .npy, .json or .h5."
    ),
    click.option(
        "--trace",
        metavar="OUT.json",
        type=_FILE,
        help="Write the execution times of all nodes as a trace for Chrome or Perfetto.",
    ),
    click.option(
        "--profile",
        is_flag=True,
        help="Print time, GFLOP/s, GB/s and memory by operation, node and name scope; -v prints all.",
    ),
)


def _check_log_interval(context: click.Context, option: click.Parameter, text: str | None) -> str | None:
    if text == "auto":
        raise click.BadParameter("'auto' is not a number of steps (100) or a time (10s)", context, option)
    return _check_interval(context, option, text)


class LogOptions(NamedTuple):
    """Logs of the steps: lines, a table of metrics, TensorBoard's event files; and how often."""

    log_every: str | None
    metrics: Path | None
    logdir: Path | None


log_options = option_group(
    "log",
    LogOptions,
    click.option(
        "--log-every",
        metavar="N|10s",
        callback=_check_log_interval,
        help="Write a line to standard error after N steps or so much time, and log only then.",
    ),
    click.option(
        "--metrics",
        metavar="FILE",
        type=_FILE,
        help="Append the scalar fetches of each step, with step, epoch and time, to a .jsonl or .csv file.",
    ),
    click.option(
        "--logdir",
        metavar="DIR",
        type=click.Path(file_okay=False, path_type=Path),
        help="Write event files for TensorBoard: fetches, the values of Summary operations, and the graph.",
    ),
)


def _parse_budget(context: click.Context, option: click.Parameter, text: str | None) -> RunBudget | None:
    if text is None:
        return None
    from ...runtime.execution.budget import parse_budget

    with usage_errors():
        return parse_budget(text)


class SessionOptions(NamedTuple):
    """The devices that a session runs on, and how it uses them."""

    devices: str | None
    cluster: str | None
    threads_per_device: int | None
    wire: str | None
    gpu_memory_limit: str | None
    soft: bool
    no_compile_loops: bool
    no_optimize: bool
    no_compile: bool
    budget: RunBudget | None


session_options = option_group(
    "session",
    SessionOptions,
    click.option(
        "--devices",
        metavar="SPEC",
        callback=check_devices,
        shell_complete=completions.devices,
        help="Place the graph on these devices and run it there: cpu:2, cpu:2,gpu:1, or a file that describes them.",
    ),
    click.option(
        "--cluster",
        metavar="SPEC",
        callback=check_cluster,
        help="Run the graph on tasks, each a process with a device: ps:1,worker:3 on this machine, or a file that "
        "describes them. --max-restarts starts lost tasks anew.",
    ),
    soft_option,
    click.option(
        "--threads-per-device",
        metavar="N",
        type=click.IntRange(min=1),
        help="Threads for one large product or convolution. Default: the processors of this process.",
    ),
    click.option(
        "--wire",
        type=click.Choice(["bf16"]),
        help="Send float32 between devices as bfloat16: half the bytes, lower precision.",
    ),
    click.option(
        "--gpu-memory-limit",
        metavar="SIZE",
        help="Limit of the memory taken of each GPU: 80%, 8GiB, or a number of bytes.",
    ),
    click.option(
        "--no-compile-loops",
        is_flag=True,
        help="Run loops and branches node by node: the same results, slower.",
    ),
    click.option(
        "--no-optimize",
        is_flag=True,
        help="Do not merge equal nodes or fold constants before a step is planned.",
    ),
    click.option(
        "--no-compile",
        is_flag=True,
        help="Do not compile elementwise operations of steps that run often: the same results, slower.",
    ),
    click.option(
        "--budget",
        metavar="LIMIT,...",
        callback=_parse_budget,
        help="Limits of the graph: memory=2GiB, time=10s (all steps together), files=none, files=read or files=FOLDER. "
        "A step that passes one fails, and names the node.",
    ),
)


class RunOptions(NamedTuple):
    """All options of ``tfg run``."""

    fetch: FetchOptions
    dump: DumpOptions
    feed: FeedOptions
    signature: str | None
    tags: tuple[str, ...] | None
    step: StepOptions
    resume: ResumeOptions
    checkpoint: CheckpointOptions
    result: ResultOptions
    log: LogOptions
    session: SessionOptions
    as_json: bool
    verbose: int
