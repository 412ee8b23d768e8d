"""Hints for error messages about unknown names."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def suggest_closest(name: object, valid_names: Iterable[str]) -> str:
    """Return the most similar valid name as a question that ends a message; empty if none is similar."""
    found = difflib.get_close_matches(str(name), list(valid_names), n=1)
    return f" Did you mean {found[0]!r}?" if found else ""
