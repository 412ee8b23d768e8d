"""Tests of the simulated arm: seeds, limits, exact replay, and errors while disconnected."""

import numpy as np
import pytest

from metagui.arms.arm import Arm, ArmError, Command, NotConnectedError
from metagui.arms.kinematics import HOME_ANGLES_RAD
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.arms.tables.table import SCENE_OBJECTS


@pytest.fixture
def arm() -> SimulatedArm:
    made = SimulatedArm(3)
    made.connect()
    return made


def test_simulated_arm_rests_at_home(arm: SimulatedArm) -> None:
    assert isinstance(arm, Arm)
    for _ in range(50):
        arm.command(Command(HOME_ANGLES_RAD))
    np.testing.assert_allclose(arm.observe().positions, HOME_ANGLES_RAD, atol=2e-3)


def test_simulated_arm_seed_determines_scene() -> None:
    first, again, other = SimulatedArm(5), SimulatedArm(5), SimulatedArm(6)
    np.testing.assert_array_equal(first.get_state(), again.get_state())
    assert not np.array_equal(first.get_state(), other.get_state())


def test_layout_objects_are_apart_and_reachable() -> None:
    for seed in range(50):
        points = SimulatedArm(seed).observe_scene().positions[:-1, :2]
        distance = np.linalg.norm(points[:, None] - points[None], axis=2) + np.eye(len(points))
        assert distance.min() > 0.06
        assert np.all(np.linalg.norm(points - (0.0388, 0.0), axis=1) < 0.24)


def test_observation_is_read_only_and_unchanged(arm: SimulatedArm) -> None:
    seen = arm.observe_all()
    records = (seen.joints, seen.scene)
    arrays = [seen.tool_position] + [v for r in records for v in vars(r).values() if isinstance(v, np.ndarray)]
    before = [array.copy() for array in arrays]
    arm.command(Command(HOME_ANGLES_RAD + 0.1))
    for array, copy in zip(arrays, before, strict=True):
        assert not array.flags.writeable
        np.testing.assert_array_equal(array, copy)


def test_set_state_continues_exactly(arm: SimulatedArm) -> None:
    target = HOME_ANGLES_RAD + (0.3, 0.2, 0.1, -0.2, 0.5, -0.4)
    for _ in range(7):
        arm.command(Command(target))
    state = arm.get_state()
    expected = [arm.command(Command(target)) and arm.get_state() for _ in range(20)]
    copy = SimulatedArm(99)
    copy.connect()
    copy.set_state(state)
    for want in expected:
        copy.command(Command(target))
        np.testing.assert_array_equal(copy.get_state(), want)


def test_command_is_clipped_and_invalid_holds(arm: SimulatedArm) -> None:
    sent = arm.command(Command(np.full(6, 10.0)))
    assert np.all(sent.positions <= [j.upper for j in arm.joints])
    before = arm.observe().positions
    held = arm.command(Command(np.full(6, np.nan)))
    np.testing.assert_allclose(held.positions, before, atol=1e-4)


def test_simulated_arm_disconnected_raises() -> None:
    arm = SimulatedArm(0)
    assert [a.name for a in arm.objects] == [a.name for a in SCENE_OBJECTS]
    with pytest.raises(NotConnectedError, match="Connect"):
        arm.observe()
    with pytest.raises(NotConnectedError):
        arm.command(Command(HOME_ANGLES_RAD))


def test_set_state_other_scene_raises(arm: SimulatedArm) -> None:
    with pytest.raises(ArmError, match="another scene"):
        arm.set_state(np.zeros(7))
