"""Tests of features: encoding of takes, tracking during execution, actions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from metagui.arms.arm import JointState, Observation, SceneState
from metagui.arms.kinematics import (
    GRIPPER_CLOSED_RAD,
    GRIPPER_OPEN_RAD,
    MAX_DISPLACEMENT_M,
    ToolMotion,
    forward_kinematics,
)
from metagui.demonstrations.demonstration import Demonstration, Segment
from metagui.learning.policy import conditioning, feature_layout, features
from metagui.learning.policy.features import FeatureError, action_from_motion, encode, motion_from_action
from metagui.learning.policy.track import Track, Tracker, encode_track
from tests.helpers.takes import generate_example_takes


def _observation(take: Demonstration, row: int) -> Observation:
    j = take.joint_positions[row]
    joints = JointState(take.time[row], j, j, j, j, j, 0.0, 0)
    scene = SceneState(take.object_positions[row], take.object_yaws[row], take.held[row], take.touched[row])
    return Observation(take.time[row], joints, take.tool_positions[row], float(take.tool_yaws[row]), scene)


def _swept_turns(turns: float, rows: int, heights: np.ndarray) -> np.ndarray:
    """Return the swept angle in turns about an object that the tool goes round at these heights."""
    angle = np.linspace(0.0, turns * 2 * np.pi, rows)
    tool = np.column_stack([0.2 + 0.03 * np.cos(angle), 0.03 * np.sin(angle), heights])
    still, never = np.zeros((rows, 1)), np.zeros((rows, 1), dtype=bool)
    place = np.broadcast_to([0.2, 0.0, 0.0], (rows, 1, 3))
    track = Track(tool, still[:, 0], still[:, 0], place, still, never, never, np.eye(4)[:1])
    object_features, _ = encode_track(track)
    return np.asarray(object_features[:, 0, feature_layout.OBJECT_LAYOUT.swept])


@pytest.mark.parametrize("gripper", [GRIPPER_OPEN_RAD, GRIPPER_CLOSED_RAD])
def test_action_from_motion_and_back_is_equal(gripper: float) -> None:
    motion = ToolMotion(np.array([0.004, -0.002, 0.001]), 0.05, gripper)
    back = motion_from_action(action_from_motion(motion), done=False)
    np.testing.assert_allclose(back.displacement, motion.displacement, atol=1e-7)
    assert (back.yaw_change, back.gripper) == (pytest.approx(motion.yaw_change), pytest.approx(motion.gripper))


def test_tracker_during_execution_equals_encoded_take() -> None:
    for takes in generate_example_takes().values():
        take = takes[0]
        for segment, arrays in zip(take.segments, encode(take), strict=True):
            tracker = Tracker(take.objects)
            for index in range(len(arrays)):
                object_features, global_features = tracker.observe(_observation(take, segment.start + 2 * index))
                np.testing.assert_array_equal(object_features, arrays.object_features[index])
                np.testing.assert_array_equal(global_features, arrays.global_features[index])


def test_encoded_actions_sum_to_the_requested_path() -> None:
    take = generate_example_takes()["above red"][0]
    (arrays,) = encode(take)
    segment = take.segments[0]
    steps = [motion_from_action(action, False).displacement for action in arrays.actions[1:-1]]
    requested = forward_kinematics(take.command_requested).position
    way = requested[segment.start + 2 * (len(arrays) - 2) + 1] - requested[segment.start + 1]
    np.testing.assert_allclose(np.sum(steps, axis=0), way, atol=1e-4)


def test_encoded_actions_contain_the_gripper_opening() -> None:
    grasp = encode(generate_example_takes()["put red on violet"][0])[0]
    opening = [motion_from_action(action, False).gripper for action in (grasp.actions[0], grasp.actions[-1])]
    assert opening == pytest.approx([GRIPPER_OPEN_RAD, GRIPPER_CLOSED_RAD], abs=1e-4)


def test_motion_from_action_is_limited_per_decision() -> None:
    motion = motion_from_action(np.full(5, 100.0, np.float32), False)
    assert np.linalg.norm(motion.displacement) == pytest.approx(MAX_DISPLACEMENT_M)
    assert motion.gripper == pytest.approx(GRIPPER_OPEN_RAD)


def test_encode_labels_the_end_of_every_segment_as_done() -> None:
    for arrays in encode(generate_example_takes()["put red on violet"][0]):
        assert list(arrays.done[-features.DONE_DECISIONS :]) == [1.0] * features.DONE_DECISIONS
        assert arrays.done.sum() == features.DONE_DECISIONS


def test_features_are_invariant_to_translation() -> None:
    take = generate_example_takes()["lift blue"][0]
    shift = np.array([0.01, -0.02, 0.0])
    moved = replace(take, tool_positions=take.tool_positions + shift, object_positions=take.object_positions + shift)
    for a, b in zip(encode(take), encode(moved), strict=True):
        np.testing.assert_allclose(a.object_features, b.object_features, atol=1e-5)
        np.testing.assert_allclose(a.global_features, b.global_features, atol=1e-5)


def test_swept_angle_of_a_circle_is_one_turn() -> None:
    (arrays,) = encode(generate_example_takes()["circle"][0])
    assert abs(arrays.object_features[-1, 3, feature_layout.OBJECT_LAYOUT.swept]) == pytest.approx(1.0, abs=0.35)


def test_swept_angle_ignores_hand_tremor() -> None:
    tremble = np.random.default_rng(0).normal(scale=0.0015, size=100)
    assert _swept_turns(1.0, 100, 0.06 + tremble)[-1] == pytest.approx(1.0, abs=0.1)


def test_swept_angle_of_the_approach_decays() -> None:
    heights = np.concatenate([np.full(20, 0.12), np.linspace(0.12, 0.06, 15), np.full(65, 0.06)])
    swept = _swept_turns(1.0, 100, heights)
    assert swept[19] == pytest.approx(0.19, abs=0.01)
    assert swept[-1] == pytest.approx(0.65, abs=0.05)


def test_entry_distance_stays_zero_once_reached() -> None:
    (arrays,) = encode(generate_example_takes()["circle"][0])
    first, rows = arrays.object_features[:, 3], len(arrays)
    place = first[rows // 2, :3].astype(np.float64)
    short = conditioning.compute_entry_distance(first, {"entry": place}, np)[:, 0]
    assert (np.diff(short) <= 1e-6).all()
    assert short[0] > 0.9
    assert (short[rows // 2 :] < 0.06).all()
    near_entry = first[0, :3].astype(np.float64) + [0.1, 0.0, 0.0]
    assert conditioning.compute_entry_distance(first[:1], {"entry": near_entry}, np).item() > 0.8, (
        "an entry 1 cm away is not reached"
    )


def test_encode_with_nan_names_take_and_sample() -> None:
    take = generate_example_takes()["lift blue"][1]
    broken = take.tool_positions.copy()
    broken[7, 1] = np.nan
    with pytest.raises(FeatureError, match=r"'002' of 'lift blue'.*tool_positions, sample 7"):
        encode(replace(take, tool_positions=broken))


def test_encode_accepts_trimmed_and_tiny_segments() -> None:
    take = generate_example_takes()["put red on violet"][0]
    first = take.segments[0]
    trimmed = encode(replace(take, trim=(first.stop + 2, len(take))))
    assert len(trimmed[0]) == 0
    tiny = encode(replace(take, segments=(Segment(0, 1),)))
    assert len(tiny[0]) <= 2
    whole = encode(replace(take, segments=()))
    assert len(whole) == 1


def test_mirror_signs_equal_features_of_a_mirrored_take() -> None:
    take = generate_example_takes()["put red on violet"][0]
    side, turned = np.array([1.0, -1.0, 1.0]), np.array([-1.0, 1.0, 1.0, 1.0, -1.0, 1.0])
    mirrored = replace(
        take,
        tool_positions=take.tool_positions * side,
        tool_yaws=-take.tool_yaws,
        object_positions=take.object_positions * side,
        object_yaws=-take.object_yaws,
        command_requested=take.command_requested * turned,
    )
    object_features, global_features, actions = feature_layout.MIRROR_SIGNS
    for a, b in zip(encode(take), encode(mirrored), strict=True):
        np.testing.assert_allclose(a.object_features * object_features, b.object_features, atol=1e-5)
        np.testing.assert_allclose(a.global_features * global_features, b.global_features, atol=1e-5)
        np.testing.assert_allclose(a.actions * actions, b.actions, atol=1e-4)
