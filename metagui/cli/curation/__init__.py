"""The commands that curate a library; importing this package adds them to the application."""

from metagui.cli.curation import editing, listing, undoing

__all__ = ["editing", "listing", "undoing"]
