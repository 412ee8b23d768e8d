"""What demonstrations say of a click, in closed form: where it ends, where it begins, about which circle it goes.

Functions of (tasks, N) points, differentiable, without parameters; what is learnt, ``policy`` adds. Lengths are in
units of ``features.COARSE``, 0.1 m.
"""

from __future__ import annotations

import torch

CIRCLE_FIT_RIDGE = 3e-3
"""Keeps a circle's fit finite, in (0.1 m)^2."""
LEVEL_SHARPNESS, OFF_CIRCLE_SHARPNESS = 100.0, 15.0
"""How much less a point counts for the circle, a 0.1 m above or below the last ones, or off the circle."""
CENTRE_FEATURE_GAINS = (5.0, 5.0, 2.0, 12.5)
"""By how much ``middles`` are multiplied, in 0.1 m, before they are bounded."""
CENTRE_FEATURES = len(CENTRE_FEATURE_GAINS)
LEVEL_TOLERANCE, LEVEL_SOFTNESS = 0.06, 0.006
"""Points within this of the last ones' height count for where the motion begins, and how sharply that ends, 0.1 m: a
hand goes on from a corner once it is within 5 mm."""
EARLINESS_SHARPNESS = 30.0
"""How much less a point counts for that, one whole segment later."""
RISE_HEIGHT, RISE_PENALTY = 0.08, 30.0
"""Higher than this above the end, 0.1 m, the tool has risen from it, and how much less what came before counts."""
PHASE_SOFTNESS, MIN_LEVEL_DURATION = 0.01, 0.2
"""Of a segment: how sharply before and after are divided, and how long a motion is that is more than an end."""


