"""A port without a line: the emulated arm replies at once, and its time passes only with what is sent.

A USB arm on this port is as repeatable as the simulated arm, however busy the machine is.
"""

from __future__ import annotations

import errno
import itertools
from typing import TYPE_CHECKING

from metagui.arms.arm import CONTROL_PERIOD_S, ConnectionLostError
from metagui.arms.feetech import control_table as reg
from metagui.arms.feetech.protocol import InstructionCode
from metagui.arms.feetech.serial_port import BYTE_TIME_S, PortError, UsbPort, explain_open_error
from tests.helpers.clocks import SteppedClock
from tests.helpers.emulated_line import EmulatedLine

if TYPE_CHECKING:
    from metagui.arms.emulator.emulated_arm import EmulatedArm

_CODE_INDEX, _ADDRESS_INDEX = 4, 5
"""Indices of the instruction and of the first register in a packet to the servos."""


class InProcessPort(EmulatedLine):
    """A port that replies at once; a late reply arrives after the next timeout. Implements Port.

    With ``lockstep``, every goal for the arm advances it by one control period, as in the simulated arm;
    ``hand_periods`` is the number of periods by which every reading advances it while all torque is off, so that hands
    can guide it. ``clock`` is advanced by the time that all this would take on a line.
    """

    def __init__(
        self, arm: EmulatedArm, lockstep: bool = True, hand_periods: int = 0, clock: SteppedClock | None = None
    ) -> None:
        super().__init__(arm)
        self.lockstep = lockstep
        self.hand_periods = hand_periods
        self.clock = clock or SteppedClock()
        self.unplugged = False
        self._late_replies: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Send bytes. Raises ConnectionLostError."""
        self._require_plugged_in()
        before = _count_goals(self.arm)
        self.clock.advance(len(data) * BYTE_TIME_S)
        for reply in self.arm.feed(data):
            if reply.delay >= self.arm.faults.late_delay:
                self._late_replies.append(reply.data)
            else:
                self._received += reply.data
        if self.lockstep and _count_goals(self.arm) > before:
            self._advance(1)
        elif self.hand_periods and _is_reading(data) and not any(servo.torque_enabled for servo in self.arm.servos):
            self._advance(self.hand_periods)

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes, fewer after a timeout. Raises ConnectionLostError."""
        self._require_plugged_in()
        data = self._take(size)
        self.clock.advance(len(data) * BYTE_TIME_S if len(data) == size else self.reply_timeout)
        if len(data) < size and self._late_replies:
            self._received += self._late_replies.pop(0)
        return data

    def _receive(self) -> None:
        self._require_plugged_in()

    def _advance(self, periods: int) -> None:
        self.arm.advance(periods)
        self.clock.advance(periods * CONTROL_PERIOD_S)

    def _require_plugged_in(self) -> None:
        if self.unplugged:
            raise ConnectionLostError("The emulated port has vanished: it was unplugged.")


class Cable:
    """USB cable of an emulated arm that can be plugged in and out; its port gets a new name every time.

    One program at a time can open the port. ``hand_periods`` is explained at ``InProcessPort``.
    """

    _numbers = itertools.count()

    def __init__(self, arm: EmulatedArm, hand_periods: int = 1) -> None:
        self.arm = arm
        self.hand_periods = hand_periods
        self.device = ""
        """Name of the port, or its last name while the cable is unplugged."""
        self.is_plugged_in = False
        self._port: InProcessPort | None = None
        self.plug()

    def plug(self) -> None:
        """Plug the cable in; the port gets a new name."""
        self.device, self.is_plugged_in = f"/dev/emulated{next(self._numbers)}", True

    def unplug(self) -> None:
        """Pull the cable out: a program that has the port open gets an error."""
        self.is_plugged_in = False
        if self._port is not None:
            self._port.unplugged = True

    def list_ports(self) -> tuple[UsbPort, ...]:
        """Return the USB ports of the computer."""
        return (UsbPort(self.device, 0x1A86, 0x55D3, "S1", "emulated"),) if self.is_plugged_in else ()

    def open_port(self, device: str) -> InProcessPort:
        """Open the port. Raises PortError."""
        if not self.is_plugged_in or device != self.device:
            raise PortError(explain_open_error(device, OSError(errno.ENOENT, "No such file")))
        if self._port is not None and not (self._port.closed or self._port.unplugged):
            raise PortError(explain_open_error(device, OSError(errno.EBUSY, "Device or resource busy")))
        self._port = InProcessPort(self.arm, hand_periods=self.hand_periods)
        return self._port


def _is_reading(packet: bytes) -> bool:
    """Return whether a packet reads the feedback of the servos."""
    start = packet[_CODE_INDEX : _ADDRESS_INDEX + 1]
    return start == bytes((InstructionCode.SYNC_READ, reg.FEEDBACK_ADDRESS))


def _count_goals(arm: EmulatedArm) -> int:
    return sum(servo.goal_count for servo in arm.servos)
