"""Touches on emulated arms: how far the tool is from what a camera sees, after the mat's crosses were touched.

The arms have play, sag, the stops of real arms, and wrong zeros (2.5 degrees). A hand brings their closed tips to the
crosses, half a millimetre off; the joints are read over the serial line. Then the arm is sent over points of the table
where the camera sees them, and its true tool is compared with them. ``benchmarks.camera`` prints the figures.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.arm import ArmError, Command
from metagui.arms.emulator.emulated_arm import EmulatedArm
from metagui.arms.kinematics import HOME_ANGLES_RAD, JOINTS, compute_closed_tip, forward_kinematics, inverse_kinematics
from metagui.arms.simulation.scene import make_parked_layout, sample_layout
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.arms.so101.so101_arm import SO101Arm
from metagui.cameras.mat import A4, MatPose, make_nominal_pose
from metagui.cameras.view import rotation_from_vector
from metagui.vision.registration import Registration, fit_registration
from metagui.vision.setup import CameraSetup

if TYPE_CHECKING:
    from metagui.arms.arm import FloatArray
    from metagui.arms.so101.calibration import ArmCalibration

ZERO_ERROR_RAD = math.radians(2.5)
"""Standard deviation of the joints' zeros, rad."""
HAND_ERROR_M = 0.0005
"""Standard deviation of the tips from the middle of a cross along each axis, m."""
SEEN_ERROR_M = 0.0005
"""Standard deviation of a seen position along each axis, m."""
HAND_TICKS, MOVE_TICKS, REST_TICKS = 40, 50, 25
"""Ticks in which a hand moves the arm to a cross, in which the arm moves to a point, and in which it settles."""
HOVER_M = 0.03
"""Height of the tool over a point when it is compared with it, m: the fingers touch nothing there."""
ABOVE_M = 0.08
"""Height from which the arm goes down there, m."""


class TouchedArm:
    """An emulated arm with wrong zeros, on an empty table before which a mat lies somewhere."""

    def __init__(self, seed: int, index: int) -> None:
        self.random = np.random.default_rng([seed, index, 17])
        simulated = SimulatedArm(index)
        simulated.reset(make_parked_layout())
        self.emulated = EmulatedArm(simulated, self.random.integers(0, 4096, len(JOINTS)).tolist())
        self.emulated.calibrate()
        self.zeros = np.append(self.random.normal(0.0, ZERO_ERROR_RAD, 5), 0.0)
        self.lie = draw_mat_pose(self.random)

    def connect(self, calibration: ArmCalibration) -> SO101Arm:
        """Return the driver of the arm, connected over its serial line."""
        from tests.helpers.clocks import SteppedClock
        from tests.helpers.in_process_port import InProcessPort

        clock = SteppedClock()
        port = InProcessPort(self.emulated, clock=clock)
        arm = SO101Arm("emulated", calibration, open_port=lambda _: port, clock=clock)
        arm.connect()
        return arm

    def make_calibration(self, corrections: FloatArray) -> ArmCalibration:
        """Return the arm's calibration with its wrong zeros, and corrections of them (J,), rad."""
        return replace(self.emulated.compute_calibration(), trims=tuple((self.zeros + corrections).tolist()))

    def touch(self) -> Registration:
        """Return what the touches of the crosses tell. Raises TouchError."""
        arm = self.connect(self.make_calibration(np.zeros(len(JOINTS))))
        arm.start_hand_guiding()
        readings = []
        for cross in self.lie.to_base(A4.crosses):
            goal = find_touch_angles(cross + self.random.normal(0.0, HAND_ERROR_M, 3))
            for joint, angle in enumerate(goal.tolist()):
                self.emulated.move_joint_by_hand(joint, angle)
            self.emulated.advance(HAND_TICKS)
            readings.append(arm.observe().positions)
        for joint, angle in enumerate(HOME_ANGLES_RAD.tolist()):
            self.emulated.move_joint_by_hand(joint, angle)
        self.emulated.advance(HAND_TICKS)
        arm.hold()
        for joint in range(len(JOINTS)):
            self.emulated.move_joint_by_hand(joint, None)
        arm.disconnect()
        return fit_registration(np.array(readings), A4)

    def measure(self, found: Registration) -> list[float]:
        """Return the distances of the true tool from points of the table that the camera sees, m."""
        arm = self.connect(self.make_calibration(np.array(found.fit.corrections)))
        believed = found.apply(CameraSetup("")).mat_pose
        errors = []
        for position in sample_layout(self.random).positions[:-1]:
            seen = self.lie.to_mat(position) + (*self.random.normal(0.0, SEEN_ERROR_M, 2), 0.0)
            target = believed.to_base(seen)
            try:
                ways = [np.append(inverse_kinematics(target + (0.0, 0.0, z), 0.0), 0.0) for z in (ABOVE_M, HOVER_M)]
            except ArmError:
                continue
            for goal in ways:
                self._move(arm, goal)
            reached = forward_kinematics(self._read_true()).position - (0.0, 0.0, HOVER_M)
            errors.append(float(np.linalg.norm(reached - position)))
            self._move(arm, ways[0])
        arm.disconnect()
        return errors

    def _move(self, arm: SO101Arm, goal: FloatArray) -> None:
        """Move the joints to angles (J,), rad; like the control loop, make up for what they sag."""
        start, asked = arm.observe().positions, goal.copy()
        for fraction in np.linspace(0.0, 1.0, MOVE_TICKS):
            arm.observe()
            arm.command(Command(start + fraction * (goal - start)))
        for _ in range(3):
            for _ in range(REST_TICKS):
                arm.observe()
                arm.command(Command(asked))
            asked = asked + (goal - arm.observe().positions)

    def _read_true(self) -> FloatArray:
        return np.array(self.emulated.read_joint_angles())


def draw_mat_pose(random: np.random.Generator) -> MatPose:
    """Return the pose of a mat that a person laid before the arm."""
    nominal = make_nominal_pose(A4)
    turn = rotation_from_vector(np.array([0.0, 0.0, random.normal(0.0, math.radians(2.0))]))
    return MatPose(nominal.position + (*random.normal(0.0, 0.004, 2), 0.0), turn)


def find_touch_angles(point: FloatArray) -> FloatArray:
    """Return true joint angles (6,) at which the closed tips touch a point (3,), m."""
    target = point.copy()
    for _ in range(30):
        angles = np.append(inverse_kinematics(target, 0.0), 0.0)
        target += point - compute_closed_tip(angles)
    return angles


def measure_emulated_touches(count: int, seed: int) -> tuple[list[float], int]:
    """Return the distances of the tools of ``count`` arms from objects, m, and how many arms' touches were refused."""
    errors: list[float] = []
    refused = 0
    for index in range(count):
        arm = TouchedArm(seed, index)
        try:
            found = arm.touch()
        except ArmError:
            refused += 1
            continue
        errors += arm.measure(found)
    return errors, refused
