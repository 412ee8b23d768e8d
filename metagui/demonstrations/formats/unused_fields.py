"""Description of the fields of a foreign file that an import leaves out, by the reason for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_NAMES = 8
"""Number of fields that are named for each reason; the others are counted."""
_MAX_SHOWN_LENGTH = 80
PICTURES = "pictures are not learned from"
OTHER_SIMULATOR = "the states and the scene of another simulator cannot be replayed here"
NO_TARGETS = "its numbers are not targets of the joints"
DERIVED = "it follows from the rest of a take"
UNKNOWN_OBJECTS = "it does not say which objects it describes"
NO_FIELD = "metagui has no field for it"


def describe_unused(source: str, reasons: Mapping[str, str]) -> tuple[str, ...]:
    """Return a sentence for each reason, given the reason for every field that is left out of ``source``."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        by_reason.setdefault(reason, []).append(name)
    return tuple(f"{source}: left out {_list_names(names)}: {reason}." for reason, names in by_reason.items())


def _list_names(names: list[str]) -> str:
    shown = ", ".join(map(_make_printable, names[:MAX_NAMES]))
    hidden = len(names) - MAX_NAMES
    return f"{shown} and {hidden} more" if hidden > 0 else shown


def _make_printable(name: str) -> str:
    """Return a name from a file without control characters, at a length that can be read."""
    text = name if name.isprintable() else repr(name)
    return text if len(text) <= _MAX_SHOWN_LENGTH else f"{text[:_MAX_SHOWN_LENGTH]}…"
