"""Many tasks' segments in memory, so that a meta-learning batch costs a millisecond.

One meta-learning task is one click of one program; its takes are that click's segments. Support and query come
from different takes. A data set is cached as one plain ``.npz`` of arrays.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from metagui.learning.policy import features
from metagui.learning.policy.conditioning import GATE_COUNT
from metagui.learning.policy.features import Array, SegmentArrays
from metagui.learning.policy.policy import POSITION_TENSORS, Points

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from metagui.demonstrations.demonstration import Demonstration

MIN_SEGMENT_DECISIONS = 2
"""Segments of fewer decisions teach nothing."""
INFERRED_POSITION_NOISE = 0.3
"""How far (in 0.1 m) a place is displaced, where it is."""
ZONE_AS_CUBE_PROBABILITY, ZONE_AS_CUBE_HEIGHT = 0.7, 0.125
"""How many zones of a task in disguise pass for cubes, and how much higher those lie, in units of COARSE."""
TAIL_DECISIONS, TAIL_FRACTION = 8, 0.25
"""A quarter of all points come from a segment's last decisions: what matters happens there."""


class DatasetError(Exception):
    """A data set cannot be used; the message says why."""


@dataclass(frozen=True)
class MetaDataset:
    """All decisions of all segments one after the other (R rows), and which belong to which task and take."""

    segments: SegmentArrays
    """Arrays of R rows."""
    starts: NDArray[np.int64]
    """(S,) first row of every segment."""
    lengths: NDArray[np.int64]
    """(S,) its decisions."""
    task_indices: NDArray[np.int64]
    """(S,) its task, an index into ``names``."""
    task_names: tuple[str, ...]

    def find_segments(self, task: int) -> NDArray[np.int64]:
        """Return the segments of a task."""
        return np.flatnonzero(self.task_indices == task)

    def get_segment(self, index: int) -> SegmentArrays:
        """Return one segment's decisions."""
        return self.segments.select(self.starts[index] + np.arange(self.lengths[index]))

    def fingerprint(self) -> str:
        """Return a short hash of everything that is learnt from."""
        digest = hashlib.sha256(json.dumps([features.VERSION, self.task_names]).encode())
        for array in (self.segments.global_features, self.segments.actions, self.starts):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()[:16]

    def save(self, path: Path) -> None:
        """Write the cache, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        header = json.dumps({"version": features.VERSION, "names": self.task_names})
        s = self.segments
        try:
            with beside.open("wb") as file:
                np.savez(
                    file, header=np.array(header), starts=self.starts, lengths=self.lengths, tasks=self.task_indices,
                    anchors=s.object_features, globals=s.global_features, actions=s.actions, done=s.done,
                )  # fmt: skip
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: Path) -> MetaDataset:
        """Read the cache. Raises DatasetError."""
        try:
            with np.load(path, allow_pickle=False) as file:
                header = json.loads(str(file["header"]))
                segments = SegmentArrays(*(file[k] for k in ("anchors", "globals", "actions", "done")))
                index = [file[k] for k in ("starts", "lengths", "tasks")]
        except (OSError, KeyError, ValueError) as error:
            raise DatasetError(f"{path} is not a cached data set ({error}). Make it again from the takes.") from error
        if header["version"] != features.VERSION:
            raise DatasetError(
                f"{path} holds features of version {header['version']}, this program uses {features.VERSION}. "
                "Nothing was changed; make it again from the takes."
            )
        starts, lengths, tasks = index
        return cls(segments, starts, lengths, tasks, tuple(header["names"]))


def build_dataset(takes_by_task: Mapping[str, Sequence[tuple[SegmentArrays, ...]]]) -> MetaDataset:
    """Make a data set from encoded takes: a task's takes, each a tuple of segments, one a click.

    Takes whose number of segments is not the commonest of their task are left out; so are segments too short.
    """
    kept: list[SegmentArrays] = []
    tasks: list[int] = []
    names: list[str] = []
    for task, takes in takes_by_task.items():
        counts = [len(take) for take in takes]
        usual = max(set(counts), key=counts.count) if counts else 0
        for click in range(usual):
            found = [t[click] for t in takes if len(t) == usual and len(t[click]) >= MIN_SEGMENT_DECISIONS]
            kept += found
            tasks += [len(names)] * len(found)
            names.append(f"{task} / {click + 1}")
    if not kept:
        raise DatasetError("There is nothing to learn from: no task has a segment of two decisions or more.")
    return concatenate_segments(kept, tasks, tuple(names))


def concatenate_segments(
    segments: Sequence[SegmentArrays], tasks: Sequence[int], names: tuple[str, ...]
) -> MetaDataset:
    """Put segments one after the other, each of one of the tasks with these names."""
    lengths = np.array([len(s) for s in segments], dtype=np.int64)
    columns = zip(*((s.object_features, s.global_features, s.actions, s.done) for s in segments), strict=True)
    starts = np.cumsum(lengths) - lengths
    joined = SegmentArrays(*(np.concatenate(column) for column in columns))
    return MetaDataset(joined, starts, lengths, np.array(tasks, dtype=np.int64), names)


def encode_all(demonstrations: Iterable[Demonstration]) -> MetaDataset:
    """Encode takes of any number of tasks into a data set."""
    takes: dict[str, list[tuple[SegmentArrays, ...]]] = {}
    for demonstration in demonstrations:
        takes.setdefault(demonstration.task, []).append(features.encode(demonstration))
    return build_dataset(takes)


SampledRows = tuple["NDArray[np.int64]", "NDArray[np.int64]"]
"""Some rows, and the number of the segment that each is from."""


def sample_rows(
    starts: NDArray[np.int64], lengths: NDArray[np.int64], count: int, rng: np.random.Generator
) -> SampledRows:
    """Draw ``points`` rows from some segments: the segment uniformly, then a row of it, ends more often."""
    which = rng.integers(len(starts), size=count)
    length = lengths[which]
    uniform = rng.random(count)
    tail = rng.random(count) < TAIL_FRACTION
    width = np.where(tail, np.minimum(length, TAIL_DECISIONS), length)
    back = (uniform * width).astype(np.int64)
    return np.asarray(starts[which] + length - 1 - back, dtype=np.int64), which


@dataclass(frozen=True)
class SamplingSettings:
    """How much a batch holds."""

    tasks: int = 16
    support: int = 64
    """Points a task."""
    query: int = 64
    encoder_points: int | None = None
    """So many of the support points encoder and inner steps look at, all if None; the rest is only remembered."""
    max_support_takes: int = 5
    """Support points come from 1 … this many takes, …"""
    single_take_fraction: float = 0.3
    """… in this share of the tasks from one in any case: the hardest, and what a person begins with."""
    permute_objects: bool = True
    """Shuffle every task's anchors, so that none can be known by its place."""
    mirrored_fraction: float = 0.5
    """Share of the tasks shown left-right mirrored: the arm cannot tell, so it is one more task for free."""
    conditioning_dropout: float = 0.0
    """Share of the tasks in which the policy has to do without some clues, or all."""
    position_noise_fraction: float = 0.0
    """Share of the tasks whose inferred start is displaced, see ``policy.Points``."""
    zone_as_cube_fraction: float = 0.0
    """Share of the tasks in which zones pass for cubes: what can be done to a thing is not in its name."""


