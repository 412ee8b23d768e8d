"""Which tasks and takes the list shows, and in which order: a search, and a sort. Qt-free."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from metagui.demonstrations.curation.search import matches, matches_task, split_query

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from metagui.gui.library.task_rows import TaskRow

SORT_KEYS: dict[str, Callable[[TaskRow], object]] = {
    "name": lambda row: 0,  # as the library lists them
    "date": lambda row: -row.recorded,
    "takes": lambda row: -len(row.takes),
}
"""Ways to sort the tasks."""


@dataclass(frozen=True)
class Arrangement:
    """The rows to show, and how many there are."""

    tasks: tuple[TaskRow, ...]
    task_count: int
    """Number of all tasks."""
    take_count: int
    """Number of all takes."""
    is_filtered: bool = False

    @property
    def found_tasks(self) -> set[str]:
        """Names of the tasks of which only some takes fit the search."""
        return {row.name for row in self.tasks if row.hidden_takes}

    def describe(self) -> str:
        """Return what fits the search and what does not; empty without a search."""
        if not self.is_filtered:
            return ""
        takes = sum(len(row.takes) for row in self.tasks)
        if not self.tasks:
            return f"Nothing fits; {_count(self.task_count, 'task')} hidden"
        return f"{len(self.tasks)} of {_count(self.task_count, 'task')}, {takes} of {_count(self.take_count, 'take')}"


def arrange(tasks: Iterable[TaskRow], query: str = "", order: str = "name") -> Arrangement:
    """Return the tasks that fit a query, with the takes that do, sorted by a key of ``SORT_KEYS``.

    A task whose name fits is shown with all its takes. Rows that are shown completely are the same objects.
    """
    rows, terms = tuple(tasks), split_query(query)
    found = [shown for row in rows if (shown := _filter(row, query)) is not None] if terms else list(rows)
    if order != "name":
        found.sort(key=SORT_KEYS.get(order, SORT_KEYS["name"]))  # type: ignore[arg-type]
    return Arrangement(tuple(found), len(rows), sum(len(row.takes) for row in rows), bool(terms))


def _filter(row: TaskRow, query: str) -> TaskRow | None:
    """Return a task with those of its takes that fit; None if nothing does."""
    if matches_task(row.name, query, row.has_policy):
        return row
    takes = tuple(t for t in row.takes if t.info is not None and matches(t.info, query, row.has_policy))
    if not takes:
        return None
    return row if len(takes) == len(row.takes) else replace(row, takes=takes, hidden_takes=len(row.takes) - len(takes))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
