"""Training and validation data for fine-tuning a prior on a user's library.

Of every task with three takes or more, the last take is held out: policies adapted to the others are validated on it.
Tasks with two takes are used for training only. A library may contain scenes with different numbers of objects.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from metagui.demonstrations.recording.segmentation import align_segmentation
from metagui.learning.policy import features
from metagui.learning.policy.dataset import MIN_SEGMENT_DECISIONS, DatasetError, MetaDataset, build_dataset
from metagui.learning.policy.points import Points
from metagui.learning.policy.task_sampler import SamplingSettings, TaskSampler, sample_points
from metagui.learning.prior import Prior, PriorMismatchError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.learning.policy.features import SegmentArrays

MIN_TAKES_TO_HOLD_OUT = 3
"""Minimum number of takes of a task to hold one out."""
MIN_LIBRARY_TASKS = 5
"""Minimum number of tasks to fine-tune on; for fewer, adapting to each is enough."""
HELD_OUT_POINTS = 96
"""Number of points of every validation task's support set, and of its query set."""

EncodedTakes = dict[str, list[tuple["SegmentArrays", ...]]]
"""Encoded takes by task."""


@dataclass(frozen=True)
class FineTuningData:
    """Training sets, one for every number of objects, and validation batches."""

    training: tuple[MetaDataset, ...]
    """One data set for every number of objects."""
    validation_batches: tuple[tuple[Points, Points], ...]
    """Batches of (support, query), one task per segment."""
    task_count: int
    """Number of tasks."""
    held_out_task_count: int
    """Number of tasks with a take held out."""
    notes: tuple[str, ...] = ()
    """Messages about tasks that were left out."""


class MixedSampler:
    """Draws each batch from the user's tasks or from the generated ones, which may have other numbers of objects."""

    def __init__(
        self,
        library_data: FineTuningData,
        generated_data: FineTuningData,
        library_fraction: float,
        sampling: SamplingSettings,
    ) -> None:
        self._library_samplers = _build_samplers(library_data, sampling)
        self._generated_samplers = _build_samplers(generated_data, sampling)
        self._library_fraction = library_fraction

    def __call__(self, rng: np.random.Generator) -> tuple[Points, Points]:
        """Return the support and query points of a batch."""
        samplers = self._library_samplers if rng.random() < self._library_fraction else self._generated_samplers
        sizes = np.array([len(sampler) for sampler in samplers], dtype=np.float64)
        return samplers[int(rng.choice(len(samplers), p=sizes / sizes.sum()))](rng)


def build_fine_tuning_data(tasks: Iterable[Sequence[Demonstration]], prior: Prior, seed: int = 0) -> FineTuningData:
    """Encode every task's takes and hold takes out. Raises DatasetError.

    Takes without boundaries are segmented automatically.
    """
    training: dict[int, EncodedTakes] = {}
    held_out: dict[int, list[tuple[list[SegmentArrays], list[SegmentArrays]]]] = {}
    notes: list[str] = []
    held_out_count = task_count = 0
    for takes in tasks:
        try:
            encoded = encode_matching_takes(takes, prior)
        except (features.FeatureError, PriorMismatchError) as error:
            notes.append(f"'{takes[0].task}' was left out: {error}")
            continue
        if len(encoded) < 2:
            notes.append(
                f"'{takes[0].task}' was left out: it has fewer than two takes with the same number of segments."
            )
            continue
        task_count += 1
        holds_out = len(encoded) >= MIN_TAKES_TO_HOLD_OUT
        objects = len(takes[0].objects)
        training.setdefault(objects, {})[takes[0].task] = encoded[:-1] if holds_out else encoded
        if holds_out:
            held_out_count += 1
            held_out.setdefault(objects, []).extend(_hold_out_last_take(encoded))
    if not training:
        raise DatasetError(
            "There is nothing to learn from: no task has two takes with the same number of segments. Nothing was "
            "changed; record more."
        )
    rng = np.random.default_rng(seed)
    batches = tuple(_stack_validation_batch(pairs, rng) for _, pairs in sorted(held_out.items()) if pairs)
    data = tuple(build_dataset(takes) for _, takes in sorted(training.items()))
    return FineTuningData(data, batches, task_count, held_out_count, tuple(notes))


def encode_matching_takes(takes: Sequence[Demonstration], prior: Prior) -> list[tuple[SegmentArrays, ...]]:
    """Encode the takes with the most common number of segments. Raises FeatureError, PriorMismatchError."""
    for take in takes:
        prior.check_compatible(take.joint_names, take.objects)
    encoded = [features.encode(take) for take in align_segmentation(takes)]
    count = features.most_common_segment_count(encoded)
    return [segments for segments in encoded if len(segments) == count]


def _hold_out_last_take(
    encoded: Sequence[tuple[SegmentArrays, ...]],
) -> list[tuple[list[SegmentArrays], list[SegmentArrays]]]:
    """Return (support, query) segments for every segment of a task; the last take is the query."""
    pairs = []
    for segments in zip(*encoded, strict=True):
        support, query = [s for s in segments[:-1] if len(s) >= MIN_SEGMENT_DECISIONS], segments[-1]
        if support and len(query) >= MIN_SEGMENT_DECISIONS:
            pairs.append((support, [query]))
    return pairs


def _stack_validation_batch(
    pairs: Sequence[tuple[list[SegmentArrays], list[SegmentArrays]]], rng: np.random.Generator
) -> tuple[Points, Points]:
    """Return support and query points of several segments, one task each."""
    sides = ([sample_points(side, HELD_OUT_POINTS, rng) for side in column] for column in zip(*pairs, strict=True))
    support, query = (
        Points(*(torch.from_numpy(np.stack(arrays)) for arrays in zip(*side, strict=True))) for side in sides
    )
    return support, replace(query, take_ids=None)


def _build_samplers(data: FineTuningData, sampling: SamplingSettings) -> list[TaskSampler]:
    """Return a sampler for every number of objects. Raises DatasetError if no segment is usable."""
    usable = [
        part
        for part in data.training
        if any(len(part.find_segments(task)) >= 2 for task in range(len(part.task_names)))
    ]
    if not usable:
        raise DatasetError(
            "No segment of any task lasts two decisions (0.08 s) in two takes. Nothing was changed; record more."
        )
    return [TaskSampler(part, range(len(part.task_names)), sampling) for part in usable]
