"""Results of a rehearsal: how often every candidate succeeded in simulation, why it failed, and which was chosen."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class RehearsalScore:
    """Runs of one candidate."""

    successes: int = 0
    runs: int = 0
    failures: Mapping[str, int] = field(default_factory=dict)
    """Reasons of its failures, for users, with their numbers."""

    def add(self, failure: str) -> RehearsalScore:
        """Return the score after one more run; ``failure`` is empty if it succeeded."""
        failures = dict(Counter(self.failures) + Counter({failure: 1})) if failure else self.failures
        return RehearsalScore(self.successes + (not failure), self.runs + 1, failures)

    def __str__(self) -> str:
        """Return the score as text, such as ``18 of 20``."""
        return f"{self.successes} of {self.runs}"


@dataclass(frozen=True)
class Rehearsal:
    """Scores of all candidates in the same scenes, from the simplest candidate to the most complex one."""

    chosen: str
    """Name of the chosen candidate."""
    scores: Mapping[str, RehearsalScore]

    @property
    def score(self) -> RehearsalScore:
        """Score of the chosen candidate."""
        return self.scores[self.chosen]

    def explain(self) -> str:
        """Return why the candidate was chosen, for users: one sentence, and the most frequent failure."""
        own, rest = self.score, {name: each for name, each in self.scores.items() if name != self.chosen and each.runs}
        text = f"It succeeded in {own} rehearsed scenes"
        if rest:
            second = max(rest, key=lambda name: rest[name].successes / rest[name].runs)
            text += f", {second} in {rest[second]}"
            if rest[second].successes == own.successes and rest[second].runs == own.runs:
                text += "; of equals the simpler one is chosen"
        text += "."
        if own.failures:
            text += f" Most frequent failure: {max(own.failures, key=lambda reason: own.failures[reason])}."
        return text

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values, as in files."""
        return {"chosen": self.chosen, "scores": {name: asdict(score) for name, score in self.scores.items()}}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Rehearsal:
        """Return the rehearsal of JSON values."""
        return cls(values["chosen"], {name: RehearsalScore(**score) for name, score in values["scores"].items()})
