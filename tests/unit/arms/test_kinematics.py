"""Tests of the closed-form kinematics against MuJoCo's kinematics and mink's solver."""

import mink
import mujoco
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metagui.arms.arm import UnreachableError
from metagui.arms.control.cartesian_servo import CartesianServo
from metagui.arms.kinematics import (
    HOME_ANGLES_RAD,
    JOINTS,
    PAN_AXIS_X_M,
    ToolMotion,
    compute_tool_pose,
    forward_kinematics,
    inverse_kinematics,
)
from metagui.arms.simulation.scene import load_model
from metagui.arms.simulation.simulated_arm import SimulatedArm

LIMITS = np.array([[j.lower, j.upper] for j in JOINTS])


def test_forward_kinematics_matches_mujoco() -> None:
    model = load_model()
    data = mujoco.MjData(model)
    site = model.site("tool").id
    rng = np.random.default_rng(0)
    for _ in range(200):
        data.qpos[:6] = rng.uniform(*LIMITS.T)
        mujoco.mj_kinematics(model, data)
        pose = forward_kinematics(data.qpos[:6])
        np.testing.assert_allclose(pose.position, data.site_xpos[site], atol=1e-12)


def test_forward_kinematics_is_vectorised() -> None:
    joints = np.random.default_rng(1).uniform(LIMITS[:, 0], LIMITS[:, 1], size=(3, 4, 6))
    pose = forward_kinematics(joints)
    assert pose.position.shape == (3, 4, 3)
    np.testing.assert_allclose(pose.position[2, 1], forward_kinematics(joints[2, 1]).position)


def test_compute_tool_pose_matches_vectorised() -> None:
    readings = np.random.default_rng(2).uniform(LIMITS[:, 0], LIMITS[:, 1], size=(50, 6))
    many = forward_kinematics(readings)
    for reading, position, yaw in zip(readings, *many, strict=True):
        alone = compute_tool_pose(reading)
        np.testing.assert_allclose(alone[0], position, atol=1e-15)
        assert alone[1] == pytest.approx(yaw, abs=1e-15)


@pytest.mark.parametrize("angle", [np.nan, np.inf, -np.inf])
def test_compute_tool_pose_invalid_joint_is_nan(angle: float) -> None:
    reading = HOME_ANGLES_RAD.copy()
    reading[2] = angle
    position, yaw = compute_tool_pose(reading)
    assert np.all(np.isnan(position))
    assert np.isnan(yaw)


@given(st.floats(0.125, 0.255), st.floats(-1.1, 1.1), st.floats(0.006, 0.11), st.floats(-0.8, 0.8))
def test_inverse_kinematics_inverts_forward(radius: float, angle: float, height: float, yaw: float) -> None:
    """The inverse undoes the forward kinematics within the joint limits."""
    position = np.array([PAN_AXIS_X_M + radius * np.cos(angle), radius * np.sin(angle), height])
    try:
        joints = inverse_kinematics(position, yaw)
    except UnreachableError:
        assert radius < 0.15, "only points close to the axis or high up may be out of reach"
        return
    assert np.all(joints >= LIMITS[:5, 0])
    assert np.all(joints <= LIMITS[:5, 1])
    pose = forward_kinematics(joints)
    np.testing.assert_allclose(pose.position, position, atol=1e-9)
    assert float(pose.yaw) == pytest.approx(yaw, abs=1e-9)


@pytest.mark.parametrize("point", [(0.9, 0, 0.05), (0.04, 0, 0.02), (0.2, 0, 0.6), (np.nan, 0, 0), (np.inf, 0, 0)])
def test_inverse_kinematics_unreachable_raises(point: tuple[float, float, float]) -> None:
    with pytest.raises(UnreachableError, match="stays where it is"):
        inverse_kinematics(np.array(point), 0.0)


def test_inverse_kinematics_matches_mink() -> None:
    """An independent solver, started nearby, finds the same joint angles."""
    model = load_model()
    target = inverse_kinematics(np.array([0.22, 0.06, 0.04]), 0.3)
    configuration = mink.Configuration(model)
    start = np.array(model.qpos0)
    start[:6] = HOME_ANGLES_RAD
    configuration.update(start)
    task = mink.FrameTask("tool", "site", position_cost=1.0, orientation_cost=0.3)
    data = mujoco.MjData(model)
    data.qpos[:] = start
    data.qpos[:5] = target
    mujoco.mj_forward(model, data)
    goal = mink.Configuration(model)
    goal.update(np.array(data.qpos))
    task.set_target(goal.get_transform_frame_to_world("tool", "site"))
    for _ in range(200):
        velocity = mink.solve_ik(configuration, [task], 0.05, "daqp", damping=1e-6)
        configuration.integrate_inplace(velocity, 0.05)
    np.testing.assert_allclose(configuration.q[:5], target, atol=2e-3)


def test_servo_stops_at_reach_limit_and_above_table() -> None:
    arm = SimulatedArm(0)
    arm.connect()
    servo = CartesianServo()
    servo.reset(arm.observe_all())
    for direction in ((0.0, 0.0, -0.01), (0.01, 0.0, 0.0), (0.0, 0.0, 0.01)):
        for _ in range(120):
            command = servo.step(arm.observe_all(), ToolMotion(np.array(direction), 0.0, 0.4))
            assert np.all(np.isfinite(command.positions))
            assert np.all(command.positions[:5] >= LIMITS[:5, 0])
            assert np.all(command.positions[:5] <= LIMITS[:5, 1])
            arm.command(command)
        assert servo.target.position[2] >= servo.min_height - 1e-9
