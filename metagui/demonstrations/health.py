"""The health of a real arm's servos during a take: which faults its motors reported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.feetech.protocol import ServoStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.arms.arm import FloatArray

HEALTH_TYPES = {"statuses": "u1", "loads": "f4", "currents": "f4", "voltages": "f4", "temperatures": "f4"}
"""Data type of every array of ``ServoHealth`` on disk."""


@dataclass(frozen=True)
class ServoHealth:
    """Health of the servos at each of N samples, of J joints."""

    statuses: FloatArray
    """(N, J) status bits, see ``ServoStatus``."""
    loads: FloatArray
    """(N, J) signed torque as a fraction of the servo's maximum."""
    currents: FloatArray
    """(N, J) A."""
    voltages: FloatArray
    """(N, J) V."""
    temperatures: FloatArray
    """(N, J) degrees Celsius."""


def find_faults(health: ServoHealth, joint_names: Sequence[str]) -> dict[str, list[str]]:
    """Return the faults that were reported in any sample, as names of joints by the fault's name in lower case."""
    bits = np.bitwise_or.reduce(np.asarray(health.statuses).astype(np.int64), axis=0)
    found = {
        str(fault.name).lower(): [name for name, status in zip(joint_names, bits, strict=True) if status & fault]
        for fault in ServoStatus
    }
    return {fault: names for fault, names in found.items() if names}
