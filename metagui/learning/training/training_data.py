"""What ``metagui train`` learns from: every take once as decisions for the policy and once as a series."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from metagui.learning.policy import dataset, features
from metagui.learning.policy.dataset import DatasetError, MetaDataset
from metagui.learning.similarity.trajectory import Trajectories, concatenate_trajectories, resample_takes

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from metagui.demonstrations.demonstration import Demonstration


@dataclass(frozen=True)
class TrainingData:
    """Takes of many tasks in the forms that the two networks learn from."""

    decisions: MetaDataset
    trajectories: dict[str, Trajectories]
    """Takes by what they show: two tasks with the very same clicks are one here."""

    def save(self, folder: Path) -> None:
        """Write the cache: two ``.npz`` files."""
        self.decisions.save(folder / "decisions.npz")
        data = concatenate_trajectories(list(self.trajectories.values()))
        header = json.dumps({"names": list(self.trajectories), "counts": [len(s) for s in self.trajectories.values()]})
        with (folder / "series.npz").open("wb") as file:
            np.savez(
                file, header=np.array(header), anchors=data.object_channels.astype(np.float16),
                globals=data.global_channels, durations=data.log_durations,
            )  # fmt: skip

    @classmethod
    def load(cls, folder: Path) -> TrainingData:
        """Read the cache. Raises DatasetError."""
        meta = MetaDataset.load(folder / "decisions.npz")
        try:
            with np.load(folder / "series.npz", allow_pickle=False) as file:
                header = json.loads(str(file["header"]))
                data = Trajectories(file["anchors"].astype(np.float32), file["globals"], file["durations"])
        except (OSError, KeyError, ValueError) as error:
            raise DatasetError(f"{folder} is not a cached data set ({error}). Make it again from the takes.") from error
        ends = np.cumsum([0, *header["counts"]])
        rows = {name: np.arange(ends[i], ends[i + 1]) for i, name in enumerate(header["names"])}
        return cls(meta, {name: data[index] for name, index in rows.items()})


def encode_takes(demonstrations: Iterable[Demonstration]) -> TrainingData:
    """Encode takes, one by one, so that they need not all be in memory. Raises FeatureError, DatasetError."""
    segments: dict[str, list[tuple[features.SegmentArrays, ...]]] = {}
    series: dict[str, list[Trajectories]] = {}
    for take in demonstrations:
        segments.setdefault(take.task, []).append(features.encode(take))
        series.setdefault(make_task_label(take), []).append(resample_takes([take]))
    return TrainingData(
        dataset.build_dataset(segments), {name: concatenate_trajectories(parts) for name, parts in series.items()}
    )


def drop_label_parameters(label: str) -> str:
    """Return what ``shown_by`` said without the clicks' hidden numbers."""
    try:
        clicks = json.loads(label)
    except json.JSONDecodeError:
        return label
    return json.dumps([click[:3] for click in clicks]) if isinstance(clicks, list) else label


def make_task_label(take: Demonstration) -> str:
    """Return what a take shows, in words that are equal for equal clicks; the task's name if it has no clicks."""
    clicks = [segment.instruction for segment in take.segments]
    if not clicks or any(click is None for click in clicks):
        return take.task
    return json.dumps([[c.action, c.object_name, c.target_name, sorted(c.parameters.items())] for c in clicks if c])
