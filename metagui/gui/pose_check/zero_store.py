"""Reads and stores the corrections of a named arm's zeros. Qt-free."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from metagui.arms.arm import ArmError

if TYPE_CHECKING:
    from metagui.arms.so101.arm_registry import ArmRegistry


def load_trims(registry: ArmRegistry, name: str) -> tuple[float, ...]:
    """Return the corrections (J,) of a named arm, rad; empty for none. Raises ArmError."""
    calibration = registry.load_calibration(name) if name else None
    if calibration is None:
        raise ArmError(
            "This arm has no calibration of its own on this computer, so its zeros cannot be corrected. It is used as "
            "its servos are set. Calibrate it, or use its file, then check its pose."
        )
    return calibration.trims


def store_trims(registry: ArmRegistry, name: str, trims: tuple[float, ...]) -> None:
    """Store the corrections of a named arm, rad. Raises ArmError, OSError."""
    calibration = registry.load_calibration(name)
    if calibration is None:
        raise ArmError(f"the calibration of “{name}” is gone")
    registry.save_calibration(name, replace(calibration, trims=trims))
