"""`deployguard policy`: the policies that are shipped, and the check of one's own."""

import click

from deployguard.cli.notes import note
from deployguard.errors import PolicyError
from deployguard.model.problem import ExitCode


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

    data, _ = stage.find(name)
    click.echo(data, nl=False)
    return ExitCode.ALLOWED


@policy.command()
@click.argument("names", metavar="FILE|NAME...", nargs=-1, required=True)
def validate(names: tuple[str, ...]) -> int:
    """Check policies and print every mistake with its line."""
    from deployguard import policy as stage
    from deployguard import rules

    code = ExitCode.ALLOWED
    for name in names:
        try:
            found = stage.load(name, rules.IDS)
        except PolicyError as error:
            for each in (error, *error.others):
                note(str(each))
            code = ExitCode.USAGE
        else:
            click.echo(f"{name}: the policy {found.name} is valid")
    return code
