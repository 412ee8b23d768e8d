"""Adaptation for a person: from one to ten takes to a chain of policies, in about a second, with honest rivals.

Every click of the task is adapted on its own. Several candidates race on the same takes, their losses on held-out
data are shown live, and the best becomes the policy, with the reason in words.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, replace
from functools import partial
from statistics import fmean as mean
from typing import TYPE_CHECKING

import numpy as np
import torch

from metagui.demonstrations.recording.segmentation import align_segmentation
from metagui.learning.adaptation import candidates
from metagui.learning.adaptation.adapted_task import SkillPolicy, TaskPolicy, build_reference
from metagui.learning.adaptation.candidates import CandidateSettings, FoldLosses
from metagui.learning.adaptation.outlier_takes import find_outlier_takes
from metagui.learning.adaptation.selection import (
    FINE_TUNE,
    FIVE_STEP,
    FIVE_STEP_ADAM,
    NEIGHBOUR_FORMAT,
    SCRATCH,
    ZERO_STEP,
    select_candidate,
)
from metagui.learning.maml import maml
from metagui.learning.policy import features
from metagui.learning.policy.dataset import MIN_SEGMENT_DECISIONS
from metagui.learning.policy.feature_layout import ACTION_SIZE, GLOBAL_FEATURES, OBJECT_FEATURES
from metagui.learning.policy.points import Points
from metagui.learning.policy.policy import PolicyModel, as_numpy
from metagui.learning.torch_utils.torch_threads import use_single_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.learning.policy.feature_layout import Array
    from metagui.learning.policy.features import SegmentArrays
    from metagui.learning.prior import Prior
    from metagui.learning.torch_utils.functional_mlp import Params


class AdaptationError(Exception):
    """These takes cannot be adapted to; the message names them and says what to do."""


@dataclass(frozen=True)
class AdaptationStep:
    """Progress of one candidate of one click; losses are means over what was held out in turn."""

    segment_index: int
    segment_count: int
    step: int
    steps: int
    candidate: str
    support_loss: float
    query_loss: float
    """On held-out data."""
    zero_step_loss: float
    """The held-out loss before any adaptation."""


@dataclass(frozen=True)
class _BestStep:
    """Where a candidate did best."""

    held_out_loss: tuple[float, ...]
    """Its loss in every fold."""
    step: int
    make_params: Callable[[], Params]
    """Makes the policy from everything; it is the last task."""
    paceless: tuple[float, ...] | None = None
    """The same at its best pace, of those who may win."""

    def to_numpy(self) -> dict[str, Array]:
        """Return what is stored."""
        return as_numpy(self.make_params(), -1)


def adapt_task(
    prior: Prior,
    takes: Sequence[Demonstration],
    settings: CandidateSettings | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    neighbours: Mapping[str, TaskPolicy] | None = None,
) -> Generator[AdaptationStep, None, TaskPolicy]:
    """Adapt to one task's takes; return the chain of policies.

    ``neighbours`` are similar tasks' adapted policies to start from as further candidates. When ``should_stop``
    becomes true the best found so far is kept; the clicks still to come get the five steps alone. Raises
    AdaptationError, FeatureError and PriorMismatch.
    """
    use_single_thread()
    settings = settings or CandidateSettings()
    _check_takes(prior, takes)
    takes, left_out = _cut_alike(takes)
    encoded = [features.encode(take) for take in takes]
    odd = find_outlier_takes(prior, [take.name for take in takes], encoded)
    clicks: list[SkillPolicy] = []
    notes = [*left_out, *(take.reason for take in odd)]
    curves: list[dict[str, list[list[float]]]] = []
    held_out_by = ""
    count = len(encoded[0])
    for index in range(count):
        usable = [segments[index] for segments in encoded if len(segments[index]) >= MIN_SEGMENT_DECISIONS]
        if not usable:
            notes.append(f"Click {index + 1} lasted less than two decisions in every take and was left out.")
            continue
        runner = SegmentAdaptation(
            prior, usable, settings, index, count, should_stop, [a.name for a in takes[0].objects]
        )
        near = {n: t.skills[index].params for n, t in (neighbours or {}).items() if index < len(t.skills)}
        clicks.append((yield from runner.select_policy(near)))
        curves.append(runner.curves)
        held_out_by = runner.folds.held_out_description
    if not clicks:
        raise AdaptationError(
            f"In {_quote_names(takes)} nothing was done: no click lasted two decisions. Record again."
        )
    provenance = {
        "prior": prior.id,
        "takes": [take.name for take in takes],
        "notes": notes,
        "odd_takes": [asdict(take) for take in odd],
        "curves": curves,
        "held_out_by": held_out_by,
        "settings": asdict(settings),
    }
    return TaskPolicy(takes[0].task, tuple(clicks), tuple(a.name for a in takes[0].objects), provenance)


class SegmentAdaptation:
    """The race for one click."""

    def __init__(
        self,
        prior: Prior,
        takes: Sequence[SegmentArrays],
        settings: CandidateSettings,
        segment_index: int,
        segment_count: int,
        should_stop: Callable[[], bool],
        object_names: Sequence[str],
    ) -> None:
        self.prior, self.takes, self.settings, self.object_names = prior, takes, settings, object_names
        self.segment_index, self.segment_count, self.should_stop = segment_index, segment_count, should_stop
        self.folds = candidates.make_folds(takes, settings)
        self.best_steps: dict[str, _BestStep] = {}
        self.curves: dict[str, list[list[float]]] = {}
        self.zero_step_loss = float("nan")
        self.forced_attention: torch.Tensor | None = None
        """(folds, 2) the anchors looked at, where not the encoder's."""

    def select_policy(
        self, neighbours: Mapping[str, Mapping[str, Array]]
    ) -> Generator[AdaptationStep, None, SkillPolicy]:
        """Run all candidates, the quick ones first, and make the policy of the best."""
        model, folds, settings = self.prior.model, self.folds, self.settings
        zero = candidates.infer_zero_step(self.prior, folds)
        self.zero_step_loss = candidates.compute_losses(model, zero, folds)[1]
        yield from self._follow_path(ZERO_STEP, iter([(0, zero)]), 0)
        looked = candidates.search_attention(self.prior, folds)
        self.forced_attention = looked.support.forced_attention
        path = candidates.run_inner_loop(self.prior, looked, settings)
        five = yield from self._follow_path(FIVE_STEP, path, settings.inner_steps)
        near = {NEIGHBOUR_FORMAT.format(n): candidates.start_from_neighbour(p, zero) for n, p in neighbours.items()}
        for name, start in near.items():
            yield from self._follow_path(name, iter([(0, start)]), 0)
        if settings.baselines:
            yield from self._train_candidates(model, {FIVE_STEP_ADAM: five})
            blind = {FINE_TUNE: candidates.start_baseline(self.prior.baseline, folds)} if self.prior.baseline else {}
            blind[SCRATCH] = candidates.start_from_scratch(model, folds, settings.seed)
            yield from self._train_candidates(replace(model, unconditioned=True), blind)
        return self._build_policy()

    def _follow_path(
        self, name: str, path: Iterator[tuple[int, Params]], steps: int
    ) -> Generator[AdaptationStep, None, Params]:
        """Follow a short path to its end, where it counts; return that."""
        folds = self.folds
        for step, fast in path:
            if step == 0:
                folds = candidates.precompute_folds(self.prior.model, fast, folds)
            [found] = candidates.compute_candidate_losses(self.prior.model, fast, folds, 1)
            if all(map(np.isfinite, found[1])):
                self.best_steps[name] = _BestStep(found[1], step, lambda fast=fast: fast)  # type: ignore[misc]
            yield self._record(name, step, steps, found)
        if name in self.best_steps:
            paceless = candidates.paceless_losses(self.prior.model, fast, folds)
            self.best_steps[name] = replace(self.best_steps[name], paceless=paceless)
        return fast

    def _train_candidates(
        self, model: PolicyModel, starts: Mapping[str, Params]
    ) -> Generator[AdaptationStep, None, None]:
        """Train several candidates with Adam, all at once; each counts where it is best."""
        if not starts or self.should_stop():
            return
        steps, held = self.settings.max_adam_steps, slice(0, self.folds.fold_count)
        folds = candidates.repeat_folds(candidates.select_folds(self.folds, held), len(starts))
        begin = [{name: tensor[held] for name, tensor in start.items()} for start in starts.values()]
        looked_up = candidates.precompute_folds(model, candidates.concatenate_starts(begin), folds)
        for step, fast in candidates.train_with_adam(model, begin, folds, self.settings):
            found = candidates.compute_candidate_losses(model, fast, looked_up, len(starts))
            for (name, start), losses in zip(starts.items(), found, strict=True):
                best = self.best_steps.get(name)
                if all(map(np.isfinite, losses[1])) and (best is None or mean(losses[1]) < mean(best.held_out_loss)):
                    make = partial(candidates.train_candidate, model, start, self.folds, self.settings, step)
                    self.best_steps[name] = _BestStep(losses[1], step, make)
                yield self._record(name, step, steps, losses)
            newest = max((self.best_steps[name].step for name in starts if name in self.best_steps), default=0)
            if self.should_stop() or step - newest >= self.settings.patience:
                break

    def _record(self, name: str, step: int, steps: int, each: FoldLosses) -> AdaptationStep:
        """Note one point of a candidate's curve."""
        losses = mean(each[0]), mean(each[1])
        self.curves.setdefault(name, []).append([step, *losses])
        return AdaptationStep(self.segment_index, self.segment_count, step, steps, name, *losses, self.zero_step_loss)

    def _build_policy(self) -> SkillPolicy:
        """Choose, and say why."""
        if not self.best_steps:
            raise AdaptationError("No candidate ended with finite numbers. Nothing was changed; leave odd takes out.")
        folds = {n: f.held_out_loss for n, f in self.best_steps.items()}
        paceless = {n: f.paceless for n, f in self.best_steps.items() if f.paceless}
        name, reason = select_candidate(folds, paceless, self.folds.held_out_description, len(self.takes))
        chosen = self.best_steps[name]
        if self.forced_attention is not None and name == FIVE_STEP:
            reason += f" It looks at {self._describe_attention()}: that explains the takes better than what the encoder chose."
        policy = chosen.to_numpy()
        reference, scale = build_reference(policy, self.takes)
        others = {n: f.to_numpy() for n, f in self.best_steps.items()} if self.settings.keep_all_candidates else {}
        decisions = max(len(take) for take in self.takes)
        held_out = {n: mean(losses) for n, losses in folds.items()}
        return SkillPolicy(policy, name, reason, held_out, decisions, reference, scale, others)

    def _describe_attention(self) -> str:
        """Say which anchors are looked at."""
        assert self.forced_attention is not None
        names = [*self.object_names, "where it began", "nothing else"]
        return " and ".join(names[int(index)] for index in self.forced_attention[-1])


