"""Conditioning features: what a policy reads in addition to the observation, computed from what was inferred of a task.

The same functions compute the features for torch, in training, and for numpy, during execution. Products, which a
small network cannot compute, are given as vectors in the world frame. Each of the ``GATE_COUNT`` groups of features has
a gate (tensor ``trust``): a task whose motion does not fit a group does better without it, and the inner steps can
close the gate.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from metagui.demonstrations.primitives.primitive import FINGERTIP_OFFSET_M, wrap_quarter_turn
from metagui.learning.policy.feature_layout import (
    COARSE_SCALE_M,
    FINE_SCALE_M,
    FINEST_SCALE_M,
    GLOBAL_LAYOUT,
    OBJECT_LAYOUT,
    YAW_SCALE_RAD,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

INFERRED_POSITIONS = ("goal1", "goal2", "mark1", "mark2", "centre", "entry")
CONDITIONING_TENSORS = (*INFERRED_POSITIONS, "radius", "trust")
"""Inferred of a segment, lengths in units of ``COARSE_SCALE_M``: positions of the two attended objects relative to the
tool at the end (``goal1``, ``goal2``) and at a via point (``mark1``, ``mark2``), of the first object at the centre of
the motion and at its entry, (3,) each; distance of the motion from that centre, (1,); gate logits, (GATE_COUNT,)."""
GATE_COUNT = 4
"""Number of gates: goals, via points, circle, stroke."""
CONDITIONING_FEATURES = 130
"""Number of conditioning features."""
RETRIEVAL_KEY_FEATURES, RETRIEVAL_VALUE_FEATURES, RETRIEVED_FEATURES = 12, 10, 15
"""Number of values that describe a stored situation, the action in it, and the result of a retrieval."""
INITIAL_LOG_KEY_SCALES = (2.3, 2.3, 2.3, 0.7, 0.7, 0.7, 0.0, 0.7, 0.7, 0.7, 0.7, 0.0)
"""Initial logarithms of the key scales: 1 cm from the first object weighs as much as 5 cm from the second."""
_TANH_GAINS = (COARSE_SCALE_M / FINE_SCALE_M, COARSE_SCALE_M / FINEST_SCALE_M)


def compute_conditioning(
    first: Any, second: Any, entry_distance: Any, inferred: Mapping[str, Any], global_features: Any, xp: Any
) -> Any:
    """Return the conditioning features (..., CONDITIONING_FEATURES), in numpy or torch.

    For each inferred position p of object o: o − p at three scales, times the gate; then features of lines between
    positions, polar coordinates, yaw and the circle (radius of the tool − inferred radius).

    ``first``, ``second`` (..., OBJECT_FEATURES) and ``global_features`` (..., GLOBAL_FEATURES) may be mixtures;
    ``inferred`` has the names in CONDITIONING_TENSORS, ``entry_distance`` comes from ``compute_entry_distance``. ``xp``
    has ``stack``, ``concat``, ``tanh``, ``sqrt``, ``arctan2``, ``minimum`` and ``maximum``. Vectors are processed
    together: the cost of small operations is their number, not their size.
    """
    position = first[..., OBJECT_LAYOUT.offset], second[..., OBJECT_LAYOUT.offset]
    to_first, to_second, to_mark, to_other, to_centre, to_entry = (
        position[which] - inferred[name] for name, which in zip(INFERRED_POSITIONS, (0, 1, 0, 1, 0, 0), strict=True)
    )
    between = to_second - to_first
    vectors = xp.stack([to_first, to_second, between, to_mark, to_other, to_other - to_mark, to_centre, to_entry], -2)
    heading = xp.stack([global_features[..., GLOBAL_LAYOUT.cos_yaw], global_features[..., GLOBAL_LAYOUT.sin_yaw]], -1)
    tip = heading * (FINGERTIP_OFFSET_M / COARSE_SCALE_M) - position[0][..., :2]
    strokes = xp.stack([between, to_first - to_entry], -2)[..., :2]
    lines, headings = _line_features(strokes, xp.stack([tip, -to_entry[..., :2]], -2), xp)
    around = _polar_features(xp.stack([to_first, to_centre, position[0]], -2), xp)
    trust = 0.5 + 0.5 * xp.tanh(0.5 * inferred["trust"])
    goals, _, circle, stroke = gates = [trust[..., i : i + 1] for i in range(GATE_COUNT)]
    return xp.concat(
        [
            _flatten_last_two(_expand_scales(vectors, xp) * xp.stack([gates[i] for i in (0, 0, 0, 1, 1, 1, 2, 3)], -2)),
            _flatten_last_two(lines * xp.stack([gates[i] for i in (0, 3)], -2)),
            entry_distance * stroke,
            around[..., 0, :] * goals,
            _yaw_features(first, second, headings[..., 0, :], global_features, xp) * goals,
            around[..., 1, :] * circle,
            _circle_features(around[..., 1, :], inferred["radius"], xp) * circle,
            around[..., 2, :],
            trust + 0.0 * first[..., :1],  # broadcast to the rows, if there are rows
        ],
        -1,
    )


def compute_entry_distance(first: Any, inferred: Mapping[str, Any], xp: Any) -> Any:
    """Return tanh(k · distance) of the entry from the box of the first object's past positions, (..., 1).

    Once the tool has been at the entry the value stays 0: from the middle of a line nothing else shows whether the tool
    has been at its start. An entry 1 cm away must differ from one already reached, because the tool is often that near
    before it starts. It is a single number, because from more numbers about the past the policy overfits.
    """
    centre, half = first[..., OBJECT_LAYOUT.box_centre], first[..., OBJECT_LAYOUT.box_half_size]
    offset = inferred["entry"] - centre
    outside = offset - xp.minimum(xp.maximum(offset, -half), half)
    return xp.tanh(xp.sqrt((outside * outside).sum(-1)[..., None] + 1e-6) * _TANH_GAINS[1])


def build_retrieval_keys(first: Any, second: Any, entry_distance: Any, global_features: Any, xp: Any) -> Any:
    """Return the keys (..., RETRIEVAL_KEY_FEATURES) by which similar situations are found.

    Positions of the two objects, gripper, held, touched and swept of the first object, distance to the entry.
    """
    gripper = global_features[..., GLOBAL_LAYOUT.gripper : GLOBAL_LAYOUT.gripper + 1]
    offset, history = OBJECT_LAYOUT.offset, OBJECT_LAYOUT.history
    return xp.concat([first[..., offset], second[..., offset], gripper, first[..., history], entry_distance], -1)


def build_retrieved_features(retrieved_values: Any, first: Any, nearest_squared_distance: Any, xp: Any) -> Any:
    """Return (..., RETRIEVED_FEATURES): offset, action and dissimilarity of the retrieved situations.

    ``retrieved_values`` (..., RETRIEVAL_VALUE_FEATURES) is their weighted mean, ``nearest_squared_distance`` (..., 1)
    belongs to the nearest of them.
    """
    offset = first[..., OBJECT_LAYOUT.offset] - retrieved_values[..., :3]
    dissimilarity = [xp.tanh(nearest_squared_distance * 0.1), xp.tanh(nearest_squared_distance * 0.01)]
    return xp.concat([offset, xp.tanh(offset * _TANH_GAINS[0]), retrieved_values[..., 3:], *dissimilarity], -1)


def _flatten_last_two(values: Any) -> Any:
    """Return (..., M, F) as (..., M * F)."""
    return values.reshape(*values.shape[:-2], values.shape[-2] * values.shape[-1])


def _expand_scales(displacements: Any, xp: Any) -> Any:
    """Return [d, tanh(5 d), tanh(12.5 d)] of displacements d (..., 3), (..., 9)."""
    return xp.concat([displacements, *(xp.tanh(displacements * k) for k in _TANH_GAINS)], -1)


def _yaw_features(first: Any, second: Any, heading: Any, global_features: Any, xp: Any) -> Any:
    """Return (..., 2): turn to align a face of the jaw with ``heading``, and turn between the objects."""
    quarter = 4 / math.pi
    tool_yaw = global_features[..., GLOBAL_LAYOUT.yaw] * YAW_SCALE_RAD
    turn = wrap_quarter_turn(xp.arctan2(heading[..., 1], heading[..., 0]) - tool_yaw) * quarter
    twist = wrap_quarter_turn((second[..., OBJECT_LAYOUT.yaw] - first[..., OBJECT_LAYOUT.yaw]) / quarter) * quarter
    return xp.stack([turn, twist], -1)


def _circle_features(centre_polar: Any, radius: Any, xp: Any) -> Any:
    """Return (..., 7): signed distance of the tool from the circle, from the centre's ``_polar_features``."""
    outside = centre_polar[..., :1] - radius
    radial = outside * centre_polar[..., 2:4]
    return xp.concat([outside, *(xp.tanh(xp.concat([outside, radial], -1) * k) for k in _TANH_GAINS)], -1)


def _line_features(displacement: Any, point: Any, xp: Any) -> tuple[Any, Any]:
    """Return features (..., 16) of a point (..., 2) and the line along ``displacement``, and its direction.

    The features are direction, length, and the point's components along and across the line: as numbers, and as vectors
    at two scales.
    """
    length = xp.sqrt((displacement * displacement).sum(-1)[..., None] + 0.0025)
    direction = displacement / length
    along = (point * direction).sum(-1)[..., None]
    parallel = along * direction
    normal = point - parallel
    across = point[..., :1] * direction[..., 1:] - point[..., 1:] * direction[..., :1]
    fine = xp.tanh(xp.concat([length, along, parallel], -1) * 5)
    finer = xp.tanh(xp.concat([across, normal], -1) * 8)
    return xp.concat([direction, length, along, across, parallel, normal, fine, finer], -1), direction


def _polar_features(displacement: Any, xp: Any) -> Any:
    """Return the horizontal distance of (..., 3) at two scales, and its direction, (..., 4)."""
    horizontal = displacement[..., :2]
    distance = xp.sqrt((horizontal * horizontal).sum(-1)[..., None] + 1e-4)
    return xp.concat([distance, xp.tanh(distance * 3), horizontal / distance], -1)
