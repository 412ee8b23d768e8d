"""The six servos of an arm, in their own units: what is read and written together, and in which order it is safe.

Writing a goal switches a servo's torque on, so a limp servo gets no goal but its present position.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from metagui.arms.arm import ArmError
from metagui.arms.feetech import control_table as reg
from metagui.arms.feetech.bus import ServoBus, ServoSilentError, silence
from metagui.arms.feetech.serial_port import SerialPort
from metagui.arms.so101.calibration import Calibration, JointCalibration, NotCalibratedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from metagui.arms.feetech.control_table import Feedback, Register
    from metagui.arms.feetech.serial_port import Port

IDS = (1, 2, 3, 4, 5, 6)
PLACE_SETTINGS: Mapping[Register, int] = {reg.MODE: 0}
"""Settings that decide what a position means; they are changed only while a servo is limp."""
SETTINGS: Mapping[Register, int] = {reg.P_GAIN: 16, reg.I_GAIN: 0, reg.D_GAIN: 32, reg.RETURN_DELAY: 0}
GRIPPER_SETTINGS: Mapping[Register, int] = {
    reg.MAX_TORQUE: 500,
    reg.PROTECTION_CURRENT: 250,
    reg.OVERLOAD_TORQUE: 25,
}
"""What keeps a gripper that squeezes from burning."""
ACCELERATION = 254
BENCH_RETRIES = 9
"""How often a question is repeated on the bench, where nothing is in a hurry and half a calibration would be a pity."""


class WrongServoError(ArmError):
    """What answers is not an STS3215."""


@contextlib.contextmanager
def bench(device: str, open_port: Callable[[str], Port] = SerialPort) -> Iterator[ServoChain]:
    """Open an arm that need not be calibrated, to calibrate it or look at it; nothing is switched on.

    Raises PortError, ServoSilentError, WrongServoError.
    """
    port = open_port(device)
    try:
        chain = ServoChain(ServoBus(port, BENCH_RETRIES))
        chain.find()
        yield chain
    finally:
        port.close()


class ServoChain:
    """The servos ``ids`` on a bus, the gripper's last. Raises ConnectionLostError if the port vanishes."""

    def __init__(self, bus: ServoBus, ids: Sequence[int] = IDS) -> None:
        self.bus = bus
        self.ids = tuple(ids)
        self._offsets: dict[int, int] = {}

    def find(self) -> None:
        """Make sure that all servos are there. Raises ServoSilentError or WrongServoError."""
        self.bus.find_echo(self.ids[0])
        models = self._read_all(reg.MODEL_NUMBER)
        odd = {ident: model for ident, model in models.items() if model != reg.MODEL}
        if odd:
            raise WrongServoError(
                f"Servo {', '.join(map(str, odd))} is of model {', '.join(map(str, odd.values()))}, not an STS3215 "
                f"({reg.MODEL}). Nothing was written to it; is this the arm's port?"
            )

    def feedback(self) -> dict[int, Feedback]:
        """Return what every servo that answers reports, in one exchange."""
        replies = self.bus.sync_read(self.ids, reg.FEEDBACK_ADDRESS, reg.FEEDBACK_SIZE)
        return {ident: reg.unpack_feedback(reply.data) for ident, reply in replies.items()}

    def write_goals(self, ticks: Mapping[int, int]) -> None:
        """Send goals in one frame; this also switches the torque on."""
        self.bus.sync_write(reg.GOAL_POSITION, ticks)

    def energise(self, goals: Sequence[int]) -> None:
        """Switch the torque on: goals first, which must be where the servos are. Raises ServoSilentError."""
        self.write_goals(dict(zip(self.ids, goals, strict=True)))
        for ident in self.ids:
            self.bus.write(ident, reg.TORQUE_ENABLE, 1)
            self.bus.write(ident, reg.ACCELERATION, ACCELERATION)

    def release(self) -> None:
        """Switch the torque off; the arm may sink. Raises ServoSilentError or ServoRefusedError."""
        self.bus.sync_write(reg.TORQUE_ENABLE, dict.fromkeys(self.ids, 0))
        for ident in self.ids:
            self.bus.write(ident, reg.TORQUE_ENABLE, 0)

    def relapsed(self) -> frozenset[int]:
        """Return the servos that are not as ``energise`` left them: limp, or started anew by a dip of the supply.

        The next goal switches the torque of such a servo on again, but nothing gives it back its acceleration.
        """
        replies = self.bus.sync_read(self.ids, reg.TORQUE_ENABLE.address, 2)
        return frozenset(ident for ident, reply in replies.items() if reply.data != bytes((1, ACCELERATION)))

    def configure(self) -> None:
        """Give the servos the usual settings; only what differs is written."""
        for ident in self.ids:
            phase = self.bus.read(ident, reg.PHASE)
            self._settle(ident, {**PLACE_SETTINGS, reg.PHASE: phase & ~reg.MULTI_TURN}, limp=True)
            self._settle(ident, {**SETTINGS, **(GRIPPER_SETTINGS if ident == self.ids[-1] else {})})

    def read_calibration(self) -> Calibration:
        """Return what the servos themselves hold. Raises NotCalibratedError if they are as from the factory."""
        lowest, highest = self._read_all(reg.MIN_POSITION), self._read_all(reg.MAX_POSITION)
        offsets = self._read_all(reg.HOMING_OFFSET)
        joints = tuple(JointCalibration(i, 0, offsets[i], lowest[i], highest[i]) for i in self.ids)
        problems = [f"servo {joint.id}: {problem}" for joint in joints if (problem := joint.problem())]
        bare = [joint.id for joint in joints if joint.range_max - joint.range_min >= reg.TURN - 1]
        if problems or len(bare) > 1:  # one: LeRobot leaves the wrist's roll without a range
            raise NotCalibratedError(
                f"The arm is not calibrated ({'; '.join(problems) or 'its servos have no ranges'}). "
                "It was not switched on; calibrate it, or import its LeRobot calibration."
            )
        return Calibration(joints)

    def write_calibration(self, calibration: Calibration) -> None:
        """Write offsets and ranges to the servos, limp: hold the arm. Raises ServoRefusedError."""
        self.release()
        for joint in calibration.joints:
            values = {
                reg.HOMING_OFFSET: joint.homing_offset,
                reg.MIN_POSITION: joint.range_min,
                reg.MAX_POSITION: joint.range_max,
            }
            self._settle(joint.id, values, limp=True)

    def begin_sweep(self) -> None:
        """Go limp, hold the arm, and get ready for ``encoders``; no calibration is lost by it. Raises ArmError."""
        self.release()
        self.configure()
        self._offsets = self._read_all(reg.HOMING_OFFSET)

    def encoders(self) -> list[int]:
        """Return what the bare encoders say, 0 … 4095, whatever the servos' offsets. Raises ServoSilentError."""
        found = self._read_all(reg.POSITION)
        return [(found[ident] + self._offsets[ident]) % reg.TURN for ident in self.ids]

    def _settle(self, ident: int, values: Mapping[Register, int], limp: bool = False) -> None:
        """Write to one servo's EEPROM what differs, and lock it again."""
        wrong = {r: value for r, value in values.items() if self.bus.read(ident, r) != value}
        if not wrong:
            return
        if limp:
            self.bus.write(ident, reg.TORQUE_ENABLE, 0)
        self.bus.write(ident, reg.LOCK, 0)
        try:
            for register, value in wrong.items():
                self.bus.write(ident, register, value)
        finally:
            self.bus.write(ident, reg.LOCK, 1)

    def _read_all(self, register: Register) -> dict[int, int]:
        """Return one register of all servos. Raises ServoSilentError."""
        replies = self.bus.sync_read(self.ids, register.address, register.size)
        missing = set(self.ids) - set(replies)
        if missing:
            raise ServoSilentError(silence(missing))
        return {ident: register.unpack(reply.data) for ident, reply in replies.items()}
