"""Selects the candidate that becomes a segment's policy from the losses on held-out takes, and explains the choice.

A lower loss on held-out decisions does not mean higher success: on hand-led takes, Adam and fine-tuning imitate
held-out takes twice as well as the encoder's zero-step policy, and fail where it succeeds. The absolute loss means
nothing either: it is ten times larger for hand-led takes than for scripted ones whose policies do equally well.
Therefore only candidates that stay close to the prior can be selected, by their loss relative to the zero-step loss on
the same takes, each at its best pace; long training is only shown. A rehearsal (``metagui.learning.rehearsal``) may
then replace the selected candidate by one that succeeds more often in simulation.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Candidate(StrEnum):
    """Ways to make a policy, by the names stored in files; neighbours' names come from ``neighbour_name``."""

    ZERO_STEP = "zero-step"
    """Inferred by the encoder, without gradient steps."""
    FIVE_STEP = "adapted"
    """After MAML's inner steps."""
    FIVE_STEP_ADAM = "adapted + Adam"
    """After MAML's inner steps and Adam."""
    FINE_TUNE = "fine-tune"
    """The multi-task baseline after Adam."""
    FROM_SCRATCH = "from scratch"
    """An untrained policy after Adam."""
    NEAREST_NEIGHBOUR = "nearest neighbour"
    """Repeats the most similar demonstrated state; in evaluations only."""
    OBJECT_REPLAY = "object replay"
    """Repeats a take's motion relative to the objects; learns nothing."""
    MIXED = "lowest losses"
    """For every segment the candidate that ``select_candidate`` returns, if they differ; in rehearsals only."""
    CHOSEN = "chosen"
    """The candidate that adaptation returns; in evaluations only."""


BASELINES = (Candidate.FIVE_STEP_ADAM, Candidate.FINE_TUNE, Candidate.FROM_SCRATCH)
"""Candidates that are trained for their curves and never selected by their losses."""
SELECTION_MARGIN = 0.15
"""Minimum improvement over the best candidate so far, relative to its loss."""
_NEIGHBOUR_PREFIX = "nearest: "


def neighbour_name(task: str) -> str:
    """Return the name of the candidate that starts from the policy of a similar task."""
    return f"{_NEIGHBOUR_PREFIX}{task}"


def is_runnable(name: str) -> bool:
    """Return whether a candidate may become the policy by its successes in rehearsal.

    Policies that do not start from the prior hardly ever succeed, and take long to fail.
    """
    return name not in (Candidate.FINE_TUNE, Candidate.FROM_SCRATCH)


def is_selectable(name: str, take_count: int) -> bool:
    """Return whether a candidate may become the policy.

    With one take, parts of which are held out, training appears better than it is: the zero-step policy is selected.
    """
    return name == Candidate.ZERO_STEP or (take_count > 1 and name not in BASELINES)


def select_candidate(
    held_out_losses: Mapping[str, Sequence[float]],
    pace_adjusted_losses: Mapping[str, Sequence[float]],
    held_out_description: str,
    take_count: int,
) -> tuple[str, str]:
    """Return the selected candidate, and the reason for users, from the losses of every fold.

    ``pace_adjusted_losses`` are those of selectable candidates at their best pace, since moving as slowly as the takes
    is no merit. A candidate other than the first must be clearly better than the best so far, and not worse than the
    first one in any fold, because the folds of a few takes differ by chance.
    """
    losses = {name: sum(folds) / len(folds) for name, folds in held_out_losses.items()}
    neighbours = (name for name in held_out_losses if name.startswith(_NEIGHBOUR_PREFIX))
    ordered = [n for n in (Candidate.ZERO_STEP, Candidate.FIVE_STEP, *neighbours) if n in held_out_losses]
    selectable = [n for n in ordered if n in pace_adjusted_losses and is_selectable(n, take_count)]
    best = next(iter([*selectable, *ordered, *held_out_losses]))
    for name in selectable[1:]:
        own, best_so_far = pace_adjusted_losses[name], pace_adjusted_losses[best]
        is_never_worse = all(a <= b for a, b in zip(own, pace_adjusted_losses[selectable[0]], strict=True))
        if is_never_worse and sum(own) < sum(best_so_far) * (1.0 - SELECTION_MARGIN):
            best = name
    reason = f"Held-out loss {losses[best]:.3f} ({held_out_description})"
    others = [(value, name) for name, value in losses.items() if name != best]
    if others:
        second_loss, second = min(others)
        reason += f"; next {second} with {second_loss:.3f}"
        if second_loss < losses[best]:
            reason += _explain_rejection(second, selectable, take_count)
    return best, reason + "."


def _explain_rejection(name: str, selectable: Sequence[str], take_count: int) -> str:
    """Return why a candidate with a lower loss was not selected."""
    if name in selectable:
        return ", not better by enough, or not in every take, to be trusted"
    if take_count == 1:
        return "; with one take, training appears better than it is"
    return ", which imitates better, but imitation is not success"
