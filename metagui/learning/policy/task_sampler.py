"""Draws meta-learning batches (support and query points of several tasks) from a data set, with augmentation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from metagui.learning.policy.conditioning import GATE_COUNT, INFERRED_POSITIONS
from metagui.learning.policy.dataset import DatasetError
from metagui.learning.policy.feature_layout import (
    COARSE_SCALE_M,
    FINE_SCALE_M,
    FINEST_SCALE_M,
    MIRROR_SIGNS,
    OBJECT_LAYOUT,
)
from metagui.learning.policy.points import Points

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from metagui.learning.policy.dataset import MetaDataset
    from metagui.learning.policy.feature_layout import Array
    from metagui.learning.policy.features import SegmentArrays

INFERRED_POSITION_NOISE = 0.3
"""Standard deviation of the noise on inferred positions, in 0.1 m."""
ZONE_AS_CUBE_PROBABILITY, ZONE_AS_CUBE_HEIGHT = 0.7, 0.125
"""Probability that a zone of a selected task is encoded as a cube, and how much higher a cube is, in 0.1 m."""
TAIL_DECISIONS, TAIL_FRACTION = 8, 0.25
"""Fraction of all points that come from a segment's last decisions, and the number of those: the end matters most."""

SampledRows = tuple["NDArray[np.int64]", "NDArray[np.int64]"]
"""Sampled rows, and the number of the segment that each is from."""


@dataclass(frozen=True)
class SamplingSettings:
    """Size and augmentation of a batch."""

    tasks: int = 16
    """Number of tasks."""
    support: int = 64
    """Number of support points per task."""
    query: int = 64
    """Number of query points per task."""
    encoder_points: int | None = None
    """Number of support points that the encoder and the inner steps use, None for all; the memory stores all."""
    max_support_takes: int = 5
    """Maximum number of takes that support points come from."""
    single_take_fraction: float = 0.3
    """Fraction of tasks with one support take: the hardest case, and what a user starts with."""
    permute_objects: bool = True
    """True if every task's objects are shuffled, so that none can be recognised by its index."""
    mirrored_fraction: float = 0.5
    """Fraction of tasks that are mirrored left-right; the arm is symmetric, so each is one more task."""
    conditioning_dropout: float = 0.0
    """Fraction of tasks in which some or all conditioning gates are closed."""
    position_noise_fraction: float = 0.0
    """Fraction of tasks whose inferred positions get noise, see ``Points.position_noise``."""
    zone_as_cube_fraction: float = 0.0
    """Fraction of tasks in which zones are encoded as cubes: what can be done with an object is not in its kind."""
    people_fraction: float = 0.5
    """Fraction of tasks whose support takes are by people, if there are any; query takes are always the script's."""


