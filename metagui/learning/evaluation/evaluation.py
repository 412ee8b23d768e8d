"""Closed-loop evaluation: for every program, generate takes, adapt, and run all candidates in unseen scenes."""

from __future__ import annotations

import itertools
import os
import zlib
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from metagui.demonstrations.programs.scripted import GenerationSettings, generate_takes
from metagui.generators import run_to_end
from metagui.learning.adaptation.adaptation import adapt_task
from metagui.learning.adaptation.candidates import CandidateSettings
from metagui.learning.adaptation.replay_rollout import make_replay_policy
from metagui.learning.adaptation.selection import BASELINES, Candidate
from metagui.learning.evaluation.episodes import run_policy_episode, run_scripted_episode
from metagui.learning.evaluation.nearest_neighbour import build_nearest_neighbour_policy
from metagui.learning.evaluation.success_rates import Episode, SuccessRate, summarise
from metagui.learning.rehearsal.rehearsed_adaptation import rehearse_adapted
from metagui.learning.torch_utils.process_group import current_group, open_group
from metagui.learning.torch_utils.work_queue import map_in_order

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.demonstrations.programs.program import TaskProgram
    from metagui.learning.adaptation.task_policy import TaskPolicy
    from metagui.learning.evaluation.episode_log import EpisodeLog
    from metagui.learning.prior import Prior

SCRIPTED_DEMONSTRATOR = "scripted demonstrator"
"""Name of the upper baseline in results."""
EVALUATED_CANDIDATES = (
    Candidate.CHOSEN,
    Candidate.ZERO_STEP,
    Candidate.FIVE_STEP,
    Candidate.FIVE_STEP_ADAM,
    Candidate.FINE_TUNE,
    Candidate.FROM_SCRATCH,
    Candidate.NEAREST_NEIGHBOUR,
    Candidate.OBJECT_REPLAY,
)
"""What can be evaluated: the candidate chosen by cross-validation, each candidate, and baselines without a prior."""
BUILDERS_WITHOUT_PRIOR: Mapping[str, Callable[[Sequence[Demonstration]], TaskPolicy]] = {
    Candidate.NEAREST_NEIGHBOUR: build_nearest_neighbour_policy,
    Candidate.OBJECT_REPLAY: make_replay_policy,
}
"""For every baseline that needs no prior, the function that makes it from takes."""


@dataclass(frozen=True)
class EvaluationSettings:
    """What to evaluate."""

    shots: tuple[int, ...] = (1, 3)
    """Numbers of takes to adapt to."""
    scenes: int = 5
    """Number of unseen scenes per program."""
    seed: int = 0
    """Seed of takes, scenes and adaptation."""
    candidates: tuple[str, ...] = EVALUATED_CANDIDATES
    """Candidates to run."""
    solvable_only: bool = True
    """True if scenes that the scripted demonstrator does not solve are left out."""
    workers: int | None = 1
    """Number of processes, each with whole programs; None for one per core."""
    rehearse: bool = False
    """True if adaptation chooses by rehearsal, as for users, and not by held-out losses."""


def evaluate(
    priors: Sequence[Prior],
    programs: Sequence[TaskProgram],
    settings: EvaluationSettings | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    log: EpisodeLog | None = None,
) -> Generator[Episode, None, tuple[SuccessRate, ...]]:
    """Yield one record per episode; return the success rates by family, split, shots, candidate and prior.

    Programs that are in ``log`` are not run again; the others are appended to it. Raises ImpossibleProgramError for a
    program that the scripted demonstrator cannot execute, and OSError.
    """
    settings = settings or EvaluationSettings()
    done = dict(log.episodes_by_program) if log else {}
    episodes: list[Episode] = []
    todo = [program for program in programs if program.name not in done]
    known = ((program, iter(done[program.name])) for program in programs if program.name in done)
    for program, records in itertools.chain(known, _run_programs(priors, todo, settings)):
        own: list[Episode] = []
        for episode in records:
            own.append(episode)
            yield episode
            if should_stop():
                return summarise(episodes + own)
        episodes += own
        if log and program.name not in done:
            log.append(program.name, own)
    return summarise(episodes)


