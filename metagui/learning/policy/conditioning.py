"""What a policy is told beyond what it sees: the ways to where the demonstrations say, and what they did here.

The same few functions make the clues for torch, in training, and for numpy, while a policy runs. Products, which a
small network cannot form, are given as vectors in the world's frame. Clues of one kind have a gate of their own,
*trust*: a task whose motion is not of that kind does better without them, and the inner steps can close the gate.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from metagui.demonstrations.primitives.primitive import FINGERTIP_OFFSET_M, wrap_quarter_turn
from metagui.learning.policy.features import (
    COARSE_SCALE_M,
    FINE_SCALE_M,
    FINEST_SCALE_M,
    HELD_COLUMN,
    OBJECT_INPUT_FEATURES,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

INFERRED_POSITIONS = ("goal1", "goal2", "mark1", "mark2", "centre", "entry")
CONDITIONING_TENSORS = (*INFERRED_POSITIONS, "radius", "trust")
"""What the demonstrations say of a click, in units of COARSE: where the two attended anchors shall be from the tool at
the end, and at a moment that matters; where the first is from the centre of the motion and from where it begins,
(3,) each; how far from that centre the motion is, (1,); and how far each kind of clue is trusted, (GATES,) logits."""
GATE_COUNT = 4
"""Goals, marks, circle, stroke."""
CONDITIONING_FEATURES = 130
RETRIEVAL_KEY_FEATURES, RETRIEVAL_VALUE_FEATURES, RETRIEVED_FEATURES = 12, 10, 15
"""Numbers of a remembered situation, of what was done in it, and of what the policy is told of that."""
INITIAL_LOG_KEY_SCALES = (2.3, 2.3, 2.3, 0.7, 0.7, 0.7, 0.0, 0.7, 0.7, 0.7, 0.7, 0.0)
"""Logarithms at first: a centimetre from the first anchor counts as much as five from the second."""
_TANH_GAINS = (COARSE_SCALE_M / FINE_SCALE_M, COARSE_SCALE_M / FINEST_SCALE_M)


def compute_conditioning(
    first: Any, second: Any, entry_distance: Any, inferred: Mapping[str, Any], global_features: Any, xp: Any
) -> Any:
    """Return (..., CLUES) of two attended anchors, for numpy or for torch.

    ``first``, ``second`` (..., ANCHOR_FEATURES) and ``globals_`` (..., GLOBAL_FEATURES) may be mixtures; ``inferred``
    has the names above, ``ahead`` is what the function of that name returns. ``xp`` has ``stack``, ``concat``,
    ``tanh``, ``sqrt``, ``arctan2``, ``minimum`` and ``maximum``. What is done to several vectors is done to all at
    once: small operations cost their number, not their size.
    """
    where = first[..., :3], second[..., :3]
    to_first, to_second, to_mark, to_other, to_centre, to_entry = (
        where[which] - inferred[name] for name, which in zip(INFERRED_POSITIONS, (0, 1, 0, 1, 0, 0), strict=True)
    )
    between = to_second - to_first
    ways = xp.stack([to_first, to_second, between, to_mark, to_other, to_other - to_mark, to_centre, to_entry], -2)
    tip = (
        xp.stack([global_features[..., 5], global_features[..., 6]], -1) * (FINGERTIP_OFFSET_M / COARSE_SCALE_M)
        - where[0][..., :2]
    )
    strokes = xp.stack([between, to_first - to_entry], -2)[..., :2]
    lines, headings = _line_features(strokes, xp.stack([tip, -to_entry[..., :2]], -2), xp)
    around = _polar_features(xp.stack([to_first, to_centre, where[0]], -2), xp)
    trust = 0.5 + 0.5 * xp.tanh(0.5 * inferred["trust"])
    goals, _, circle, stroke = gates = [trust[..., i : i + 1] for i in range(GATE_COUNT)]
    return xp.concat(
        [
            _flatten_last_two(_expand_scales(ways, xp) * xp.stack([gates[i] for i in (0, 0, 0, 1, 1, 1, 2, 3)], -2)),
            _flatten_last_two(lines * xp.stack([gates[i] for i in (0, 3)], -2)),
            entry_distance * stroke,
            around[..., 0, :] * goals,
            _yaw_features(first, second, headings[..., 0, :], global_features, xp) * goals,
            around[..., 1, :] * circle,
            _circle_features(around[..., 1, :], inferred["radius"], xp) * circle,
            around[..., 2, :],
            trust + 0.0 * first[..., :1],  # the same in every row, whether there are rows or not
        ],
        -1,
    )


def compute_entry_distance(first: Any, inferred: Mapping[str, Any], xp: Any) -> Any:
    """Return (..., 1): how far the entry lies outside the box where the first anchor has been, from 0 to 1.

    Once the tool was there it is never ahead again: from the middle of a line nothing else tells whether the tool has
    been at its beginning. A beginning a centimetre away has to be told apart from one that was reached: often the tool
    is that near before it sets out. It is a single number, since from more of them the past would be learnt by heart.
    """
    middle, half = (
        first[..., OBJECT_INPUT_FEATURES : OBJECT_INPUT_FEATURES + 3],
        first[..., OBJECT_INPUT_FEATURES + 3 :],
    )
    away = inferred["entry"] - middle
    short = away - xp.minimum(xp.maximum(away, -half), half)
    return xp.tanh(xp.sqrt((short * short).sum(-1)[..., None] + 1e-6) * _TANH_GAINS[1])


def build_retrieval_keys(first: Any, second: Any, entry_distance: Any, global_features: Any, xp: Any) -> Any:
    """Return (..., KEYS): by what situations are alike.

    Where the two anchors are, the gripper, what is held, was touched, swept, and whether the entry is still ahead.
    """
    seen = [first[..., :3], second[..., :3], global_features[..., :1], first[..., HELD_COLUMN : HELD_COLUMN + 4]]
    return xp.concat([*seen, entry_distance], -1)


def build_retrieved_features(retrieved_values: Any, first: Any, nearest_squared_distance: Any, xp: Any) -> Any:
    """Return (..., RECALLED): the way to the situations recalled, what was done there, how unlike they are.

    ``like`` (..., VALUES) is their average, ``apart`` (..., 1) the squared distance of the nearest.
    """
    way = first[..., :3] - retrieved_values[..., :3]
    unlike = [xp.tanh(nearest_squared_distance * 0.1), xp.tanh(nearest_squared_distance * 0.01)]
    return xp.concat([way, xp.tanh(way * _TANH_GAINS[0]), retrieved_values[..., 3:], *unlike], -1)


def _flatten_last_two(values: Any) -> Any:
    """Return (..., M, F) as (..., M * F)."""
    return values.reshape(*values.shape[:-2], values.shape[-2] * values.shape[-1])


def _expand_scales(displacements: Any, xp: Any) -> Any:
    """Return every way (..., 3) at three scales, (..., 9)."""
    return xp.concat([displacements, *(xp.tanh(displacements * k) for k in _TANH_GAINS)], -1)


def _yaw_features(first: Any, second: Any, heading: Any, global_features: Any, xp: Any) -> Any:
    """Return (..., 2): the turn that brings a face of the jaw to ``heading``, and that of one anchor to the other."""
    quarter = 4 / math.pi
    turn = wrap_quarter_turn(xp.arctan2(heading[..., 1], heading[..., 0]) - global_features[..., 4] * 0.8) * quarter
    twist = wrap_quarter_turn((second[..., 9] - first[..., 9]) / quarter) * quarter
    return xp.stack([turn, twist], -1)


def _circle_features(centre_polar: Any, radius: Any, xp: Any) -> Any:
    """Return (..., 7): how far outside the circle the tool is, from the centre's ``_polar`` coordinates."""
    outside = centre_polar[..., :1] - radius
    off = outside * centre_polar[..., 2:4]
    return xp.concat([outside, *(xp.tanh(xp.concat([outside, off], -1) * k) for k in _TANH_GAINS)], -1)


def _line_features(displacement: Any, point: Any, xp: Any) -> tuple[Any, Any]:
    """Return (..., 16) about ``point`` (..., 2) and the line from the origin along ``way`` (..., 2), and its direction.

    Direction, length, and the point's parts along and across it: as numbers, and as vectors at two scales.
    """
    length = xp.sqrt((displacement * displacement).sum(-1)[..., None] + 0.0025)
    direction = displacement / length
    along = (point * direction).sum(-1)[..., None]
    straight = along * direction
    aside = point - straight
    across = point[..., :1] * direction[..., 1:] - point[..., 1:] * direction[..., :1]
    fine = xp.tanh(xp.concat([length, along, straight], -1) * 5)
    finer = xp.tanh(xp.concat([across, aside], -1) * 8)
    return xp.concat([direction, length, along, across, straight, aside, fine, finer], -1), direction


def _polar_features(displacement: Any, xp: Any) -> Any:
    """Return the horizontal distance along (..., 3 or more), at two scales, and its direction, (..., 4)."""
    flat = displacement[..., :2]
    distance = xp.sqrt((flat * flat).sum(-1)[..., None] + 1e-4)
    return xp.concat([distance, xp.tanh(distance * 3), flat / distance], -1)
