"""Alignment of the boundaries of all takes of a task: the common subsequence of cues with the highest weight.

Every take has a sequence of cues: grasps, releases, touches, rests. A subsequence that all takes contain splits all of
them in the same way, so that no take has to be refused. The one with the highest weight is chosen; a grip weighs more
than a touch, and a touch more than a rest. A person may pause anywhere, but pauses of all takes at one place have a
meaning.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.demonstrations.recording.segmentation_cues import Boundary

    Cues = tuple[str, ...]

CUE_WEIGHTS = {"grip": 4.0, "touch": 2.0, "rest": 1.0}
"""Weight of a boundary by its kind."""
MAX_STRENGTH = 2.0
"""Strength above which a boundary counts no more."""
MIN_STRENGTH = 0.3
"""Minimum strength of a boundary that is considered."""
MAX_REST_DISTANCE_M = 0.03
"""Maximum distance between the rests of several takes at one place, relative to an object, m."""
MAX_COMMON_SEQUENCES = 3000
"""Maximum number of common subsequences; with more, only boundaries with a strength of 1 or more are considered."""


def find_common_boundaries(
    takes: Sequence[Demonstration], found: Sequence[Sequence[Boundary]], count: int | None = None
) -> list[tuple[Boundary, ...]] | None:
    """Choose corresponding boundaries of every take among those that were ``found`` in it.

    With ``count``, choose that many; return None if the takes do not have so many in common.
    """
    usable = [[each for each in boundaries if each.strength >= MIN_STRENGTH] for boundaries in found]
    common = list(_list_common_sequences(usable, count))
    if len(common) >= MAX_COMMON_SEQUENCES:
        usable = [[each for each in boundaries if each.strength >= 1.0] for boundaries in found]
        common = list(_list_common_sequences(usable, count))
    best: tuple[float, list[tuple[Boundary, ...]]] | None = None
    for cues in common:
        if count is not None and len(cues) != count:
            continue
        chosen = [_match_cues(boundaries, cues) for boundaries in usable]
        gain = sum(_compute_gain(takes, corresponding) for corresponding in zip(*chosen, strict=True))
        if best is None or gain > best[0]:
            best = gain, chosen
    return None if best is None else best[1]


def select_strongest(boundaries: Sequence[Boundary], count: int) -> tuple[Boundary, ...]:
    """Return the ``count`` boundaries of a take with the highest weight, in its order; all if it has fewer."""
    kept = sorted(boundaries, key=lambda each: -CUE_WEIGHTS[each.kind] * each.strength)[:count]
    return tuple(each for each in boundaries if each in kept)


def _list_common_sequences(found: Sequence[Sequence[Boundary]], count: int | None) -> Iterator[Cues]:
    """Yield every sequence of at most ``count`` cues that all takes contain, the shorter ones first."""
    cues = [[each.cue for each in boundaries] for boundaries in found]
    shared = sorted(set(cues[0]).intersection(*cues[1:]))
    level: dict[Cues, tuple[int, ...]] = {(): (0,) * len(cues)}
    seen = 0
    while level and seen < MAX_COMMON_SEQUENCES:
        yield from level
        seen += len(level)
        longer: dict[Cues, tuple[int, ...]] = {}
        for sequence, positions in level.items():
            for cue in shared if count is None or len(sequence) < count else ():
                after = [_find_after(own, cue, position) for own, position in zip(cues, positions, strict=True)]
                if all(after):
                    longer[*sequence, cue] = tuple(after)
        level = longer


def _find_after(cues: Sequence[str], cue: str, position: int) -> int:
    """Return the position after the first ``cue`` at ``position`` or later; 0 if there is none."""
    return cues.index(cue, position) + 1 if cue in cues[position:] else 0


def _match_cues(boundaries: Sequence[Boundary], cues: Cues) -> tuple[Boundary, ...]:
    """Return the strongest boundaries with ``cues`` in this order; the take must contain them."""
    none: tuple[float, tuple[Boundary, ...]] = (-math.inf, ())
    best = [(0.0, ()), *(none for _ in cues)]  # entry n: the best match of the first n cues
    for boundary in boundaries:
        for length in range(len(cues), 0, -1):
            if boundary.cue == cues[length - 1]:
                strength = best[length - 1][0] + min(boundary.strength, MAX_STRENGTH)
                if strength > best[length][0]:
                    best[length] = strength, (*best[length - 1][1], boundary)
    return best[-1][1]


def _compute_gain(takes: Sequence[Demonstration], corresponding: Sequence[Boundary]) -> float:
    """Return the gain of one boundary in all takes; negative if the evidence is weak or the places differ."""
    if corresponding[0].kind == "rest" and not _are_at_one_place(takes, corresponding):
        return -math.inf
    strengths = (math.log2(min(each.strength, MAX_STRENGTH)) for each in corresponding)
    return CUE_WEIGHTS[corresponding[0].kind] * sum(strengths) / len(corresponding)


def _are_at_one_place(takes: Sequence[Demonstration], rests: Iterable[Boundary]) -> bool:
    """Whether the takes rest at one place, relative to an object that is not held, or to the table."""
    relative, held = [], []
    for take, rest in zip(takes, rests, strict=True):
        sample = min(rest.stop, len(take) - 1)
        relative.append(take.tool_positions[sample] - take.object_positions[sample])
        held.append(take.held[sample])
    distances = np.linalg.norm(np.ptp(np.array(relative), axis=0), axis=1)
    return bool((distances[~np.any(held, axis=0)] < MAX_REST_DISTANCE_M).any())
