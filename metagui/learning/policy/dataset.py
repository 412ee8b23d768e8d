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
from metagui.learning.policy.conditioning import GATES
from metagui.learning.policy.features import Array, SegmentArrays
from metagui.learning.policy.policy import PLACES, Points

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from metagui.demonstrations.demonstration import Demonstration

LEAST_ROWS = 2
"""Segments of fewer decisions teach nothing."""
NUDGE = 0.3
"""How far (in 0.1 m) a place is displaced, where it is."""
PASSING, RAISED = 0.7, 0.125
"""How many zones of a task in disguise pass for cubes, and how much higher those lie, in units of COARSE."""
TAIL_ROWS, TAIL_SHARE = 8, 0.25
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
    tasks: NDArray[np.int64]
    """(S,) its task, an index into ``names``."""
    names: tuple[str, ...]

    def takes_of(self, task: int) -> NDArray[np.int64]:
        """Return the segments of a task."""
        return np.flatnonzero(self.tasks == task)

    def segment(self, index: int) -> SegmentArrays:
        """Return one segment's decisions."""
        return self.segments.rows(self.starts[index] + np.arange(self.lengths[index]))

    def fingerprint(self) -> str:
        """Return a short hash of everything that is learnt from."""
        digest = hashlib.sha256(json.dumps([features.VERSION, self.names]).encode())
        for array in (self.segments.globals, self.segments.actions, self.starts):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()[:16]

    def save(self, path: Path) -> None:
        """Write the cache, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        header = json.dumps({"version": features.VERSION, "names": self.names})
        s = self.segments
        try:
            with beside.open("wb") as file:
                np.savez(
                    file, header=np.array(header), starts=self.starts, lengths=self.lengths, tasks=self.tasks,
                    anchors=s.anchors, globals=s.globals, actions=s.actions, done=s.done,
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


def gather(takes_by_task: Mapping[str, Sequence[tuple[SegmentArrays, ...]]]) -> MetaDataset:
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
            found = [t[click] for t in takes if len(t) == usual and len(t[click]) >= LEAST_ROWS]
            kept += found
            tasks += [len(names)] * len(found)
            names.append(f"{task} / {click + 1}")
    if not kept:
        raise DatasetError("There is nothing to learn from: no task has a segment of two decisions or more.")
    return stored(kept, tasks, tuple(names))


def stored(segments: Sequence[SegmentArrays], tasks: Sequence[int], names: tuple[str, ...]) -> MetaDataset:
    """Put segments one after the other, each of one of the tasks with these names."""
    lengths = np.array([len(s) for s in segments], dtype=np.int64)
    columns = zip(*((s.anchors, s.globals, s.actions, s.done) for s in segments), strict=True)
    starts = np.cumsum(lengths) - lengths
    joined = SegmentArrays(*(np.concatenate(column) for column in columns))
    return MetaDataset(joined, starts, lengths, np.array(tasks, dtype=np.int64), names)


def encode_all(demonstrations: Iterable[Demonstration]) -> MetaDataset:
    """Encode takes of any number of tasks into a data set."""
    takes: dict[str, list[tuple[SegmentArrays, ...]]] = {}
    for demonstration in demonstrations:
        takes.setdefault(demonstration.task, []).append(features.encode(demonstration))
    return gather(takes)


Rows = tuple["NDArray[np.int64]", "NDArray[np.int64]"]
"""Some rows, and the number of the segment that each is from."""


def rows_of(starts: NDArray[np.int64], lengths: NDArray[np.int64], points: int, rng: np.random.Generator) -> Rows:
    """Draw ``points`` rows from some segments: the segment uniformly, then a row of it, ends more often."""
    which = rng.integers(len(starts), size=points)
    length = lengths[which]
    uniform = rng.random(points)
    tail = rng.random(points) < TAIL_SHARE
    width = np.where(tail, np.minimum(length, TAIL_ROWS), length)
    back = (uniform * width).astype(np.int64)
    return np.asarray(starts[which] + length - 1 - back, dtype=np.int64), which


@dataclass(frozen=True)
class Draw:
    """How much a batch holds."""

    tasks: int = 16
    support: int = 64
    """Points a task."""
    query: int = 64
    studied: int | None = None
    """So many of the support points encoder and inner steps look at, all if None; the rest is only remembered."""
    most_takes: int = 5
    """Support points come from 1 … this many takes, …"""
    single: float = 0.3
    """… in this share of the tasks from one in any case: the hardest, and what a person begins with."""
    permute: bool = True
    """Shuffle every task's anchors, so that none can be known by its place."""
    mirrored: float = 0.5
    """Share of the tasks shown left-right mirrored: the arm cannot tell, so it is one more task for free."""
    distrusted: float = 0.0
    """Share of the tasks in which the policy has to do without some clues, or all."""
    nudged: float = 0.0
    """Share of the tasks whose inferred start is displaced, see ``policy.Points``."""
    disguised: float = 0.0
    """Share of the tasks in which zones pass for cubes: what can be done to a thing is not in its name."""


