"""The command ``tfg``: dispatches to the subcommand, and reports every failure as one diagnostic."""

from __future__ import annotations

import errno
import importlib
import os
import signal
import sys
from typing import NoReturn

import click

from ..graphfmt.errors import Status, TfgError, TfgWarning
from ..graphfmt.files import is_exhausted
from .common import console

# One module per command, imported when the command is called.
COMMANDS = {
    "run": "Run steps of a graph.",
    "validate": "Check graphs, and report every fault.",
    "show": "Summarize a graph or a checkpoint.",
    "ops": "List the registered operations.",
    "scan": "List what a graph could do before it is run.",
    "convert": "Write a graph in another format, a part of it, or with other names.",
    "bench": "Time the steps of a graph.",
    "compare": "Find the first value that differs between two graphs or settings.",
    "diff": "Show how two graphs differ.",
    "draw": "Draw a graph by scopes.",
    "optimize": "Write a graph with the same results and fewer nodes.",
    "grad": "Add gradients, and an optimizer's update.",
    "checkpoint": "Write, list, verify and compare checkpoints.",
    "restore": "Restore a checkpoint into a state, or into the graph.",
    "place": "Assign a device to every node.",
    "partition": "Split a graph into one graph per device.",
    "simulate": "Predict training on many workers.",
    "samples": "List the sample graphs, or copy them.",
    "help": "Show a page of the documentation.",
    "completion": "Print the completion script of a shell.",
}


# Set by the completion script of a shell.
_COMPLETION = "_TFG_COMPLETE"


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f".{cmd_name}", __package__).command
        command.short_help = COMMANDS[cmd_name]
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from ..graphfmt.names import did_you_mean

            hint = did_you_mean(args[0], COMMANDS)
            raise console.UsageError(f"there is no command {args[0]!r}", hint or "tfg --help")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]}, no_args_is_help=True)
@click.version_option(package_name="tfg", prog_name="tfg")
def tfg() -> None:
    """Run, train, check and reshape TensorFlow dataflow graphs from files."""


def main() -> NoReturn:
    """Runs the command line and exits: 0 success, 1 failure or a difference found, 2 a wrong command line, 130
    interrupted."""
    if _COMPLETION in os.environ:
        _complete(os.environ[_COMPLETION])
    arguments = sys.argv[1:]
    console.reserve_standard_streams()
    console.escape_unencodable()
    as_json, verbose = "--json" in arguments, _verbosity(arguments)
    at_start = signal.getsignal(signal.SIGINT)
    try:
        if at_start is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        # click's own main handles pipes, interrupts and exit statuses differently.
        with console.shown_warnings(), tfg.make_context("tfg", list(arguments)) as context:
            tfg.invoke(context)
        sys.stdout.flush()
        status = 0
    except click.exceptions.Exit as exiting:
        status = exiting.exit_code
    except TfgWarning as warning:
        console.print_error(warning.error, as_json=as_json, verbose=verbose)
        status = 1
    except TfgError as error:
        console.print_error(error, as_json=as_json, verbose=verbose)
        status = 1
    except click.exceptions.NoArgsIsHelpError as error:
        console.note(error.format_message())
        status = 2
    except click.ClickException as error:
        console.print_error(_usage_error(error), as_json=as_json, verbose=verbose)
        status = 2
    except (click.Abort, KeyboardInterrupt):
        console.note("interrupted")
        status = 130
    except BrokenPipeError:
        console.discard_output()
        status = 0
    except OSError as error:
        console.print_error(_system_error(error), as_json=as_json, verbose=verbose)
        console.discard_output()
        status = 1
    except MemoryError as error:
        console.print_error(TfgError(Status.RESOURCE_EXHAUSTED, f"out of memory: {error}"), as_json=as_json)
        status = 1
    except Exception as error:
        console.print_error(_internal_error(error), as_json=as_json, verbose=verbose)
        status = 1
    try:
        sys.stdout.flush()
    except OSError:
        # Python would report it once more at exit, with a status of its own.
        console.discard_output()
    sys.exit(status)


def _complete(shell: str) -> NoReturn:
    """Prints completions for the script of a shell, which has no use for errors."""
    from .common.completion_lines import completion_lines

    try:
        for line in completion_lines(tfg, shell, os.environ):
            click.echo(line)
    except Exception:
        sys.exit(1)
    sys.exit(0)


def _verbosity(arguments: list[str]) -> int:
    return sum(a.count("v") for a in arguments if a in ("-v", "-vv", "-vvv")) + arguments.count("--verbose")


def _usage_error(error: click.ClickException) -> TfgError:
    """Returns the diagnostic of a wrong command line."""
    context = getattr(error, "ctx", None)
    hint = getattr(error, "hint", None) or (f"{context.command_path} --help" if context else None)
    message = " ".join(error.format_message().split())
    if isinstance(error, click.NoSuchOption):
        message = f"there is no option {error.option_name!r}"
        hint = f"did you mean {error.possibilities[0]!r}?" if error.possibilities else hint
    return TfgError(Status.INVALID_ARGUMENT, message[:1].lower() + message[1:].rstrip("."), hint=hint)


def _internal_error(error: Exception) -> TfgError:
    internal = TfgError(
        Status.INTERNAL,
        f"{type(error).__name__}: {error}",
        hint="this is a bug in tfg; -vv prints a traceback",
    )
    internal.__cause__ = error
    return internal


def _system_error(error: OSError) -> TfgError:
    """Returns the diagnostic of an unexpected system error, such as standard output on a full disk."""
    if error.errno == errno.EBADF and not error.filename:
        return TfgError(Status.FAILED_PRECONDITION, "standard output is closed")
    named = f" {error.filename!r}" if error.filename else ""
    status = Status.RESOURCE_EXHAUSTED if is_exhausted(error) else Status.UNKNOWN
    return TfgError(status, f"system error{named}: {error.strerror or error}")
