"""An emulated STS3215 servo, for testing drivers: its memory, its motion profile and its protections.

It works in ticks and knows no joints: the physics passes the shaft's motion to ``update_shaft`` and reads the motion
that the servo demands from ``compute_push``. It has no I/O and no clock.
"""

from __future__ import annotations

from metagui.arms.emulator.servo_motion import Goals, OperatingMode, ServoMotion
from metagui.arms.feetech import control_table as reg
from metagui.arms.feetech.protocol import ServoStatus

FIRMWARE_VERSION = (3, 10)
"""Major and minor number of the firmware, in the first two bytes of the memory."""
USUAL_P = 16
"""Value of ``P_COEFFICIENT`` at which a servo has its usual stiffness."""
SERVO_MEMORY_BYTES = 128
"""Size of the memory, bytes."""
FULL_LOAD_CURRENT = 400
"""Current at full load, in units of 6.5 mA."""
AMBIENT_TEMPERATURE_C = 28.0
"""Temperature without load, degrees Celsius."""
FULL_LOAD_HEATING_C = 45.0
"""Stationary temperature rise at full load, degrees Celsius."""
HEATING_TIME_CONSTANT_S = 120.0
"""Time constant of the temperature, s."""
VOLTAGE_CLASSES = {7.4: (40, 80), 12.0: (40, 140)}
"""Lowest and highest voltage in the memory of a new servo, 0.1 V, by the voltage for which it is made, V."""
RECENTRE_COMMAND = 128
"""Value that, written to ``TORQUE_ENABLE``, makes the present position 2048."""

FACTORY_REGISTERS = {
    reg.MODEL_NUMBER: reg.STS3215_MODEL_NUMBER,
    reg.RETURN_DELAY_TIME: 0,
    reg.RESPONSE_STATUS_LEVEL: 1,
    reg.MAX_POSITION_LIMIT: reg.TICKS_PER_TURN - 1,
    reg.MAX_TEMPERATURE_LIMIT: 70,
    reg.MAX_TORQUE_LIMIT: 1000,
    reg.PHASE: 12,
    reg.UNLOADING_CONDITION: 44,
    reg.P_COEFFICIENT: 32,
    reg.D_COEFFICIENT: 32,
    reg.PROTECTION_CURRENT: 500,
    reg.PROTECTIVE_TORQUE: 20,
    reg.PROTECTION_TIME: 200,
    reg.OVERLOAD_TORQUE: 80,
}
"""EEPROM of a new servo."""


