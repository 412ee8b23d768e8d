"""Which candidate of a race becomes the policy, by what was held out, and why in words.

Imitating held-out decisions better is not yet doing better: of takes led by people, Adam and fine-tuning imitate what
was held out twice as well as the encoder's own policy, and fail where that succeeds. A loss in itself says nothing
either: it is ten times larger for a hand than for a script whose policies do equally well. So a candidate that stays
near what was meta-learnt may win, by how its loss compares with that of the same takes before any step, each at its
best pace; long training is there to be looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ZERO_STEP, FIVE_STEP, FIVE_STEP_ADAM = "zero-step", "adapted", "adapted + Adam"
FINE_TUNE, SCRATCH = "fine-tune", "from scratch"
NEIGHBOUR_FORMAT = "nearest: {}"

BASELINES = (FIVE_STEP_ADAM, FINE_TUNE, SCRATCH)
"""Who races for the sake of the curves and never wins. Adam may once it is seen to do better in closed loop, which
nothing here looks at; a few simulated runs of each candidate could."""
MARGIN = 0.15
"""By what share of the loss before any step a candidate must be better than that, and than who led so far."""


def is_eligible(name: str, takes: int) -> bool:
    """Return whether a candidate may become the policy.

    With one take, stretches of which are held out, every training is flattered: there the encoder's own policy stays.
    """
    return name == ZERO_STEP or (takes > 1 and name not in BASELINES)


def select_candidate(
    held_out: Mapping[str, Sequence[float]],
    paceless: Mapping[str, Sequence[float]],
    held_out_by: str,
    takes: int,
) -> tuple[str, str]:
    """Return the winner of a race by its losses on what was held out, fold by fold, and why in words.

    ``paceless`` are those of who may win, at each one's best pace: being as slow as the takes is no merit. Who moves
    away from the start that the encoder gave must be clearly better, and worse in no fold: folds of a few takes differ
    by chance.
    """
    loss = {name: sum(folds) / len(folds) for name, folds in held_out.items()}
    order = [ZERO_STEP, FIVE_STEP, *(name for name in held_out if name.startswith(NEIGHBOUR_FORMAT.format("")))]
    racing = [name for name in order if name in held_out]
    able = [name for name in racing if name in paceless and is_eligible(name, takes)]
    best = next(iter([*able, *racing, *held_out]))
    for name in able[1:]:
        own, least = paceless[name], paceless[best]
        nowhere_worse = all(a <= b for a, b in zip(own, paceless[able[0]], strict=True))
        if nowhere_worse and sum(own) < sum(least) * (1.0 - MARGIN):
            best = name
    words = f"Held-out loss {loss[best]:.3f} ({held_out_by})"
    others = [(value, name) for name, value in loss.items() if name != best]
    if others:
        second, name = min(others)
        words += f"; next {name} with {second:.3f}"
        if second < loss[best]:
            words += _why_not(name, able, takes)
    return best, words + "."


def _why_not(name: str, able: Sequence[str], takes: int) -> str:
    """Say why a candidate with a lower loss did not win."""
    if name in able:
        return ", not better by enough, or not in every take, to be trusted"
    if takes == 1:
        return "; one take flatters training"
    return ", which imitates better; that is not yet doing better"
