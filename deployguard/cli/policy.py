"""`deployguard policy`: the policies that are shipped, and the check of one's own."""

import click

from deployguard.cli.notes import note
from deployguard.errors import PolicyError
from deployguard.model.codes import ExitCode


@click.group()
def policy() -> None:
    """Show the policies that are shipped, and check your own."""


@policy.command("list")
def list_() -> int:
    """List the shipped policies, the default first."""
    from deployguard import policy as stage
    from deployguard import rules

    for name in stage.shipped():
        click.echo(f"{name:<12} {stage.load(name, rules.IDS).description}")
    return ExitCode.ALLOWED


@policy.command()
@click.argument("name", metavar="FILE|NAME")
def show(name: str) -> int:
    """Print a policy as it is written: a start for one's own."""
    from deployguard import policy as stage
    from deployguard.report.escape import plain

    data, _ = stage.find(name)
    # A policy may come from a stranger, and this goes to a terminal or a log.
    lines = data.decode("utf-8", "surrogateescape").splitlines()
    click.echo("\n".join(map(plain, lines)))
    return ExitCode.ALLOWED


@policy.command()
@click.argument("names", metavar="FILE|NAME...", nargs=-1, required=True)
def validate(names: tuple[str, ...]) -> int:
    """Check policies and print every mistake with its line."""
    from deployguard import policy as stage
    from deployguard import rules
    from deployguard.report.escape import plain

    code = ExitCode.ALLOWED
    for name in names:
        try:
            found = stage.load(name, rules.IDS)
        except PolicyError as error:
            for each in (error, *error.others):
                note(str(each))
            code = ExitCode.USAGE
        else:
            click.echo(plain(f"{name}: the policy {found.name} is valid"))
    return code
