"""Calibration wizard for a USB arm, on one page: hold it, move every joint from stop to stop, check, write.

The page replaces the panels and leaves the top bar with Stop in place. Nothing is written to the arm before the last
button is pressed; cancelling before that changes nothing.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFileDialog, QWidget

from metagui.arms.arm import ArmError, ConnectionLostError
from metagui.arms.so101.arm_registry import RegisteredArm, check_name
from metagui.arms.so101.calibration import CalibrationError
from metagui.arms.so101.calibration_checks import describe_doubts, guess_model, import_calibration
from metagui.arms.so101.range_of_motion import Sweep
from metagui.arms.so101.stops import ArmModel
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
    from collections.abc import Callable, Sequence

    from PySide6.QtGui import QKeyEvent

    from metagui.arms.so101.arm_registry import ArmRegistry
    from metagui.arms.so101.calibration import ArmCalibration
    from metagui.gui.theme.theme import Theme

LEROBOT_CALIBRATION_DIR = Path("~/.cache/huggingface/lerobot/calibration/robots").expanduser()
"""Folder in which LeRobot stores its calibrations."""
DEFAULT_ARM_NAME = "SO-101"
_PORT_LOST_TEXT = (
    "The port has vanished: the cable was unplugged or the adapter lost power. The motors stay off. Hold the arm and "
    "plug it in again."
)


class CalibrationWizard(CalibrationPage):
    """Calibrates the arm on ``device`` and adds it to ``registry``; the port must be closed."""

    finished = Signal(str)
    """Name of the arm; its servos and the registry have the calibration."""
    cancelled = Signal(str)
    """The state in which the arm was left, as text."""

    def __init__(self, theme: Theme, device: str, registry: ArmRegistry, parent: QWidget | None = None) -> None:
        super().__init__(theme, device, parent)
        self._registry = registry
        self._job: GeneratorJob | None = None
        self._previous_job: GeneratorJob | None = None
        """The job before the current one: it must not be freed while one of its signals is being delivered."""
        self._after_cancel: Callable[[], None] = self.begin
        self._closed = False
        self._arm = RegisteredArm("", device)
        self._other_names: frozenset[str] = frozenset()
        self.travels: tuple[JointTravel, ...] = ()
        """Travel of every joint in the current sweep; empty before the first reading."""
        self.primary_button.clicked.connect(self._on_primary)
        self.secondary_button.clicked.connect(self._on_secondary)
        self.cancel_button.clicked.connect(self.cancel)
        self.name_field.textChanged.connect(self._check_name)
        self.model_field.activated.connect(self._on_model_chosen)
        self.name_field.returnPressed.connect(self._on_primary)
        self.begin()
        self._identify_arm(device)

    # Called by the window

    def begin(self) -> None:
        """Show the first stage, without recorded travel."""
        self._sweep_record, self.travels = Sweep(), ()
        self.calibration: ArmCalibration | None = None
        """The calibration to check and write; None before the sweep is complete."""
        self._imported_file = ""
        self._doubts: tuple[str, ...] = ()
        self.bars.show_travels(make_unmoved_travels())
        self.show_stage(CalibrationStage.HOLD)

    def cancel(self) -> None:
        """Cancel without a change to the arm; ignored while the calibration is being written."""
        if self.stage is not CalibrationStage.WRITE:
            self._cancel_job(self._leave)

    def end(self) -> None:
        """Stop the worker thread without a signal, before the page is deleted."""
        self._closed = True
        if self._job is not None:
            self._job.cancel()
            self._job.wait()

    def import_file(self, path: str, model: ArmModel | None = None) -> None:
        """Load a LeRobot calibration of an arm, whose model is guessed if None, in place of a sweep."""
        try:
            calibration, doubts = import_calibration(Path(path), model)
            self._show_calibration(calibration, path, doubts)
        except CalibrationError as error:
            self.show_problem(str(error))

    # Buttons

    def _on_primary(self) -> None:
        """Start or finish the sweep, or write, depending on the stage."""
        if not self.primary_button.isEnabled():
            return
        if self.stage in (CalibrationStage.HOLD, CalibrationStage.LOST):
            self._sweep()
        elif self.stage is CalibrationStage.SWEEP:
            self._finish_sweep()
        elif self.stage is CalibrationStage.CHECK:
            self._write()

    def _on_secondary(self) -> None:
        """Choose a file or start over, depending on the stage."""
        if self.stage is CalibrationStage.HOLD:
            self._choose_file()
        elif self.stage is CalibrationStage.SWEEP:
            self._cancel_job(self._restart_sweep)
        elif self.stage is CalibrationStage.LOST:
            self._restart_sweep()
        elif self.stage is CalibrationStage.CHECK:
            self.begin()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Cancel on Escape, unless the window uses that key."""
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

    # Sweep

    def _restart_sweep(self) -> None:
        self._sweep_record, self.travels = Sweep(), ()
        self.bars.show_travels(make_unmoved_travels())
        self._sweep()

    def _sweep(self) -> None:
        self.show_stage(CalibrationStage.SWEEP)
        job = make_sweep_job(self._registry, self._arm, self._sweep_record)
        self._start_job(job, self._show_swept)

    def _on_progress(self, batch: list[Any]) -> None:
        if self.stage is CalibrationStage.SWEEP and not self._closed:
            self.travels = travels_from_sweep(batch[-1])
            self.bars.show_travels(self.travels)
            if not describe_shortcomings(self.travels):
                self.show_sweep_complete()

    def _finish_sweep(self) -> None:
        """End a complete sweep; show what an incomplete one needs and keep recording."""
        reason = describe_shortcomings(self.travels or make_unmoved_travels())
        if reason:
            self.show_problem(reason)
        else:
            self._cancel_job(self._use_sweep)

    def _use_sweep(self) -> None:
        self._show_swept(self._sweep_record.compute_calibration())

    def _show_swept(self, swept: ArmCalibration) -> None:
        """Show the calibration of a sweep, of the arm that its travels suggest."""
        calibration = replace(swept, model=guess_model(swept))
        self._show_calibration(calibration, doubts=describe_doubts(calibration))

    # Check and write

    def _show_calibration(self, calibration: ArmCalibration, path: str = "", doubts: Sequence[str] = ()) -> None:
        """Show a calibration compared with the model, and the fields for the arm's name and model."""
        self.calibration, self._imported_file, self._doubts = calibration, path, tuple(doubts)
        self.model_field.setCurrentIndex(self.model_field.findData(calibration.model))
        joints = compare_with_model(calibration)
        self.bars.show_travels(joints)
        is_doubtful = any(joint.status == "wrong" for joint in joints)
        self.show_stage(CalibrationStage.CHECK, Path(path).name, is_doubtful, " ".join(doubts))
        self._check_name()

    def _on_model_chosen(self) -> None:
        """Show the calibration again for the chosen model of the arm."""
        model = ArmModel(self.model_field.currentData())
        if self.stage is not CalibrationStage.CHECK or self.calibration is None:
            return
        if self._imported_file:
            self.import_file(self._imported_file, model)
        else:
            calibration = replace(self.calibration, model=model)
            self._show_calibration(calibration, doubts=describe_doubts(calibration, is_model_chosen=True))

    def _check_name(self) -> None:
        """Check the name while it is typed."""
        if self.stage is not CalibrationStage.CHECK:
            return
        name, problem = self.name_field.text().strip(), ""
        try:
            check_name(name)
        except ArmError as error:
            problem = str(error)
        self.show_name_check(problem, name in self._other_names)

    def _write(self) -> None:
        if self.calibration is not None:
            name = self.name_field.text().strip()
            self.show_stage(CalibrationStage.WRITE)
            job = make_write_job(self._registry, self._arm, self.calibration, name)
            self._start_job(job, self.finished.emit)

    def _identify_arm(self, device: str) -> None:
        """Identify the arm by its port and fill in its name, or a name that is free."""
        name = DEFAULT_ARM_NAME
        try:
            self._arm = self._registry.identify(device)
            self._other_names = frozenset(arm.name for arm in self._registry.list_arms()) - {self._arm.name}
            numbered_names = (f"{DEFAULT_ARM_NAME} {number}" for number in range(2, 1000))
            while name in self._other_names:
                name = next(numbered_names)
        except ArmError as error:
            self.show_problem(str(error))
        self.name_field.setText(self._arm.name or name)

    # Worker thread

    def _start_job(self, job_function: JobFunction, on_success: Callable[[Any], None]) -> None:
        self._on_job_success = on_success
        self._job = job = GeneratorJob(job_function)
        job.progressed.connect(self._on_progress)
        job.succeeded.connect(self._on_success)
        job.failed.connect(self._on_failure)
        job.cancelled.connect(self._on_cancelled)
        job.start()

    def _cancel_job(self, on_cancelled: Callable[[], None]) -> None:
        """Cancel the running job; call ``on_cancelled`` when the port is closed."""
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
        """Show what failed; the travel recorded so far is kept."""
        if not self._end_job():
            return
        if self.stage is CalibrationStage.WRITE:
            self.show_stage(CalibrationStage.CHECK, Path(self._imported_file).name, doubts=" ".join(self._doubts))
            self._check_name()
        else:
            self.show_stage(CalibrationStage.LOST if self.travels else CalibrationStage.HOLD)
        self.show_problem(_PORT_LOST_TEXT if isinstance(error, ConnectionLostError) else str(error))

    def _end_job(self) -> bool:
        """Wait for the finished thread; return False if the page is closed."""
        if self._closed or self._job is None:
            return False
        self._job.wait()
        self._previous_job, self._job = self._job, None
        return True

    def _leave(self) -> None:
        torque_off = self.stage is not CalibrationStage.HOLD and not self._imported_file
        text = "Calibration cancelled: nothing was written to the arm."
        self.cancelled.emit(f"{text} Its torque is off." if torque_off else text)
