"""Tests of DAgger corrections: stored motions, their order, and their data set."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from metagui.arms.control.loop import ControlLoop
from metagui.arms.kinematics import MAX_DISPLACEMENT_M
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.demonstrations.demonstration import Instruction
from metagui.demonstrations.primitives.primitive import MotionStyle
from metagui.demonstrations.programs.program import TaskProgram
from metagui.generators import run_to_end
from metagui.learning.adaptation.rollout import PolicyController
from metagui.learning.adaptation.task_policy import TaskPolicy
from metagui.learning.policy import task_sampler
from metagui.learning.policy.feature_layout import COARSE_SCALE_M, DISPLACEMENT_SCALE_M
from metagui.learning.policy.task_sampler import SamplingSettings, TaskSampler
from metagui.learning.prior import load_shipped
from metagui.learning.training import dagger
from tests.helpers.datasets import encode_example_people, encode_example_takes
from tests.helpers.takes import EXAMPLE_PROGRAMS

if TYPE_CHECKING:
    from collections.abc import Generator

    from metagui.learning.policy.dataset import MetaDataset
    from metagui.learning.policy.features import SegmentArrays

REACH, LIFT = EXAMPLE_PROGRAMS[0], EXAMPLE_PROGRAMS[2]


@pytest.fixture(scope="module")
def data() -> MetaDataset:
    return encode_example_takes()


def collect(data: MetaDataset, workers: int, programs: tuple[str, ...] = (REACH.name, LIFT.name)) -> MetaDataset | None:
    prior = load_shipped()
    some = [program for program in EXAMPLE_PROGRAMS if program.name in programs]
    return run_all(dagger.collect_corrections(prior.model, prior.meta.params, data, some, 3, (1,), workers))


def run_all(steps: Generator[int, None, MetaDataset | None]) -> MetaDataset | None:
    return run_to_end(steps)


class Stray:
    """A policy that always moves up, and ends after some decisions or never."""

    decisions, choice = 40, "stray"

    def __init__(self, ends: int = 1000) -> None:
        self._left = ends

    def act(self, object_features: np.ndarray, global_features: np.ndarray) -> tuple[np.ndarray, float]:
        self._left -= 1
        return np.array([0.0, 0.0, 0.5, 0.0, 0.0], dtype=np.float32), float(self._left < 0)

    def distance_to_reference(self, object_features: np.ndarray, global_features: np.ndarray) -> float:
        return 0.0


def run_stray_policies(program: TaskProgram, *policies: Stray) -> list[SegmentArrays]:
    """Return the corrections stored while these policies act, by segment."""
    arm = SimulatedArm(2)
    arm.connect()
    policy = TaskPolicy("stray", policies, tuple(a.name for a in arm.objects))  # type: ignore[arg-type]
    chain = dagger.DaggerController(
        PolicyController(policy, arm.objects, dagger.CORRECTION_ROLLOUT), program, arm.objects, MotionStyle()
    )
    ControlLoop(arm, arm).run_inline(chain, 200)
    return chain.segments()


def first_global_features() -> np.ndarray:
    """Return the global features of the simulated arm at its start pose."""
    return run_stray_policies(REACH, Stray())[0].global_features[0]


def test_dagger_stores_the_experts_motion_not_the_policys() -> None:
    (segment,) = run_stray_policies(REACH, Stray())
    assert len(segment) == 100
    way = segment.object_features[:, 0, :3] * COARSE_SCALE_M + (0.0, 0.0, 0.06)
    high = way[:, 2] < -0.07
    assert np.ptp(way[:, 2]) > 0.1, "it was led away"
    assert (segment.actions[high, 2] < 0.0).all()
    np.testing.assert_array_equal(np.sign(segment.actions[high, 1]), np.sign(way[high, 1]))
    assert np.abs(segment.actions[:, :3] * DISPLACEMENT_SCALE_M).max() <= MAX_DISPLACEMENT_M
    assert not segment.done.any()


def test_dagger_resets_features_and_expert_at_each_segment() -> None:
    """Features and expert memory start again with each segment; done labels are the expert's."""
    moves = tuple(Instruction("move", "table", None, {"offset": (0.0, way, 0.0)}) for way in (0.0, 0.03))
    first, second = run_stray_policies(TaskProgram("moves", moves), Stray(10), Stray(10))
    assert first.done[0] == 1.0
    np.testing.assert_array_equal(first.global_features[-1], second.global_features[0])
    np.testing.assert_array_equal(second.object_features[0, -1, :3], 0.0)
    assert first.object_features[-1, -1, 2] < -0.2, "it has risen"
    np.testing.assert_allclose(second.actions[0, [0, 2]], 0.0, atol=1e-6)
    assert second.actions[0, 1] > 0.5


def test_collect_corrections_separates_segments(data: MetaDataset) -> None:
    """The shipped prior ends this lift a millimetre early: the way to there is corrected nevertheless."""
    found = collect(data, 1, ("put red on violet",))
    assert found is not None
    assert found.task_names == data.task_names
    assert [found.task_names[task] for task in found.task_indices] == ["put red on violet / 1", "put red on violet / 2"]
    assert found.get_segment(0).global_features[0, 1] == 0.0, "nothing is held when grasping begins"
    assert found.get_segment(1).global_features[0, 1] == 1.0
    assert not found.get_segment(0).done.any()
    assert found.get_segment(1).done.any()