class TaskSampler:
    """Draws (support, query) batches from some tasks of a data set; tasks with one take are left out.

    ``corrections`` are segments of the same tasks in which policies acted; they are in query sets only. ``people`` are
    takes of the same tasks by people; they are in support sets only: a policy should do what a person means, not repeat
    pauses and tremor.
    """

    def __init__(
        self,
        dataset: MetaDataset,
        tasks: Iterable[int],
        settings: SamplingSettings | None = None,
        corrections: Sequence[MetaDataset] = (),
        people: MetaDataset | None = None,
    ) -> None:
        self.settings = settings or SamplingSettings()
        takes = {task: found for task in tasks if len(found := dataset.find_segments(task)) >= 2}
        self._segments_of_tasks = list(takes.values())
        if not self._segments_of_tasks:
            raise DatasetError("No task has two takes; support and query must come from different ones.")
        others = (*corrections, people) if people is not None else tuple(corrections)
        sets = (dataset, *others)
        rows = np.cumsum([0, *(len(each.segments) for each in sets)])
        firsts = np.cumsum([0, *(len(each.starts) for each in sets)])
        self._starts = np.concatenate([each.starts + rows[i] for i, each in enumerate(sets)])
        self._lengths = np.concatenate([each.lengths for each in sets])

        def find_segments(task: int, indices: range) -> NDArray[np.int64]:
            found = [firsts[i] + sets[i].find_segments(task) for i in indices]
            return np.concatenate([takes[task][:0], *found])

        corrected = range(1, 1 + len(corrections))
        self._corrections_of_tasks = [find_segments(task, corrected) for task in takes]
        self._people_of_tasks = [find_segments(task, range(corrected.stop, len(sets))) for task in takes]
        columns = zip(
            *((s.object_features, s.global_features, s.actions, s.done) for s in (d.segments for d in sets)),
            strict=True,
        )
        self._columns = [torch.from_numpy(np.concatenate(c) if others else c[0]) for c in columns]
        self._columns.append(torch.from_numpy(compute_phases(self._lengths)))
        self._object_count = dataset.segments.object_features.shape[1]

    def __len__(self) -> int:
        return len(self._segments_of_tasks)

    def __call__(self, rng: np.random.Generator) -> tuple[Points, Points]:
        """Return the support and query points of ``settings.tasks`` tasks."""
        settings = self.settings
        chosen = rng.choice(len(self), size=settings.tasks, replace=settings.tasks > len(self))
        support, query = zip(*(self._sample_support_query(i, rng) for i in chosen), strict=True)
        order = np.tile(np.arange(self._object_count), (settings.tasks, 1))
        if settings.permute_objects:
            order = rng.permuted(order, axis=1)
        mirrored = rng.random(settings.tasks) < settings.mirrored_fraction
        rows, takes = (np.array(column) for column in zip(*support, strict=True))
        support_points = replace(
            self._gather_points(rows, order, mirrored),
            take_ids=torch.from_numpy(takes.astype(np.float32)),
            encoder_points=settings.encoder_points,
        )
        query_points = self._gather_points(np.array([rows for rows, _ in query]), order, mirrored)
        if settings.zone_as_cube_fraction > 0:
            selected = (rng.random((settings.tasks, 1)) < settings.zone_as_cube_fraction) & (
                rng.random((settings.tasks, self._object_count)) < ZONE_AS_CUBE_PROBABILITY
            )
            support_points, query_points = (
                replace(side, object_features=show_zones_as_cubes(side.object_features, torch.from_numpy(selected)))
                for side in (support_points, query_points)
            )
        return self._drop_conditioning(support_points, rng), query_points

    def _drop_conditioning(self, support: Points, rng: np.random.Generator) -> Points:
        """Close some tasks' gates or displace inferred positions, so that the policy becomes robust to both."""
        tasks, positions = self.settings.tasks, len(INFERRED_POSITIONS)
        if self.settings.conditioning_dropout > 0:
            closed = rng.random((tasks, GATE_COUNT)) < rng.choice((0.5, 1.0), (tasks, 1))
            closed &= rng.random((tasks, 1)) < self.settings.conditioning_dropout
            support = replace(support, conditioning_dropout=torch.from_numpy(closed.astype(np.float32)))
        if self.settings.position_noise_fraction > 0:
            selected = (rng.random((tasks, 1)) < self.settings.position_noise_fraction) & (
                rng.random((tasks, positions)) < 0.5
            )
            noise = INFERRED_POSITION_NOISE * rng.normal(size=(tasks, positions, 3)) * selected[..., None]
            support = replace(support, position_noise=torch.from_numpy(noise.astype(np.float32)))
        return support

    def _sample_support_query(self, task: int, rng: np.random.Generator) -> tuple[SampledRows, SampledRows]:
        """Draw one task's support and query rows, from different takes, with the number of each row's take."""
        takes, people = rng.permutation(self._segments_of_tasks[task]), self._people_of_tasks[task]
        if len(people) and rng.random() < self.settings.people_fraction:
            support, query = rng.permutation(people)[: self._draw_take_count(len(people), rng)], takes
        else:
            count = self._draw_take_count(len(takes) - 1, rng)
            support, query = takes[:count], takes[count:]
        query = np.concatenate([query, self._corrections_of_tasks[task]])
        return (
            sample_rows(self._starts[support], self._lengths[support], self.settings.support, rng),
            sample_rows(self._starts[query], self._lengths[query], self.settings.query, rng),
        )

    def _draw_take_count(self, available: int, rng: np.random.Generator) -> int:
        """Draw the number of support takes."""
        count = int(rng.integers(1, min(self.settings.max_support_takes, available) + 1))
        return 1 if rng.random() < self.settings.single_take_fraction else count

    def _gather_points(self, rows: NDArray[np.int64], order: NDArray[np.int64], mirrored: NDArray[np.bool_]) -> Points:
        """Return the points of (tasks, N) rows, with each task's order of objects, mirrored or not."""
        object_features, global_features, actions, done, phase = self._columns
        index = torch.from_numpy(rows)
        ordered = object_features[index.unsqueeze(-1), torch.from_numpy(order).unsqueeze(1)]
        signs = [torch.from_numpy(np.where(mirrored[:, None], sign, np.float32(1.0))) for sign in MIRROR_SIGNS]
        return Points(
            ordered * signs[0][:, None, None], global_features[index] * signs[1][:, None],
            actions[index] * signs[2][:, None], done[index], phase[index],
        )  # fmt: skip