class TaskSampler:
    """Draws (support, query) batches from some tasks of a data set; those with one take are left out.

    ``corrections``, segments of the same tasks in which policies acted, are asked about as well, but never shown.
    """

    def __init__(
        self,
        dataset: MetaDataset,
        tasks: Iterable[int],
        draw: Draw | None = None,
        corrections: Sequence[MetaDataset] = (),
    ) -> None:
        self.draw = draw or Draw()
        takes = {task: found for task in tasks if len(found := dataset.takes_of(task)) >= 2}
        self._takes = list(takes.values())
        if not self._takes:
            raise DatasetError("No task has two takes; support and query must come from different ones.")
        sets = (dataset, *corrections)
        rows = np.cumsum([0, *(len(each.segments) for each in sets)])
        firsts = np.cumsum([0, *(len(each.starts) for each in sets)])
        self._starts = np.concatenate([each.starts + rows[i] for i, each in enumerate(sets)])
        self._lengths = np.concatenate([each.lengths for each in sets])
        self._corrected = [
            np.concatenate([firsts[i] + sets[i].takes_of(task) for i in range(1, len(sets))] or [takes[task][:0]])
            for task in takes
        ]
        columns = zip(*((s.anchors, s.globals, s.actions, s.done) for s in (d.segments for d in sets)), strict=True)
        self._columns = [torch.from_numpy(np.concatenate(c) if corrections else c[0]) for c in columns]
        self._columns.append(torch.from_numpy(phases(self._lengths)))
        self._anchors = dataset.segments.anchors.shape[1]

    def __len__(self) -> int:
        return len(self._takes)

    def __call__(self, rng: np.random.Generator) -> tuple[Points, Points]:
        """Return ``batch`` tasks' support and query points."""
        draw = self.draw
        chosen = rng.choice(len(self), size=draw.tasks, replace=draw.tasks > len(self))
        support, query = zip(*(self._split(i, rng) for i in chosen), strict=True)
        anchors = self._anchors
        order = np.tile(np.arange(anchors), (draw.tasks, 1))
        if draw.permute:
            order = rng.permuted(order, axis=1)
        mirrored = rng.random(draw.tasks) < draw.mirrored
        rows, takes = (np.array(column) for column in zip(*support, strict=True))
        owners = torch.from_numpy(takes.astype(np.float32))
        shown = replace(self._points(rows, order, mirrored), take=owners, studied=draw.studied)
        asked = self._points(np.array([rows for rows, _ in query]), order, mirrored)
        if draw.disguised > 0:
            some = (rng.random((draw.tasks, 1)) < draw.disguised) & (rng.random((draw.tasks, anchors)) < PASSING)
            passing = torch.from_numpy(some)
            shown, asked = (replace(side, anchors=disguised(side.anchors, passing)) for side in (shown, asked))
        return self._harder(shown, rng), asked

    def _harder(self, shown: Points, rng: np.random.Generator) -> Points:
        """Take some tasks' clues away, or displace what is inferred, so that the policy learns to do without."""
        tasks = self.draw.tasks
        if self.draw.distrusted > 0:
            without = rng.random((tasks, GATES)) < rng.choice((0.5, 1.0), (tasks, 1))
            without &= rng.random((tasks, 1)) < self.draw.distrusted
            shown = replace(shown, distrust=torch.from_numpy(without.astype(np.float32)))
        if self.draw.nudged > 0:
            places = (rng.random((tasks, 1)) < self.draw.nudged) & (rng.random((tasks, len(PLACES))) < 0.5)
            nudge = NUDGE * rng.normal(size=(tasks, len(PLACES), 3)) * places[..., None]
            shown = replace(shown, nudge=torch.from_numpy(nudge.astype(np.float32)))
        return shown

    def _split(self, task: int, rng: np.random.Generator) -> tuple[Rows, Rows]:
        """Draw one task's support and query rows, from different takes, and which takes they are from."""
        takes = rng.permutation(self._takes[task])
        shown = int(rng.integers(1, min(self.draw.most_takes, len(takes) - 1) + 1))
        if rng.random() < self.draw.single:
            shown = 1
        asked = np.concatenate([takes[shown:], self._corrected[task]])
        return (
            rows_of(self._starts[takes[:shown]], self._lengths[takes[:shown]], self.draw.support, rng),
            rows_of(self._starts[asked], self._lengths[asked], self.draw.query, rng),
        )

    def _points(self, rows: NDArray[np.int64], order: NDArray[np.int64], mirrored: NDArray[np.bool_]) -> Points:
        """Gather (tasks, N) rows, with each task's order of anchors, mirrored or not."""
        anchors, globals_, actions, done, phase = self._columns
        index = torch.from_numpy(rows)
        seen = anchors[index.unsqueeze(-1), torch.from_numpy(order).unsqueeze(1)]
        signs = [torch.from_numpy(np.where(mirrored[:, None], sign, np.float32(1.0))) for sign in features.MIRROR]
        return Points(
            seen * signs[0][:, None, None], globals_[index] * signs[1][:, None], actions[index] * signs[2][:, None],
            done[index], phase[index],
        )  # fmt: skip


