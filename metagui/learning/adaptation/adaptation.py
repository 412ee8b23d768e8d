"""Adaptation for a person: from one to ten takes to a chain of policies, in about a second, with honest rivals.

Every click of the task is adapted on its own. Several candidates race on the same takes, their losses on held-out
data are shown live, and the best becomes the policy, with the reason in words.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from metagui.demonstrations.recording.segmentation import reconciled
from metagui.learning.adaptation import candidates
from metagui.learning.adaptation.adapted_task import AdaptedClick, AdaptedTask, reference_of
from metagui.learning.adaptation.candidates import RaceSettings
from metagui.learning.adaptation.outlier_takes import odd_takes
from metagui.learning.maml import maml
from metagui.learning.policy import features
from metagui.learning.policy.dataset import LEAST_ROWS
from metagui.learning.policy.features import HELD, TOUCHES
from metagui.learning.policy.policy import Points, PolicyModel, as_numpy
from metagui.learning.torch_utils.torch_threads import compute_alone

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.learning.policy.features import Array, SegmentArrays
    from metagui.learning.prior import Prior
    from metagui.learning.torch_utils.functional_mlp import Params

ZERO_STEP, FIVE_STEP, ADAM = "zero-step", "adapted", "adapted + Adam"
FINE_TUNE, SCRATCH = "fine-tune", "from scratch"
NEAREST = "nearest: {}"

MARGINS = {FIVE_STEP: 0.0, ZERO_STEP: 0.02, ADAM: 0.3, FINE_TUNE: 0.3, SCRATCH: 0.3}
"""By how much a candidate must beat those before it; the closer to the demonstrations alone, the more.

