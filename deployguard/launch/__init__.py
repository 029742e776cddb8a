"""A process to the programs it ends up running: a worklist of everything that starts something."""

from deployguard.launch.follow import follow

__all__ = ["follow"]
