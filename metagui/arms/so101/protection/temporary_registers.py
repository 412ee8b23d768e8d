"""Registers that are changed for the time of a connection only: acceleration, speed limit and torque limit.

They survive the program, because a servo keeps them until its supply is switched off. So their values are stored in a
file before the first change, and restored at the end; after a kill, the next connection restores them.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

from metagui.arms.feetech import control_table as reg
from metagui.arms.feetech.servo_memory import read_block, read_register
from metagui.atomic_write import write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from metagui.arms.feetech.bus import ServoBus
    from metagui.arms.feetech.control_table import Register

CONNECTED_ACCELERATION = 254
"""Value of ``ACCELERATION`` during a connection; a servo that restarts has another one."""
TEMPORARY_REGISTERS = (reg.ACCELERATION, reg.GOAL_VELOCITY, reg.TORQUE_LIMIT)
"""Registers that a connection may change; all are in the RAM of a servo."""
_FIRST, _LAST = reg.TORQUE_ENABLE, reg.LOCK
_SIZE = _LAST.address + _LAST.size - _FIRST.address
Values = dict[int, int]
"""Value of a register by servo id."""


class TemporaryRegisters:
    """The temporary registers of servos on a bus; ``file`` keeps their original values, if it is not None."""

    def __init__(self, bus: ServoBus, servo_ids: Sequence[int], file: Path | None = None) -> None:
        self._bus = bus
        self._servo_ids = tuple(servo_ids)
        self._file = file
        self._present: dict[Register, Values] = {}
        self.originals: dict[Register, Values] = {}
        """Values before the first change, by register."""

    def begin(self) -> bool:
        """Read and store the values, and undo what a killed program left; return whether it left anything."""
        self._present = self._read()
        self.originals = {register: dict(values) for register, values in self._present.items()}
        left = self._find_leftovers()
        for register, values in left.items():
            self.originals[register] |= values
        self._store()
        if reg.TORQUE_LIMIT in left:
            self.set(reg.TORQUE_LIMIT, left[reg.TORQUE_LIMIT])
        return bool(left)

    def set(self, register: Register, values: Mapping[int, int]) -> None:
        """Write values by servo id where they differ. Raises ServoSilentError, ServoRefusedError."""
        for servo_id, value in values.items():
            if self._present[register][servo_id] != value:
                self._bus.write(servo_id, register, value)
                self._present[register][servo_id] = value

    def reset(self, register: Register) -> None:
        """Write the original values of one register back. Raises ServoSilentError, ServoRefusedError."""
        self.set(register, self.originals[register])

    def restore(self) -> None:
        """Write all original values back and forget them. Raises ServoSilentError, ServoRefusedError."""
        for register in self.originals:
            self.reset(register)
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.unlink(missing_ok=True)

    def note_restart(self, servo_ids: frozenset[int]) -> None:
        """Read the values again, of servos that restarted after a dip of the supply."""
        if servo_ids:
            self._present = self._read()

    def _read(self) -> dict[Register, Values]:
        memory = read_block(self._bus, self._servo_ids, _FIRST.address, _SIZE)
        return {
            register: {
                servo_id: register.unpack(data[register.address - _FIRST.address :][: register.size])
                for servo_id, data in memory.items()
            }
            for register in TEMPORARY_REGISTERS
        }

    def _find_leftovers(self) -> dict[Register, Values]:
        """Return the original values of registers that a killed program has left changed.

        After the supply was off, the servos have their own values again: those are not touched.
        """
        stored = self._load()
        if not stored:
            return {}
        restart_limits = read_register(self._bus, self._servo_ids, reg.MAX_TORQUE_LIMIT)
        left: dict[Register, Values] = {}
        for register, values in stored.items():
            present = self._present[register]
            for servo_id, value in values.items():
                restarted = self._present[reg.ACCELERATION].get(servo_id) != CONNECTED_ACCELERATION
                if register is reg.TORQUE_LIMIT:  # it is only ever lowered
                    restarted = restarted and present.get(servo_id) in (restart_limits.get(servo_id), None)
                if present.get(servo_id, value) != value and not restarted:
                    left.setdefault(register, {})[servo_id] = value
        return left

    def _load(self) -> dict[Register, Values]:
        """Return the stored values; none if there is no file or it is damaged."""
        if self._file is None:
            return {}
        names = {register.name: register for register in TEMPORARY_REGISTERS}
        with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
            stored = json.loads(self._file.read_text(encoding="utf-8"))
            return {
                names[name]: {int(servo_id): int(value) for servo_id, value in values.items()}
                for name, values in stored.items()
                if name in names
            }
        return {}

    def _store(self) -> None:
        """Store the original values; a disk that refuses does not keep an arm from being connected."""
        if self._file is not None:
            values = {register.name: found for register, found in self.originals.items()}
            with contextlib.suppress(OSError):
                self._file.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(self._file, json.dumps(values, indent=2).encode("utf-8"), replace=True)
