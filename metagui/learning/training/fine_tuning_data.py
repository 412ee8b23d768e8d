"""What is learnt from a person's library, and the takes held out of it to tell whether that helped.

Of every task with three takes or more the last one is never learnt from: policies adapted to the others are judged
on it. Tasks of two takes are learnt from only. Libraries may show scenes of different numbers of anchors.
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
from metagui.learning.policy.task_sampler import sample_points
from metagui.learning.prior import Prior, PriorMismatchError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.learning.policy.features import SegmentArrays

MIN_TAKES_TO_HOLD_OUT = 3
"""A task with so many takes can spare one to be judged on."""
MIN_LIBRARY_TASKS = 5
"""Fewer tasks are no library to learn from: adapting to each of them is all there is to do."""
HELD_OUT_POINTS = 96
"""Decisions of every trial's support, and of its query."""

EncodedTakes = dict[str, list[tuple["SegmentArrays", ...]]]
"""Encoded takes by task."""


@dataclass(frozen=True)
class FineTuningData:
    """Tasks to learn from, one data set for every number of anchors, and trials to be judged on."""

    training: tuple[MetaDataset, ...]
    validation_batches: tuple[tuple[Points, Points], ...]
    """Batches of (support, query), one row a click: adapt to the one, be judged on the other."""
    task_count: int
    held_out_task_count: int
    """Tasks with a take held out."""
    notes: tuple[str, ...] = ()
    """What was left out, in words."""


def build_fine_tuning_data(tasks: Iterable[Sequence[Demonstration]], prior: Prior, seed: int = 0) -> FineTuningData:
    """Encode every task's takes, cut where they have no clicks, and hold takes out. Raises DatasetError."""
    training: dict[int, EncodedTakes] = {}
    held_out: dict[int, list[tuple[list[SegmentArrays], list[SegmentArrays]]]] = {}
    notes: list[str] = []
    judged = count = 0
    for takes in tasks:
        try:
            encoded = encode_matching_takes(takes, prior)
        except (features.FeatureError, PriorMismatchError) as error:
            notes.append(f"'{takes[0].task}' was left out: {error}")
            continue
        if len(encoded) < 2:
            notes.append(f"'{takes[0].task}' was left out: it has fewer than two takes with the same clicks.")
            continue
        count += 1
        spare = len(encoded) >= MIN_TAKES_TO_HOLD_OUT
        anchors = len(takes[0].objects)
        training.setdefault(anchors, {})[takes[0].task] = encoded[:-1] if spare else encoded
        if spare:
            judged += 1
            held_out.setdefault(anchors, []).extend(_hold_out_last_take(encoded))
    if not training:
        raise DatasetError("There is nothing to learn from: no task has two takes with the same clicks. Record more.")
    rng = np.random.default_rng(seed)
    trials = tuple(_stack_validation_batch(pairs, rng) for _, pairs in sorted(held_out.items()) if pairs)
    return FineTuningData(
        tuple(build_dataset(takes) for _, takes in sorted(training.items())), trials, count, judged, tuple(notes)
    )


def encode_matching_takes(takes: Sequence[Demonstration], prior: Prior) -> list[tuple[SegmentArrays, ...]]:
    """Encode the takes that have as many clicks as most of them. Raises FeatureError, PriorMismatch."""
    for take in takes:
        prior.check_compatible(take.joint_names, take.objects)
    encoded = [features.encode(take) for take in align_segmentation(takes)]
    counts = [len(segments) for segments in encoded]
    usual = max(set(counts), key=counts.count) if counts else 0
    return [segments for segments in encoded if len(segments) == usual]


def _hold_out_last_take(
    encoded: Sequence[tuple[SegmentArrays, ...]],
) -> list[tuple[list[SegmentArrays], list[SegmentArrays]]]:
    """Return what is shown and what is asked for every click."""
    pairs = []
    for segments in zip(*encoded, strict=True):
        shown, asked = [s for s in segments[:-1] if len(s) >= MIN_SEGMENT_DECISIONS], segments[-1]
        if shown and len(asked) >= MIN_SEGMENT_DECISIONS:
            pairs.append((shown, [asked]))
    return pairs


def _stack_validation_batch(
    pairs: Sequence[tuple[list[SegmentArrays], list[SegmentArrays]]], rng: np.random.Generator
) -> tuple[Points, Points]:
    sides = ([sample_points(side, HELD_OUT_POINTS, rng) for side in column] for column in zip(*pairs, strict=True))
    shown, asked = (
        Points(*(torch.from_numpy(np.stack(arrays)) for arrays in zip(*side, strict=True))) for side in sides
    )
    return shown, replace(asked, take_ids=None)