class TaskSampler:
    """Draws (support, query) batches from some tasks of a data set; those with one take are left out.

    ``corrections``, segments of the same tasks in which policies acted, are asked about as well, but never shown.
    """

    def __init__(
        self,
        dataset: MetaDataset,
        tasks: Iterable[int],
        settings: SamplingSettings | None = None,
        corrections: Sequence[MetaDataset] = (),
    ) -> None:
        self.settings = settings or SamplingSettings()
        takes = {task: found for task in tasks if len(found := dataset.find_segments(task)) >= 2}
        self._segments_of_tasks = list(takes.values())
        if not self._segments_of_tasks:
            raise DatasetError("No task has two takes; support and query must come from different ones.")
        sets = (dataset, *corrections)
        rows = np.cumsum([0, *(len(each.segments) for each in sets)])
        firsts = np.cumsum([0, *(len(each.starts) for each in sets)])
        self._starts = np.concatenate([each.starts + rows[i] for i, each in enumerate(sets)])
        self._lengths = np.concatenate([each.lengths for each in sets])
        self._corrections_of_tasks = [
            np.concatenate([firsts[i] + sets[i].find_segments(task) for i in range(1, len(sets))] or [takes[task][:0]])
            for task in takes
        ]
        columns = zip(
            *((s.object_features, s.global_features, s.actions, s.done) for s in (d.segments for d in sets)),
            strict=True,
        )
        self._columns = [torch.from_numpy(np.concatenate(c) if corrections else c[0]) for c in columns]
        self._columns.append(torch.from_numpy(compute_phases(self._lengths)))
        self._object_count = dataset.segments.object_features.shape[1]

    def __len__(self) -> int:
        return len(self._segments_of_tasks)

    def __call__(self, rng: np.random.Generator) -> tuple[Points, Points]:
        """Return ``batch`` tasks' support and query points."""
        draw = self.settings
        chosen = rng.choice(len(self), size=draw.tasks, replace=draw.tasks > len(self))
        support, query = zip(*(self._sample_support_query(i, rng) for i in chosen), strict=True)
        anchors = self._object_count
        order = np.tile(np.arange(anchors), (draw.tasks, 1))
        if draw.permute_objects:
            order = rng.permuted(order, axis=1)
        mirrored = rng.random(draw.tasks) < draw.mirrored_fraction
        rows, takes = (np.array(column) for column in zip(*support, strict=True))
        owners = torch.from_numpy(takes.astype(np.float32))
        shown = replace(self._gather_points(rows, order, mirrored), take_ids=owners, encoder_points=draw.encoder_points)
        asked = self._gather_points(np.array([rows for rows, _ in query]), order, mirrored)
        if draw.zone_as_cube_fraction > 0:
            some = (rng.random((draw.tasks, 1)) < draw.zone_as_cube_fraction) & (
                rng.random((draw.tasks, anchors)) < ZONE_AS_CUBE_PROBABILITY
            )
            passing = torch.from_numpy(some)
            shown, asked = (
                replace(side, object_features=show_zones_as_cubes(side.object_features, passing))
                for side in (shown, asked)
            )
        return self._drop_conditioning(shown, rng), asked

    def _drop_conditioning(self, support: Points, rng: np.random.Generator) -> Points:
        """Take some tasks' clues away, or displace what is inferred, so that the policy learns to do without."""
        tasks = self.settings.tasks
        if self.settings.conditioning_dropout > 0:
            without = rng.random((tasks, GATE_COUNT)) < rng.choice((0.5, 1.0), (tasks, 1))
            without &= rng.random((tasks, 1)) < self.settings.conditioning_dropout
            support = replace(support, conditioning_dropout=torch.from_numpy(without.astype(np.float32)))
        if self.settings.position_noise_fraction > 0:
            places = (rng.random((tasks, 1)) < self.settings.position_noise_fraction) & (
                rng.random((tasks, len(POSITION_TENSORS))) < 0.5
            )
            nudge = INFERRED_POSITION_NOISE * rng.normal(size=(tasks, len(POSITION_TENSORS), 3)) * places[..., None]
            support = replace(support, position_noise=torch.from_numpy(nudge.astype(np.float32)))
        return support

    def _sample_support_query(self, task: int, rng: np.random.Generator) -> tuple[SampledRows, SampledRows]:
        """Draw one task's support and query rows, from different takes, and which takes they are from."""
        takes = rng.permutation(self._segments_of_tasks[task])
        shown = int(rng.integers(1, min(self.settings.max_support_takes, len(takes) - 1) + 1))
        if rng.random() < self.settings.single_take_fraction:
            shown = 1
        asked = np.concatenate([takes[shown:], self._corrections_of_tasks[task]])
        return (
            sample_rows(self._starts[takes[:shown]], self._lengths[takes[:shown]], self.settings.support, rng),
            sample_rows(self._starts[asked], self._lengths[asked], self.settings.query, rng),
        )

    def _gather_points(self, rows: NDArray[np.int64], order: NDArray[np.int64], mirrored: NDArray[np.bool_]) -> Points:
        """Gather (tasks, N) rows, with each task's order of anchors, mirrored or not."""
        anchors, globals_, actions, done, phase = self._columns
        index = torch.from_numpy(rows)
        seen = anchors[index.unsqueeze(-1), torch.from_numpy(order).unsqueeze(1)]
        signs = [torch.from_numpy(np.where(mirrored[:, None], sign, np.float32(1.0))) for sign in features.MIRROR_SIGNS]
        return Points(
            seen * signs[0][:, None, None], globals_[index] * signs[1][:, None], actions[index] * signs[2][:, None],
            done[index], phase[index],
        )  # fmt: skip


