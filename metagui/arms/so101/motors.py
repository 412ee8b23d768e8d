"""The six servos of an arm, in their own units: combined reading and writing, in the order that is safe.

Writing a goal switches a servo's torque on, so a servo without torque only gets its present position as a goal.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from metagui.arms.feetech import control_table as reg
from metagui.arms.feetech import diagnosis
from metagui.arms.feetech.bus import ServoBus, ServoSilentError
from metagui.arms.feetech.serial_port import SerialPort
from metagui.arms.feetech.servo_memory import read_register, write_where_different
from metagui.arms.so101.calibration import ArmCalibration, JointCalibration, NotCalibratedError
from metagui.arms.so101.protection.temporary_registers import CONNECTED_ACCELERATION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from metagui.arms.feetech.control_table import Feedback, Register
    from metagui.arms.feetech.serial_port import Port

SERVO_IDS = (1, 2, 3, 4, 5, 6)
"""Servo ids of an SO-101, in the order of its joints."""
POSITION_SETTINGS: Mapping[Register, int] = {reg.OPERATING_MODE: 0}
"""Settings that determine the meaning of a position; they are changed only while a servo's torque is off."""
GAIN_SETTINGS: Mapping[Register, int] = {
    reg.P_COEFFICIENT: 16,
    reg.I_COEFFICIENT: 0,
    reg.D_COEFFICIENT: 32,
    reg.RETURN_DELAY_TIME: 0,
}
"""Control gains and reply delay of every servo."""
GRIPPER_SETTINGS: Mapping[Register, int] = {
    reg.MAX_TORQUE_LIMIT: 500,
    reg.PROTECTION_CURRENT: 250,
    reg.OVERLOAD_TORQUE: 25,
}
"""Limits that prevent a squeezing gripper from overheating."""
SETUP_RETRIES = 9
"""Retries during setup: slower, but a partial calibration is worse than a delay."""


@contextlib.contextmanager
def open_for_setup(device: str, open_port: Callable[[str], Port] = SerialPort) -> Iterator[ServoChain]:
    """Open an arm, which may be uncalibrated, to calibrate or inspect it; its torque is not switched on.

    Raises PortError, ServoSilentError, SharedIdError, BaudRateError, WrongServoError.
    """
    port = open_port(device)
    try:
        chain = ServoChain(ServoBus(port, SETUP_RETRIES))
        chain.check_servos()
        yield chain
    finally:
        port.close()


