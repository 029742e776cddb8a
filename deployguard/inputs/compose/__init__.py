"""Compose projects as Docker Compose v2 resolves them, as container specs."""

from deployguard.inputs.compose.project import ComposeOptions, check, load

__all__ = ["ComposeOptions", "check", "load"]
