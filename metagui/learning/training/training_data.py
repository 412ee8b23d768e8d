"""Training data of ``metagui train``: every take as decisions for the policy and as a trajectory for the encoder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from metagui.atomic_write import open_atomically
from metagui.learning.policy import dataset, features
from metagui.learning.policy.dataset import DatasetError, MetaDataset
from metagui.learning.similarity.trajectory import Trajectories, concatenate_trajectories, resample_takes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from metagui.demonstrations.demonstration import Demonstration


@dataclass(frozen=True)
class TrainingData:
    """Takes of many tasks in the forms that the two networks are trained on."""

    decisions: MetaDataset
    """Decisions for the policy."""
    trajectories: dict[str, Trajectories]
    """Trajectories by task label: two tasks with equal instructions have the same label."""
    people: MetaDataset | None = None
    """Decisions of takes of the same tasks by people, for support sets; None without any."""

    def save(self, folder: Path) -> None:
        """Write the cache: two or three ``.npz`` files, each atomically. Raises OSError."""
        self.decisions.save(folder / "decisions.npz")
        if self.people is not None:
            self.people.save(folder / "people.npz")
        data = concatenate_trajectories(list(self.trajectories.values()))
        header = json.dumps({"names": list(self.trajectories), "counts": [len(s) for s in self.trajectories.values()]})
        with open_atomically(folder / "series.npz", replace=True) as temporary, temporary.open("wb") as file:
            np.savez(
                file, header=np.array(header), anchors=data.object_channels.astype(np.float16),
                globals=data.global_channels, durations=data.log_durations,
            )  # fmt: skip

    @classmethod
    def load(cls, folder: Path) -> TrainingData:
        """Read the cache. Raises DatasetError."""
        meta = MetaDataset.load(folder / "decisions.npz")
        people = MetaDataset.load(folder / "people.npz") if (folder / "people.npz").is_file() else None
        try:
            with np.load(folder / "series.npz", allow_pickle=False) as file:
                header = json.loads(str(file["header"]))
                data = Trajectories(file["anchors"].astype(np.float32), file["globals"], file["durations"])
        except (OSError, KeyError, ValueError) as error:
            raise DatasetError(f"{folder} is not a cached data set ({error}). Make it again from the takes.") from error
        ends = np.cumsum([0, *header["counts"]])
        rows = {name: np.arange(ends[i], ends[i + 1]) for i, name in enumerate(header["names"])}
        return cls(meta, {name: data[index] for name, index in rows.items()}, people)


def encode_takes(demonstrations: Iterable[Demonstration]) -> TrainingData:
    """Encode takes one by one, so that they need not all be in memory.

    Raises FeatureError and DatasetError.
    """
    segments: dict[str, list[tuple[features.SegmentArrays, ...]]] = {}
    trajectories: dict[str, list[Trajectories]] = {}
    for take in demonstrations:
        segments.setdefault(take.task, []).append(features.encode(take))
        trajectories.setdefault(make_task_label(take), []).append(resample_takes([take]))
    return TrainingData(
        dataset.build_dataset(segments), {name: concatenate_trajectories(parts) for name, parts in trajectories.items()}
    )


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


def drop_label_parameters(label: str) -> str:
    """Return a label of ``make_task_label`` without the instructions' parameters."""
    try:
        instructions = json.loads(label)
    except json.JSONDecodeError:
        return label
    return json.dumps([each[:3] for each in instructions]) if isinstance(instructions, list) else label


def make_task_label(take: Demonstration) -> str:
    """Return a label that is equal for equal instructions; the task's name if a take has no instructions."""
    instructions = [segment.instruction for segment in take.segments]
    if not instructions or any(instruction is None for instruction in instructions):
        return take.task
    return json.dumps(
        [[i.action, i.object_name, i.target_name, sorted(i.parameters.items())] for i in instructions if i]
    )