class ServoChain:
    """The servos ``ids`` on a bus, the gripper's last. All methods raise ConnectionLostError if the port disappears."""

    def __init__(self, bus: ServoBus, ids: Sequence[int] = SERVO_IDS) -> None:
        self.bus = bus
        self.ids = tuple(ids)
        self._homing_offsets: dict[int, int] = {}

    def check_servos(self) -> None:
        """Check that all servos answer, each with an id of its own, and have the right model.

        Raises ServoSilentError, SharedIdError, BaudRateError or WrongServoError.
        """
        self.bus.probe(self.ids)
        try:
            models = self._read_all(reg.MODEL_NUMBER)
            self._read_all(reg.PRESENT_POSITION)  # two servos with one id answer the first question with one voice
        except ServoSilentError as error:
            raise diagnosis.explain_silence(self.bus, error.servo_ids, self.ids) from None
        if self.bus.counters.discarded or self.bus.repeated_ids:
            diagnosis.require_unshared(self.bus, self.ids)
        diagnosis.check_models(models)

    def read_feedback(self) -> dict[int, Feedback]:
        """Return the feedback of every servo that answers, by id, in one exchange."""
        replies = self.bus.sync_read(self.ids, reg.FEEDBACK_ADDRESS, reg.FEEDBACK_SIZE)
        return {servo_id: reg.unpack_feedback(reply.data) for servo_id, reply in replies.items()}

    def write_goals(self, ticks: Mapping[int, int]) -> None:
        """Send goals, ticks by servo id, in one packet; this also switches the torque on."""
        self.bus.sync_write(reg.GOAL_POSITION, ticks)

    def enable_torque(self, goals: Sequence[int]) -> None:
        """Switch the torque on with ``goals``, which must be the present positions. Raises ServoSilentError."""
        self.write_goals(dict(zip(self.ids, goals, strict=True)))
        write_where_different(self.bus, reg.TORQUE_ENABLE, dict.fromkeys(self.ids, 1))

    def disable_torque(self) -> None:
        """Switch the torque off; the arm may sink. Raises ServoSilentError or ServoRefusedError."""
        self.bus.sync_write(reg.TORQUE_ENABLE, dict.fromkeys(self.ids, 0))
        write_where_different(self.bus, reg.TORQUE_ENABLE, dict.fromkeys(self.ids, 0))

    def restart_torque(self, servo_id: int, goal: int) -> None:
        """Switch the torque of one servo off and on at ``goal``, its present position, which ends an overload.

        Raises ServoSilentError or ServoRefusedError.
        """
        self.bus.write(servo_id, reg.TORQUE_ENABLE, 0)
        self.write_goals({servo_id: goal})
        write_where_different(self.bus, reg.TORQUE_ENABLE, {servo_id: 1})

    def find_torque_lost(self) -> frozenset[int]:
        """Return the ids of servos that lost their torque, or restarted after a dip of the supply.

        The next goal switches the torque of a restarted servo on again, but does not restore its acceleration.
        """
        expected = bytes((1, CONNECTED_ACCELERATION))
        replies = self.bus.sync_read(self.ids, reg.TORQUE_ENABLE.address, 2)
        return frozenset(servo_id for servo_id, reply in replies.items() if reply.data != expected)

    def configure(self) -> None:
        """Write the settings of metagui to the servos where they differ. Raises ServoRefusedError."""
        for servo_id in self.ids:
            phase = self.bus.read(servo_id, reg.PHASE)
            position_settings = {**POSITION_SETTINGS, reg.PHASE: phase & ~reg.MULTI_TURN_BIT}
            self._write_eeprom(servo_id, position_settings, torque_off=True)
            self._write_eeprom(servo_id, {**GAIN_SETTINGS, **(GRIPPER_SETTINGS if servo_id == self.ids[-1] else {})})

    def read_supply(self) -> tuple[dict[int, float], dict[int, float]]:
        """Return the largest voltage that each servo allows and the one that it gets, V, by id."""
        limits, voltages = self._read_all(reg.MAX_VOLTAGE_LIMIT), self._read_all(reg.PRESENT_VOLTAGE)
        return {i: limits[i] / 10 for i in self.ids}, {i: voltages[i] / 10 for i in self.ids}

    def read_calibration(self) -> ArmCalibration:
        """Return the calibration stored in the servos. Raises NotCalibratedError if there is none."""
        lowest, highest = self._read_all(reg.MIN_POSITION_LIMIT), self._read_all(reg.MAX_POSITION_LIMIT)
        offsets = self._read_all(reg.HOMING_OFFSET)
        joints = tuple(JointCalibration(i, 0, offsets[i], lowest[i], highest[i]) for i in self.ids)
        problems = [f"servo {joint.id}: {problem}" for joint in joints if (problem := joint.find_problem())]
        unlimited = ArmCalibration(joints).find_unlimited() if not problems else []
        if problems or unlimited:
            reason = "; ".join(problems) or f"its servos have no ranges: {', '.join(unlimited)}"
            raise NotCalibratedError(
                f"The arm is not calibrated ({reason}). "
                "It was not switched on; calibrate it, or import its LeRobot calibration."
            )
        return ArmCalibration(joints)

    def write_calibration(self, calibration: ArmCalibration) -> None:
        """Switch the torque off and write offsets and ranges to the servos. Raises ServoRefusedError."""
        self.disable_torque()
        for joint in calibration.joints:
            values = {
                reg.HOMING_OFFSET: joint.homing_offset,
                reg.MIN_POSITION_LIMIT: joint.range_min,
                reg.MAX_POSITION_LIMIT: joint.range_max,
            }
            self._write_eeprom(joint.id, values, torque_off=True)

    def begin_sweep(self) -> None:
        """Switch the torque off and prepare ``read_encoders``; the calibration is kept. Raises ArmError."""
        self.disable_torque()
        self.configure()
        self._homing_offsets = self._read_all(reg.HOMING_OFFSET)

    def read_encoders(self) -> list[int]:
        """Return the raw encoder values, 0 … 4095, without the homing offsets. Raises ServoSilentError."""
        found = self._read_all(reg.PRESENT_POSITION)
        return [(found[servo_id] + self._homing_offsets[servo_id]) % reg.TICKS_PER_TURN for servo_id in self.ids]

    def _write_eeprom(self, servo_id: int, values: Mapping[Register, int], torque_off: bool = False) -> None:
        """Write the values that differ to one servo's EEPROM, and lock it again. Raises ServoRefusedError."""
        different = {r: value for r, value in values.items() if self.bus.read(servo_id, r) != value}
        if not different:
            return
        if torque_off:
            self.bus.write(servo_id, reg.TORQUE_ENABLE, 0)
        self.bus.write(servo_id, reg.LOCK, 0)
        try:
            for register, value in different.items():
                self.bus.write(servo_id, register, value)
        finally:
            self.bus.write(servo_id, reg.LOCK, 1)

    def _read_all(self, register: Register) -> dict[int, int]:
        """Return one register of all servos, by id. Raises ServoSilentError."""
        return read_register(self.bus, self.ids, register)
