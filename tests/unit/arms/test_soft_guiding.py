"""Tests of hand guiding with torque: the arm follows a hand, stays where it is let go, and its motors are as before."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from benchmarks.hand_guiding import GuidedArm, compute_tool_jacobian
from metagui.arms.feetech import control_table as reg
from metagui.arms.guiding import GuidingStiffness
from metagui.arms.kinematics import HOME_ANGLES_RAD, JOINTS
from metagui.arms.simulation.gravity import GravityModel
from metagui.arms.simulation.scene import load_model
from metagui.arms.so101.protection.soft_guiding import MOTOR_TORQUE_NM, SETTLING_READINGS, SoftGuiding

SOFT = GuidingStiffness.SOFT


@pytest.mark.parametrize(
    ("stiffness", "mass", "motor_stiffness"),
    [
        (GuidingStiffness.SOFT, 1.0, 48.0),
        (GuidingStiffness.SOFT, 1.15, 48.0),
        (GuidingStiffness.SOFT, 1.0, 17.8),
        (GuidingStiffness.MEDIUM, 1.0, 48.0),
        (GuidingStiffness.FIRM, 1.0, 17.8),
    ],
)
def test_soft_guiding_arm_stays_where_it_is_let_go(
    stiffness: GuidingStiffness, mass: float, motor_stiffness: float
) -> None:
    """Also if its parts are heavier than the model's, and its motors less stiff than assumed."""
    guided = GuidedArm(mass, motor_stiffness, seed=1)
    for _ in range(2):
        pushed, drifted = guided.measure_drift(guided.draw_pose(), stiffness)
        assert drifted < 2.0
        assert pushed > 1.0 or stiffness is not SOFT


def test_soft_guiding_follows_a_light_push() -> None:
    guided = GuidedArm()
    guided.carry_to(HOME_ANGLES_RAD, SOFT)
    start = np.array(guided.emulated.read_joint_angles())
    force = np.array([0.0, 2.0, 0.0])
    torques = compute_tool_jacobian(start).T @ force
    guided.emulated.hand_torques.update(enumerate(map(float, torques)))
    guided.wait(50)
    assert abs(guided.emulated.read_joint_angles()[0] - start[0]) > 0.1


def test_soft_guiding_bounds_torque_and_gives_it_back() -> None:
    guided = GuidedArm()
    limits = [servo.get_register(reg.TORQUE_LIMIT) for servo in guided.emulated.servos]
    guided.arm.start_hand_guiding(SOFT)
    assert guided.arm.hand_guiding
    assert not guided.arm.limp
    assert max(servo.get_register(reg.TORQUE_LIMIT) for servo in guided.emulated.servos) < 500
    before = np.array(guided.emulated.read_joint_angles())
    guided.wait(50)
    guided.arm.hold()
    assert not guided.arm.hand_guiding
    guided.wait(50)
    np.testing.assert_allclose(guided.emulated.read_joint_angles(), before, atol=np.radians(2.0))
    assert [servo.get_register(reg.TORQUE_LIMIT) for servo in guided.emulated.servos] == limits


def test_soft_guiding_without_a_reading_keeps_goals() -> None:
    """A loop that stops does not drop the arm."""
    guided = GuidedArm()
    guided.arm.start_hand_guiding(SOFT)
    guided.wait(50)
    before = np.array(guided.emulated.read_joint_angles())
    guided.emulated.advance(100)
    np.testing.assert_allclose(guided.emulated.read_joint_angles(), before, atol=np.radians(1.0))


def test_soft_guiding_to_limp_and_back() -> None:
    guided = GuidedArm()
    guided.arm.start_hand_guiding(SOFT)
    guided.arm.start_hand_guiding(GuidingStiffness.LIMP)
    assert guided.arm.limp
    assert not any(servo.torque_enabled for servo in guided.emulated.servos)
    guided.arm.start_hand_guiding(SOFT)
    assert all(servo.torque_enabled for servo in guided.emulated.servos)


def test_soft_guiding_anchor_is_dragged_not_pulled() -> None:
    """Within the drag angle the goal stays; beyond it the anchor follows at the drag angle."""
    guiding = SoftGuiding(np.zeros(6), SOFT, lambda angles: np.zeros_like(angles))
    still = np.zeros(6)
    goals = guiding.follow(still, still, still, still)
    for _ in range(30):
        goals = guiding.follow(still, still, still, goals)
    np.testing.assert_array_equal(goals, 0.0)
    moved = np.full(6, 0.2)
    goals = guiding.follow(moved, still, still, goals)
    assert (goals > 0.18).all()
    assert (goals < 0.2).all()


def test_gravity_model_is_the_gradient_of_the_energy() -> None:
    model, rng = load_model(), np.random.default_rng(2)
    gravity, data = GravityModel(), mujoco.MjData(model)

    def compute_energy(angles: np.ndarray) -> float:
        data.qpos[: len(JOINTS)] = angles
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        mujoco.mj_energyPos(model, data)
        return float(data.energy[0])

    for _ in range(5):
        angles = np.array([rng.uniform(joint.lower, joint.upper) for joint in JOINTS])
        steps = 1e-5 * np.eye(len(JOINTS))
        gradient = [(compute_energy(angles + step) - compute_energy(angles - step)) / 2e-5 for step in steps]
        np.testing.assert_allclose(gravity.compute_torques(angles), gradient, atol=1e-5)


def settle(guiding: SoftGuiding, angles: np.ndarray) -> np.ndarray:
    """Let the settling readings pass at rest; return the goals."""
    still = np.zeros(len(angles))
    goals = angles
    for _ in range(SETTLING_READINGS + 1):
        goals = guiding.follow(angles, still, still, goals)
    return goals


def test_swinging_joint_does_not_make_the_motors_seem_soft() -> None:
    guiding = SoftGuiding(np.zeros(6), SOFT, lambda angles: np.zeros_like(angles))
    before = guiding.motor_stiffness
    ahead, slow, hardly_loaded = np.full(6, 0.03), np.full(6, 0.15), np.full(6, 0.005)
    for _ in range(10):
        guiding.follow(np.zeros(6), slow, hardly_loaded, ahead)
    assert guiding.motor_stiffness == before
    for _ in range(40):
        guiding.follow(np.zeros(6), np.zeros(6), np.full(6, 0.2), np.full(6, 0.2 * MOTOR_TORQUE_NM / 48.0))
    assert guiding.motor_stiffness == pytest.approx(48.0, rel=0.15)


def test_joint_that_its_motor_moves_does_not_drag_its_anchor() -> None:
    """Otherwise a wrong estimate of the stiffness moves the arm without end: 5° in one of 300 poses."""
    guiding = SoftGuiding(np.zeros(6), SOFT, lambda angles: np.zeros_like(angles))
    goals = settle(guiding, np.zeros(6))
    moved = np.full(6, -0.1)
    guiding.follow(moved, np.full(6, -0.5), np.full(6, -0.3), goals)  # the motor pulls the way the joint moves
    np.testing.assert_array_equal(guiding.anchors, 0.0)
    guiding.follow(moved, np.full(6, -0.5), np.full(6, 0.1), goals)  # the motor resists: it is a hand
    assert (guiding.anchors < -0.08).all()
