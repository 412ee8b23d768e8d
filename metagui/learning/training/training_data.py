"""Training data of ``metagui train``: every take as decisions for the policy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from metagui.learning.policy import dataset, features
from metagui.learning.policy.dataset import MetaDataset

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from metagui.demonstrations.demonstration import Demonstration


@dataclass(frozen=True)
class TrainingData:
    """Takes of many tasks in the form that the policy is trained on."""

    decisions: MetaDataset
    """Decisions for the policy."""

    def save(self, folder: Path) -> None:
        """Write the cache, atomically. Raises OSError."""
        self.decisions.save(folder / "decisions.npz")

    @classmethod
    def load(cls, folder: Path) -> TrainingData:
        """Read the cache. Raises DatasetError."""
        return cls(MetaDataset.load(folder / "decisions.npz"))


def encode_takes(demonstrations: Iterable[Demonstration]) -> TrainingData:
    """Encode takes one by one, so that they need not all be in memory.

    Raises FeatureError and DatasetError.
    """
    segments: dict[str, list[tuple[features.SegmentArrays, ...]]] = {}
    for take in demonstrations:
        segments.setdefault(take.task, []).append(features.encode(take))
    return TrainingData(dataset.build_dataset(segments))
