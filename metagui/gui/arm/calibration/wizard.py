"""The calibration of a USB arm as one page: hold it, lead every joint from stop to stop, check, write.

The page replaces the plots and leaves the top bar with its Stop alone. Nothing is written to the arm before the
last button, and going away before that changes nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFileDialog, QWidget

from metagui.arms.arm import ArmError, ConnectionLostError
from metagui.arms.so101.arm_registry import RegisteredArm, check_name
from metagui.arms.so101.calibration import CalibrationError, load
from metagui.arms.so101.range_of_motion import Sweep
from metagui.gui.arm.calibration.joint_travel import (
    JointTravel,
    compare_with_model,
    describe_shortcomings,
    make_unmoved_travels,
    travels_from_sweep,
)
from metagui.gui.arm.calibration.wizard_page import CalibrationPage, CalibrationStage
from metagui.gui.arm.calibration.wizard_worker import make_sweep_job, make_write_job
from metagui.gui.core.generator_job import GeneratorJob, JobFunction

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtGui import QKeyEvent

    from metagui.arms.so101.arm_registry import ArmRegistry
    from metagui.arms.so101.calibration import ArmCalibration
    from metagui.gui.theme.theme import Theme

LEROBOT_CALIBRATION_DIR = Path("~/.cache/huggingface/lerobot/calibration/robots").expanduser()
"""Where LeRobot keeps its calibrations."""
DEFAULT_ARM_NAME = "SO-101"
_PORT_LOST_TEXT = (
    "The port has vanished: the cable was pulled, or the adapter lost its power. The motors stay off: hold the arm."
)


class CalibrationWizard(CalibrationPage):
    """Calibrates the arm on ``device`` and enters it into ``book``; the port must be free."""

    finished = Signal(str)
    """The arm's name: its servos and the book hold the calibration."""
    cancelled = Signal(str)
    """What was left behind, in words."""

    def __init__(self, theme: Theme, device: str, registry: ArmRegistry, parent: QWidget | None = None) -> None:
        super().__init__(theme, device, parent)
        self._registry = registry
        self._job: GeneratorJob | None = None
        self._previous_job: GeneratorJob | None = None
        """The job before: it is not freed while one of its own signals is being delivered."""
        self._after_cancel: Callable[[], None] = self.begin
        self._closed = False
        self._arm = RegisteredArm("", device)
        self._other_names: frozenset[str] = frozenset()
        self._travels: tuple[JointTravel, ...] = ()
        self.primary_button.clicked.connect(self._on_primary)
        self.secondary_button.clicked.connect(self._on_secondary)
        self.cancel_button.clicked.connect(self.cancel)
        self.name_field.textChanged.connect(self._check_name)
        self.name_field.returnPressed.connect(self._on_primary)
        self.begin()
        self._identify_arm(device)

    # What the window calls

    def begin(self) -> None:
        """Start from the beginning: nothing was moved, the person does not hold the arm yet."""
        self._sweep_record, self._travels = Sweep(), ()
        self._calibration: ArmCalibration | None = None
        self._imported_file = ""
        self.bars.show_travels(make_unmoved_travels())
        self.show_stage(CalibrationStage.HOLD)

    def cancel(self) -> None:
        """Go away and change nothing; waits for a calibration that is just being written."""
        if self.stage is not CalibrationStage.WRITE:
            self._cancel_job(self._leave)

    def end(self) -> None:
        """Drop the work and wait for its thread, without a signal; for the end of the page."""
        self._closed = True
        if self._job is not None:
            self._job.cancel()
            self._job.wait()

    def import_file(self, path: str) -> None:
        """Take over a LeRobot calibration instead of moving the joints."""
        try:
            self._show_calibration(load(Path(path)), Path(path).name)
        except CalibrationError as error:
            self.show_problem(str(error))

    # The buttons

    def _on_primary(self) -> None:
        """Do what the stage's first button promises."""
        if not self.primary_button.isEnabled():
            return
        if self.stage in (CalibrationStage.HOLD, CalibrationStage.LOST):
            self._sweep()
        elif self.stage is CalibrationStage.SWEEP:
            self._finish_sweep()
        elif self.stage is CalibrationStage.CHECK:
            self._write()

    def _on_secondary(self) -> None:
        """Do what the stage's second button promises."""
        if self.stage is CalibrationStage.HOLD:
            self._choose_file()
        elif self.stage is CalibrationStage.SWEEP:
            self._cancel_job(self._restart_sweep)
        elif self.stage is CalibrationStage.LOST:
            self._restart_sweep()
        elif self.stage is CalibrationStage.CHECK:
            self.begin()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Let Escape cancel, where the window has no other use for it."""
        if event.key() == Qt.Key.Key_Escape:
            self.cancel()
        else:
            super().keyPressEvent(event)

    def _choose_file(self) -> None:
        folder = LEROBOT_CALIBRATION_DIR if LEROBOT_CALIBRATION_DIR.is_dir() else Path.home()
        dialog = QFileDialog(self, "LeRobot calibration", str(folder), "Calibrations (*.json);;All files (*)")
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(self.import_file)
        dialog.open()

    # Moving the joints

    def _restart_sweep(self) -> None:
        self._sweep_record, self._travels = Sweep(), ()
        self.bars.show_travels(make_unmoved_travels())
        self._sweep()

    def _sweep(self) -> None:
        self.show_stage(CalibrationStage.SWEEP)
        self._start_job(make_sweep_job(self._registry, self._arm, self._sweep_record), self._show_calibration)

    def _on_progress(self, batch: list[Any]) -> None:
        if self.stage is CalibrationStage.SWEEP and not self._closed:
            self._travels = travels_from_sweep(batch[-1])
            self.bars.show_travels(self._travels)
            if not describe_shortcomings(self._travels):
                self.show_sweep_complete()

    def _finish_sweep(self) -> None:
        """Take what was swept, or say why that is not enough and go on watching."""
        reason = describe_shortcomings(self._travels or make_unmoved_travels())
        if reason:
            self.show_problem(reason)
        else:
            self._cancel_job(self._use_sweep)

    def _use_sweep(self) -> None:
        self._show_calibration(self._sweep_record.compute_calibration())

    # Checking and writing

    def _show_calibration(self, calibration: ArmCalibration, file_name: str = "") -> None:
        """Show what was found beside the model, and ask for a name."""
        self._calibration, self._imported_file = calibration, file_name
        joints = compare_with_model(calibration)
        self.bars.show_travels(joints)
        self.show_stage(CalibrationStage.CHECK, file_name, is_doubtful=any(joint.status == "wrong" for joint in joints))
        self._check_name()

    def _check_name(self) -> None:
        """Say at once what an arm cannot be called."""
        if self.stage is not CalibrationStage.CHECK:
            return
        name, reason = self.name_field.text().strip(), ""
        try:
            check_name(name)
        except ArmError as error:
            reason = str(error)
        self.show_name_check(reason, name in self._other_names)

    def _write(self) -> None:
        if self._calibration is not None:
            name = self.name_field.text().strip()
            self.show_stage(CalibrationStage.WRITE)
            self._start_job(make_write_job(self._registry, self._arm, self._calibration, name), self.finished.emit)

    def _identify_arm(self, device: str) -> None:
        """Recognise the arm, and propose a name that no other arm has."""
        name = DEFAULT_ARM_NAME
        try:
            self._arm = self._registry.identify(device)
            self._other_names = frozenset(arm.name for arm in self._registry.list_arms()) - {self._arm.name}
            taken = (f"{DEFAULT_ARM_NAME} {number}" for number in range(2, 1000))
            while name in self._other_names:
                name = next(taken)
        except ArmError as error:
            self.show_problem(str(error))
        self.name_field.setText(self._arm.name or name)

    # The thread

    def _start_job(self, job_function: JobFunction, on_success: Callable[[Any], None]) -> None:
        self._on_job_success = on_success
        self._job = job = GeneratorJob(job_function)
        job.progressed.connect(self._on_progress)
        job.succeeded.connect(self._on_success)
        job.failed.connect(self._on_failure)
        job.cancelled.connect(self._on_cancelled)
        job.start()

    def _cancel_job(self, on_cancelled: Callable[[], None]) -> None:
        """Drop what runs, and go on when the port is free again."""
        self._after_cancel = on_cancelled
        if self._job is None:
            on_cancelled()
        else:
            self._job.cancel()

    def _on_success(self, result: Any) -> None:
        if self._end_job():
            self._on_job_success(result)

    def _on_cancelled(self) -> None:
        if self._end_job():
            self._after_cancel()

    def _on_failure(self, error: Exception) -> None:
        """Say what happened; what was moved so far is kept."""
        if not self._end_job():
            return
        if self.stage is CalibrationStage.WRITE:
            self.show_stage(CalibrationStage.CHECK, self._imported_file)
            self._check_name()
        else:
            self.show_stage(CalibrationStage.LOST if self._travels else CalibrationStage.HOLD)
        self.show_problem(_PORT_LOST_TEXT if isinstance(error, ConnectionLostError) else str(error))

    def _end_job(self) -> bool:
        """Wait for the thread, which has nothing left to do; return whether anybody still listens."""
        if self._closed or self._job is None:
            return False
        self._job.wait()
        self._previous_job, self._job = self._job, None
        return True

    def _leave(self) -> None:
        limp = self.stage is not CalibrationStage.HOLD and not self._imported_file
        words = "Calibration cancelled: nothing was written to the arm."
        self.cancelled.emit(words + " It is limp." if limp else words)