class EmulatedServo:
    """One servo. ``voltage``, V, ``temperature``, degrees Celsius, and ``overloaded`` may be set by tests."""

    def __init__(self, servo_id: int, voltage_class: float = 7.4) -> None:
        self.memory = bytearray(SERVO_MEMORY_BYTES)
        self.voltage_class = voltage_class
        """Voltage for which the servo is made, V."""
        self.voltage = voltage_class
        self.temperature = AMBIENT_TEMPERATURE_C
        self.overloaded = False
        self.reported_faults = ServoStatus(0)
        """Faults that are reported besides those of voltage, temperature and load; set by tests."""
        self.goal_count = 0
        """Number of goals that were written."""
        self._pending_write: tuple[int, bytes] | None = None
        self._encoder = self._turned = 0.0
        self._motion = ServoMotion()
        self._goal_was_written = False
        self._load_time = 0.0
        self.set_register(reg.ID, servo_id)
        self.restore_factory_settings()

    def restore_factory_settings(self) -> None:
        """Restore the EEPROM of a new servo, except its id, and restart."""
        servo_id = self.id
        self.memory[: reg.EEPROM_END_ADDRESS] = bytes(reg.EEPROM_END_ADDRESS)
        self.memory[: len(FIRMWARE_VERSION)] = bytes(FIRMWARE_VERSION)
        lowest, highest = VOLTAGE_CLASSES[self.voltage_class]
        voltages = {reg.MIN_VOLTAGE_LIMIT: lowest, reg.MAX_VOLTAGE_LIMIT: highest}
        for register, value in (FACTORY_REGISTERS | voltages | {reg.ID: servo_id}).items():
            self.set_register(register, value)
        self.power_up()

    def set_voltage_class(self, voltage_class: float) -> None:
        """Replace the servo by a new one, with the same id, that is made for another voltage, V."""
        self.voltage_class = self.voltage = voltage_class
        self.restore_factory_settings()

    def power_up(self) -> None:
        """Restart as after switching on: EEPROM unchanged, torque off, EEPROM locked."""
        self.memory[reg.EEPROM_END_ADDRESS :] = bytes(SERVO_MEMORY_BYTES - reg.EEPROM_END_ADDRESS)
        self.set_register(reg.TORQUE_LIMIT, self.get_register(reg.MAX_TORQUE_LIMIT))
        self.set_register(reg.LOCK, 1)
        self.overloaded = self._goal_was_written = False
        self._pending_write = None
        self._update_reports(0.0, 0.0)

    # Called by the bus

    def get_register(self, register: reg.Register) -> int:
        """Return the value of a register."""
        return register.unpack(self.read(register.address, register.size))

    def set_register(self, register: reg.Register, value: int) -> None:
        """Set a register internally, without the write protection of the bus."""
        self.memory[register.address : register.address + register.size] = register.pack(value)

    def read(self, address: int, size: int) -> bytes:
        """Return bytes of the memory; zeros beyond its end."""
        return bytes(self.memory[address : address + size]).ljust(size, b"\0")

    def write(self, address: int, data: bytes) -> None:
        """Write from the bus: locked and read-only bytes keep their value, a goal switches the torque on."""
        was_on = self.torque_enabled
        locked = self.get_register(reg.LOCK) != 0
        for offset, value in enumerate(data):
            place = address + offset
            if _is_writable(place, locked):
                self.memory[place] = value
        wrote = range(address, address + len(data))
        if reg.GOAL_POSITION.address in wrote:
            self._apply_goal(was_on)
        elif reg.TORQUE_ENABLE.address in wrote:
            self._apply_torque_enable()
            if self.torque_enabled and not was_on:
                self._start_torque()
        self._update_reports(0.0, 0.0, moved=False)

    def defer_write(self, address: int, data: bytes) -> None:
        """Store a write until ``execute_deferred_write``."""
        self._pending_write = (address, data)

    def execute_deferred_write(self) -> bool:
        """Execute the stored write; return whether there was one."""
        pending, self._pending_write = self._pending_write, None
        if pending is not None:
            self.write(*pending)
        return pending is not None

    @property
    def id(self) -> int:
        """The servo's id."""
        return self.get_register(reg.ID)

    @property
    def torque_enabled(self) -> bool:
        """Return whether the torque is on."""
        return self.get_register(reg.TORQUE_ENABLE) == 1

    @property
    def status(self) -> ServoStatus:
        """Status bits of the present faults."""
        voltage = round(self.voltage * 10)
        status = self.reported_faults
        if not self.get_register(reg.MIN_VOLTAGE_LIMIT) <= voltage <= self.get_register(reg.MAX_VOLTAGE_LIMIT):
            status |= ServoStatus.VOLTAGE
        if self.temperature > self.get_register(reg.MAX_TEMPERATURE_LIMIT):
            status |= ServoStatus.OVERHEAT
        if self.overloaded:
            status |= ServoStatus.OVERLOAD
        return status

    # Called by the physics

    @property
    def position(self) -> float:
        """Reported position, ticks: encoder minus homing offset, within one turn unless in multi-turn mode."""
        position = self._encoder - self.get_register(reg.HOMING_OFFSET)
        if self.get_register(reg.PHASE) & reg.MULTI_TURN_BIT:
            return position
        return (position + 0.5) % reg.TICKS_PER_TURN - 0.5

    def update_shaft(self, encoder: float, velocity: float, load: float, elapsed: float) -> None:
        """Set the shaft's angle, ticks, velocity, ticks/s, and load, fraction, after ``elapsed`` s."""
        self._turned = encoder
        self._encoder = (encoder + 0.5) % reg.TICKS_PER_TURN - 0.5
        stationary = AMBIENT_TEMPERATURE_C + FULL_LOAD_HEATING_C * load * load
        self.temperature += elapsed / HEATING_TIME_CONSTANT_S * (stationary - self.temperature)
        self._update_overload(load, elapsed)
        if self.status & ServoStatus.OVERHEAT & self.get_register(reg.UNLOADING_CONDITION):
            self.set_register(reg.TORQUE_ENABLE, 0)
        self._update_reports(velocity, load)

    def compute_push(self, elapsed: float) -> float | None:
        """Return how far the shaft should turn from its present angle, ticks; None while the torque is off."""
        if not self.torque_enabled:
            self._motion.last_push = None
            return None
        return self._motion.compute_push(self._read_goals(), self.position, self._turned, elapsed)

    @property
    def last_push(self) -> float | None:
        """Distance from the shaft to where the servo turns it, ticks; None while the torque is off."""
        return self._motion.last_push

    @property
    def torque_fraction(self) -> float:
        """Fraction of the greatest torque that the servo may use."""
        limit = min(self.get_register(reg.TORQUE_LIMIT), 1000) / 1000
        return min(limit, self.get_register(reg.PROTECTIVE_TORQUE) / 100) if self.overloaded else limit

    @property
    def gain(self) -> float:
        """Stiffness as a multiple of the usual one."""
        return self.get_register(reg.P_COEFFICIENT) / USUAL_P

    def _read_goals(self) -> Goals:
        return Goals(
            self.get_register(reg.OPERATING_MODE),
            self.get_register(reg.GOAL_POSITION),
            self.get_register(reg.MIN_POSITION_LIMIT),
            self.get_register(reg.MAX_POSITION_LIMIT),
            self.get_register(reg.GOAL_VELOCITY),
            self.get_register(reg.GOAL_PWM),
        )

    def _apply_goal(self, was_on: bool) -> None:
        """Apply a goal that was written: it switches the torque on."""
        self.goal_count += 1
        goal = self.get_register(reg.GOAL_POSITION)
        self.set_register(reg.TORQUE_ENABLE, 1)
        self._clear_overload(goal)
        self._goal_was_written = True
        if not was_on:
            self._start_torque()
        if self.get_register(reg.OPERATING_MODE) == OperatingMode.STEP:
            self._motion.add_steps(goal)

    def _start_torque(self) -> None:
        """Begin to hold; without a goal since the power came on, that is where the shaft is."""
        if not self._goal_was_written:
            self.set_register(reg.GOAL_POSITION, round(self.position))
        self._motion.start(self.position, self._turned, self.get_register(reg.OPERATING_MODE))

    def _apply_torque_enable(self) -> None:
        """Apply a write to ``TORQUE_ENABLE``."""
        self.overloaded = False
        self._load_time = 0.0
        if self.get_register(reg.TORQUE_ENABLE) == RECENTRE_COMMAND:
            offset = round(self._encoder) - reg.TICKS_PER_TURN // 2
            self.set_register(reg.HOMING_OFFSET, max(offset, 1 - reg.TICKS_PER_TURN // 2))
            self.set_register(reg.TORQUE_ENABLE, 0)

    def _clear_overload(self, goal: int) -> None:
        """End an overload if the goal is in the opposite direction."""
        if self.overloaded and (goal - self.position) * (self.last_push or 0.0) < 0:
            self._apply_torque_enable()

    def _update_overload(self, load: float, elapsed: float) -> None:
        """Set ``overloaded`` if the load was too high for too long."""
        over = self.torque_enabled and abs(load) * 100 >= self.get_register(reg.OVERLOAD_TORQUE)
        self._load_time = self._load_time + elapsed if over else 0.0
        if over and self._load_time >= self.get_register(reg.PROTECTION_TIME) / 100:
            self.overloaded = True

    def _update_reports(self, velocity: float, load: float, moved: bool = True) -> None:
        """Update the read-only registers."""
        self.set_register(reg.PRESENT_POSITION, round(self.position))
        self.set_register(reg.PRESENT_VOLTAGE, round(self.voltage * 10))
        self.set_register(reg.PRESENT_TEMPERATURE, min(max(round(self.temperature), 0), 255))
        self.set_register(reg.STATUS, self.status)
        if moved:
            self.set_register(reg.PRESENT_VELOCITY, _round_clipped(velocity, 32767))
            self.set_register(reg.PRESENT_LOAD, _round_clipped(load * 1000, 1000))
            self.set_register(reg.PRESENT_CURRENT, _round_clipped(abs(load) * FULL_LOAD_CURRENT, 32767))
            self.set_register(reg.MOVING, int(abs(velocity) > 1))


def _is_writable(address: int, locked: bool) -> bool:
    """Return whether the bus may write a byte: RAM, factory parameters, and the EEPROM if it is not locked."""
    if address < reg.EEPROM_END_ADDRESS:
        return not locked and address >= reg.ID.address
    return address < reg.READ_ONLY_START_ADDRESS or address >= reg.FACTORY_PARAMETERS_ADDRESS


def _round_clipped(value: float, limit: int) -> int:
    return round(min(max(value, -limit), limit))