def _check_takes(prior: Prior, takes: Sequence[Demonstration]) -> None:
    """Raise AdaptationError or PriorMismatch if the takes do not belong together or not to the prior."""
    if not takes:
        raise AdaptationError("No take was chosen. Choose one take or more, then press Adapt.")
    for take in takes:
        prior.check_compatible(take.joint_names, take.objects)
    kinds = {tuple((a.name, a.kind) for a in take.objects) for take in takes}
    if len(kinds) > 1:
        raise AdaptationError(
            f"{_quote_names(takes)} show different sets of objects. Adapt to takes of one scene's objects."
        )


def _cut_alike(takes: Sequence[Demonstration]) -> tuple[tuple[Demonstration, ...], list[str]]:
    """Return the takes that can be cut into equally many parts, cut so, and notes that name the others.

    Raises AdaptationError if takes were clicked, and differently: then they show different tasks.
    """
    clicked = [take for take in takes if any(segment.instruction is not None for segment in take.segments)]
    counts = Counter(len(take.segments) for take in clicked)
    if len(counts) > 1:
        usual = counts.most_common(1)[0][0]
        odd = ", ".join(f"'{t.name}' has {len(t.segments)}" for t in clicked if len(t.segments) != usual)
        raise AdaptationError(
            f"The takes of '{takes[0].task}' differ in their clicks: most have {usual}, but {odd}. Nothing was "
            "changed; leave the odd takes out, or show the task again with the same clicks."
        )
    cut = align_segmentation(takes)
    parts = Counter(len(take.segments) for take in cut)
    usual = next(iter(counts), parts.most_common(1)[0][0])
    notes = [
        f"Take '{take.name}' has {len(take.segments)} parts where the others have {usual}, and was not learnt from. "
        "Move its cuts to learn from it, too."
        for take in cut
        if len(take.segments) != usual
    ]
    return tuple(take for take in cut if len(take.segments) == usual), notes


def _quote_names(takes: Sequence[Demonstration]) -> str:
    return ", ".join(f"'{take.name}'" for take in takes)


def warm_up() -> None:
    """Run everything once on nothing, so that first calls, which are slow, do not happen beside a moving arm."""
    use_single_thread()
    model = PolicyModel(hidden=8, encoder=8, summary=8, context=4)
    meta = maml.initialise(model.initialise(0), model.initial_inner_rates(), 1).detached_copy()
    a, g, n = OBJECT_FEATURES, GLOBAL_FEATURES, ACTION_SIZE
    still = torch.zeros(1, 4)
    points = Points(torch.zeros(1, 4, 2, a), torch.zeros(1, 4, g), torch.zeros(1, 4, n), still, still)
    *_, fast = maml.adapt(model, meta, points, 1)
    folds = candidates.Folds(points, points, points, 1, "")
    for _ in candidates.train_with_adam(model, [fast], folds, CandidateSettings(max_adam_steps=1, check_every=1)):
        pass
