"""Checks of the options of ``tfg run``, before any work is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...graphfmt import array_output
from ..common.console import UsageError
from ..common.output_paths import check_distinct, check_output_path, check_state_name

if TYPE_CHECKING:
    from .options import RunOptions


def check_options(options: RunOptions) -> None:
    """Raises before anything runs for options that contradict each other, and for outputs that cannot be written."""
    step, result = options.step, options.result
    if step.shuffle and step.batch is None:
        raise UsageError("--shuffle needs --batch")
    if step.epochs is not None and step.batch is None:
        raise UsageError("--epochs needs --batch")
    if step.stop_on and step.allow_nan:
        raise UsageError("--stop-on nan and --allow-nan contradict each other")
    if step.skip_bad_records and options.session.cluster is not None:
        # The tasks read the files.
        raise UsageError("--skip-bad-records does not work with --cluster")
    if step.until_step is not None and (step.steps, step.epochs) != (None, None):
        raise UsageError("--until-step excludes --steps and --epochs")
    # Without fetches, those of a signature are taken once the file has been read.
    if result.output is not None and options.fetch.fetches and not options.signature:
        array_output.check_output(result.output, set(options.fetch.fetches))
    if options.as_json and result.output is not None and array_output.is_standard_output(result.output):
        raise UsageError("-o and --json both write to standard output")
    outputs = (result.output, options.resume.state, options.checkpoint.checkpoint, result.trace)
    written = [path for path in outputs if path]
    check_distinct(written)
    for path in written:
        check_output_path(path.absolute())
    if options.resume.state is not None:
        check_state_name(options.resume.state)