def show_zones_as_cubes(object_features: torch.Tensor, selected: torch.Tensor) -> torch.Tensor:
    """Return object features with the zones in ``selected`` encoded as cubes.

    Shapes are (tasks, N, A, OBJECT_FEATURES) and (tasks, A).
    """
    layout = OBJECT_LAYOUT
    cube, zone, z = layout.kind_column("cube"), layout.kind_column("zone"), 2
    changed = object_features[..., zone] * selected.unsqueeze(1)
    height = object_features[..., layout.offset.start + z] + ZONE_AS_CUBE_HEIGHT * changed
    features = object_features.clone()
    features[..., layout.offset.start + z] = height
    features[..., layout.offset_fine.start + z] = torch.tanh(height * (COARSE_SCALE_M / FINE_SCALE_M))
    features[..., layout.height_finest] = torch.tanh(height * (COARSE_SCALE_M / FINEST_SCALE_M))
    features[..., layout.box_centre.start + z] += ZONE_AS_CUBE_HEIGHT * changed
    features[..., cube] += changed
    features[..., zone] -= changed
    return features


def sample_rows(
    starts: NDArray[np.int64], lengths: NDArray[np.int64], count: int, rng: np.random.Generator
) -> SampledRows:
    """Draw rows from some segments: the segment uniformly, then a row of it, more often near its end."""
    segments = rng.integers(len(starts), size=count)
    length = lengths[segments]
    uniform = rng.random(count)
    tail = rng.random(count) < TAIL_FRACTION
    width = np.where(tail, np.minimum(length, TAIL_DECISIONS), length)
    back = (uniform * width).astype(np.int64)
    return np.asarray(starts[segments] + length - 1 - back, dtype=np.int64), segments


def sample_points(segments: Sequence[SegmentArrays], count: int, rng: np.random.Generator) -> list[Array]:
    """Draw decisions from a few segments, as the first six fields of ``Points`` without task dimension."""
    lengths = np.array([len(s) for s in segments], dtype=np.int64)
    starts = np.cumsum(lengths) - lengths
    rows, takes = sample_rows(starts, lengths, count, rng)
    columns = zip(*((s.object_features, s.global_features, s.actions, s.done) for s in segments), strict=True)
    sampled = [np.concatenate(column)[rows] for column in columns]
    return [*sampled, compute_phases(lengths)[rows], takes.astype(np.float32)]


def compute_phases(lengths: NDArray[np.int64]) -> Array:
    """Return the elapsed fraction of its segment at every row, 0 to 1, for consecutive segments."""
    rows = np.concatenate([np.arange(n) / max(n - 1, 1) for n in lengths]) if len(lengths) else np.zeros(0)
    return rows.astype(np.float32)