Imitating held-out decisions a little better is not yet doing better: measured, Adam at 10 % less loss failed more."""
NEAREST_MARGIN = 0.15
_UNTOLD = {True: "one take does not tell what comes of a touch", False: "one take flatters long training"}
"""Why a lower loss on the only take is no reason, by whether anything was touched."""


class AdaptationError(Exception):
    """These takes cannot be adapted to; the message names them and says what to do."""


@dataclass(frozen=True)
class AdaptationStep:
    """Progress of one candidate of one click; losses are means over what was held out in turn."""

    click: int
    clicks: int
    step: int
    steps: int
    candidate: str
    support_loss: float
    query_loss: float
    """On held-out data."""
    baseline: float
    """The held-out loss before any adaptation."""


@dataclass(frozen=True)
class _Finish:
    """Where a candidate did best."""

    held_out: float
    step: int
    fast: Callable[[], Params]
    """Makes the policy from everything; it is the last task."""

    def policy(self) -> dict[str, Array]:
        """Return what is stored."""
        return as_numpy(self.fast(), -1)


def adapt_task(
    prior: Prior,
    takes: Sequence[Demonstration],
    settings: RaceSettings | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    neighbours: Mapping[str, AdaptedTask] | None = None,
) -> Generator[AdaptationStep, None, AdaptedTask]:
    """Adapt to one task's takes; return the chain of policies.

    ``neighbours`` are similar tasks' adapted policies to start from as further candidates. When ``should_stop``
    becomes true the best found so far is kept; the clicks still to come get the five steps alone. Raises
    AdaptationError, FeatureError and PriorMismatch.
    """
    compute_alone()
    settings = settings or RaceSettings()
    _check(prior, takes)
    encoded = [features.encode(take) for take in reconciled(takes)]
    _check_clicks(takes, encoded)
    odd = odd_takes(prior, [take.name for take in takes], encoded)
    clicks: list[AdaptedClick] = []
    notes = [take.reason for take in odd]
    curves: list[dict[str, list[list[float]]]] = []
    held_out_by = ""
    count = len(encoded[0])
    for index in range(count):
        usable = [segments[index] for segments in encoded if len(segments[index]) >= LEAST_ROWS]
        if not usable:
            notes.append(f"Click {index + 1} lasted less than two decisions in every take and was left out.")
            continue
        runner = _Click(prior, usable, settings, index, count, should_stop, [a.name for a in takes[0].anchors])
        near = {n: t.clicks[index].policy for n, t in (neighbours or {}).items() if index < len(t.clicks)}
        clicks.append((yield from runner.race(near)))
        curves.append(runner.curves)
        held_out_by = runner.folds.held_out_by
    if not clicks:
        raise AdaptationError(f"In {_names(takes)} nothing was done: no click lasted two decisions. Record again.")
    provenance = {
        "prior": prior.id,
        "takes": [take.name for take in takes],
        "notes": notes,
        "odd_takes": [asdict(take) for take in odd],
        "curves": curves,
        "held_out_by": held_out_by,
        "settings": asdict(settings),
    }
    return AdaptedTask(takes[0].task, tuple(clicks), tuple(a.name for a in takes[0].anchors), provenance)


class _Click:
    """The race for one click."""

    def __init__(
        self,
        prior: Prior,
        takes: Sequence[SegmentArrays],
        settings: RaceSettings,
        index: int,
        count: int,
        should_stop: Callable[[], bool],
        names: Sequence[str],
    ) -> None:
        self.prior, self.takes, self.settings, self.names = prior, takes, settings, names
        self.index, self.count, self.should_stop = index, count, should_stop
        self.folds = candidates.make_folds(takes, settings)
        self.finishes: dict[str, _Finish] = {}
        self.curves: dict[str, list[list[float]]] = {}
        self.baseline = float("nan")
        self.attended: torch.Tensor | None = None
        """(folds, 2) the anchors looked at, where not the encoder's."""

    def race(self, neighbours: Mapping[str, Mapping[str, Array]]) -> Generator[AdaptationStep, None, AdaptedClick]:
        """Run all candidates, the quick ones first, and make the policy of the best."""
        model, folds, settings = self.prior.model, self.folds, self.settings
        zero = candidates.zero_step(self.prior, folds)
        self.baseline = candidates.losses(model, zero, folds)[1]
        yield from self._run(ZERO_STEP, iter([(0, zero)]), 0)
        looked = candidates.looked_again(self.prior, folds)
        self.attended = looked.support.attended
        path = candidates.inner_path(self.prior, looked, settings)
        five = yield from self._run(FIVE_STEP, path, settings.inner_steps)
        starts = {ADAM: five} | {NEAREST.format(n): candidates.neighbour_start(p, zero) for n, p in neighbours.items()}
        if not settings.rivals:
            starts = {n: start for n, start in starts.items() if self._may_win(n)}
        yield from self._train(model, starts)
        if settings.rivals:
            blind = {FINE_TUNE: candidates.rival_start(self.prior.rival, folds)} if self.prior.rival else {}
            blind[SCRATCH] = candidates.scratch_start(model, folds, settings.seed)
            yield from self._train(replace(model, blind=True), blind)
        return self._finish()

    def _run(
        self, name: str, path: Iterator[tuple[int, Params]], steps: int
    ) -> Generator[AdaptationStep, None, Params]:
        """Follow a short path to its end, where it counts; return that."""
        folds = self.folds
        for step, fast in path:
            if step == 0:
                folds = candidates.prepared(self.prior.model, fast, folds)
            found = candidates.losses(self.prior.model, fast, folds)
            if np.isfinite(found[1]):
                self.finishes[name] = _Finish(found[1], step, lambda fast=fast: fast)  # type: ignore[misc]
            yield self._record(name, step, steps, found)
        return fast

    def _train(self, model: PolicyModel, starts: Mapping[str, Params]) -> Generator[AdaptationStep, None, None]:
        """Train several candidates with Adam, all at once; each counts where it is best."""
        if not starts or self.should_stop():
            return
        steps, held = self.settings.adam_steps, slice(0, self.folds.count)
        folds = candidates.repeated(candidates.only(self.folds, held), len(starts))
        begin = [{name: tensor[held] for name, tensor in start.items()} for start in starts.values()]
        looked_up = candidates.prepared(model, candidates.together(begin), folds)
        for step, fast in candidates.adam_paths(model, begin, folds, self.settings):
            found = candidates.losses_of_each(model, fast, looked_up, len(starts))
            for (name, start), losses in zip(starts.items(), found, strict=True):
                best = self.finishes.get(name)
                if np.isfinite(losses[1]) and (best is None or losses[1] < best.held_out):
                    make = partial(candidates.trained, model, start, self.folds, self.settings, step)
                    self.finishes[name] = _Finish(losses[1], step, make)
                yield self._record(name, step, steps, losses)
            newest = max((self.finishes[name].step for name in starts if name in self.finishes), default=0)
            if self.should_stop() or step - newest >= self.settings.patience:
                break

    def _record(self, name: str, step: int, steps: int, losses: tuple[float, float]) -> AdaptationStep:
        """Note one point of a candidate's curve."""
        self.curves.setdefault(name, []).append([step, *losses])
        return AdaptationStep(self.index, self.count, step, steps, name, *losses, self.baseline)

    def _finish(self) -> AdaptedClick:
        """Choose, and say why."""
        if not self.finishes:
            raise AdaptationError("No candidate ended with finite numbers. Nothing was changed; leave odd takes out.")
        held_out = {n: f.held_out for n, f in self.finishes.items()}
        name, reason = choose(held_out, self.folds.held_out_by, len(self.takes), self._touching())
        chosen = self.finishes[name]
        if self.attended is not None and name in (FIVE_STEP, ADAM):
            reason += f" It looks at {self._looked_at()}: that explains the takes better than what the encoder chose."
        if name not in (ZERO_STEP, FIVE_STEP):
            reason += f" Best after {chosen.step} steps of Adam."
        policy = chosen.policy()
        reference, scale = reference_of(policy, self.takes)
        others = {n: f.policy() for n, f in self.finishes.items()} if self.settings.keep_all else {}
        decisions = max(len(take) for take in self.takes)
        return AdaptedClick(policy, name, reason, held_out, decisions, reference, scale, others)

    def _may_win(self, name: str) -> bool:
        """Return whether a candidate may become the policy."""
        return may_win(name, self.baseline, len(self.takes), self._touching())

    def _touching(self) -> bool:
        """Return whether anything was touched or held."""
        return any(bool(take.anchors[..., HELD : HELD + TOUCHES].any()) for take in self.takes)

    def _looked_at(self) -> str:
        """Say which anchors are looked at."""
        assert self.attended is not None
        names = [*self.names, "where it began", "nothing else"]
        return " and ".join(names[int(index)] for index in self.attended[-1])


