"""A calibrated virtual arm on a port that can be unplugged, and a witness of all that it is told."""

from __future__ import annotations

from typing import Any

import numpy as np

from metagui.arms.arm import Command
from metagui.arms.emulator.emulated_arm import VirtualArm
from metagui.arms.feetech import control_table as reg
from metagui.arms.feetech.control_table import TICK
from metagui.arms.feetech.protocol import Instruction, Packet
from metagui.arms.feetech.serial_port import PortError
from metagui.arms.kinematics import JOINTS
from metagui.arms.so101.calibration import JointMap
from metagui.arms.so101.so101_arm import FeetechArm, FeetechSettings
from tests.helpers.in_process_port import DirectPort

MOUNTS = (100, 3000, 4000, 2048, 1500, 10)


def virtual_arm(mounts: tuple[int, ...] = MOUNTS) -> VirtualArm:
    """Return a calibrated virtual arm."""
    arm = VirtualArm(mounts=mounts)
    arm.calibrate()
    return arm


class Bench:
    """A calibrated virtual arm, and the driver on a port that can be unplugged."""

    def __init__(self, **settings: Any) -> None:
        self.virtual = virtual_arm()
        self.port = DirectPort(self.virtual)
        self.calibration = self.virtual.calibration()
        self.arm = FeetechArm("virtual", settings=FeetechSettings(**settings), open_port=self.open)

    def open(self, device: str) -> DirectPort:
        if self.port.vanished:
            raise PortError(f"no {device}")
        return self.port

    def torque(self) -> list[bool]:
        return [servo.torque for servo in self.virtual.servos]

    def goals(self) -> list[int]:
        return [servo.get(reg.GOAL_POSITION) for servo in self.virtual.servos]


def move(arm: FeetechArm, target: Any, ticks: int = 80) -> None:
    for _ in range(ticks):
        arm.observe()
        arm.command(Command(np.asarray(target)))


class Witness:
    """Sees every instruction before the servos do, and judges it."""

    def __init__(self, setup: Bench) -> None:
        self.setup = setup
        self.map = JointMap(setup.calibration)
        self.most = [round(joint.max_velocity * 1.5 * 0.1 / TICK) + 1 for joint in JOINTS]

    def __call__(self, packet: Packet) -> None:
        if packet.code == Instruction.SYNC_WRITE:
            address, size = packet.params[:2]
            for start in range(2, len(packet.params), size + 1):
                self.judge(packet.params[start], address, packet.params[start + 1 : start + 1 + size])
        elif packet.code == Instruction.WRITE:
            self.judge(packet.id, packet.params[0], packet.params[1:])

    def judge(self, ident: int, address: int, data: bytes) -> None:
        servo, joint = self.setup.virtual.servos[ident - 1], ident - 1
        present = min(max(servo.get(reg.POSITION), self.map.lowest[joint]), self.map.highest[joint])
        if address == reg.GOAL_POSITION.address:
            goal = reg.GOAL_POSITION.unpack(data)
            assert self.map.lowest[joint] <= goal <= self.map.highest[joint]
            assert not self.setup.arm.guiding or goal == present
            assert servo.torque or abs(goal - present) <= 1
            last = servo.get(reg.GOAL_POSITION)
            assert goal == present or abs(goal - last) <= self.most[joint]
        elif address == reg.TORQUE_ENABLE.address and data == b"\x01" and not servo.torque:
            assert abs(servo.get(reg.GOAL_POSITION) - present) <= 1
