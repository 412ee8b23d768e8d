"""History of the adaptations of a task: a file next to the policy, one line per adaptation."""

from __future__ import annotations

import datetime
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from metagui.learning.evaluation.success_history import append_lines, identify_policy, load_lines

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from metagui.learning.adaptation.task_policy import TaskPolicy

ADAPTATIONS_FILE_NAME = "adaptations.jsonl"


@dataclass(frozen=True)
class AdaptationRecord:
    """One adaptation of a task."""

    when: str
    """Local time, ISO 8601."""
    policy_id: str
    """Identifies the policy's file."""
    takes: tuple[str, ...]
    """Names of the takes that were adapted to."""
    choices: tuple[str, ...]
    """Name of the candidate that was chosen for each segment."""
    successes: int
    """Number of rehearsed runs that succeeded."""
    runs: int
    """Number of rehearsed runs; 0 without a rehearsal."""

    def describe_choice(self) -> str:
        """Return the chosen candidates, each one once."""
        return ", ".join(dict.fromkeys(self.choices))


def record_adaptation(policy_path: Path, adapted: TaskPolicy) -> None:
    """Append an adaptation to the history, after its policy was saved. Raises OSError."""
    rehearsal = adapted.provenance.rehearsal
    successes, runs = (0, 0) if rehearsal is None else (rehearsal.score.successes, rehearsal.score.runs)
    record = AdaptationRecord(
        datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        identify_policy(policy_path),
        adapted.provenance.takes,
        adapted.choices,
        successes,
        runs,
    )
    append_lines(policy_path.with_name(ADAPTATIONS_FILE_NAME), asdict(record))


def load_adaptations(policy_path: Path) -> list[AdaptationRecord]:
    """Return the adaptations of a task, oldest first; damaged lines are left out."""
    found = (_parse(values) for values in load_lines(policy_path.with_name(ADAPTATIONS_FILE_NAME)))
    return [record for record in found if record is not None]


def _parse(values: dict[str, Any]) -> AdaptationRecord | None:
    try:
        record = AdaptationRecord(
            **values | {key: tuple(map(str, values[key])) for key in ("takes", "choices")},
        )
    except (TypeError, KeyError):
        return None
    numbers, texts = (record.successes, record.runs), (record.when, record.policy_id)
    is_sound = all(isinstance(each, int) for each in numbers) and all(isinstance(each, str) for each in texts)
    return record if is_sound and 0 <= record.successes <= record.runs else None
