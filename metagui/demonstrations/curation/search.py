"""Search for takes by words, tags, notes, success and more."""

from __future__ import annotations

import functools
import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from metagui.demonstrations.storage.hdf5 import TakeInfo

STATES: dict[str, Callable[[TakeInfo], bool]] = {
    "success": lambda info: info.success is True,
    "failure": lambda info: info.success is False,
    "unmarked": lambda info: info.success is None,
    "damaged": lambda info: bool(info.error),
    "doubtful": lambda info: bool(info.problem),
    "trimmed": lambda info: info.trim is not None,
    "example": lambda info: info.read_only,
    "tagged": lambda info: bool(info.tags),
    "noted": lambda info: bool(info.notes),
    "hand": lambda info: info.teaching_method in ("hand", "leader"),
    "clicks": lambda info: info.teaching_method == "clicks",
}
"""What can follow ``is:`` in a query."""
ADAPTED_STATE = "adapted"
"""The one state of a task, not of a take: it has a policy."""
QUERY_HELP = (
    "Words are searched in names, notes and tags; tag:WORD, note:WORD and arm:WORD in one of them; "
    f"is: is followed by {', '.join([*STATES, ADAPTED_STATE])}. A minus or not: before a term excludes."
)


def matches(info: TakeInfo, query: str, is_adapted: bool = False) -> bool:
    """Whether a take fits every term of a query; see ``QUERY_HELP``. Case does not matter.

    ``is_adapted`` says whether its task has a policy.
    """
    return all(_matches_term(info, term, is_adapted) for term in _parse(query))


def matches_task(task: str, query: str, is_adapted: bool = False) -> bool:
    """Whether a task fits a query by itself, which then consists of words in its name and ``is:adapted``."""
    return all(_matches_task_term(task, term, is_adapted) for term in _parse(query))


def _matches_task_term(task: str, term: str, is_adapted: bool) -> bool:
    if term.removeprefix("not:").removeprefix("-") == f"is:{ADAPTED_STATE}":
        return is_adapted is (term == f"is:{ADAPTED_STATE}")
    return term in task.casefold()


@functools.lru_cache(maxsize=16)
def _parse(query: str) -> tuple[str, ...]:
    """Return the terms of a query; a library has thousands of takes to compare with it."""
    return tuple(split_query(query))


def split_query(query: str) -> list[str]:
    """Return the terms of a query; quotes hold words together, and an open quote ends with the query."""
    try:
        return shlex.split(query.casefold())
    except ValueError:
        return query.casefold().replace('"', " ").replace("'", " ").split()


def _matches_term(info: TakeInfo, term: str, is_adapted: bool) -> bool:
    for prefix in ("-", "not:"):
        if term.startswith(prefix) and len(term) > len(prefix):
            return not _matches_term(info, term.removeprefix(prefix), is_adapted)
    key, _, word = term.partition(":")
    tags = [tag.casefold() for tag in info.tags]
    if (key, word) == ("is", ADAPTED_STATE):
        return is_adapted
    if key == "is" and word in STATES:
        return STATES[word](info)
    texts = {"tag": tags, "note": [info.notes.casefold()], "arm": [info.arm.casefold()]}
    if word and key in texts:
        return any(word in text for text in texts[key])
    return any(term in text for text in (info.task.casefold(), info.name, info.notes.casefold(), *tags))
