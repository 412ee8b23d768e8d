"""The six servos of an arm, in their own units: what is read and written together, and in which order it is safe.

Writing a goal switches a servo's torque on, so a limp servo gets no goal but its present position.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from metagui.arms.arm import ArmError
from metagui.arms.feetech import control_table as reg
from metagui.arms.feetech.bus import ServoBus, ServoSilentError, describe_silence
from metagui.arms.feetech.serial_port import SerialPort
from metagui.arms.so101.calibration import ArmCalibration, JointCalibration, NotCalibratedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from metagui.arms.feetech.control_table import Feedback, Register
    from metagui.arms.feetech.serial_port import Port

SERVO_IDS = (1, 2, 3, 4, 5, 6)
POSITION_SETTINGS: Mapping[Register, int] = {reg.OPERATING_MODE: 0}
"""Settings that decide what a position means; they are changed only while a servo is limp."""
GAIN_SETTINGS: Mapping[Register, int] = {
    reg.P_COEFFICIENT: 16,
    reg.I_COEFFICIENT: 0,
    reg.D_COEFFICIENT: 32,
    reg.RETURN_DELAY_TIME: 0,
}
GRIPPER_SETTINGS: Mapping[Register, int] = {
    reg.MAX_TORQUE_LIMIT: 500,
    reg.PROTECTION_CURRENT: 250,
    reg.OVERLOAD_TORQUE: 25,
}
"""What keeps a gripper that squeezes from burning."""
ACCELERATION_SETTING = 254
SETUP_RETRIES = 9
"""How often a question is repeated on the bench, where nothing is in a hurry and half a calibration would be a pity."""


class WrongServoError(ArmError):
    """What answers is not an STS3215."""


@contextlib.contextmanager
def open_for_setup(device: str, open_port: Callable[[str], Port] = SerialPort) -> Iterator[ServoChain]:
    """Open an arm that need not be calibrated, to calibrate it or look at it; nothing is switched on.

    Raises PortError, ServoSilentError, WrongServoError.
    """
    port = open_port(device)
    try:
        chain = ServoChain(ServoBus(port, SETUP_RETRIES))
        chain.check_servos()
        yield chain
    finally:
        port.close()


class ServoChain:
    """The servos ``ids`` on a bus, the gripper's last. Raises ConnectionLostError if the port vanishes."""

    def __init__(self, bus: ServoBus, ids: Sequence[int] = SERVO_IDS) -> None:
        self.bus = bus
        self.ids = tuple(ids)
        self._homing_offsets: dict[int, int] = {}

    def check_servos(self) -> None:
        """Make sure that all servos are there. Raises ServoSilentError or WrongServoError."""
        self.bus.detect_echo(self.ids[0])
        models = self._read_all(reg.MODEL_NUMBER)
        odd = {ident: model for ident, model in models.items() if model != reg.STS3215_MODEL_NUMBER}
        if odd:
            raise WrongServoError(
                f"Servo {', '.join(map(str, odd))} is of model {', '.join(map(str, odd.values()))}, not an STS3215 "
                f"({reg.STS3215_MODEL_NUMBER}). Nothing was written to it; is this the arm's port?"
            )

    def read_feedback(self) -> dict[int, Feedback]:
        """Return what every servo that answers reports, in one exchange."""
        replies = self.bus.sync_read(self.ids, reg.FEEDBACK_ADDRESS, reg.FEEDBACK_SIZE)
        return {ident: reg.unpack_feedback(reply.data) for ident, reply in replies.items()}

    def write_goals(self, ticks: Mapping[int, int]) -> None:
        """Send goals in one frame; this also switches the torque on."""
        self.bus.sync_write(reg.GOAL_POSITION, ticks)

    def enable_torque(self, goals: Sequence[int]) -> None:
        """Switch the torque on: goals first, which must be where the servos are. Raises ServoSilentError."""
        self.write_goals(dict(zip(self.ids, goals, strict=True)))
        for ident in self.ids:
            self.bus.write(ident, reg.TORQUE_ENABLE, 1)
            self.bus.write(ident, reg.ACCELERATION, ACCELERATION_SETTING)

    def disable_torque(self) -> None:
        """Switch the torque off; the arm may sink. Raises ServoSilentError or ServoRefusedError."""
        self.bus.sync_write(reg.TORQUE_ENABLE, dict.fromkeys(self.ids, 0))
        for ident in self.ids:
            self.bus.write(ident, reg.TORQUE_ENABLE, 0)

    def find_torque_lost(self) -> frozenset[int]:
        """Return the servos that are not as ``energise`` left them: limp, or started anew by a dip of the supply.

        The next goal switches the torque of such a servo on again, but nothing gives it back its acceleration.
        """
        replies = self.bus.sync_read(self.ids, reg.TORQUE_ENABLE.address, 2)
        return frozenset(ident for ident, reply in replies.items() if reply.data != bytes((1, ACCELERATION_SETTING)))

    def configure(self) -> None:
        """Give the servos the usual settings; only what differs is written."""
        for ident in self.ids:
            phase = self.bus.read(ident, reg.PHASE)
            self._write_eeprom(ident, {**POSITION_SETTINGS, reg.PHASE: phase & ~reg.MULTI_TURN_BIT}, torque_off=True)
            self._write_eeprom(ident, {**GAIN_SETTINGS, **(GRIPPER_SETTINGS if ident == self.ids[-1] else {})})

    def read_calibration(self) -> ArmCalibration:
        """Return what the servos themselves hold. Raises NotCalibratedError if they are as from the factory."""
        lowest, highest = self._read_all(reg.MIN_POSITION_LIMIT), self._read_all(reg.MAX_POSITION_LIMIT)
        offsets = self._read_all(reg.HOMING_OFFSET)
        joints = tuple(JointCalibration(i, 0, offsets[i], lowest[i], highest[i]) for i in self.ids)
        problems = [f"servo {joint.id}: {problem}" for joint in joints if (problem := joint.find_problem())]
        bare = [joint.id for joint in joints if joint.range_max - joint.range_min >= reg.TICKS_PER_TURN - 1]
        if problems or len(bare) > 1:  # one: LeRobot leaves the wrist's roll without a range
            raise NotCalibratedError(
                f"The arm is not calibrated ({'; '.join(problems) or 'its servos have no ranges'}). "
                "It was not switched on; calibrate it, or import its LeRobot calibration."
            )
        return ArmCalibration(joints)

    def write_calibration(self, calibration: ArmCalibration) -> None:
        """Write offsets and ranges to the servos, limp: hold the arm. Raises ServoRefusedError."""
        self.disable_torque()
        for joint in calibration.joints:
            values = {
                reg.HOMING_OFFSET: joint.homing_offset,
                reg.MIN_POSITION_LIMIT: joint.range_min,
                reg.MAX_POSITION_LIMIT: joint.range_max,
            }
            self._write_eeprom(joint.id, values, torque_off=True)

    def begin_sweep(self) -> None:
        """Go limp, hold the arm, and get ready for ``encoders``; no calibration is lost by it. Raises ArmError."""
        self.disable_torque()
        self.configure()
        self._homing_offsets = self._read_all(reg.HOMING_OFFSET)

    def read_encoders(self) -> list[int]:
        """Return what the bare encoders say, 0 … 4095, whatever the servos' offsets. Raises ServoSilentError."""
        found = self._read_all(reg.PRESENT_POSITION)
        return [(found[ident] + self._homing_offsets[ident]) % reg.TICKS_PER_TURN for ident in self.ids]

    def _write_eeprom(self, servo_id: int, values: Mapping[Register, int], torque_off: bool = False) -> None:
        """Write to one servo's EEPROM what differs, and lock it again."""
        wrong = {r: value for r, value in values.items() if self.bus.read(servo_id, r) != value}
        if not wrong:
            return
        if torque_off:
            self.bus.write(servo_id, reg.TORQUE_ENABLE, 0)
        self.bus.write(servo_id, reg.LOCK, 0)
        try:
            for register, value in wrong.items():
                self.bus.write(servo_id, register, value)
        finally:
            self.bus.write(servo_id, reg.LOCK, 1)

    def _read_all(self, register: Register) -> dict[int, int]:
        """Return one register of all servos. Raises ServoSilentError."""
        replies = self.bus.sync_read(self.ids, register.address, register.size)
        missing = set(self.ids) - set(replies)
        if missing:
            raise ServoSilentError(describe_silence(missing))
        return {ident: register.unpack(reply.data) for ident, reply in replies.items()}
