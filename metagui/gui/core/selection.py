"""What is selected in the list of tasks: any number of tasks and takes, with words for it. Qt-free."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.demonstrations.demonstration import TakeKey


@dataclass(frozen=True)
class Selection:
    """Selected tasks, and selected takes of other tasks."""

    tasks: tuple[str, ...] = ()
    takes: tuple[TakeKey, ...] = ()

    def __len__(self) -> int:
        return len(self.tasks) + len(self.takes)

    def takes_by_task(self) -> dict[str, list[str]]:
        """Return the names of the selected takes by their tasks."""
        found: dict[str, list[str]] = {}
        for key in self.takes:
            found.setdefault(key.task, []).append(key.take)
        return found

    def describe(self) -> str:
        """Return words for the selection, as they follow a verb."""
        if not self.tasks:
            return describe_takes(self.takes)
        tasks = f"“{self.tasks[0]}”" if len(self.tasks) == 1 else f"{len(self.tasks)} tasks"
        return f"{tasks} and {describe_takes(self.takes)}" if self.takes else tasks


def describe_takes(takes: Sequence[TakeKey]) -> str:
    """Return words for takes of one or several tasks, as they follow a verb."""
    if len(takes) == 1:
        return f"take {takes[0].take} of “{takes[0].task}”"
    tasks = sorted({key.task for key in takes})
    return f"{len(takes)} takes of " + (f"“{tasks[0]}”" if len(tasks) == 1 else f"{len(tasks)} tasks")
