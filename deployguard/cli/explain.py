"""`deployguard explain`: the page of a rule."""

import click

from deployguard.errors import UsageError
from deployguard.model.codes import ExitCode


@click.command()
@click.argument("rule", required=False)
def explain(rule: str | None) -> int:
    """Say what a rule finds, why that is dangerous and how to fix it; without RULE, list them."""
    from deployguard import rules

    if rule is None:
        for each in rules.RULES:
            click.echo(f"{each.id}  {each.name:<20} {each.severity:<9} {each.summary}")
        return ExitCode.ALLOWED
    found = rules.by_id(rule)
    if found is None:
        raise UsageError(f"there is no rule {rule}", hint="deployguard explain lists them")
    click.echo(f"{found.id} {found.name} ({found.severity})\n\n{found.page.rstrip()}")
    return ExitCode.ALLOWED
