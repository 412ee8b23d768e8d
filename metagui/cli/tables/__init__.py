"""The commands for tables of objects; importing this package adds them to the application."""

from metagui.cli.tables import table_files

__all__ = ["table_files"]
