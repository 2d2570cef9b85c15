"""The command ``tfg``: finds the sub-command, and turns every failure into one diagnostic."""

from __future__ import annotations

import importlib
import os
import sys
from typing import NoReturn

import click

from ..graphfmt.errors import Status, TfgError
from .common import console

# One file per command; a command is imported when it is called.
COMMANDS = {
    "run": "Run steps of a graph.",
    "validate": "Report every fault of every file.",
    "show": "What is inside a graph.",
    "ops": "The operations this build knows.",
    "grad": "Add gradients, and an optimizer's update.",
    "checkpoint": "Write a checkpoint of a state; list, verify and diff look at some.",
    "restore": "Put a checkpoint back into a state, or into the graph.",
    "place": "Give every node a device.",
    "partition": "One runnable graph per device.",
    "completion": "Completion for bash, zsh or fish.",
}


# Set by a completion script: what the shell asks for.
_COMPLETION = "_TFG_COMPLETE"


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        return importlib.import_module(f".{cmd_name}", __package__).command

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
    """Runs the command line and exits: 0 it holds or ran, 1 it does not, 2 a wrong command line, 130
    interrupted."""
    if _COMPLETION in os.environ:
        from click.shell_completion import shell_complete

        sys.exit(shell_complete(tfg, {}, "tfg", _COMPLETION, os.environ[_COMPLETION]))
    arguments = sys.argv[1:]
    console.print_anything()
    as_json, verbose = "--json" in arguments, _verbosity(arguments)
    try:
        # Not by click's main, which has its own mind about pipes, interruptions and statuses.
        with tfg.make_context("tfg", list(arguments)) as context:
            tfg.invoke(context)
        if sys.stdout is not None:  # pyright: ignore[reportUnnecessaryComparison]
            sys.stdout.flush()
        status = 0
    except click.exceptions.Exit as leaving:
        status = leaving.exit_code
    except TfgError as error:
        console.print_error(error, as_json=as_json, verbose=verbose)
        status = 1
    except click.exceptions.NoArgsIsHelpError as error:
        console.note(error.format_message())
        status = 2
    except click.ClickException as error:
        console.print_error(_usage(error), as_json=as_json, verbose=verbose)
        status = 2
    except (click.Abort, KeyboardInterrupt):
        console.note("interrupted")
        status = 130
    except BrokenPipeError:
        status = _without_reader()
    except OSError as error:
        console.print_error(_refused(error), as_json=as_json, verbose=verbose)
        status = _without_reader(1)
    except MemoryError as error:
        console.print_error(TfgError(Status.RESOURCE_EXHAUSTED, f"out of memory: {error}"), as_json=as_json)
        status = 1
    except Exception as error:
        console.print_error(_bug(error), as_json=as_json, verbose=verbose)
        status = 1
    sys.exit(status)


def _verbosity(arguments: list[str]) -> int:
    return sum(a.count("v") for a in arguments if a in ("-v", "-vv", "-vvv")) + arguments.count("--verbose")


def _usage(error: click.ClickException) -> TfgError:
    """A wrong command line, as a diagnostic like any other."""
    context = getattr(error, "ctx", None)
    hint = getattr(error, "hint", None) or (f"{context.command_path} --help" if context else None)
    message = " ".join(error.format_message().split())
    if isinstance(error, click.NoSuchOption):
        message = f"there is no option {error.option_name!r}"
        hint = f"did you mean {error.possibilities[0]!r}?" if error.possibilities else hint
    return TfgError(Status.INVALID_ARGUMENT, message[:1].lower() + message[1:].rstrip("."), hint=hint)


def _bug(error: Exception) -> TfgError:
    made = TfgError(
        Status.INTERNAL,
        f"{type(error).__name__}: {error}",
        hint="this is a fault of tfg's; -vv shows where it happened",
    )
    made.__cause__ = error
    return made


def _refused(error: OSError) -> TfgError:
    """What the system refuses where nobody expects it, such as standard output on a full disk."""
    named = f" {error.filename!r}" if error.filename else ""
    return TfgError(Status.UNKNOWN, f"the system refuses{named}: {error.strerror or error}")


def _without_reader(status: int = 0) -> int:
    """Nobody reads standard output any more: we go, without a word, as other filters do."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return status
