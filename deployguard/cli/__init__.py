"""The command line: parse, call, print, exit.

Importing this loads click and nothing heavier, so that --help and --version answer at once; each
command imports what it needs. Environment, clock and terminal are read here and handed down.
"""

import gc
import os
import sys
from contextlib import suppress

import click

from deployguard import __version__
from deployguard.cli.explain import explain
from deployguard.cli.notes import note
from deployguard.cli.policy import policy
from deployguard.cli.scan import scan
from deployguard.cli.webhook import webhook
from deployguard.errors import DeployguardError, InputError, PolicyError
from deployguard.model.codes import ExitCode


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="deployguard")
def deployguard() -> None:
    """Keep Flask's development server and the Werkzeug debugger out of production."""


for command in (scan, explain, policy, webhook):
    deployguard.add_command(command)


def main() -> None:
    """Run the command line and end the process with an exit code of `ExitCode`."""
    # What a scan makes stays until it ends: to look for garbage among it after every 700 objects,
    # as Python does, takes a tenth of its time.
    gc.set_threshold(20_000)
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code; every error becomes a line on standard error."""
    try:
        result = deployguard.main(arguments, prog_name="deployguard", standalone_mode=False)
    except click.ClickException as error:
        _show(error)
        return ExitCode.USAGE
    except (click.Abort, KeyboardInterrupt):
        note("interrupted")
        return ExitCode.INTERRUPTED
    except SystemExit:
        # How click ends on a closed pipe, with a 1 that would read as "blocked". It is a page or a
        # list whose reader has enough; a scan keeps its own code.
        return ExitCode.ALLOWED
    except DeployguardError as error:
        for each in (error, *(error.others if isinstance(error, PolicyError) else ())):
            note(str(each))
        return ExitCode.NOT_INSPECTED if isinstance(error, InputError) else ExitCode.USAGE
    except Exception as error:  # noqa: BLE001  (Python's own exit code 1 would read as "blocked")
        note(f"internal error: {_defect(error)}; please report it")
        return ExitCode.NOT_INSPECTED
    return int(result or ExitCode.ALLOWED)


def _show(error: click.ClickException) -> None:
    """Print wrong usage as click does, made harmless: what was typed may come from a stranger."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is not None:
        with suppress(OSError):
            click.echo(f"{context.get_usage()}\nTry '{context.command_path} --help'.\n", err=True)
    note(error.format_message())


def _defect(error: Exception) -> str:
    """Name the kind and place of a defect; its text might quote what was scanned."""
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if f"deployguard{os.sep}" in frame.filename]
    if not own:
        return type(error).__name__
    path = own[-1].filename.rpartition(f"deployguard{os.sep}")[2]
    return f"{type(error).__name__} in {path}:{own[-1].lineno}"
