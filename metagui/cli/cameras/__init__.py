"""The commands for cameras; importing this package adds them to the application."""

from metagui.cli.cameras import emulation, listing, mat

__all__ = ["emulation", "listing", "mat"]
