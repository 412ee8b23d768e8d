"""Adapts to one segment: runs all candidates on the same folds, records their curves, and selects one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from metagui.learning.adaptation import candidates
from metagui.learning.adaptation.folds import (
    FoldLosses,
    compute_candidate_losses,
    compute_losses,
    compute_pace_adjusted_losses,
    precompute_folds,
    repeat_folds,
    select_folds,
)
from metagui.learning.adaptation.selection import Candidate, neighbour_name, select_candidate
from metagui.learning.adaptation.task_policy import SkillPolicy, build_reference
from metagui.learning.policy.policy import as_numpy

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

    import torch

    from metagui.learning.adaptation.candidates import CandidateSettings
    from metagui.learning.policy.feature_layout import Array
    from metagui.learning.policy.features import SegmentArrays
    from metagui.learning.policy.policy import PolicyModel
    from metagui.learning.prior import Prior
    from metagui.learning.torch_utils.functional_mlp import Params


class AdaptationError(Exception):
    """Takes cannot be adapted to; the message names them and what to do."""


@dataclass(frozen=True)
class AdaptationStep:
    """Progress of one candidate of one segment; losses are means over the folds."""

    segment_index: int
    segment_count: int
    step: int
    steps: int
    candidate: str
    support_loss: float
    query_loss: float
    """Held-out loss."""
    zero_step_loss: float
    """Held-out loss before any step."""


@dataclass(frozen=True)
class _BestStep:
    """The step of a candidate with the lowest held-out loss."""

    held_out_losses: tuple[float, ...]
    """Loss of every fold."""
    step: int
    make_params: Callable[[], Params]
    """Makes the policy from all takes; it is the last task."""
    pace_adjusted_losses: tuple[float, ...] | None = None
    """Loss of every fold at the best pace; None for candidates that cannot be selected."""

    def to_numpy(self) -> dict[str, Array]:
        """Return the tensors to store."""
        return as_numpy(self.make_params(), -1)


class SegmentAdaptation:
    """Cross-validation of all candidates for one segment."""

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
        """Rows of step, support loss and held-out loss of every candidate."""
        self.zero_step_loss = float("nan")
        self.forced_attention: torch.Tensor | None = None
        """(folds + 1, 2) objects that the inner steps attend to, None for those that the encoder inferred."""

    def select_policy(
        self, neighbours: Mapping[str, Mapping[str, Array]]
    ) -> Generator[AdaptationStep, None, SkillPolicy]:
        """Run all candidates, the fast ones first; return the policy of the selected one.

        Raises AdaptationError.

        ``neighbours`` are the tensors of similar tasks' policies for this segment.
        """
        model, folds, settings = self.prior.model, self.folds, self.settings
        zero = candidates.infer_zero_step(self.prior, folds)
        self.zero_step_loss = compute_losses(model, zero, folds)[1]
        yield from self._follow_path(Candidate.ZERO_STEP, iter([(0, zero)]), 0)
        searched = candidates.search_attention(self.prior, folds)
        self.forced_attention = searched.support.forced_attention
        path = candidates.run_inner_loop(self.prior, searched, settings)
        five = yield from self._follow_path(Candidate.FIVE_STEP, path, settings.inner_steps)
        for task, params in neighbours.items():
            start = candidates.start_from_neighbour(params, zero)
            yield from self._follow_path(neighbour_name(task), iter([(0, start)]), 0)
        if settings.baselines:
            yield from self._train_candidates(model, {Candidate.FIVE_STEP_ADAM: five})
            starts: dict[str, Params] = {}
            if self.prior.baseline:
                starts[Candidate.FINE_TUNE] = candidates.start_baseline(self.prior.baseline, folds)
            starts[Candidate.FROM_SCRATCH] = candidates.start_from_scratch(model, folds, settings.seed)
            yield from self._train_candidates(replace(model, unconditioned=True), starts)
        return self._build_policy()

    def _follow_path(
        self, name: str, path: Iterator[tuple[int, Params]], steps: int
    ) -> Generator[AdaptationStep, None, Params]:
        """Evaluate a short path; its last step is the candidate. Return the parameters there."""
        folds = self.folds
        for step, fast in path:
            if step == 0:
                folds = precompute_folds(self.prior.model, fast, folds)
            [losses] = compute_candidate_losses(self.prior.model, fast, folds, 1)
            if all(map(np.isfinite, losses[1])):
                self.best_steps[name] = _BestStep(losses[1], step, lambda fast=fast: fast)  # type: ignore[misc]
            yield self._record(name, step, steps, losses)
        if name in self.best_steps:
            adjusted = compute_pace_adjusted_losses(self.prior.model, fast, folds)
            self.best_steps[name] = replace(self.best_steps[name], pace_adjusted_losses=adjusted)
        return fast

    def _train_candidates(
        self, model: PolicyModel, starts: Mapping[str, Params]
    ) -> Generator[AdaptationStep, None, None]:
        """Train several candidates with Adam in one batch; the best step of each is the candidate."""
        if not starts or self.should_stop():
            return
        steps, fold_rows = self.settings.max_adam_steps, slice(0, self.folds.fold_count)
        folds = repeat_folds(select_folds(self.folds, fold_rows), len(starts))
        begin = [{name: tensor[fold_rows] for name, tensor in start.items()} for start in starts.values()]
        precomputed = precompute_folds(model, candidates.concatenate_starts(begin), folds)
        for step, fast in candidates.train_with_adam(model, begin, folds, self.settings):
            found = compute_candidate_losses(model, fast, precomputed, len(starts))
            for (name, start), losses in zip(starts.items(), found, strict=True):
                best = self.best_steps.get(name)
                is_finite = all(map(np.isfinite, losses[1]))
                if is_finite and (best is None or fmean(losses[1]) < fmean(best.held_out_losses)):
                    make = partial(candidates.train_candidate, model, start, self.folds, self.settings, step)
                    self.best_steps[name] = _BestStep(losses[1], step, make)
                yield self._record(name, step, steps, losses)
            newest = max((self.best_steps[name].step for name in starts if name in self.best_steps), default=0)
            if self.should_stop() or step - newest >= self.settings.patience:
                break

    def _record(self, name: str, step: int, steps: int, fold_losses: FoldLosses) -> AdaptationStep:
        """Append a point to a candidate's curve; return the progress record."""
        losses = fmean(fold_losses[0]), fmean(fold_losses[1])
        self.curves.setdefault(str(name), []).append([step, *losses])
        return AdaptationStep(self.segment_index, self.segment_count, step, steps, name, *losses, self.zero_step_loss)

    def _build_policy(self) -> SkillPolicy:
        """Select a candidate and make its policy from all takes."""
        if not self.best_steps:
            raise AdaptationError(
                f"No policy for segment {self.segment_index + 1} has finite numbers. Nothing was changed; leave "
                "unusual takes out."
            )
        held_out = {name: best.held_out_losses for name, best in self.best_steps.items()}
        adjusted = {n: best.pace_adjusted_losses for n, best in self.best_steps.items() if best.pace_adjusted_losses}
        name, reason = select_candidate(held_out, adjusted, self.folds.held_out_description, len(self.takes))
        if self.forced_attention is not None and name == Candidate.FIVE_STEP:
            attended = self._describe_attention()
            reason += f" It attends to {attended}, which explains the takes better than what the encoder inferred."
        mean_losses = {str(n): fmean(losses) for n, losses in held_out.items()}
        skill = self._build_skill(name, reason, mean_losses)
        if not self.settings.keep_all_candidates:
            return skill
        return replace(
            skill, candidates={str(n): partial(self._build_skill, n, reason, mean_losses) for n in self.best_steps}
        )

    def _build_skill(self, name: str, reason: str, mean_losses: Mapping[str, float]) -> SkillPolicy:
        """Return the policy of a candidate, made from all takes."""
        params = self.best_steps[name].to_numpy()
        reference, scale = build_reference(params, self.takes)
        decisions = max(len(take) for take in self.takes)
        return SkillPolicy(params, str(name), reason, mean_losses, decisions, reference, scale)

    def _describe_attention(self) -> str:
        """Return the names of the two objects attended to."""
        assert self.forced_attention is not None
        names = [*self.object_names, "the start position", "nothing else"]
        return " and ".join(names[int(index)] for index in self.forced_attention[-1])