def _run_programs(
    priors: Sequence[Prior], programs: Sequence[TaskProgram], settings: EvaluationSettings
) -> Iterator[tuple[TaskProgram, Iterator[Episode]]]:
    """Run all programs, in one process or several, in the same order and with the same results."""
    workers = min(settings.workers or os.cpu_count() or 1, len(programs))
    if workers <= 1 and current_group().size == 1:
        yield from ((program, _run_program(priors, program, settings)) for program in programs)
        return
    run = partial(_run_whole_program, priors=list(priors), settings=settings)
    # Closed before the group: the other ranks are told to stop.
    with open_group(workers) as group, closing(map_in_order(group, run, programs)) as done:
        yield from zip(programs, map(iter, done), strict=True)


def _run_whole_program(program: TaskProgram, priors: Sequence[Prior], settings: EvaluationSettings) -> list[Episode]:
    """Return all episodes of one program; runs in any process of a group."""
    return list(_run_program(priors, program, settings))


def _run_program(priors: Sequence[Prior], program: TaskProgram, settings: EvaluationSettings) -> Iterator[Episode]:
    """Yield all episodes of one program."""
    takes = generate_takes(program, GenerationSettings(max(settings.shots), settings.seed))
    rng = np.random.default_rng([settings.seed, 1, zlib.crc32(program.name.encode())])
    scenes = []
    for scene in (int(s) for s in rng.integers(2**31, size=settings.scenes)):
        solved, outcome, achieved = run_scripted_episode(program, scene)
        yield Episode(program.name, program.family, 0, SCRIPTED_DEMONSTRATOR, scene, solved, outcome, achieved)
        if solved or not settings.solvable_only:
            scenes.append(scene)
    for shots in settings.shots:
        ran: dict[tuple[str, ...], list[tuple[bool, str, int]]] = {}
        for prior, name, adapted in _adapt_policies(priors, takes[:shots], settings):
            # The chosen candidate has mostly run already.
            same = (prior, *adapted.choices)
            if same not in ran:
                ran[same] = [run_policy_episode(program, adapted, scene) for scene in scenes]
            for scene, result in zip(scenes, ran[same], strict=True):
                yield Episode(program.name, program.family, shots, name, scene, *result, prior)


def _adapt_policies(
    priors: Sequence[Prior], takes: Sequence[Demonstration], settings: EvaluationSettings
) -> Iterator[tuple[str, str, TaskPolicy]]:
    """Adapt every prior once; yield prior id, name and policy of every candidate in the settings."""
    for name, build in BUILDERS_WITHOUT_PRIOR.items():
        if name in settings.candidates:
            yield "", name, build(takes)
    if not set(settings.candidates) - BUILDERS_WITHOUT_PRIOR.keys():
        return
    for prior in priors:
        adapted = adapt_all_candidates(prior, takes, settings)
        is_rehearsed = settings.rehearse and Candidate.CHOSEN in settings.candidates
        chosen = run_to_end(rehearse_adapted(adapted, takes)) if is_rehearsed else adapted
        for name in settings.candidates:
            if name == Candidate.CHOSEN:
                yield prior.id, name, chosen
            elif name in adapted.candidate_names:
                yield prior.id, name, adapted.with_candidate(name)


def adapt_all_candidates(prior: Prior, takes: Sequence[Demonstration], settings: EvaluationSettings) -> TaskPolicy:
    """Adapt to takes and store all candidates. Raises AdaptationError, FeatureError, PriorMismatchError."""
    baselines = not set(BASELINES).isdisjoint(settings.candidates)
    candidate_settings = CandidateSettings(keep_all_candidates=True, seed=settings.seed, baselines=baselines)
    return run_to_end(adapt_task(prior, takes, candidate_settings))
