"""A new virtual arm in a process of its own, and hands that lead it as they are told: ``python -m benchmarks.hands``.

It prints the port, then obeys a line at a time from standard input, answering each with one line: ``sweep`` leads
every joint from stop to stop, ``scene 3`` lays out the table of a seed and brings the arm home, ``show`` leads the
arm through the task, ``where`` says how far the cube lies from the zone, in metres. The arm has to be limp.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.arm import CONTROL_PERIOD
from metagui.arms.control.loop import ControlLoop
from metagui.arms.emulator.emulated_arm import VirtualArm
from metagui.arms.emulator.guided_sweep import sweep_by_hand
from metagui.arms.emulator.pty_server import VirtualPort
from metagui.arms.kinematics import HOME
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.demonstrations.demonstration import Click
from metagui.demonstrations.programs.program import ProgramController

if TYPE_CHECKING:
    from metagui.arms.arm import FloatArray

CUBE, ZONE = "red cube", "yellow zone"
CLICKS = (Click("grasp", CUBE), Click("place", ZONE))
MOUNTS = (3900, 20, 1000, 2000, 3000, 4000)
PAUSE = 35
"""Ticks for which hands pause after each step."""


def main() -> None:
    """Serve the arm and obey."""
    hands = Hands()
    with VirtualPort(hands.arm) as port:
        print(port.name, flush=True)
        for line in sys.stdin:
            verb, *values = line.split()
            print(getattr(hands, verb)(*map(int, values)), flush=True)


class Hands:
    """What a person beside the arm does."""

    def __init__(self) -> None:
        self.arm = VirtualArm(SimulatedArm(0), MOUNTS)
        self.seed = 0

    def sweep(self) -> str:
        """Lead every joint from stop to stop."""
        self.arm.lead(sweep_by_hand())
        while self.arm.led:
            time.sleep(0.1)
        return "swept"

    def scene(self, seed: int) -> str:
        """Lay out a table and bring the arm home."""
        self._lead(np.linspace(self.arm.angles(), HOME, 60))
        self.seed = seed
        self.arm.randomise(seed)
        self._lead(np.stack([HOME] * 10))
        return "laid out"

    def show(self) -> str:
        """Lead the arm through the task."""
        self._lead(way(self.seed))
        return "shown"

    def where(self) -> str:
        """Say how far the cube lies from the zone."""
        names = [anchor.name for anchor in self.arm.anchors]
        positions = self.arm.observe_scene().positions
        return f"{np.linalg.norm((positions[names.index(CUBE)] - positions[names.index(ZONE)])[:2]):.3f}"

    def _lead(self, rows: FloatArray) -> None:
        for row in rows:
            for joint, angle in enumerate(row):
                self.arm.guide(joint, float(angle))
            time.sleep(CONTROL_PERIOD)
        for joint in range(len(HOME)):
            self.arm.guide(joint, None)


def way(seed: int) -> FloatArray:
    """Return the joint angles (N, J) along which hands do the task in a scene, a row a period."""
    arm = SimulatedArm(seed)
    arm.connect()
    loop, controller = ControlLoop(arm, arm), ProgramController(arm.anchors)
    loop.set_controller(controller)
    rows = []
    for click in CLICKS:
        controller.add(click)
        rest = 0
        while rest < PAUSE:
            rows.append(loop.step_once().sent.positions)
            rest = 0 if controller.pending else rest + 1
    return np.array(rows)


if __name__ == "__main__":
    main()
