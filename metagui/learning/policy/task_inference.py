"""Closed-form inference from demonstrations of a segment: goal, entry, circle; used by the encoder.

Differentiable functions of (tasks, N) points without parameters; the encoder adds the learnt part. Positions are those
of an object relative to the tool, in units of ``COARSE_SCALE_M`` (0.1 m).
"""

from __future__ import annotations

import torch

CIRCLE_FIT_RIDGE = 3e-3
"""Regularisation of the circle fit, (0.1 m)^2; keeps it finite for points and lines."""
LEVEL_SHARPNESS, OFF_CIRCLE_SHARPNESS = 100.0, 15.0
"""Decrease of a point's logit in the circle fit per 0.1 m of height above or below the end, and off the circle."""
CENTRE_FEATURE_GAINS = (5.0, 5.0, 2.0, 12.5)
"""Gains of ``summarise_centres`` before the tanh, per 0.1 m."""
CENTRE_FEATURES = len(CENTRE_FEATURE_GAINS)
"""Number of values in ``summarise_centres``."""
LEVEL_TOLERANCE, LEVEL_SOFTNESS = 0.06, 0.006
"""Height difference to the end within which a point is level with it, and the width of that threshold, 0.1 m: a
demonstrator continues from a corner once within 5 mm."""
EARLINESS_SHARPNESS = 30.0
"""Decrease of a point's entry logit over one whole segment."""
RISE_HEIGHT, RISE_PENALTY = 0.08, 30.0
"""Height above the end that counts as risen, 0.1 m, and the decrease of the entry logits of all earlier points."""
PHASE_SOFTNESS, MIN_LEVEL_DURATION = 0.01, 0.2
"""Width of the threshold between before and after the entry, and minimum level duration, fractions of a segment."""


