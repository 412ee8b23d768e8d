"""Calibrated emulated arm on a port that can be unplugged, and a monitor that checks every write."""

from __future__ import annotations

from typing import Any

import numpy as np

from metagui.arms.arm import Command
from metagui.arms.emulator.emulated_arm import EmulatedArm
from metagui.arms.feetech import control_table as reg
from metagui.arms.feetech.control_table import RAD_PER_TICK
from metagui.arms.feetech.protocol import InstructionCode, Packet
from metagui.arms.feetech.serial_port import PortError
from metagui.arms.kinematics import JOINTS
from metagui.arms.so101.calibration import TickConversion
from metagui.arms.so101.live_servos import SO101ArmSettings
from metagui.arms.so101.so101_arm import SO101Arm
from tests.helpers.clocks import SteppedClock
from tests.helpers.in_process_port import InProcessPort

BENCH_MOUNT_OFFSETS = (100, 3000, 4000, 2048, 1500, 10)


def make_emulated_arm(mount_offsets: tuple[int, ...] = BENCH_MOUNT_OFFSETS) -> EmulatedArm:
    """Return a calibrated emulated arm, ideal so that angles are exact."""
    arm = EmulatedArm.make_ideal(mount_offsets=mount_offsets)
    arm.calibrate()
    return arm


class EmulatedBench:
    """Calibrated emulated arm, and the driver on a port that can be unplugged."""

    def __init__(self, **settings: Any) -> None:
        self.emulated_arm = make_emulated_arm()
        self.clock = SteppedClock()
        self.port = InProcessPort(self.emulated_arm, clock=self.clock)
        self.calibration = self.emulated_arm.compute_calibration()
        self.arm = SO101Arm(
            "emulated", settings=SO101ArmSettings(**settings), open_port=self.open_port, clock=self.clock
        )

    def open_port(self, device: str) -> InProcessPort:
        """Return the port. Raises PortError if it is unplugged."""
        if self.port.unplugged:
            raise PortError(f"no {device}")
        return self.port

    def read_torque(self) -> list[bool]:
        """Return whether torque is on, per servo."""
        return [servo.torque_enabled for servo in self.emulated_arm.servos]

    def read_goals(self) -> list[int]:
        """Return the goal position of every servo, encoder steps."""
        return [servo.get_register(reg.GOAL_POSITION) for servo in self.emulated_arm.servos]


def send_target(arm: SO101Arm, target: Any, ticks: int = 80) -> None:
    """Command the same joint positions, rad, in every tick."""
    for _ in range(ticks):
        arm.observe()
        arm.command(Command(np.asarray(target)))


class WriteMonitor:
    """Checks every packet before the servos receive it: goals within range, slow enough, no jump with torque on."""

    def __init__(self, bench: EmulatedBench) -> None:
        self.bench = bench
        self.joint_map = TickConversion(bench.calibration)
        self.max_goal_steps = [round(joint.max_velocity * 1.5 * 0.1 / RAD_PER_TICK) + 1 for joint in JOINTS]

    def __call__(self, packet: Packet) -> None:
        """Check every write in a packet."""
        if packet.code == InstructionCode.SYNC_WRITE:
            address, size = packet.parameters[:2]
            for start in range(2, len(packet.parameters), size + 1):
                self.check_write(packet.parameters[start], address, packet.parameters[start + 1 : start + 1 + size])
        elif packet.code == InstructionCode.WRITE:
            self.check_write(packet.id, packet.parameters[0], packet.parameters[1:])

    def check_write(self, servo_id: int, address: int, data: bytes) -> None:
        """Assert that a write to one servo is safe."""
        servo, joint = self.bench.emulated_arm.servos[servo_id - 1], servo_id - 1
        present = min(
            max(servo.get_register(reg.PRESENT_POSITION), self.joint_map.min_ticks[joint]),
            self.joint_map.max_ticks[joint],
        )
        if address == reg.GOAL_POSITION.address:
            goal = reg.GOAL_POSITION.unpack(data)
            assert self.joint_map.min_ticks[joint] <= goal <= self.joint_map.max_ticks[joint]
            assert not self.bench.arm.hand_guiding or goal == present
            assert servo.torque_enabled or abs(goal - present) <= 1
            last = servo.get_register(reg.GOAL_POSITION)
            assert goal == present or abs(goal - last) <= self.max_goal_steps[joint]
        elif address == reg.TORQUE_ENABLE.address and data == b"\x01" and not servo.torque_enabled:
            assert abs(servo.get_register(reg.GOAL_POSITION) - present) <= 1