def show_zones_as_cubes(object_features: torch.Tensor, selected: torch.Tensor) -> torch.Tensor:
    """Return the anchors (tasks, N, A, F) with the zones among ``passing`` (tasks, A) seen as cubes."""
    cube, zone = (
        features.HELD_COLUMN - features.KIND_FEATURES + features.OBJECT_KINDS.index(kind) for kind in ("cube", "zone")
    )
    share = object_features[..., zone] * selected.unsqueeze(1)
    height = object_features[..., 2] + ZONE_AS_CUBE_HEIGHT * share
    seen = object_features.clone()
    seen[..., 2] = height
    seen[..., 5] = torch.tanh(height * (features.COARSE_SCALE_M / features.FINE_SCALE_M))
    seen[..., 8] = torch.tanh(height * (features.COARSE_SCALE_M / features.FINEST_SCALE_M))
    seen[..., features.OBJECT_INPUT_FEATURES + 2] += ZONE_AS_CUBE_HEIGHT * share
    seen[..., cube] += share
    seen[..., zone] -= share
    return seen


def sample_points(segments: Sequence[SegmentArrays], count: int, rng: np.random.Generator) -> list[Array]:
    """Draw ``points`` decisions from a few segments, as [anchors, globals, actions, done, phase, take] arrays."""
    lengths = np.array([len(s) for s in segments], dtype=np.int64)
    starts = np.cumsum(lengths) - lengths
    rows, which = sample_rows(starts, lengths, count, rng)
    names = ("object_features", "global_features", "actions", "done")
    columns = [np.concatenate([getattr(s, name) for s in segments])[rows] for name in names]
    return [*columns, compute_phases(lengths)[rows], which.astype(np.float32)]


def compute_phases(lengths: NDArray[np.int64]) -> Array:
    """Return how much of its segment has passed at every row, 0 to 1, for segments of these lengths in a row."""
    rows = np.concatenate([np.arange(n) / max(n - 1, 1) for n in lengths]) if len(lengths) else np.zeros(0)
    return rows.astype(np.float32)
