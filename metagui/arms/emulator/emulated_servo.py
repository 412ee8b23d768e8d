"""An emulated STS3215 servo, for testing drivers: its memory, its motion profile and its protections.

It works in ticks and knows no joints: the physics passes the shaft's motion to ``update_shaft`` and reads the motion
that the servo demands from ``compute_push``. It has no I/O and no clock.
"""

from __future__ import annotations

from metagui.arms.feetech import control_table as reg
from metagui.arms.feetech.protocol import ServoStatus

SERVO_MEMORY_BYTES = 128
"""Size of the memory, bytes."""
MAX_SERVO_SPEED_TICKS_S = 3400.0
"""Speed if ``GOAL_VELOCITY`` is 0 (50 turns per minute), ticks/s."""
FULL_LOAD_CURRENT = 400
"""Current at full load, in units of 6.5 mA."""
AMBIENT_TEMPERATURE_C = 28.0
"""Temperature without load, degrees Celsius."""
FULL_LOAD_HEATING_C = 45.0
"""Stationary temperature rise at full load, degrees Celsius."""
HEATING_TIME_CONSTANT_S = 120.0
"""Time constant of the temperature, s."""
RECENTRE_COMMAND = 128
"""Value that, written to ``TORQUE_ENABLE``, makes the present position 2048."""

FACTORY_REGISTERS = {
    reg.MODEL_NUMBER: reg.STS3215_MODEL_NUMBER,
    reg.RETURN_DELAY_TIME: 0,
    reg.RESPONSE_STATUS_LEVEL: 1,
    reg.MAX_POSITION_LIMIT: reg.TICKS_PER_TURN - 1,
    reg.MAX_TEMPERATURE_LIMIT: 70,
    reg.MAX_VOLTAGE_LIMIT: 80,
    reg.MIN_VOLTAGE_LIMIT: 40,
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

    def __init__(self, servo_id: int) -> None:
        self.memory = bytearray(SERVO_MEMORY_BYTES)
        self.voltage = 7.4
        self.temperature = AMBIENT_TEMPERATURE_C
        self.overloaded = False
        self.goal_count = 0
        """Number of goals that were written."""
        self._pending_write: tuple[int, bytes] | None = None
        self._encoder = 0.0
        self._setpoint = 0.0
        self._last_push = 0.0
        self._load_time = 0.0
        for register, value in (FACTORY_REGISTERS | {reg.ID: servo_id}).items():
            self.set_register(register, value)
        self.power_up()

    def power_up(self) -> None:
        """Restart as after switching on: EEPROM unchanged, torque off, EEPROM locked."""
        self.memory[reg.EEPROM_END_ADDRESS :] = bytes(SERVO_MEMORY_BYTES - reg.EEPROM_END_ADDRESS)
        self.set_register(reg.TORQUE_LIMIT, self.get_register(reg.MAX_TORQUE_LIMIT))
        self.set_register(reg.LOCK, 1)
        self.overloaded = False
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
            if (
                place >= reg.EEPROM_END_ADDRESS or not locked
            ) and reg.ID.address <= place < reg.READ_ONLY_START_ADDRESS:
                self.memory[place] = value
        wrote = range(address, address + len(data))
        if reg.GOAL_POSITION.address in wrote:
            self.goal_count += 1
            self.set_register(reg.TORQUE_ENABLE, 1)
            self._clear_overload(self.get_register(reg.GOAL_POSITION))
        elif reg.TORQUE_ENABLE.address in wrote:
            self._apply_torque_enable()
        if self.torque_enabled and not was_on:
            self._setpoint = self.position
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
        status = ServoStatus(0)
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
            return None
        low, high = self.get_register(reg.MIN_POSITION_LIMIT), self.get_register(reg.MAX_POSITION_LIMIT)
        goal = min(max(self.get_register(reg.GOAL_POSITION), low), max(low, high))
        step = (abs(self.get_register(reg.GOAL_VELOCITY)) or MAX_SERVO_SPEED_TICKS_S) * elapsed
        self._setpoint += min(max(goal - self._setpoint, -step), step)
        self._last_push = self._setpoint - self.position
        return self._last_push

    @property
    def torque_fraction(self) -> float:
        """Fraction of the maximum torque that the servo may use."""
        return self.get_register(reg.PROTECTIVE_TORQUE) / 100 if self.overloaded else 1.0

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
        if self.overloaded and (goal - self.position) * self._last_push < 0:
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


def _round_clipped(value: float, limit: int) -> int:
    return round(min(max(value, -limit), limit))
