"""`deployguard scan`: inspect, judge, report; the exit code is the gate."""

import os
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import click

from deployguard.cli.images import Images
from deployguard.cli.notes import note
from deployguard.errors import LimitError, UnreadableError, UsageError
from deployguard.model.action import Action
from deployguard.model.codes import ExitCode

if TYPE_CHECKING:
    # Help and version do without the types of a report.
    from deployguard.model.report import Report

FORMATS = ("text", "json", "sarif", "github")

_MAX_STDIN = 64 * 1024 * 1024
_COLORS = {"block": "red", "failed": "red", "warn": "yellow", "incomplete": "yellow"}


def _day(_: click.Context, __: click.Parameter, value: str | None) -> date | None:
    if value is None:
        return None
    try:
        return date.fromisoformat(value)
    except ValueError as error:
        raise click.BadParameter(f"{value} is not a day such as 2031-01-31") from error


def _pairs(_: click.Context, __: click.Parameter, values: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not name or not equals:
            # Without a word of it: a value alone may be a secret.
            raise click.BadParameter("one of them is not NAME=VALUE")
        pairs[name] = text
    return pairs


def _platform(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    from deployguard.cli.settings import PLATFORM

    if value is not None and not PLATFORM.fullmatch(value):
        raise click.BadParameter(f"{value} is not OS/ARCH or OS/ARCH/VARIANT such as linux/arm64")
    return value


def _formats(
    _: click.Context, __: click.Parameter, values: Sequence[str]
) -> tuple[tuple[str, str | None], ...]:
    """Split FORMAT[=FILE]; one format at most goes to standard output."""
    formats = []
    for value in values or ("text",):
        name, equals, file = value.partition("=")
        if name not in FORMATS:
            raise click.BadParameter(f"there is no format {name}; there are {', '.join(FORMATS)}")
        if equals and not file:
            raise click.BadParameter(f"{value} names no file")
        formats.append((name, file or None))
    if sum(file is None for _, file in formats) > 1:
        raise click.BadParameter("two formats for standard output; write FORMAT=FILE for one")
    return tuple(formats)


@click.command()
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@click.option("--policy", "policies", multiple=True, metavar="FILE|NAME", help="Judge by this.")
@click.option(
    "--format",
    "formats",
    multiple=True,
    metavar="FORMAT[=FILE]",
    callback=_formats,
    help=f"How to report: {', '.join(FORMATS)}.",
)
@click.option("--output", metavar="FILE", help="Write the report there.")
@click.option(
    "--on-unknown",
    type=click.Choice([action.value for action in Action]),
    help="What a finding that is not settled leads to, over the policies'.",
)
@click.option("--env-file", "env_files", multiple=True, metavar="FILE", help="For interpolation.")
@click.option(
    "--env", multiple=True, metavar="NAME=VALUE", callback=_pairs, help="For interpolation."
)
@click.option("--profile", "profiles", multiple=True, help="Take in services of this profile.")
@click.option(
    "--images",
    type=click.Choice([place.value for place in Images]),
    help="Where to look them up; else auto.",
)
@click.option(
    "--platform",
    metavar="OS/ARCH",
    callback=_platform,
    help="Which image of several platforms to judge.",
)
@click.option("--offline", is_flag=True, help="Open no connection but to a local engine.")
@click.option("--exclude", multiple=True, metavar="GLOB", help="Leave these files out.")
@click.option(
    "--values", multiple=True, metavar="FILE", help="For a chart, as helm takes it; also several."
)
@click.option(
    "--set", "sets", multiple=True, metavar="NAME=VALUE", help="For a chart, as helm takes it."
)
@click.option(
    "--set-string", "set_strings", multiple=True, metavar="NAME=VALUE", help="Likewise, as text."
)
@click.option("--namespace", metavar="NAME", help="Where manifests go that name none.")
@click.option("--release-name", metavar="NAME", help="For a chart; else helm's own.")
@click.option("--kube-version", metavar="VERSION", help="The Kubernetes that a chart goes to.")
@click.option(
    "--api-versions", multiple=True, metavar="API", help="An API that it has, for a chart."
)
@click.option("--cluster", is_flag=True, help="Look up in your cluster what manifests refer to.")
@click.option("--context", metavar="NAME", help="Which cluster of the kubeconfig to ask.")
@click.option("--explain", is_flag=True, help="Show the whole derivation, also of what is safe.")
@click.option("--today", metavar="DATE", callback=_day, help="Judge exemptions on this day (UTC).")
@click.option("--quiet", is_flag=True, help="Print nothing but the report.")
@click.option("--verbose", is_flag=True, help="Say on standard error what is being inspected.")
@click.option("--no-color", is_flag=True, help="Print without colours.")
def scan(  # noqa: PLR0913  (click hands each option over by name)
    *,
    targets: tuple[str, ...],
    policies: tuple[str, ...],
    formats: tuple[tuple[str, str | None], ...],
    output: str | None,
    on_unknown: str | None,
    env_files: tuple[str, ...],
    env: dict[str, str],
    profiles: tuple[str, ...],
    images: str | None,
    platform: str | None,
    offline: bool,
    exclude: tuple[str, ...],
    values: tuple[str, ...],
    sets: tuple[str, ...],
    set_strings: tuple[str, ...],
    namespace: str | None,
    release_name: str | None,
    kube_version: str | None,
    api_versions: tuple[str, ...],
    cluster: bool,
    context: str | None,
    explain: bool,
    today: date | None,
    quiet: bool,
    verbose: bool,
    no_color: bool,
) -> int:
    """Inspect images, compose files, manifests and folders, and judge what they would start.

    Without a TARGET the current folder is inspected. The exit code is 0 where the policy allows it,
    1 where it blocks, 2 for wrong usage, and 3 where something could not be inspected. A file
    .deployguard.yaml in the folder sets policy, exclude, images, platform and workloads; what is
    given here replaces what it says.
    """
    from deployguard import policy as policy_stage
    from deployguard import rules
    from deployguard.cli.interrupts import interruptible
    from deployguard.cli.progress import Progress, is_wanted
    from deployguard.cli.settings import settings
    from deployguard.inputs.rendering.options import RenderingOptions
    from deployguard.inputs.targets import TargetForm
    from deployguard.pipeline import ScanOptions
    from deployguard.pipeline import scan as inspect

    given = settings(targets, tuple(TargetForm))
    if given.source is not None and not quiet:
        note(f"settings from {given.source}")
    progress = Progress(shown=not quiet and not verbose and is_wanted())
    options = ScanOptions(
        today=today or datetime.now(UTC).date(),
        env_files=env_files,
        env=env,
        profiles=profiles,
        images=images or given.images or "auto",
        platform=platform or given.platform,
        offline=offline,
        exclude=exclude or given.exclude,
        workloads=given.workloads,
        rendering=RenderingOptions(
            values=values,
            sets=sets,
            set_strings=set_strings,
            namespace=namespace,
            release_name=release_name,
            kube_version=kube_version,
            api_versions=api_versions,
        ),
        cluster=cluster,
        context=context,
        explain=explain,
        environ=dict(os.environ),
        on_unknown=None if on_unknown is None else Action(on_unknown),
        stdin=_standard_input,
        progress=note if verbose and not quiet else progress,
    )
    names = policies or given.policies or (policy_stage.DEFAULT,)
    loaded = [policy_stage.load(name, rules.IDS) for name in names]
    destinations = _destinations(formats, output)
    try:
        with interruptible():
            with progress:
                report = inspect(targets, loaded, options)
            if not quiet:
                for remark in report.notes:
                    note(remark)
            return _write(report, destinations, colored=_colored(no_color=no_color))
    except KeyboardInterrupt as interruption:
        # What could not be removed stays in an engine.
        for remark in getattr(interruption, "__notes__", ()):
            note(remark)
        raise


def _destinations(
    formats: tuple[tuple[str, str | None], ...], output: str | None
) -> tuple[tuple[str, str | None], ...]:
    """Give the format without a file the one of --output, and refuse what cannot be written."""
    if output is not None and all(file is not None for _, file in formats):
        raise UsageError("--output has nothing to write: each format names its file")
    from pathlib import Path

    destinations = tuple((name, file or output) for name, file in formats)
    for _, file in destinations:
        if file is not None and not Path(file).absolute().parent.is_dir():
            raise UsageError(f"there is no folder for {file}", hint="make it first")
    return destinations


def _write(
    report: "Report", destinations: tuple[tuple[str, str | None], ...], *, colored: bool
) -> int:
    """Write the report in every format; what could not be written is not an answer."""
    from deployguard.cli import files

    code = report.exit_code
    for name, file in destinations:
        text = _renderer(name)(report)
        try:
            if file is None:
                _print(_paint(text) if colored and name == "text" else text)
            else:
                files.write(file, text)
        except OSError as error:
            note(f"cannot write {file or 'the report'}: {error.strerror}")
            code = code if code is ExitCode.BLOCKED else ExitCode.NOT_INSPECTED
    return code


def _print(text: str) -> None:
    """Print the report; that its reader has enough of it does not change the decision."""
    try:
        click.echo(text.encode("utf-8", "backslashreplace"), nl=False)
    except OSError as error:
        # What is left in the buffer would fail again when Python ends, with a code of its own.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise


def _renderer(name: str) -> Callable[["Report"], str]:
    match name:
        case "json":
            from deployguard.report.json_report import render
        case "sarif":
            from deployguard.report.sarif import render
        case "github":
            from deployguard.report.github import render
        case _:
            from deployguard.report.text import render
    return render


def _colored(*, no_color: bool) -> bool:
    if no_color or os.environ.get("NO_COLOR"):
        return False
    return sys.stdout is not None and sys.stdout.isatty()  # None where the shell closed it


def _paint(text: str) -> str:
    """Colour the word that each finding begins with."""
    lines = []
    for line in text.splitlines():
        word, blank, rest = line.partition(" ")
        color = _COLORS.get(word)
        painted = click.style(word, fg=color, bold=True) if color else word
        lines.append(f"{painted}{blank}{rest}\n")
    return "".join(lines)


def _standard_input() -> bytes:
    if sys.stdin is None:  # where the shell closed it
        raise UnreadableError("standard input is closed", hint="name the file, or pipe it in")
    try:
        data = sys.stdin.buffer.read(_MAX_STDIN + 1)
    except OSError as error:
        raise UnreadableError(
            f"cannot read standard input: {error.strerror}", hint="name the file, or pipe it in"
        ) from error
    if len(data) > _MAX_STDIN:
        raise LimitError(
            f"standard input has more than {_MAX_STDIN // 1024 // 1024} MiB",
            hint="scan the file by its name",
        )
    return data
