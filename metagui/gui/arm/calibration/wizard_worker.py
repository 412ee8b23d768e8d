"""Jobs of the calibration wizard that run in a worker thread: record the sweep, write the calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metagui.arms.so101.calibration import CalibrationError
from metagui.arms.so101.motors import open_for_setup
from metagui.arms.so101.range_of_motion import Sweep, run_sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from metagui.arms.so101.arm_registry import ArmRegistry, RegisteredArm
    from metagui.arms.so101.calibration import ArmCalibration
    from metagui.gui.core.generator_job import JobFunction


def make_sweep_job(registry: ArmRegistry, arm: RegisteredArm, sweep_record: Sweep) -> JobFunction:
    """Return a job that records the joints with torque off; ``sweep_record`` survives a lost port."""

    def work(_should_stop: Callable[[], bool]) -> Generator[Any, None, ArmCalibration]:
        with open_for_setup(registry.locate_device(arm), registry.open_port) as chain:
            return (yield from run_sweep(chain, resumed=sweep_record))

    return work


def make_write_job(registry: ArmRegistry, arm: RegisteredArm, calibration: ArmCalibration, name: str) -> JobFunction:
    """Return a job that writes a calibration to the servos, verifies it and stores a copy for ``name``."""

    def work(_should_stop: Callable[[], bool]) -> Generator[Any, None, str]:
        yield from ()
        device = registry.locate_device(arm)
        with open_for_setup(device, registry.open_port) as chain:
            chain.write_calibration(calibration)
            calibration.require_same_in_servos(chain.read_calibration())
        try:
            registry.register(name, device)
            registry.save_calibration(name, calibration)
        except OSError as error:
            raise CalibrationError(
                f"The servos have the calibration, but its copy cannot be written to {registry.folder}: "
                f"{error.strerror}. Make that folder writable or free disk space, then write again."
            ) from error
        return name

    return work
