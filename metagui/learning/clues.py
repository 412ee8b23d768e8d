"""What a policy is told beyond what it sees: the ways to where the demonstrations say, and what they did here.

The same few functions make the clues for torch, in training, and for numpy, while a policy runs. Products, which a
small network cannot form, are given as vectors in the world's frame. Clues of one kind have a gate of their own,
*trust*: a task whose motion is not of that kind does better without them, and the inner steps can close the gate.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from metagui.demonstrations.steps import TIP, wrap_square
from metagui.learning.features import COARSE, FINE, FINEST, HELD

if TYPE_CHECKING:
    from collections.abc import Mapping

INFERRED = ("goal1", "goal2", "mark1", "mark2", "centre", "entry", "radius", "trust")
"""What the demonstrations say of a click, in units of COARSE: where the two attended anchors shall be from the tool at
the end, and at a moment that matters; where the first is from the centre of the motion and from where it begins,
(3,) each; how far from that centre the motion is, (1,); and how far each kind of clue is trusted, (GATES,) logits."""
GATES = 4
"""Goals, marks, circle, stroke."""
CLUES = 129
KEYS, VALUES, RECALLED = 11, 10, 15
"""Numbers of a remembered situation, of what was done in it, and of what the policy is told of that."""
KEY_SCALES = (2.3, 2.3, 2.3, 0.7, 0.7, 0.7, 0.0, 0.7, 0.7, 0.7, 0.7)
"""Logarithms at first: a centimetre from the first anchor counts as much as five from the second."""
_SCALES = (COARSE / FINE, COARSE / FINEST)


def clues(first: Any, second: Any, inferred: Mapping[str, Any], globals_: Any, xp: Any) -> Any:
    """Return (..., CLUES) of two attended anchors, for numpy or for torch.

    ``first``, ``second`` (..., ANCHOR_FEATURES) and ``globals_`` (..., GLOBAL_FEATURES) may be mixtures;
    ``inferred`` has the names above. ``xp`` has ``stack``, ``concat``, ``tanh``, ``sqrt`` and ``arctan2``.
    """
    to_first, to_mark, to_centre, to_entry = (
        first[..., :3] - inferred[name] for name in ("goal1", "mark1", "centre", "entry")
    )
    to_second, to_other = (second[..., :3] - inferred[name] for name in ("goal2", "mark2"))
    between, apart = to_second - to_first, to_other - to_mark
    tip = xp.stack([globals_[..., 5], globals_[..., 6]], -1) * (TIP / COARSE) - first[..., :2]
    push, heading = _line(between[..., :2], tip, xp)
    stroke, _ = _line((to_first - to_entry)[..., :2], -to_entry[..., :2], xp)
    groups = (
        [
            *_scaled([to_first, to_second, between], xp),
            push,
            _turns(first, second, heading, globals_, xp),
            _polar(to_first, xp),
        ],
        _scaled([to_mark, to_other, apart], xp),
        [*_scaled([to_centre], xp), _circle(to_centre, inferred["radius"], xp)],
        [*_scaled([to_entry], xp), stroke],
    )
    gates = 0.5 + 0.5 * xp.tanh(0.5 * inferred["trust"])
    trusted = [xp.concat(group, -1) * gates[..., i : i + 1] for i, group in enumerate(groups)]
    beside = gates + 0.0 * first[..., :1]  # the same in every row, whether there are rows or not
    return xp.concat([*trusted, _polar(first, xp), beside], -1)


def keys_of(first: Any, second: Any, globals_: Any, xp: Any) -> Any:
    """Return (..., KEYS): by what situations are alike, where the two anchors are, what is held, was touched, swept."""
    return xp.concat([first[..., :3], second[..., :3], globals_[..., :1], first[..., HELD : HELD + 4]], -1)


def recalled(like: Any, first: Any, apart: Any, xp: Any) -> Any:
    """Return (..., RECALLED): the way to the situations recalled, what was done there, how unlike they are.

    ``like`` (..., VALUES) is their average, ``apart`` (..., 1) the squared distance of the nearest.
    """
    way = first[..., :3] - like[..., :3]
    unlike = [xp.tanh(apart * 0.1), xp.tanh(apart * 0.01)]
    return xp.concat([way, xp.tanh(way * _SCALES[0]), like[..., 3:], *unlike], -1)


def _scaled(ways: list[Any], xp: Any) -> list[Any]:
    """Return every way (..., 3) at three scales."""
    return [part for way in ways for part in (way, *(xp.tanh(way * k) for k in _SCALES))]


def _turns(first: Any, second: Any, heading: Any, globals_: Any, xp: Any) -> Any:
    """Return (..., 2): the turn that brings a face of the jaw to ``heading``, and that of one anchor to the other."""
    quarter = 4 / math.pi
    turn = wrap_square(xp.arctan2(heading[..., 1], heading[..., 0]) - globals_[..., 4] * 0.8) * quarter
    twist = wrap_square((second[..., 9] - first[..., 9]) / quarter) * quarter
    return xp.stack([turn, twist], -1)


def _circle(to_centre: Any, radius: Any, xp: Any) -> Any:
    """Return (..., 11): direction and distance of the centre, and how far outside the circle the tool is."""
    around = _polar(to_centre, xp)
    outside = around[..., :1] - radius
    off = outside * around[..., 2:4]
    parts = [outside, *(xp.tanh(outside * k) for k in _SCALES), *(xp.tanh(off * k) for k in _SCALES)]
    return xp.concat([around, *parts], -1)


def _line(way: Any, point: Any, xp: Any) -> tuple[Any, Any]:
    """Return (..., 16) about ``point`` (..., 2) and the line from the origin along ``way`` (..., 2), and its direction.

    Direction, length, and the point's parts along and across it: as numbers, and as vectors at two scales.
    """
    length = xp.sqrt(way[..., :1] ** 2 + way[..., 1:] ** 2 + 0.0025)
    ahead = way / length
    along = (point * ahead).sum(-1)[..., None]
    straight = along * ahead
    aside = point - straight
    across = point[..., :1] * ahead[..., 1:] - point[..., 1:] * ahead[..., :1]
    numbers = [ahead, length, xp.tanh(length * 5), along, across, xp.tanh(along * 5), xp.tanh(across * 8)]
    vectors = [straight, aside, xp.tanh(straight * 5), xp.tanh(aside * 8)]
    return xp.concat([*numbers, *vectors], -1), ahead


def _polar(way: Any, xp: Any) -> Any:
    """Return the horizontal distance along (..., 3 or more), at two scales, and its direction, (..., 4)."""
    distance = xp.sqrt(way[..., 0] ** 2 + way[..., 1] ** 2 + 1e-4)
    columns = [distance, xp.tanh(distance * 3), way[..., 0] / distance, way[..., 1] / distance]
    return xp.stack(columns, -1)