def attend(logits: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Mix (tasks, A, F) or (tasks, N, A, F) over the anchors by (tasks, A) logits; one logit more is for nothing."""
    weights = torch.softmax(logits, -1)[:, : values.shape[-2]]
    if values.dim() == 3:
        return torch.einsum("ba,baf->bf", weights, values)
    tasks, points, anchors, size = values.shape
    mixed = torch.bmm(weights.unsqueeze(1), values.permute(0, 2, 1, 3).reshape(tasks, anchors, points * size))
    return mixed.view(tasks, points, size)


def attend_both(first: torch.Tensor, second: torch.Tensor, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mix (tasks, N, A, F) over the anchors by two attentions' logits at once, to (tasks, N, F) each."""
    tasks, points, anchors, size = values.shape
    weights = torch.stack([torch.softmax(logits, -1)[:, :anchors] for logits in (first, second)], 1)
    mixed = torch.bmm(weights, values.transpose(1, 2).reshape(tasks, anchors, points * size))
    both = mixed.view(tasks, 2, points, size)
    return both[:, 0], both[:, 1]


def end_weights(done: torch.Tensor) -> torch.Tensor:
    """Return weights (tasks, N) that average the points that are done."""
    return done / done.sum(1, keepdim=True).clamp_min(1.0)


def pool_points(values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Average (tasks, N, A, F) over the points with weights (tasks, W, N), to (tasks, A, W, F)."""
    tasks, points, anchors, size = values.shape
    mixed = torch.bmm(weights, values.reshape(tasks, points, anchors * size))
    return mixed.view(tasks, -1, anchors, size).transpose(1, 2)


def summarise_ends(positions: torch.Tensor, done: torch.Tensor) -> torch.Tensor:
    """Summarise (tasks, N, A, 3) at the points that are done, (tasks, A, 5).

    Mean position, its horizontal distance, and how much that position differs between takes.
    """
    weights = end_weights(done).unsqueeze(1)
    mean = pool_points(positions, weights).squeeze(2)
    spread = pool_points((positions - mean.unsqueeze(1)).square(), weights).squeeze(2)
    distance = torch.sqrt(mean[..., :2].square().sum(-1, keepdim=True) + 1e-4)
    return torch.cat([mean, distance, torch.sqrt(spread.sum(-1, keepdim=True) + 1e-4)], -1)


def infer_goal(positions: torch.Tensor, done: torch.Tensor) -> torch.Tensor:
    """Return where the attended anchor, (tasks, N, 3), was when the demonstrations ended, (tasks, 3)."""
    return torch.einsum("bn,bnf->bf", end_weights(done), positions)


def average_by_logits(positions: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """Return where the attended anchor was at the points that (tasks, N) ``logits`` pick, (tasks, 3)."""
    return torch.einsum("bn,bnf->bf", torch.softmax(logits, -1), positions)


def height_above_end(positions: torch.Tensor, done: torch.Tensor) -> torch.Tensor:
    """Return how far the tool is above the end at every point, (tasks, N); below it is negative."""
    return infer_goal(positions, done)[:, 2:] - positions[..., 2]


def infer_entry_logits(
    positions: torch.Tensor, done: torch.Tensor, phase: torch.Tensor, take: torch.Tensor | None
) -> torch.Tensor:
    """Return logits (tasks, N) that pick where a motion at the height of its end begins, without the way there.

    The way there may begin at that height, too, and rise from it: what its ``take`` (tasks, N) rose from again counts
    less. A motion that goes below its end on the way, as a push does, begins where it goes down.
    """
    above = height_above_end(positions, done)
    on_level = torch.nn.functional.logsigmoid((LEVEL_TOLERANCE - above.abs()) / LEVEL_SOFTNESS)
    earliest = on_level - EARLINESS_SHARPNESS * phase
    if take is None:
        return earliest
    later = (take.unsqueeze(1) == take.unsqueeze(2)) & (phase.unsqueeze(1) > phase.unsqueeze(2))
    risen = torch.sigmoid((above - RISE_HEIGHT) / LEVEL_SOFTNESS)
    return earliest - RISE_PENALTY * (later * risen.unsqueeze(1)).amax(-1)


def infer_level_fraction(
    positions: torch.Tensor, done: torch.Tensor, phase: torch.Tensor, entry_logits: torch.Tensor
) -> torch.Tensor:
    """Return how much of a motion is at the height of its end from where it begins on, (tasks,), from 0 to 1.

    ``begin`` (tasks, N) are logits as ``earliness`` gives. What only ends at that height stays there for nothing.
    """
    moment = (torch.softmax(entry_logits, -1) * phase).sum(-1, keepdim=True)
    after = torch.sigmoid((phase - moment) / PHASE_SOFTNESS)
    level = torch.sigmoid((LEVEL_TOLERANCE - height_above_end(positions, done).abs()) / LEVEL_SOFTNESS)
    share = (after * level).sum(-1) / after.sum(-1).clamp_min(1.0)
    return share * ((1.0 - moment.squeeze(-1)) / MIN_LEVEL_DURATION).clamp_max(1.0)


def infer_circle(positions: torch.Tensor, done: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the centre (tasks, 3) and radius (tasks, 1) of the motion about the attended anchor.

    A circle is fitted to the points as high as the last ones, and fitted again without those far off it: the way
    there is left out. Of a motion that is no circle it is just some place and size.
    """
    centre, radius, _ = _fit_level_circle(positions, -LEVEL_SHARPNESS * height_above_end(positions, done).abs())
    return centre, radius


def _fit_level_circle(
    positions: torch.Tensor, level_logits: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return ``circle`` of points that count by logits (tasks, N), and how far off it those are, (tasks, 1)."""
    weights = torch.softmax(level_logits, -1)
    centre, radius = fit_circle(positions, weights)
    for _ in range(2):
        off = _circle_residuals(positions, centre, radius)
        weights = torch.softmax(level_logits - OFF_CIRCLE_SHARPNESS * off.abs(), -1)
        centre, radius = fit_circle(positions, weights)
    off = _circle_residuals(positions, centre, radius)
    return centre, radius, torch.sqrt((weights * off.square()).sum(-1, keepdim=True) + 1e-6)


def _circle_residuals(positions: torch.Tensor, centre: torch.Tensor, radius: torch.Tensor) -> torch.Tensor:
    """Return how far outside a circle, seen from above, every point is, (tasks, N)."""
    return ((positions - centre.unsqueeze(1))[..., :2].square().sum(-1) + 1e-6).sqrt() - radius


def summarise_centres(positions: torch.Tensor, done: torch.Tensor) -> torch.Tensor:
    """Summarise what is done at the height of the end about every anchor, (tasks, N, A, 3), in (tasks, A, MIDDLES).

    From 0 to 1: the horizontal distance of its mean, that of the centre of a circle fitted to it, the radius, and how
    far it is off the circle: takes of a circle about something else, which lay a little differently each time, do not
    lie on one circle.
    """
    tasks, points, anchors, _ = positions.shape
    each = positions.transpose(1, 2).reshape(tasks * anchors, points, 3)
    done = done.unsqueeze(1).expand(tasks, anchors, points).reshape(tasks * anchors, points)
    level = -LEVEL_SHARPNESS * height_above_end(each, done).abs()
    centre, radius, off = _fit_level_circle(each, level)
    both = torch.stack([average_by_logits(each, level), centre], 1)[..., :2]
    distances = torch.sqrt(both.square().sum(-1) + 1e-6)
    return torch.tanh(torch.cat([distances, radius, off], -1) * positions.new_tensor(CENTRE_FEATURE_GAINS)).view(
        tasks, anchors, -1
    )


def fit_circle(positions: torch.Tensor, weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Fit circles (Kåsa 1976) to (tasks, N, 3) points seen from above; return centres (tasks, 3), radii (tasks, 1).

    Least squares of the algebraic distance, with a little ridge that keeps points and lines finite.
    """
    mean = torch.einsum("bn,bnf->bf", weights, positions)
    x, y = (positions - mean.unsqueeze(1))[..., :2].unbind(-1)
    squared = x * x + y * y
    xx, yy, xy = ((weights * v).sum(-1) for v in (x * x, y * y, x * y))
    bx, by = ((weights * v * squared).sum(-1) / 2 for v in (x, y))
    xx, yy = xx + CIRCLE_FIT_RIDGE, yy + CIRCLE_FIT_RIDGE
    determinant = xx * yy - xy * xy
    aside = torch.stack([(bx * yy - by * xy) / determinant, (by * xx - bx * xy) / determinant], -1)
    radius = torch.sqrt((weights * squared).sum(-1) + aside.square().sum(-1) + 1e-4)
    return mean + torch.nn.functional.pad(aside, (0, 1)), radius.unsqueeze(-1)
