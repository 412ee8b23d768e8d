"""Lets an arm go gently: its torque falls over a few seconds, so that it sinks instead of dropping."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from metagui.arms.arm import ArmError
from metagui.arms.feetech import control_table as reg
from metagui.arms.feetech.servo_memory import read_register
from metagui.arms.so101.protection.temporary_registers import TemporaryRegisters

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from metagui.arms.so101.motors import ServoChain

RELAX_STEPS = 40
"""Number of steps in which the torque is lowered."""


def relax_gently(chain: ServoChain, register_file: Path | None = None) -> Iterator[float]:
    """Lower the torque of all servos step by step, then switch it off; yield the fraction that is left.

    The caller decides how long a step takes. If the generator is closed before its end, the arm holds where it is then.
    The torque limits are as before in both cases. Raises ServoSilentError, ServoRefusedError.
    """
    registers = TemporaryRegisters(chain.bus, chain.ids, register_file)
    registers.begin()
    held = [servo_id for servo_id, on in read_register(chain.bus, chain.ids, reg.TORQUE_ENABLE).items() if on]
    try:
        for step in range(RELAX_STEPS if held else 0):
            fraction = 1.0 - (step + 1) / RELAX_STEPS
            limits = registers.originals[reg.TORQUE_LIMIT]
            registers.set(reg.TORQUE_LIMIT, {servo_id: round(fraction * limits[servo_id]) for servo_id in held})
            yield fraction
        chain.disable_torque()
        registers.restore()
    except BaseException:
        with contextlib.suppress(ArmError):
            present = read_register(chain.bus, chain.ids, reg.PRESENT_POSITION)
            chain.write_goals({servo_id: present[servo_id] for servo_id in held})
            registers.restore()
        raise
