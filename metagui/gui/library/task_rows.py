"""Plain records of the tasks and takes that the list shows."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from metagui.demonstrations.demonstration import TakeKey

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metagui.demonstrations.storage.hdf5 import TakeInfo


@dataclass(frozen=True)
class TakeRow:
    """One take as shown in the list; ``samples`` is a count, ``duration`` in s."""

    task: str
    name: str
    samples: int
    duration: float
    success: bool | None = None
    quality_problem: str = ""
    """Why the quality of the take is doubtful; empty if it is good."""
    info: TakeInfo | None = field(default=None, repr=False)
    """Listing of the take, which is searched."""

    @property
    def key(self) -> TakeKey:
        """Task and name of the take."""
        return TakeKey(self.task, self.name)

    @property
    def recorded(self) -> float:
        """Time of the recording, s since 1970; 0 if unknown."""
        return self.info.recorded if self.info is not None else 0.0

    @property
    def details(self) -> str:
        """Date, tags and notes in one line."""
        if self.info is None or self.info.error:
            return ""
        parts = [format_date(self.recorded), *(f"#{tag}" for tag in self.info.tags), " ".join(self.info.notes.split())]
        return "  ".join(part for part in parts if part)

    @property
    def summary(self) -> str:
        """All facts of the row as text, for screen readers and the tooltip."""
        result = {True: "succeeded", False: "failed", None: ""}[self.success]
        parts = [f"Take {self.name}", f"{self.duration:.1f} s", f"{self.samples} samples", result]
        if self.info is not None:
            recorded = f"recorded {format_date(self.recorded)}" if self.recorded else ""
            parts += [recorded, f"tags: {', '.join(self.info.tags)}" * bool(self.info.tags), self.info.notes]
        return ", ".join(p for p in [*parts, self.quality_problem] if p)


@dataclass(frozen=True)
class TaskRow:
    """One task as shown in the list."""

    name: str
    takes: tuple[TakeRow, ...] = ()
    has_policy: bool = False
    problem: str = ""
    hidden_takes: int = 0
    """Number of takes that the search hides."""

    @property
    def recorded(self) -> float:
        """Time of the newest recording, s since 1970; 0 if unknown."""
        return max((take.recorded for take in self.takes), default=0.0)

    @property
    def count_text(self) -> str:
        """Number of takes, and of those that the search shows."""
        shown, total = len(self.takes), len(self.takes) + self.hidden_takes
        count = f"{total} take{'' if total == 1 else 's'}"
        return f"{shown} of {count}" if self.hidden_takes else count

    @property
    def details(self) -> str:
        """Number of takes, and date of the newest one."""
        return " · ".join(part for part in (self.count_text, format_date(self.recorded)) if part)

    @property
    def summary(self) -> str:
        """All facts of the row as text."""
        newest = f"newest {format_date(self.recorded)}" if self.recorded else ""
        parts = [self.name, self.count_text, newest, "adapted" if self.has_policy else "", self.problem]
        return ", ".join(p for p in parts if p)


def make_take_row(info: TakeInfo) -> TakeRow:
    """Return the row of a take from its listing."""
    return TakeRow(info.task, info.name, info.sample_count, info.duration, info.success, info.problem, info)


def make_task_row(task: str, takes: Iterable[TakeInfo], has_policy: bool) -> TaskRow:
    """Return the row of a task; its problem names the takes that cannot be read."""
    infos = tuple(takes)
    broken = [info.name for info in infos if info.error]
    problem = f"cannot read take {', '.join(broken)}" if broken else ""
    return TaskRow(task, tuple(map(make_take_row, infos)), has_policy, problem)


def format_date(seconds: float) -> str:
    """Return a time, s since 1970, as a short date and time of this place; empty for 0."""
    if not seconds:
        return ""
    then, now = time.localtime(seconds), time.localtime()
    if (then.tm_year, then.tm_yday) == (now.tm_year, now.tm_yday):
        return f"today {time.strftime('%H:%M', then)}"
    day = f"{then.tm_mday} {time.strftime('%b', then)}"
    return f"{day} {time.strftime('%H:%M', then)}" if then.tm_year == now.tm_year else f"{day} {then.tm_year}"
