"""Policies that act while the laws correct them: what is kept, in which order, and what is made of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from metagui.arms.control.loop import ControlLoop
from metagui.arms.kinematics import GRIPPER_CLOSED_RAD, GRIPPER_OPEN_RAD, MAX_DISPLACEMENT_M, ToolMotion
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.demonstrations.demonstration import Instruction
from metagui.demonstrations.primitives.primitive import MotionStyle
from metagui.demonstrations.programs.program import TaskProgram
from metagui.learning.adaptation.adapted_task import TaskPolicy
from metagui.learning.adaptation.rollout import PolicyController
from metagui.learning.policy import dataset
from metagui.learning.policy.dataset import MetaDataset, encode_all
from metagui.learning.policy.feature_layout import COARSE_SCALE_M, DISPLACEMENT_SCALE_M
from metagui.learning.policy.features import SegmentArrays, action_from_motion, motion_from_action
from metagui.learning.policy.task_sampler import SamplingSettings, TaskSampler
from metagui.learning.prior import load_shipped
from metagui.learning.training import dagger
from tests.helpers.takes import EXAMPLE_PROGRAMS, generate_example_takes

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

REACH, LIFT = EXAMPLE_PROGRAMS[0], EXAMPLE_PROGRAMS[2]


@pytest.fixture(scope="module")
def data() -> MetaDataset:
    return encode_all(take for takes in generate_example_takes().values() for take in takes)


def corrected(
    data: MetaDataset, workers: int, programs: tuple[str, ...] = (REACH.name, LIFT.name)
) -> MetaDataset | None:
    prior = load_shipped()
    some = [program for program in EXAMPLE_PROGRAMS if program.name in programs]
    return result(dagger.collect_corrections(prior.model, prior.meta.params, data, some, 3, (1,), workers))


def result(steps: Generator[int, None, MetaDataset | None]) -> MetaDataset | None:
    while True:
        try:
            next(steps)
        except StopIteration as finished:
            return finished.value  # type: ignore[no-any-return]


@pytest.mark.parametrize("gripper", [GRIPPER_OPEN_RAD, GRIPPER_CLOSED_RAD])
def test_a_motion_is_asked_for_by_its_action(gripper: float) -> None:
    motion = ToolMotion(np.array([0.004, -0.002, 0.001]), 0.05, gripper)
    back = motion_from_action(action_from_motion(motion), done=False)
    np.testing.assert_allclose(back.displacement, motion.displacement, atol=1e-7)
    assert (back.yaw_change, back.gripper) == (pytest.approx(motion.yaw_change), pytest.approx(motion.gripper))


class Stray:
    """A policy that rises whatever it sees, and ends after a while or never."""

    decisions, choice = 40, "stray"

    def __init__(self, ends: int = 1000) -> None:
        self._left = ends

    def act(self, anchors: np.ndarray, globals_: np.ndarray) -> tuple[np.ndarray, float]:
        self._left -= 1
        return np.array([0.0, 0.0, 0.5, 0.0, 0.0], dtype=np.float32), float(self._left < 0)

    def distance(self, anchors: np.ndarray, globals_: np.ndarray) -> float:
        return 0.0


def led_astray(program: TaskProgram, *policies: Stray) -> list[SegmentArrays]:
    """Return what is kept while these policies act, click by click."""
    arm = SimulatedArm(2)
    arm.connect()
    policy = TaskPolicy("stray", policies, tuple(a.name for a in arm.objects))  # type: ignore[arg-type]
    chain = dagger.DaggerController(
        PolicyController(policy, arm.objects, dagger.CORRECTION_ROLLOUT), program, arm.objects, MotionStyle()
    )
    ControlLoop(arm, arm).run_inline(chain, 200)
    return chain.segments()


def test_what_is_kept_is_what_the_law_asks_for_and_not_what_was_done() -> None:
    (segment,) = led_astray(REACH, Stray())
    assert len(segment) == 100
    way = segment.object_features[:, 0, :3] * COARSE_SCALE_M + (0.0, 0.0, 0.06)
    high = way[:, 2] < -0.07
    assert np.ptp(way[:, 2]) > 0.1, "it was led away"
    assert (segment.actions[high, 2] < 0.0).all()
    np.testing.assert_array_equal(np.sign(segment.actions[high, 1]), np.sign(way[high, 1]))
    assert np.abs(segment.actions[:, :3] * DISPLACEMENT_SCALE_M).max() <= MAX_DISPLACEMENT_M
    assert not segment.done.any()


def test_every_click_begins_anew_where_the_one_before_was_ended() -> None:
    """What is seen, and what the law remembers; and what the law calls done is kept as done."""
    moves = tuple(Instruction("move", "table", None, {"offset": (0.0, way, 0.0)}) for way in (0.0, 0.03))
    first, second = led_astray(TaskProgram("moves", moves), Stray(10), Stray(10))
    assert first.done[0] == 1.0
    np.testing.assert_array_equal(first.global_features[-1], second.global_features[0])
    np.testing.assert_array_equal(second.object_features[0, -1, :3], 0.0)
    assert first.object_features[-1, -1, 2] < -0.2, "it has risen"
    np.testing.assert_allclose(second.actions[0, [0, 2]], 0.0, atol=1e-6)
    assert second.actions[0, 1] > 0.5


def test_clicks_are_kept_apart(data: MetaDataset) -> None:
    found = corrected(data, 1, ("put red on violet",))
    assert found is not None
    assert found.task_names == data.task_names
    assert [found.task_names[task] for task in found.task_indices] == ["put red on violet / 1", "put red on violet / 2"]
    assert found.get_segment(0).global_features[0, 1] == 0.0, "nothing is held when grasping begins"
    assert found.get_segment(1).global_features[0, 1] == 1.0


def test_policies_start_from_any_take_and_in_many_states(data: MetaDataset) -> None:
    prior, index = load_shipped(), {name: task for task, name in enumerate(data.task_names)}
    episodes = [
        next(dagger._prepare_episodes(prior.model, prior.meta.params, data, [REACH], index, seed, (1,)))
        for seed in range(6)
    ]
    assert len({episode.task_policy.skills[0].decisions for episode in episodes}) > 1
    begins = [dagger.run_dagger_episode(episode)[0].global_features[0] for episode in episodes]
    home = sum(np.allclose(begin, begins_at_home(), atol=1e-3) for begin in begins)
    assert 0 < home < len(begins)


def test_policies_start_from_as_many_takes_as_are_asked_for_in_turn(
    data: MetaDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    prior, index = load_shipped(), {name: task for task, name in enumerate(data.task_names)}
    drawn: list[list[int]] = []

    def points_from(takes: list[SegmentArrays], points: int, rng: np.random.Generator) -> list[np.ndarray]:
        drawn.append([len(take) for take in takes])
        return dataset.sample_points(takes, points, rng)

    monkeypatch.setattr(dagger, "sample_points", points_from)
    programs = [REACH, LIFT, REACH, LIFT]
    list(dagger._prepare_episodes(prior.model, prior.meta.params, data, programs, index, 0, (1, 3)))
    assert [len(takes) for takes in drawn] == [1, 3, 1, 3]
    task = index[f"{LIFT.name} / 1"]
    lengths = sorted(len(data.get_segment(int(take))) for take in data.find_segments(task))
    assert all(sorted(takes) == lengths for takes in drawn[1::2]), "three different ones"


def begins_at_home() -> np.ndarray:
    """Return the global features of the simulated arm as it is at first."""
    return led_astray(REACH, Stray())[0].global_features[0]


def test_a_data_set_is_written_whole_or_not_at_all(
    data: MetaDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(file: object, **arrays: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(np, "savez", fails)
    with pytest.raises(OSError, match="No space"):
        data.save(tmp_path / "corrections.npz")
    assert not list(tmp_path.iterdir())


def test_the_same_is_found_by_one_process_and_by_two(data: MetaDataset) -> None:
    one, two = corrected(data, 1), corrected(data, 2)
    assert one is not None
    assert two is not None
    assert one.fingerprint() == two.fingerprint()


def test_nothing_is_run_of_what_is_not_in_the_data_or_when_stopped(data: MetaDataset) -> None:
    prior = load_shipped()
    unknown = replace(REACH, name="unknown")
    assert result(dagger.collect_corrections(prior.model, prior.meta.params, data, [unknown], 0, (1,), 1)) is None
    stopped = dagger.collect_corrections(
        prior.model, prior.meta.params, data, EXAMPLE_PROGRAMS, 0, (1,), 1, lambda: True
    )
    assert next(stopped) == 1
    assert result(stopped) is None


def test_what_no_take_tells_is_no_correction(data: MetaDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """A policy that stopped where its take did is not corrected by a law that knows better by a millimetre."""
    begun = data.get_segment(0).select(np.arange(6))
    ended = replace(begun, done=np.array([0, 0, 0, 0, 0, 1], dtype=np.float32))
    prior, some = load_shipped(), [REACH, LIFT]
    for found, count in ((replace(begun, done=np.zeros(6, dtype=np.float32)), 0), (ended, 2)):
        monkeypatch.setattr(dagger, "run_dagger_episode", lambda episode, found=found: [found])
        kept = result(dagger.collect_corrections(prior.model, prior.meta.params, data, some, 0, (1,), 1))
        assert (len(kept.starts) if kept else 0) == count


def test_corrections_are_asked_about_and_never_shown(data: MetaDataset) -> None:
    found = corrected(data, 1)
    assert found is not None
    sampler = TaskSampler(data, range(len(data.task_names)), SamplingSettings(4, 64, 64), [found, found])
    rng = np.random.default_rng(0)
    rows = len(data.segments)
    asked = []
    for task in range(len(sampler)):
        (support, _), (query, _) = sampler._sample_support_query(task, rng)
        assert (support < rows).all()
        asked.append(bool((query >= rows).any()))
    assert asked == [
        data.task_names[task] in {found.task_names[i] for i in found.task_indices} for task in range(len(sampler))
    ]
    support_, query_ = sampler(rng)
    assert support_.object_features.shape[1] == query_.object_features.shape[1] == 64
