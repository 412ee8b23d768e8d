"""Adaptation that ends with a rehearsal: cross-validation makes a policy at once, runs in simulation may replace it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from metagui.demonstrations.recording.segmentation import align_segmentation
from metagui.learning.adaptation.adaptation import adapt_task
from metagui.learning.adaptation.candidates import CandidateSettings
from metagui.learning.adaptation.rehearsal_score import Rehearsal
from metagui.learning.adaptation.selection import Candidate, is_runnable
from metagui.learning.object_replay.object_replay import build_object_replay
from metagui.learning.rehearsal.rehearsal import RehearsalSettings, rehearse, select_rehearsed
from metagui.learning.rehearsal.scenes import find_simulated_table

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.learning.adaptation.segment_adaptation import AdaptationStep
    from metagui.learning.adaptation.task_policy import TaskPolicy
    from metagui.learning.prior import Prior
    from metagui.learning.rehearsal.rehearsal import RehearsalStep

UNKNOWN_OBJECTS_TEXT = "It was not rehearsed: the simulator does not have the objects of these takes."


@dataclass(frozen=True)
class PolicyReady:
    """Progress: the policy that cross-validation selected can run; the rehearsal begins."""

    policy: TaskPolicy


def adapt_and_rehearse(
    prior: Prior,
    takes: Sequence[Demonstration],
    settings: CandidateSettings | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    neighbours: Mapping[str, TaskPolicy] | None = None,
    rehearsal: RehearsalSettings | None = None,
) -> Generator[AdaptationStep | PolicyReady | RehearsalStep, None, TaskPolicy]:
    """Adapt like ``adapt_task``, then rehearse the candidates and return the one that succeeds most often.

    When ``should_stop`` becomes true, the scenes rehearsed so far decide, or the losses if they are too few. Raises
    AdaptationError, FeatureError and PriorMismatchError.
    """
    settings = replace(settings or CandidateSettings(), keep_all_candidates=True)
    adapted = yield from adapt_task(prior, takes, settings, should_stop, neighbours)
    yield PolicyReady(adapted.without_candidates())
    if should_stop():
        return adapted.without_candidates()
    rehearsal = rehearsal or RehearsalSettings(seed=settings.seed)
    return (yield from rehearse_adapted(adapted, takes, rehearsal, should_stop))


def rehearse_adapted(
    adapted: TaskPolicy,
    takes: Sequence[Demonstration],
    settings: RehearsalSettings | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Generator[RehearsalStep, None, TaskPolicy]:
    """Rehearse the candidates of a task policy that was adapted to ``takes``; return the one to run."""
    stored = adapted.without_candidates()
    table = find_simulated_table(takes)
    if table is None or adapted.object_names != tuple(each.name for each in table.scene_objects):
        notes = (*stored.provenance.notes, UNKNOWN_OBJECTS_TEXT)
        return replace(stored, provenance=replace(stored.provenance, notes=notes))
    used = select_used_takes(takes, adapted)
    candidates = list_candidates(adapted, used)
    scores = yield from rehearse(used, candidates, settings, should_stop)
    chosen = select_rehearsed(scores, settings)
    if chosen is None:
        return stored
    result = Rehearsal(chosen, {str(name): score for name, score in scores.items()})
    policy = candidates[chosen].without_candidates()
    # The learnt policies stay with a replay: other tasks start from them, and they measure the distance of a run.
    skills = policy.skills or stored.skills
    return replace(policy, skills=skills, provenance=replace(stored.provenance, rehearsal=result))


def select_used_takes(takes: Sequence[Demonstration], adapted: TaskPolicy) -> list[Demonstration]:
    """Return the takes that were adapted to, with the segments that adaptation gave them."""
    aligned = align_segmentation(takes)
    return [replace(take, manually_segmented=True) for take in aligned if take.name in adapted.provenance.takes]


def list_candidates(adapted: TaskPolicy, takes: Sequence[Demonstration]) -> dict[str, TaskPolicy]:
    """Return the candidates to rehearse by name, the simplest first."""
    names = [name for name in adapted.candidate_names if is_runnable(name)]
    found = {name: adapted.with_candidate(name) for name in names}
    if len(set(adapted.choices)) > 1:
        found[str(Candidate.MIXED)] = adapted
    found[str(Candidate.OBJECT_REPLAY)] = replace(adapted, skills=(), replay=build_object_replay(takes))
    return found
