"""Option names of version 0.1 that commands still accept but no longer show in ``--help``."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand

OLD_OPTION_NAMES = frozenset({"--put", "--prefixes", "--acts", "--keep", "--failed", "--valid", "--new", "--hands"})
"""Hidden alternatives to an option's present name."""


class CommandWithAliases(TyperCommand):
    """A command whose help omits the option names in ``OLD_OPTION_NAMES``."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help text, listing only the present option names."""
        names = [each.opts for each in self.params]
        for each in self.params:
            each.opts = [name for name in each.opts if name not in OLD_OPTION_NAMES]
        try:
            super().format_help(ctx, formatter)
        finally:
            for each, before in zip(self.params, names, strict=True):
                each.opts = before
