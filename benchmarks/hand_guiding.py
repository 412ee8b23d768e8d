"""Benchmark of hand guiding with torque, on the emulated arm: ``python -m benchmarks.hand_guiding``.

A hand brings the arm to random poses, pushes every joint, slows down and lets go. The drift is the largest angle by
which a joint has moved two seconds later; one that was pushed beyond its limit must return to it. The force is the
smallest one at the tool, in a random direction, that moves it by a centimetre within a second. The arm is as unkind as
the emulator can be: it sags, has play, and its parts may be heavier than the model's (``--mass``).
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.report import Figure, Report, add_json_option, print_report
from metagui.arms.arm import CONTROL_PERIOD_S
from metagui.arms.emulator.emulated_arm import EmulatedArm
from metagui.arms.guiding import GuidingStiffness
from metagui.arms.kinematics import JOINTS, forward_kinematics
from metagui.arms.simulation.joint_drives import DriveSettings
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.arms.so101.calibration import CalibrationError
from metagui.arms.so101.so101_arm import SO101Arm
from tests.helpers.clocks import SteppedClock
from tests.helpers.in_process_port import InProcessPort

if TYPE_CHECKING:
    from metagui.arms.arm import FloatArray

PUSH_TORQUES_NM = np.array([0.6, 0.6, 0.6, 0.36, 0.3, 0.24])
"""Largest torques with which the hand pushes the joints, N·m."""
MIN_TOOL_HEIGHT_M, MAX_OPENING_RAD, REACHED_RAD = 0.05, 0.8, 0.1
FORCE_RANGE_N = (0.05, 12.0)
MOVED_M = 0.01
"""Motion of the tool that counts as moved, m."""


class GuidedArm:
    """An emulated arm and its driver, guided by a simulated hand."""

    def __init__(self, mass: float = 1.0, motor_stiffness: float = 48.0, seed: int = 0) -> None:
        self.emulated = EmulatedArm(SimulatedArm(0), drives=DriveSettings(stiffness=motor_stiffness))
        self.emulated.calibrate()
        model = self.emulated.simulated.model
        model.body_mass[:9] *= mass
        model.body_inertia[:9] *= mass
        self.rng = np.random.default_rng(seed)
        self._clock = SteppedClock()
        port = InProcessPort(self.emulated, clock=self._clock)
        self.arm = SO101Arm("emulated", open_port=lambda _: port, clock=self._clock)
        self.emulated.advance(50)
        self.arm.connect()

    def draw_pose(self) -> FloatArray:
        """Return a random pose (J,), rad, with the tool above the table."""
        while True:
            pose = np.array([self.rng.uniform(joint.lower + 0.1, joint.upper - 0.1) for joint in JOINTS])
            pose[-1] = self.rng.uniform(0.0, MAX_OPENING_RAD)
            if forward_kinematics(pose).position[2] > MIN_TOOL_HEIGHT_M and self._can_take(pose):
                return pose

    def _can_take(self, pose: FloatArray) -> bool:
        """Return whether the arm reaches a pose: not if it would touch itself, the table or a cube."""
        try:
            self.carry_to(pose, GuidingStiffness.FIRM)
        except CalibrationError:
            return False
        return float(np.abs(np.array(self.emulated.read_joint_angles()) - pose).max()) < REACHED_RAD

    def wait(self, periods: int) -> None:
        """Let time pass, while the driver follows the hand."""
        for _ in range(periods):
            self.arm.observe()
            self.emulated.advance()
            self._clock.advance(CONTROL_PERIOD_S)

    def carry_to(self, pose: FloatArray, stiffness: GuidingStiffness) -> None:
        """Carry the limp arm to a pose, then guide it with torque."""
        self.arm.start_hand_guiding(GuidingStiffness.LIMP)
        for joint, angle in enumerate(pose):
            self.emulated.move_joint_by_hand(joint, float(angle))
        self.wait(120)
        for joint in range(len(JOINTS)):
            self.emulated.move_joint_by_hand(joint, None)
        self.arm.start_hand_guiding(stiffness)
        self.wait(25)

    def measure_drift(self, pose: FloatArray, stiffness: GuidingStiffness) -> tuple[float, float]:
        """Return by how far the hand moved a joint, and by how far one moved after it let go, largest each, degrees."""
        self.carry_to(pose, stiffness)
        start = np.array(self.emulated.read_joint_angles())
        push = self.rng.uniform(-PUSH_TORQUES_NM, PUSH_TORQUES_NM)
        self.emulated.hand_torques.update(enumerate(map(float, push)))
        self.wait(25)
        for _ in range(25):
            braking = -self.arm.observe().velocities
            self.emulated.hand_torques.update(enumerate(map(float, braking)))
            self.wait(1)
        self.emulated.hand_torques.clear()
        released = np.array(self.emulated.read_joint_angles())
        pushed = float(np.degrees(np.abs(released - start)).max())
        self.wait(100)
        end = np.array(self.emulated.read_joint_angles())
        released = np.clip(released, [joint.lower for joint in JOINTS], [joint.upper for joint in JOINTS])
        return pushed, float(np.degrees(np.abs(end - released)).max())

    def measure_force(self, pose: FloatArray, stiffness: GuidingStiffness) -> float:
        """Return the smallest force at the tool that moves it, N, found by bisection in a random direction."""
        direction = self.rng.normal(size=3)
        direction /= np.linalg.norm(direction)
        low, high = FORCE_RANGE_N
        for _ in range(6):
            force = float(np.sqrt(low * high))
            if self._is_moved_by(pose, stiffness, force * direction):
                high = force
            else:
                low = force
        return high

    def _is_moved_by(self, pose: FloatArray, stiffness: GuidingStiffness, force: FloatArray) -> bool:
        self.carry_to(pose, stiffness)
        angles = np.array(self.emulated.read_joint_angles())
        start = forward_kinematics(angles).position
        torques = compute_tool_jacobian(angles).T @ force
        self.emulated.hand_torques.update(enumerate(map(float, torques)))
        self.wait(50)
        self.emulated.hand_torques.clear()
        moved = forward_kinematics(np.array(self.emulated.read_joint_angles())).position - start
        return float(np.linalg.norm(moved)) >= MOVED_M


def compute_tool_jacobian(angles: FloatArray, step: float = 1e-5) -> FloatArray:
    """Return the derivative (3, J) of the tool's position by the joint angles, m/rad; the gripper's is zero."""
    columns = [
        (forward_kinematics(angles + step * unit).position - forward_kinematics(angles - step * unit).position)
        / (2 * step)
        for unit in np.eye(len(JOINTS))
    ]
    return np.stack(columns, axis=1)


def measure(guided: GuidedArm, stiffness: GuidingStiffness, poses: int, forces: int) -> dict[str, float]:
    """Return drifts and forces in random poses."""
    motions = np.array([guided.measure_drift(guided.draw_pose(), stiffness) for _ in range(poses)])
    found = [guided.measure_force(guided.draw_pose(), stiffness) for _ in range(forces)]
    return {
        "pushed_median_deg": float(np.median(motions[:, 0])),
        "drift_max_deg": float(motions[:, 1].max()),
        "drift_p95_deg": float(np.percentile(motions[:, 1], 95)),
        "drifts_above_2_deg": int((motions[:, 1] > 2.0).sum()),
        "force_median_n": float(np.median(found)) if found else float("nan"),
        "force_p95_n": float(np.percentile(found, 95)) if found else float("nan"),
    }


def main() -> None:
    """Measure every stiffness and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--poses", type=int, default=100, help="poses in which the arm is let go")
    parser.add_argument("--forces", type=int, default=20, help="poses in which the force is measured")
    parser.add_argument("--mass", type=float, default=1.0, help="mass of the arm's parts as a multiple of the model's")
    parser.add_argument("--motor-stiffness", type=float, default=48.0, help="N·m/rad")
    parser.add_argument("--seed", type=int, default=0)
    add_json_option(parser)
    options = parser.parse_args()
    results = {}
    for stiffness in (GuidingStiffness.SOFT, GuidingStiffness.MEDIUM, GuidingStiffness.FIRM):
        guided = GuidedArm(options.mass, options.motor_stiffness, options.seed)
        results[stiffness.value] = measure(guided, stiffness, options.poses, options.forces)
        if not options.json:
            print(
                "{0:7} moved {pushed_median_deg:.1f}°, then drifted {drift_p95_deg:.2f}° (p95), {drift_max_deg:.2f}° "
                "(max), {drifts_above_2_deg} of {1} above 2°; force {force_median_n:.2f} N (median), "
                "{force_p95_n:.2f} N (p95)".format(stiffness.value, options.poses, **results[stiffness.value]),
                flush=True,
            )
    if options.json:
        names = {
            "drift_p95_deg": ("drift, p95", "°", options.poses),
            "drift_max_deg": ("largest drift", "°", options.poses),
            "force_median_n": ("force", "N", options.forces),
            "force_p95_n": ("force, p95", "N", options.forces),
        }
        figures = [
            Figure(f"{stiffness}: {name}", values[key], unit, count=count)
            for stiffness, values in results.items()
            for key, (name, unit, count) in names.items()
        ]
        settings = {"poses": options.poses, "forces": options.forces, "mass": options.mass, "seed": options.seed}
        print_report(Report("hand_guiding", figures, settings, details=results), as_json=True)


if __name__ == "__main__":
    main()
