"""What ``metagui train`` learns from: every take once as decisions for the policy and once as a series."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from metagui.learning.policy import dataset, features
from metagui.learning.policy.dataset import DatasetError, MetaDataset
from metagui.learning.similarity.trajectory import Series, joined, series_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from metagui.demonstrations.demonstration import Demonstration


@dataclass(frozen=True)
class TrainingData:
    """Takes of many tasks in the forms that the two networks learn from."""

    meta: MetaDataset
    series: dict[str, Series]
    """Takes by what they show: two tasks with the very same clicks are one here."""

    def save(self, folder: Path) -> None:
        """Write the cache: two ``.npz`` files."""
        self.meta.save(folder / "decisions.npz")
        data = joined(list(self.series.values()))
        header = json.dumps({"names": list(self.series), "counts": [len(s) for s in self.series.values()]})
        with (folder / "series.npz").open("wb") as file:
            np.savez(
                file, header=np.array(header), anchors=data.anchors.astype(np.float16),
                globals=data.globals, durations=data.durations,
            )  # fmt: skip

    @classmethod
    def load(cls, folder: Path) -> TrainingData:
        """Read the cache. Raises DatasetError."""
        meta = MetaDataset.load(folder / "decisions.npz")
        try:
            with np.load(folder / "series.npz", allow_pickle=False) as file:
                header = json.loads(str(file["header"]))
                data = Series(file["anchors"].astype(np.float32), file["globals"], file["durations"])
        except (OSError, KeyError, ValueError) as error:
            raise DatasetError(f"{folder} is not a cached data set ({error}). Make it again from the takes.") from error
        ends = np.cumsum([0, *header["counts"]])
        rows = {name: np.arange(ends[i], ends[i + 1]) for i, name in enumerate(header["names"])}
        return cls(meta, {name: data[index] for name, index in rows.items()})


def prepare(demonstrations: Iterable[Demonstration]) -> TrainingData:
    """Encode takes, one by one, so that they need not all be in memory. Raises FeatureError, DatasetError."""
    segments: dict[str, list[tuple[features.SegmentArrays, ...]]] = {}
    series: dict[str, list[Series]] = {}
    for take in demonstrations:
        segments.setdefault(take.task, []).append(features.encode(take))
        series.setdefault(shown_by(take), []).append(series_of([take]))
    return TrainingData(dataset.gather(segments), {name: joined(parts) for name, parts in series.items()})


def alike(shown: str) -> str:
    """Return what ``shown_by`` said without the clicks' hidden numbers."""
    try:
        clicks = json.loads(shown)
    except json.JSONDecodeError:
        return shown
    return json.dumps([click[:3] for click in clicks]) if isinstance(clicks, list) else shown


def shown_by(take: Demonstration) -> str:
    """Return what a take shows, in words that are equal for equal clicks; the task's name if it has no clicks."""
    clicks = [segment.click for segment in take.segments]
    if not clicks or any(click is None for click in clicks):
        return take.task
    return json.dumps([[c.verb, c.anchor, c.target, sorted(c.parameters.items())] for c in clicks if c])
