"""A twinned arm whose cable leads to an emulated arm at a simulated table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.control.loop import ControlLoop
from metagui.arms.emulator.emulated_arm import EmulatedArm
from metagui.arms.feetech.serial_port import PortError
from metagui.arms.simulation.joint_drives import STIFF_DRIVES, DriveSettings
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.arms.simulation.twinned_arm import TwinnedArm
from metagui.arms.so101.so101_arm import SO101Arm
from metagui.arms.so101.stops import MODEL_STOPS
from metagui.demonstrations.primitives.primitive import MotionStyle
from metagui.demonstrations.programs.program_controller import ProgramController
from tests.helpers.clocks import SteppedClock
from tests.helpers.in_process_port import InProcessPort
from tests.helpers.poses import set_joint_positions

if TYPE_CHECKING:
    from metagui.arms.arm import FloatArray, SceneState
    from metagui.arms.so101.stops import Stops
    from metagui.demonstrations.demonstration import Demonstration, Instruction
    from metagui.demonstrations.recording.recorder import Recorder

MOUNTING_OFFSETS = (100, 3000, 4000, 2048, 1500, 10)
"""Encoder steps by which the emulated servos are mounted off their middle."""


class EmulatedTable:
    """Emulated SO-101 in the scene of a seed, and the twinned arm on its cable, with all objects placed.

    The arm stands in ``pose`` (6,), rad, by default at home.
    """

    def __init__(
        self,
        seed: int = 0,
        stops: tuple[Stops, ...] = MODEL_STOPS,
        drives: DriveSettings = STIFF_DRIVES,
        pose: FloatArray | None = None,
    ) -> None:
        simulated = SimulatedArm(seed)
        if pose is not None:
            set_joint_positions(simulated, pose)
        self.emulated_arm = EmulatedArm(simulated, MOUNTING_OFFSETS, stops=stops, drives=drives)
        self.emulated_arm.calibrate()
        clock = SteppedClock()
        self.port = InProcessPort(self.emulated_arm, clock=clock)
        self.arm = TwinnedArm(SO101Arm("emulated", open_port=self.open, clock=clock), lockstep=True)
        self.arm.connect()
        self.mark()
        self.loop = ControlLoop(self.arm, self.arm)

    def open(self, device: str) -> InProcessPort:
        """Return the port. Raises PortError if the cable is unplugged."""
        if self.port.unplugged:
            raise PortError(f"no {device}")
        return self.port

    def mark(self) -> None:
        """Place every object of the twin where the emulated scene has it, as a user does once."""
        true = self.emulated_arm.observe_scene()
        for each, (x, y, _), yaw in zip(self.arm.objects[:-1], true.positions, true.yaws, strict=False):
            self.arm.place_object(each.name, x, y, yaw)

    def real(self) -> SceneState:
        """Return the state of the emulated scene."""
        return self.emulated_arm.observe_scene()

    def do(self, *instructions: Instruction, style: MotionStyle | None = None, ticks: int = 1500) -> list[float]:
        """Carry out instructions in the twin's scene; return the twin's largest position error per tick, m."""
        controller = ProgramController(self.arm.objects, style or MotionStyle())
        controller.add_instructions(*instructions)
        self.loop.set_controller(controller)
        found: list[float] = []
        rest = 0
        while rest < 10 and len(found) < ticks:
            real = self.real().positions
            seen = self.loop.step_once().observation.scene.positions
            found.append(float(np.linalg.norm(seen - real, axis=1).max()))
            rest = 0 if controller.pending_count else rest + 1
        assert rest
        assert not controller.failure_reason
        return found


def record_overload(recorder: Recorder) -> Demonstration:
    """Return a take of a real arm in whose second half the gripper is overloaded."""
    table = EmulatedTable(3)
    recorder.start("lift", table.arm, table.arm)
    table.loop.add_sink(recorder.on_tick)
    for index in range(40):
        table.emulated_arm.servos[5].overloaded = index >= 20
        table.loop.step_once()
    table.loop.remove_sink(recorder.on_tick)
    return recorder.stop()