def disguised(anchors: torch.Tensor, passing: torch.Tensor) -> torch.Tensor:
    """Return the anchors (tasks, N, A, F) with the zones among ``passing`` (tasks, A) seen as cubes."""
    cube, zone = (features.HELD - features.KIND_FEATURES + features.KINDS.index(kind) for kind in ("cube", "zone"))
    share = anchors[..., zone] * passing.unsqueeze(1)
    height = anchors[..., 2] + RAISED * share
    seen = anchors.clone()
    seen[..., 2] = height
    seen[..., 5] = torch.tanh(height * (features.COARSE / features.FINE))
    seen[..., 8] = torch.tanh(height * (features.COARSE / features.FINEST))
    seen[..., features.SEEN_FEATURES + 2] += RAISED * share
    seen[..., cube] += share
    seen[..., zone] -= share
    return seen


def points_from(segments: Sequence[SegmentArrays], points: int, rng: np.random.Generator) -> list[Array]:
    """Draw ``points`` decisions from a few segments, as [anchors, globals, actions, done, phase, take] arrays."""
    lengths = np.array([len(s) for s in segments], dtype=np.int64)
    starts = np.cumsum(lengths) - lengths
    rows, which = rows_of(starts, lengths, points, rng)
    names = ("anchors", "globals", "actions", "done")
    columns = [np.concatenate([getattr(s, name) for s in segments])[rows] for name in names]
    return [*columns, phases(lengths)[rows], which.astype(np.float32)]


def phases(lengths: NDArray[np.int64]) -> Array:
    """Return how much of its segment has passed at every row, 0 to 1, for segments of these lengths in a row."""
    rows = np.concatenate([np.arange(n) / max(n - 1, 1) for n in lengths]) if len(lengths) else np.zeros(0)
    return rows.astype(np.float32)
