"""An emulated arm in its own process, guided by simulated hands on command: ``python -m benchmarks.hands``.

It prints the port, then executes one command per line of standard input and prints one line per command: ``sweep``
moves every joint from stop to stop, ``scene 3`` makes the scene of a seed and moves the arm home, ``show`` guides the
arm through the task, ``where`` prints the distance of the cube from the zone, m. The arm's torque must be off.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.arm import CONTROL_PERIOD_S
from metagui.arms.control.loop import ControlLoop
from metagui.arms.emulator.emulated_arm import EmulatedArm
from metagui.arms.emulator.emulated_port import EmulatedPort
from metagui.arms.emulator.guided_sweep import sweep_by_hand
from metagui.arms.kinematics import HOME_ANGLES_RAD
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.demonstrations.demonstration import Instruction
from metagui.demonstrations.programs.program_controller import ProgramController

if TYPE_CHECKING:
    from collections.abc import Callable

    from metagui.arms.arm import FloatArray

GUIDED_CUBE, GUIDED_ZONE = "red cube", "yellow zone"
GUIDED_INSTRUCTIONS = (Instruction("grasp", GUIDED_CUBE), Instruction("place", GUIDED_ZONE))
SERVO_MOUNT_OFFSETS = (3900, 20, 1000, 2000, 3000, 4000)
"""Encoder values at joint angle zero, ticks."""
PAUSE_TICKS = 35
"""Number of ticks for which the hands pause after each instruction."""


def main() -> None:
    """Serve the arm and execute the commands."""
    hands = HandGuidance()
    commands: dict[str, Callable[..., str]] = {
        "sweep": hands.sweep,
        "scene": hands.arrange_scene,
        "show": hands.demonstrate,
        "where": hands.measure_distance,
    }
    with EmulatedPort(hands.arm) as port:
        print(port.name, flush=True)
        for line in sys.stdin:
            command, *values = line.split()
            print(commands[command](*map(int, values)), flush=True)


class HandGuidance:
    """Simulated hands that guide an emulated arm."""

    def __init__(self) -> None:
        self.arm = EmulatedArm(SimulatedArm(0), SERVO_MOUNT_OFFSETS)
        self.seed = 0

    def sweep(self) -> str:
        """Move every joint from stop to stop."""
        self.arm.follow_hand_path(sweep_by_hand(self.arm.stops))
        while self.arm.is_hand_guided:
            time.sleep(0.1)
        return "swept"

    def arrange_scene(self, seed: int) -> str:
        """Make the scene of a seed and move the arm home."""
        self._guide_along(np.linspace(self.arm.read_joint_angles(), HOME_ANGLES_RAD, 60))
        self.seed = seed
        self.arm.randomise(seed)
        self._guide_along(np.stack([HOME_ANGLES_RAD] * 10))
        return "laid out"

    def demonstrate(self) -> str:
        """Guide the arm through the task."""
        self._guide_along(compute_guided_path(self.seed))
        return "shown"

    def measure_distance(self) -> str:
        """Return the distance of the cube from the zone, m."""
        names = [each.name for each in self.arm.objects]
        positions = self.arm.observe_scene().positions
        return f"{np.linalg.norm((positions[names.index(GUIDED_CUBE)] - positions[names.index(GUIDED_ZONE)])[:2]):.3f}"

    def _guide_along(self, rows: FloatArray) -> None:
        for row in rows:
            for joint, angle in enumerate(row):
                self.arm.move_joint_by_hand(joint, float(angle))
            time.sleep(CONTROL_PERIOD_S)
        for joint in range(len(HOME_ANGLES_RAD)):
            self.arm.move_joint_by_hand(joint, None)


def compute_guided_path(seed: int) -> FloatArray:
    """Return the joint angles (N, J), rad, with which the task is done in a scene, one row per control period."""
    arm = SimulatedArm(seed)
    arm.connect()
    loop, controller = ControlLoop(arm, arm), ProgramController(arm.objects)
    loop.set_controller(controller)
    rows = []
    for instruction in GUIDED_INSTRUCTIONS:
        controller.add_instructions(instruction)
        rest = 0
        while rest < PAUSE_TICKS:
            rows.append(loop.step_once().sent.positions)
            rest = 0 if controller.pending_count else rest + 1
    return np.array(rows)


if __name__ == "__main__":
    main()
