"""What a calibration does to the arm, in a thread of its own: watch the joints being led, write what was found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metagui.arms.so101.calibration import CalibrationError
from metagui.arms.so101.motors import bench
from metagui.arms.so101.range_of_motion import Sweep, sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from metagui.arms.so101.arm_registry import ArmBook, KnownArm
    from metagui.arms.so101.calibration import Calibration
    from metagui.gui.core.generator_job import Work


def sweeping(book: ArmBook, arm: KnownArm, watched: Sweep) -> Work:
    """Watch limp joints; ``watched`` keeps what was seen, so that a lost port can be gone on from."""

    def work(_should_stop: Callable[[], bool]) -> Generator[Any, None, Calibration]:
        with bench(book.locate(arm)) as chain:
            return (yield from sweep(chain, watched=watched))

    return work


def writing(book: ArmBook, arm: KnownArm, found: Calibration, name: str) -> Work:
    """Write a calibration to the servos, make sure that they hold it, and keep a copy under the arm's name."""

    def work(_should_stop: Callable[[], bool]) -> Generator[Any, None, str]:
        yield from ()
        device = book.locate(arm)
        with bench(device) as chain:
            chain.write_calibration(found)
            found.require_in_servos(chain.read_calibration())
        try:
            book.remember(name, device)
            found.save(book.calibration_path(name))
        except OSError as error:
            raise CalibrationError(
                f"The servos hold the calibration now, but its copy cannot be written to {book.folder}: "
                f"{error.strerror}. Make room there, and write again."
            ) from error
        return name

    return work
