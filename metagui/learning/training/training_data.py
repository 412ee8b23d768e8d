"""Training data of ``metagui train``: every take as decisions for the policy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from metagui.learning.policy import dataset, features
from metagui.learning.policy.dataset import MetaDataset

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from metagui.demonstrations.demonstration import Demonstration


@dataclass(frozen=True)
class TrainingData:
    """Takes of many tasks in the form that the policy is trained on."""

    decisions: MetaDataset
    """Decisions for the policy."""
    people: MetaDataset | None = None
    """Decisions of takes of the same tasks by people, for support sets; None without any."""

    def save(self, folder: Path) -> None:
        """Write the cache: one or two ``.npz`` files, each atomically. Raises OSError."""
        self.decisions.save(folder / "decisions.npz")
        if self.people is not None:
            self.people.save(folder / "people.npz")

    @classmethod
    def load(cls, folder: Path) -> TrainingData:
        """Read the cache. Raises DatasetError."""
        people = MetaDataset.load(folder / "people.npz") if (folder / "people.npz").is_file() else None
        return cls(MetaDataset.load(folder / "decisions.npz"), people)


def encode_takes(demonstrations: Iterable[Demonstration]) -> TrainingData:
    """Encode takes one by one, so that they need not all be in memory.

    Raises FeatureError and DatasetError.
    """
    segments: dict[str, list[tuple[features.SegmentArrays, ...]]] = {}
    for take in demonstrations:
        segments.setdefault(take.task, []).append(features.encode(take))
    return TrainingData(dataset.build_dataset(segments))


def encode_people(demonstrations: Iterable[Demonstration], task_names: Sequence[str]) -> MetaDataset | None:
    """Encode takes by people of the tasks in ``task_names``; None if there are none. Raises FeatureError.

    Segments too short to learn from, curves and takes of other tasks are left out: from curves of people, or slow ones,
    policies learn to go to the end directly, also in curves of the script.
    """
    index = {name: task for task, name in enumerate(task_names)}
    segments: list[features.SegmentArrays] = []
    tasks: list[int] = []
    for take in demonstrations:
        for number, (segment, span) in enumerate(zip(features.encode(take), take.segments, strict=True)):
            task = index.get(dataset.meta_task_name(take.task, number))
            is_curve = span.instruction is not None and span.instruction.action == "trace"
            if task is not None and not is_curve and len(segment) >= dataset.MIN_SEGMENT_DECISIONS:
                segments.append(segment)
                tasks.append(task)
    return dataset.concatenate_segments(segments, tasks, tuple(task_names)) if segments else None
