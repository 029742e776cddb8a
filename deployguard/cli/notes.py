"""What goes to standard error: one line at a time, masked and without control characters."""

from contextlib import suppress

import click


def note(message: str) -> None:
    """Print a line; that nobody reads it is no reason to stop."""
    from deployguard.report.escape import line
    from deployguard.report.redact import masked

    with suppress(OSError):
        click.echo(f"deployguard: {line(masked(message))}", err=True)
