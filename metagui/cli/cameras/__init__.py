"""The commands for cameras; importing this package adds them to the application."""

from metagui.cli.cameras import mat

__all__ = ["mat"]
