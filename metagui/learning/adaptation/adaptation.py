"""Adapts the prior to a task: from one to ten takes to a task policy, in about a second, with baselines.

Every segment of the task is adapted separately. Several candidates run on the same takes, their losses on held-out
takes are reported live, and one of them becomes the policy, with an explanation.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING

import torch

from metagui.demonstrations.recording.segmentation import align_segmentation
from metagui.learning.adaptation import candidates
from metagui.learning.adaptation.candidates import CandidateSettings
from metagui.learning.adaptation.folds import Folds
from metagui.learning.adaptation.outlier_takes import find_outlier_takes
from metagui.learning.adaptation.segment_adaptation import AdaptationError, AdaptationStep, SegmentAdaptation
from metagui.learning.adaptation.task_policy import Provenance, SkillPolicy, TaskPolicy
from metagui.learning.maml import maml
from metagui.learning.policy import features
from metagui.learning.policy.dataset import MIN_SEGMENT_DECISIONS
from metagui.learning.policy.feature_layout import ACTION_SIZE, GLOBAL_FEATURES, OBJECT_FEATURES
from metagui.learning.policy.points import Points
from metagui.learning.policy.policy import PolicyModel
from metagui.learning.torch_utils.torch_threads import use_single_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.learning.prior import Prior

__all__ = ["AdaptationError", "AdaptationStep", "adapt_task", "warm_up"]


def adapt_task(
    prior: Prior,
    takes: Sequence[Demonstration],
    settings: CandidateSettings | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    neighbours: Mapping[str, TaskPolicy] | None = None,
) -> Generator[AdaptationStep, None, TaskPolicy]:
    """Adapt to one task's takes; yield the progress of every candidate, return the task policy.

    ``neighbours`` are policies of similar tasks, used as further candidates. When ``should_stop`` becomes true, the
    best candidates so far are used, and the remaining segments get the fast candidates only. Raises AdaptationError,
    FeatureError and PriorMismatchError.
    """
    use_single_thread()
    settings = settings or CandidateSettings()
    _check_takes(prior, takes)
    takes, notes = _segment_equally(takes)
    encoded = [features.encode(take) for take in takes]
    outliers = find_outlier_takes(prior, [take.name for take in takes], encoded)
    notes += [outlier.reason for outlier in outliers]
    skills: list[SkillPolicy] = []
    runs: list[SegmentAdaptation] = []
    names, count = [obj.name for obj in takes[0].objects], len(encoded[0])
    for index in range(count):
        usable = [segments[index] for segments in encoded if len(segments[index]) >= MIN_SEGMENT_DECISIONS]
        if not usable:
            notes.append(f"Segment {index + 1} is shorter than two decisions (0.08 s) in every take and was left out.")
            continue
        run = SegmentAdaptation(prior, usable, settings, index, count, should_stop, names)
        near = {n: t.skills[index].params for n, t in (neighbours or {}).items() if index < len(t.skills)}
        skills.append((yield from run.select_policy(near)))
        runs.append(run)
    if not skills:
        raise AdaptationError(
            f"In {_quote_names(takes)} no segment lasts two decisions (0.08 s). Nothing was changed; record again."
        )
    curves, held_out_by = tuple(run.curves for run in runs), runs[-1].folds.held_out_description
    take_names = tuple(take.name for take in takes)
    provenance = Provenance(prior.id, take_names, tuple(notes), outliers, curves, held_out_by, asdict(settings))
    return TaskPolicy(takes[0].task, tuple(skills), tuple(names), provenance)


def warm_up() -> None:
    """Run all computations once on zeros: first calls are slow and must not happen while an arm moves."""
    use_single_thread()
    model = PolicyModel(hidden=8, encoder=8, summary=8, context=4)
    meta = maml.initialise(model.initialise(0), model.initial_inner_rates(), 1).detached_copy()
    columns = (
        torch.zeros(1, 4, 2, OBJECT_FEATURES),
        torch.zeros(1, 4, GLOBAL_FEATURES),
        torch.zeros(1, 4, ACTION_SIZE),
    )
    points = Points(*columns, done=torch.zeros(1, 4), phase=torch.zeros(1, 4))
    *_, fast = maml.adapt(model, meta, points, 1)
    folds = Folds(points, points, points, 1, "")
    settings = CandidateSettings(max_adam_steps=1, check_every=1)
    for _ in candidates.train_with_adam(model, [fast], folds, settings):
        pass


def _check_takes(prior: Prior, takes: Sequence[Demonstration]) -> None:
    """Raise AdaptationError or PriorMismatchError if the takes do not fit each other or the prior."""
    if not takes:
        raise AdaptationError("No take was chosen. Nothing was changed; choose one take or more, then press Adapt.")
    for take in takes:
        prior.check_compatible(take.joint_names, take.objects)
    scenes = {tuple((obj.name, obj.kind) for obj in take.objects) for take in takes}
    if len(scenes) > 1:
        raise AdaptationError(
            f"{_quote_names(takes)} have different sets of objects. Nothing was changed; adapt to takes of one scene."
        )


def _segment_equally(takes: Sequence[Demonstration]) -> tuple[tuple[Demonstration, ...], list[str]]:
    """Return the takes with the same number of segments after alignment, and notes about the others.

    Raises AdaptationError if takes with instructions differ in their number: they show different tasks.
    """
    instructed = [take for take in takes if any(segment.instruction is not None for segment in take.segments)]
    counts = Counter(len(take.segments) for take in instructed)
    if len(counts) > 1:
        usual = counts.most_common(1)[0][0]
        others = ", ".join(f"'{t.name}' has {len(t.segments)}" for t in instructed if len(t.segments) != usual)
        raise AdaptationError(
            f"The takes of '{takes[0].task}' differ in their number of segments: most have {usual}, but {others}. "
            "Nothing was changed; leave those takes out, or record the task again with the same clicks."
        )
    aligned = align_segmentation(takes)
    usual = next(iter(counts), Counter(len(take.segments) for take in aligned).most_common(1)[0][0])
    notes = [
        f"Take '{take.name}' has {len(take.segments)} segments, the other takes have {usual}, so it was left out. To "
        "include it, move its boundaries."
        for take in aligned
        if len(take.segments) != usual
    ]
    return tuple(take for take in aligned if len(take.segments) == usual), notes


def _quote_names(takes: Sequence[Demonstration]) -> str:
    return ", ".join(f"'{take.name}'" for take in takes)