def test_episodes_vary_in_support_takes_and_start_states(data: MetaDataset) -> None:
    prior, index = load_shipped(), {name: task for task, name in enumerate(data.task_names)}
    episodes = [
        next(dagger._prepare_episodes(prior.model, prior.meta.params, (data, None), [REACH], index, seed, (1,)))
        for seed in range(6)
    ]
    assert len({episode.task_policy.skills[0].decisions for episode in episodes}) > 1
    begins = [dagger.run_dagger_episode(episode)[0].global_features[0] for episode in episodes]
    home = sum(np.allclose(begin, first_global_features(), atol=1e-3) for begin in begins)
    assert 0 < home < len(begins)


def test_episodes_use_support_take_counts_in_turn(data: MetaDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    prior, index = load_shipped(), {name: task for task, name in enumerate(data.task_names)}
    drawn: list[list[int]] = []

    def points_from(takes: list[SegmentArrays], points: int, rng: np.random.Generator) -> list[np.ndarray]:
        drawn.append([len(take) for take in takes])
        return task_sampler.sample_points(takes, points, rng)

    monkeypatch.setattr(dagger, "sample_points", points_from)
    programs = [REACH, LIFT, REACH, LIFT]
    list(dagger._prepare_episodes(prior.model, prior.meta.params, (data, None), programs, index, 0, (1, 3)))
    assert [len(takes) for takes in drawn] == [1, 3, 1, 3]
    task = index[f"{LIFT.name} / 1"]
    lengths = sorted(len(data.get_segment(int(take))) for take in data.find_segments(task))
    assert all(sorted(takes) == lengths for takes in drawn[1::2]), "three different ones"


def test_collect_corrections_is_independent_of_workers(data: MetaDataset) -> None:
    one, two = collect(data, 1), collect(data, 2)
    assert one is not None
    assert two is not None
    assert one.fingerprint() == two.fingerprint()


def test_collect_corrections_unknown_or_stopped_is_none(data: MetaDataset) -> None:
    prior = load_shipped()
    unknown = replace(REACH, name="unknown")
    assert run_all(dagger.collect_corrections(prior.model, prior.meta.params, data, [unknown], 0, (1,), 1)) is None
    stopped = dagger.collect_corrections(
        prior.model, prior.meta.params, data, EXAMPLE_PROGRAMS, 0, (1,), 1, lambda: True
    )
    assert next(stopped) == 1
    assert run_all(stopped) is None


def test_corrections_end_where_the_policy_stopped(data: MetaDataset) -> None:
    """A policy that stopped where its take did is not corrected by an expert that continues by a millimetre."""
    (segment,) = run_stray_policies(REACH, Stray(10))
    moving = dagger.drop_stopped_tail(segment)
    still = segment.select(np.concatenate([np.arange(len(segment)), np.full(30, len(segment) - 1)]))
    assert 2 < len(moving) < len(segment)
    np.testing.assert_array_equal(dagger.drop_stopped_tail(still).actions, moving.actions)
    left = segment.object_features[:, -1, :3] * COARSE_SCALE_M
    assert np.linalg.norm(left[len(moving) - 1] - left[-1]) > dagger.STOPPED_RADIUS_M
    ended = replace(still, done=np.eye(len(still), dtype=np.float32)[-1])
    assert dagger.drop_stopped_tail(ended) is ended, "where the expert finished too, the policy could know it"
    assert len(dagger.drop_stopped_tail(still.select(np.arange(1)))) == 0


def test_corrections_of_a_policy_that_never_moved_are_left_out(
    data: MetaDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = data.get_segment(0).select(np.full(6, 0))
    ended = replace(begun, done=np.array([0, 0, 0, 0, 0, 1], dtype=np.float32))
    prior, some = load_shipped(), [REACH, LIFT]
    for found, count in ((replace(begun, done=np.zeros(6, dtype=np.float32)), 0), (ended, 2)):
        monkeypatch.setattr(dagger, "run_dagger_episode", lambda episode, found=found: [found])
        corrections = run_all(dagger.collect_corrections(prior.model, prior.meta.params, data, some, 0, (1,), 1))
        assert (len(corrections.starts) if corrections else 0) == count


def test_corrected_policies_are_adapted_to_people(data: MetaDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    people, prior, lengths = encode_example_people(), load_shipped(), list[int]()

    def note_length(episode: dagger.DaggerEpisode) -> list[SegmentArrays]:
        lengths.append(episode.task_policy.skills[0].decisions)
        return []

    monkeypatch.setattr(dagger, "run_dagger_episode", note_length)
    for fraction in (0.0, 1.0):
        monkeypatch.setattr(dagger, "PEOPLE_PROBABILITY", fraction)
        run_all(
            dagger.collect_corrections(prior.model, prior.meta.params, data, [REACH, LIFT], 0, (3,), 1, people=people)
        )
    assert lengths[:2] == [data.lengths[data.find_segments(task)].max() for task in (0, 2)]
    assert lengths[2:] == [people.lengths[people.find_segments(task)].max() for task in (0, 2)]


def test_sampler_uses_corrections_in_query_sets_only(data: MetaDataset) -> None:
    found = collect(data, 1)
    assert found is not None
    sampler = TaskSampler(data, range(len(data.task_names)), SamplingSettings(4, 64, 64), [found, found])
    rng = np.random.default_rng(0)
    rows = len(data.segments)
    in_query = []
    for task in range(len(sampler)):
        (support, _), (query, _) = sampler._sample_support_query(task, rng)
        assert (support < rows).all()
        in_query.append(bool((query >= rows).any()))
    assert in_query == [
        data.task_names[task] in {found.task_names[i] for i in found.task_indices} for task in range(len(sampler))
    ]
    support_, query_ = sampler(rng)
    assert support_.object_features.shape[1] == query_.object_features.shape[1] == 64