def attend(logits: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Return Σₐ softmax(logits)ₐ valuesₐ over the objects, for values (tasks, A, F) or (tasks, N, A, F).

    ``logits`` is (tasks, A), or (tasks, A + 1) where the last entry stands for no object.
    """
    weights = torch.softmax(logits, -1)[:, : values.shape[-2]]
    if values.dim() == 3:
        return torch.einsum("ba,baf->bf", weights, values)
    tasks, points, objects, size = values.shape
    mixed = torch.bmm(weights.unsqueeze(1), values.permute(0, 2, 1, 3).reshape(tasks, objects, points * size))
    return mixed.view(tasks, points, size)


def attend_both(first: torch.Tensor, second: torch.Tensor, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ``attend`` of (tasks, N, A, F) for two attentions at once, (tasks, N, F) each."""
    tasks, points, objects, size = values.shape
    weights = torch.stack([torch.softmax(logits, -1)[:, :objects] for logits in (first, second)], 1)
    mixed = torch.bmm(weights, values.transpose(1, 2).reshape(tasks, objects, points * size))
    both = mixed.view(tasks, 2, points, size)
    return both[:, 0], both[:, 1]


def end_weights(done: torch.Tensor) -> torch.Tensor:
    """Return wₙ = doneₙ / max(Σ done, 1), weights (tasks, N) of the points labelled as done."""
    return done / done.sum(1, keepdim=True).clamp_min(1.0)


def pool_points(values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return Σₙ weightsₙ valuesₙ of (tasks, N, A, F) for weights (tasks, W, N), as (tasks, A, W, F)."""
    tasks, points, objects, size = values.shape
    mixed = torch.bmm(weights, values.reshape(tasks, points, objects * size))
    return mixed.view(tasks, -1, objects, size).transpose(1, 2)


def summarise_ends(positions: torch.Tensor, done: torch.Tensor) -> torch.Tensor:
    """Return mean position, horizontal distance and spread at the done points, (tasks, A, 5).

    ``positions`` is (tasks, N, A, 3), ``done`` (tasks, N).
    """
    weights = end_weights(done).unsqueeze(1)
    mean = pool_points(positions, weights).squeeze(2)
    spread = pool_points((positions - mean.unsqueeze(1)).square(), weights).squeeze(2)
    distance = torch.sqrt(mean[..., :2].square().sum(-1, keepdim=True) + 1e-4)
    return torch.cat([mean, distance, torch.sqrt(spread.sum(-1, keepdim=True) + 1e-4)], -1)


def infer_goal(positions: torch.Tensor, done: torch.Tensor) -> torch.Tensor:
    """Return Σₙ wₙ positionsₙ with ``end_weights`` w: the object's position at the end, (tasks, 3)."""
    return torch.einsum("bn,bnf->bf", end_weights(done), positions)


def average_by_logits(positions: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """Return Σₙ softmax(logits)ₙ positionsₙ for positions (tasks, N, 3) and logits (tasks, N), (tasks, 3)."""
    return torch.einsum("bn,bnf->bf", torch.softmax(logits, -1), positions)


def height_above_end(positions: torch.Tensor, done: torch.Tensor) -> torch.Tensor:
    """Return z_goal − zₙ: the tool's height above the end at every point, (tasks, N)."""
    return infer_goal(positions, done)[:, 2:] - positions[..., 2]


def infer_entry_logits(
    positions: torch.Tensor, done: torch.Tensor, phase: torch.Tensor, take: torch.Tensor | None
) -> torch.Tensor:
    """Return log σ(level) − k · phase − penalty · risen later: logits (tasks, N) of the motion's entry.

    The entry is the first point at the height of the end, without the approach. The approach may also start at that
    height and rise from it: points before a rise in the same ``take`` (tasks, N) get a penalty. A motion that goes
    below the height of its end, such as a push, has its entry where it goes down.
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
    """Return Σ after · level / Σ after: the fraction of a motion after its entry level with its end.

    The result is (tasks,); ``entry_logits`` (tasks, N) come from ``infer_entry_logits``. A motion that is level only at
    its end gets about 0.
    """
    entry_phase = (torch.softmax(entry_logits, -1) * phase).sum(-1, keepdim=True)
    after = torch.sigmoid((phase - entry_phase) / PHASE_SOFTNESS)
    level = torch.sigmoid((LEVEL_TOLERANCE - height_above_end(positions, done).abs()) / LEVEL_SOFTNESS)
    fraction = (after * level).sum(-1) / after.sum(-1).clamp_min(1.0)
    return fraction * ((1.0 - entry_phase.squeeze(-1)) / MIN_LEVEL_DURATION).clamp_max(1.0)


def infer_circle(positions: torch.Tensor, done: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the centre (tasks, 3) and radius (tasks, 1) of the motion about the attended object.

    A circle is fitted to the points level with the end, then refitted with lower weights for points off it, which
    excludes the approach. The result has no meaning if the motion is not a circle.
    """
    centre, radius, _ = _fit_level_circle(positions, -LEVEL_SHARPNESS * height_above_end(positions, done).abs())
    return centre, radius


def _fit_level_circle(
    positions: torch.Tensor, level_logits: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return centre, radius and RMS residual (tasks, 1) of a circle fitted to points with logits (tasks, N)."""
    weights = torch.softmax(level_logits, -1)
    centre, radius = fit_circle(positions, weights)
    for _ in range(2):
        off = _circle_residuals(positions, centre, radius)
        weights = torch.softmax(level_logits - OFF_CIRCLE_SHARPNESS * off.abs(), -1)
        centre, radius = fit_circle(positions, weights)
    off = _circle_residuals(positions, centre, radius)
    return centre, radius, torch.sqrt((weights * off.square()).sum(-1, keepdim=True) + 1e-6)


def _circle_residuals(positions: torch.Tensor, centre: torch.Tensor, radius: torch.Tensor) -> torch.Tensor:
    """Return ‖pₙ − c‖ − r in the horizontal plane for every point, (tasks, N)."""
    return ((positions - centre.unsqueeze(1))[..., :2].square().sum(-1) + 1e-6).sqrt() - radius


def summarise_centres(positions: torch.Tensor, done: torch.Tensor) -> torch.Tensor:
    """Return features of the motion level with the end about every object, (tasks, A, CENTRE_FEATURES).

    Horizontal distances of its mean and of the centre of a fitted circle, radius, and residual, each from 0 to 1;
    ``positions`` is (tasks, N, A, 3). The residual is large for an object that the circle is not about, because its
    position differs between takes.
    """
    tasks, points, objects, _ = positions.shape
    each = positions.transpose(1, 2).reshape(tasks * objects, points, 3)
    done = done.unsqueeze(1).expand(tasks, objects, points).reshape(tasks * objects, points)
    level = -LEVEL_SHARPNESS * height_above_end(each, done).abs()
    centre, radius, off = _fit_level_circle(each, level)
    both = torch.stack([average_by_logits(each, level), centre], 1)[..., :2]
    distances = torch.sqrt(both.square().sum(-1) + 1e-6)
    return torch.tanh(torch.cat([distances, radius, off], -1) * positions.new_tensor(CENTRE_FEATURE_GAINS)).view(
        tasks, objects, -1
    )


def fit_circle(positions: torch.Tensor, weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Minimise Σₙ wₙ (‖pₙ − c‖² − r²)² in the horizontal plane (Kåsa 1976) with a small ridge.

    Return centres c (tasks, 3) and radii r (tasks, 1) for points (tasks, N, 3).
    """
    mean = torch.einsum("bn,bnf->bf", weights, positions)
    x, y = (positions - mean.unsqueeze(1))[..., :2].unbind(-1)
    squared = x * x + y * y
    xx, yy, xy = ((weights * v).sum(-1) for v in (x * x, y * y, x * y))
    bx, by = ((weights * v * squared).sum(-1) / 2 for v in (x, y))
    xx, yy = xx + CIRCLE_FIT_RIDGE, yy + CIRCLE_FIT_RIDGE
    determinant = xx * yy - xy * xy
    offset = torch.stack([(bx * yy - by * xy) / determinant, (by * xx - bx * xy) / determinant], -1)
    radius = torch.sqrt((weights * squared).sum(-1) + offset.square().sum(-1) + 1e-4)
    return mean + torch.nn.functional.pad(offset, (0, 1)), radius.unsqueeze(-1)
