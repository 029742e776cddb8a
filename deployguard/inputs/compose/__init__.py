"""Compose projects as Docker Compose v2 resolves them, as container specs."""

from deployguard.inputs.compose.project import check, load
from deployguard.inputs.compose.variables import ComposeOptions

__all__ = ["ComposeOptions", "check", "load"]
