"""Tests of byte sequences that other tools for these motors send: set-up, calibration and use of an arm.

The sequences are those of LeRobot's motor set-up and follower, written with the vendor's SDK in place of a terminal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from metagui.arms.emulator.emulated_arm import EmulatedArm
from metagui.arms.emulator.emulated_port import EmulatedPort
from metagui.arms.feetech import control_table as reg
from metagui.arms.feetech import protocol as frames
from metagui.arms.feetech.protocol import BROADCAST_ID, Packet, PacketParser, encode
from tests.helpers.clocks import PATIENCE_S

if TYPE_CHECKING:
    from metagui.arms.feetech.control_table import Register

MAXIMUM_ACCELERATION = reg.Register("maximum acceleration", 85)
FIRMWARE_MAJOR, FIRMWARE_MINOR = reg.Register("firmware major", 0), reg.Register("firmware minor", 1)


class ForeignClient:
    """A client that accepts a reply only from the id that it asked, as the vendor's SDK does."""

    def __init__(self, arm: EmulatedArm) -> None:
        self.arm = arm

    def exchange(self, packet: Packet) -> list[Packet]:
        """Send one packet; return the replies."""
        return PacketParser().feed(b"".join(reply.data for reply in self.arm.feed(encode(packet))))

    def write(self, servo_id: int, register: Register, value: int) -> None:
        """Write a register and require the acknowledgement of the same id."""
        (reply,) = self.exchange(frames.build_write(servo_id, register.address, register.pack(value)))
        assert (reply.id, reply.code) == (servo_id, 0)

    def read(self, servo_id: int, register: Register) -> int:
        """Read a register."""
        (reply,) = self.exchange(frames.build_read(servo_id, register.address, register.size))
        assert (reply.id, reply.code) == (servo_id, 0)
        return register.unpack(reply.parameters)

    def find_motor(self) -> tuple[int, int]:
        """Return the baud rate and the id of the only motor, by a broadcast ping at every baud rate."""
        for baud in reg.BAUD_RATES:
            self.arm.bus.baud = baud
            replies = self.exchange(frames.build_ping(BROADCAST_ID))
            if replies:
                return baud, replies[0].id
        raise AssertionError("no motor was found")

    def set_up_motor(self, servo_id: int) -> None:
        """Give the only motor an id and the usual baud rate."""
        self.arm.bus.baud, old = self.find_motor()
        assert self.read(old, reg.MODEL_NUMBER) == reg.STS3215_MODEL_NUMBER
        self.write(old, reg.TORQUE_ENABLE, 0)
        self.write(old, reg.LOCK, 0)
        self.write(old, reg.ID, servo_id)
        self.write(servo_id, reg.BAUD_RATE, 0)
        self.arm.bus.baud = reg.BAUD_RATES[0]


@pytest.mark.parametrize("baud_index", range(len(reg.BAUD_RATES)))
def test_foreign_setup_gives_id_and_baud_rate(baud_index: int) -> None:
    """The id change is acknowledged under the old id: a reply with the new one would end the set-up half-way."""
    arm = EmulatedArm(motors=1)
    arm.servos[0].set_register(reg.BAUD_RATE, baud_index)
    client = ForeignClient(arm)
    client.set_up_motor(6)
    assert client.find_motor() == (1_000_000, 6)


def test_foreign_configuration_is_accepted() -> None:
    arm = EmulatedArm()
    client = ForeignClient(arm)
    assert len({(client.read(i, FIRMWARE_MAJOR), client.read(i, FIRMWARE_MINOR)) for i in range(1, 7)}) == 1
    for servo_id in range(1, 7):
        client.write(servo_id, reg.TORQUE_ENABLE, 0)
        client.write(servo_id, reg.LOCK, 0)
        client.write(servo_id, reg.RETURN_DELAY_TIME, 0)
        client.write(servo_id, MAXIMUM_ACCELERATION, 254)
        client.write(servo_id, reg.ACCELERATION, 254)
        assert not client.read(servo_id, reg.PHASE) & reg.MULTI_TURN_BIT
        for register, value in ((reg.OPERATING_MODE, 0), (reg.P_COEFFICIENT, 16), (reg.I_COEFFICIENT, 0)):
            client.write(servo_id, register, value)
        assert client.read(servo_id, MAXIMUM_ACCELERATION) == 254
        client.write(servo_id, reg.TORQUE_ENABLE, 1)
        client.write(servo_id, reg.LOCK, 1)
    before = np.array(arm.read_joint_angles())
    arm.advance(50)
    np.testing.assert_allclose(arm.read_joint_angles(), before, atol=0.04)


def test_foreign_half_turn_homing_makes_present_the_middle() -> None:
    """Offsets are reset, the raw positions read, and half a turn is subtracted, as before a recording of ranges."""
    arm = EmulatedArm(mount_offsets=(100, 3000, 4000, 2048, 1500, 10))
    client = ForeignClient(arm)
    for servo_id in range(1, 7):
        client.write(servo_id, reg.LOCK, 0)
        for register, value in (
            (reg.HOMING_OFFSET, 0), (reg.MIN_POSITION_LIMIT, 0), (reg.MAX_POSITION_LIMIT, 4095)
        ):  # fmt: skip
            client.write(servo_id, register, value)
    for servo_id in range(1, 7):
        client.write(servo_id, reg.HOMING_OFFSET, client.read(servo_id, reg.PRESENT_POSITION) - 2047)
        assert client.read(servo_id, reg.PRESENT_POSITION) == pytest.approx(2047, abs=1)


@pytest.mark.pty
def test_port_obeys_the_baud_rate_of_its_client() -> None:
    serial = pytest.importorskip("serial")
    arm = EmulatedArm(motors=1)
    arm.servos[0].set_register(reg.BAUD_RATE, reg.BAUD_RATES.index(115_200))
    ping = encode(frames.build_ping(1))
    with EmulatedPort(arm) as port:
        with serial.Serial(port.name, 1_000_000, timeout=0.2) as line:
            line.write(ping)
            assert line.read(6) == b""
        with serial.Serial(port.name, 115_200, timeout=PATIENCE_S) as line:
            line.write(ping)
            assert line.read(6) == encode(Packet(1, 0, b""))