def may_win(name: str, zero: float, takes: int, touching: bool) -> bool:
    """Return whether a candidate may become the policy, given the held-out loss ``zero`` before any step.

    What is imitated well without long training is left alone. With one take, stretches of which are held out, every
    training is flattered: five steps count only where nothing was touched, for what comes of a touch one take does not
    tell, and long training never.
    """
    if takes == 1:
        return name == ZERO_STEP or (name == FIVE_STEP and not touching)
    return name in (ZERO_STEP, FIVE_STEP) or zero > candidates.STRANGE


def choose(held_out: Mapping[str, float], held_out_by: str, takes: int, touching: bool) -> tuple[str, str]:
    """Return the winner of a race by held-out loss, and why in words.

    A candidate that moves farther from what was meta-learnt must win by more.
    """
    order = [FIVE_STEP, ZERO_STEP, ADAM, *(n for n in held_out if n.startswith(NEAREST.format(""))), FINE_TUNE, SCRATCH]
    racing = [name for name in order if name in held_out]
    zero = held_out.get(ZERO_STEP, float("inf"))
    able = [name for name in racing if may_win(name, zero, takes, touching)] or racing
    best = able[0]
    for name in able[1:]:
        if held_out[name] < held_out[best] * (1.0 - MARGINS.get(name, NEAREST_MARGIN)):
            best = name
    second = min((held_out[n], n) for n in racing if n != best) if len(racing) > 1 else None
    words = f"Held-out loss {held_out[best]:.3f} ({held_out_by})"
    if second:
        words += f"; next {second[1]} with {second[0]:.3f}"
        if second[0] < held_out[best] and second[1] in able:
            words += ", not better by enough to be trusted"
        elif second[0] < held_out[best]:
            words += "; " + (_UNTOLD[touching] if takes == 1 else "it was good enough before")
    return best, words + "."


def _check(prior: Prior, takes: Sequence[Demonstration]) -> None:
    """Raise AdaptationError or PriorMismatch if the takes do not belong together or not to the prior."""
    if not takes:
        raise AdaptationError("No take was chosen. Choose one take or more, then press Adapt.")
    for take in takes:
        prior.check(take.joint_names, take.anchors)
    kinds = {tuple((a.name, a.kind) for a in take.anchors) for take in takes}
    if len(kinds) > 1:
        raise AdaptationError(f"{_names(takes)} show different sets of objects. Adapt to takes of one scene's objects.")


def _check_clicks(takes: Sequence[Demonstration], encoded: Sequence[tuple[SegmentArrays, ...]]) -> None:
    """Raise AdaptationError naming the takes if their numbers of clicks differ."""
    counts = [len(segments) for segments in encoded]
    if len(set(counts)) > 1:
        usual = max(set(counts), key=counts.count)
        odd = ", ".join(f"'{t.name}' has {c}" for t, c in zip(takes, counts, strict=True) if c != usual)
        raise AdaptationError(
            f"The takes of '{takes[0].task}' differ in their clicks: most have {usual}, but {odd}. Nothing was "
            "changed; leave the odd takes out, or show the task again with the same clicks."
        )


def _names(takes: Sequence[Demonstration]) -> str:
    return ", ".join(f"'{take.name}'" for take in takes)


def warm_up() -> None:
    """Run everything once on nothing, so that first calls, which are slow, do not happen beside a moving arm."""
    compute_alone()
    model = PolicyModel(hidden=8, encoder=8, summary=8, context=4)
    meta = maml.initial(model.initial(0), model.rates(), 1).frozen()
    a, g, n = features.ANCHOR_FEATURES, features.GLOBAL_FEATURES, features.ACTIONS
    still = torch.zeros(1, 4)
    points = Points(torch.zeros(1, 4, 2, a), torch.zeros(1, 4, g), torch.zeros(1, 4, n), still, still)
    *_, fast = maml.adapt(model, meta, points, 1)
    folds = candidates.Folds(points, points, points, 1, "")
    for _ in candidates.adam_paths(model, [fast], folds, RaceSettings(adam_steps=1, check_every=1)):
        pass
