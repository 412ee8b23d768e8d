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
from metagui.arms.so101.arm_registry import KnownArm, check_name
from metagui.arms.so101.calibration import CalibrationError, load
from metagui.arms.so101.range_of_motion import Sweep
from metagui.gui.arm.calibration.joint_travel import Reach, compared, moving, shortcomings, unknown
from metagui.gui.arm.calibration.wizard_page import CalibrationPage, Stage
from metagui.gui.arm.calibration.wizard_worker import sweeping, writing
from metagui.gui.core.generator_job import Job, Work

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtGui import QKeyEvent

    from metagui.arms.so101.arm_registry import ArmBook
    from metagui.arms.so101.calibration import Calibration
    from metagui.gui.theme.theme import Theme

LEROBOTS_FOLDER = Path("~/.cache/huggingface/lerobot/calibration/robots").expanduser()
"""Where LeRobot keeps its calibrations."""
FIRST_NAME = "SO-101"
_LOST = "The port has vanished: the cable was pulled, or the adapter lost its power. The motors stay off: hold the arm."


class CalibrationWizard(CalibrationPage):
    """Calibrates the arm on ``device`` and enters it into ``book``; the port must be free."""

    finished = Signal(str)
    """The arm's name: its servos and the book hold the calibration."""
    cancelled = Signal(str)
    """What was left behind, in words."""

    def __init__(self, theme: Theme, device: str, book: ArmBook, parent: QWidget | None = None) -> None:
        super().__init__(theme, device, parent)
        self._book = book
        self._job: Job | None = None
        self._last: Job | None = None
        """The job before: it is not freed while one of its own signals is being delivered."""
        self._then: Callable[[], None] = self.begin
        self._closed = False
        self._arm = KnownArm("", device)
        self._others: frozenset[str] = frozenset()
        self._swept: tuple[Reach, ...] = ()
        self.primary.clicked.connect(self._go_on)
        self.secondary.clicked.connect(self._go_back)
        self.cancel_button.clicked.connect(self.cancel)
        self.name.textChanged.connect(self._check_name)
        self.name.returnPressed.connect(self._go_on)
        self.begin()
        self._look_up(device)

    # What the window calls

    def begin(self) -> None:
        """Start from the beginning: nothing was moved, the person does not hold the arm yet."""
        self._watched, self._swept = Sweep(), ()
        self._found: Calibration | None = None
        self._imported = ""
        self.bars.show_joints(unknown())
        self.enter(Stage.HOLD)

    def cancel(self) -> None:
        """Go away and change nothing; waits for a calibration that is just being written."""
        if self.stage is not Stage.WRITE:
            self._after_job(self._leave)

    def end(self) -> None:
        """Drop the work and wait for its thread, without a signal; for the end of the page."""
        self._closed = True
        if self._job is not None:
            self._job.cancel()
            self._job.wait()

    def import_file(self, path: str) -> None:
        """Take over a LeRobot calibration instead of moving the joints."""
        try:
            self._check(load(Path(path)), Path(path).name)
        except CalibrationError as error:
            self.complain(str(error))

    # The buttons

    def _go_on(self) -> None:
        """Do what the stage's first button promises."""
        if not self.primary.isEnabled():
            return
        if self.stage in (Stage.HOLD, Stage.LOST):
            self._sweep()
        elif self.stage is Stage.SWEEP:
            self._finish_sweep()
        elif self.stage is Stage.CHECK:
            self._write()

    def _go_back(self) -> None:
        """Do what the stage's second button promises."""
        if self.stage is Stage.HOLD:
            self._choose_file()
        elif self.stage is Stage.SWEEP:
            self._after_job(self._sweep_anew)
        elif self.stage is Stage.LOST:
            self._sweep_anew()
        elif self.stage is Stage.CHECK:
            self.begin()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Let Escape cancel, where the window has no other use for it."""
        if event.key() == Qt.Key.Key_Escape:
            self.cancel()
        else:
            super().keyPressEvent(event)

    def _choose_file(self) -> None:
        folder = LEROBOTS_FOLDER if LEROBOTS_FOLDER.is_dir() else Path.home()
        dialog = QFileDialog(self, "LeRobot calibration", str(folder), "Calibrations (*.json);;All files (*)")
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(self.import_file)
        dialog.open()

    # Moving the joints

    def _sweep_anew(self) -> None:
        self._watched, self._swept = Sweep(), ()
        self.bars.show_joints(unknown())
        self._sweep()

    def _sweep(self) -> None:
        self.enter(Stage.SWEEP)
        self._start(sweeping(self._book, self._arm, self._watched), self._check)

    def _on_progress(self, batch: list[Any]) -> None:
        if self.stage is Stage.SWEEP and not self._closed:
            self._swept = moving(batch[-1])
            self.bars.show_joints(self._swept)
            if not shortcomings(self._swept):
                self.say_pausing_ends()

    def _finish_sweep(self) -> None:
        """Take what was swept, or say why that is not enough and go on watching."""
        reason = shortcomings(self._swept or unknown())
        if reason:
            self.complain(reason)
        else:
            self._after_job(self._take_sweep)

    def _take_sweep(self) -> None:
        self._check(self._watched.finish())

    # Checking and writing

    def _check(self, found: Calibration, imported: str = "") -> None:
        """Show what was found beside the model, and ask for a name."""
        self._found, self._imported = found, imported
        joints = compared(found)
        self.bars.show_joints(joints)
        self.enter(Stage.CHECK, imported, doubtful=any(joint.mood == "wrong" for joint in joints))
        self._check_name()

    def _check_name(self) -> None:
        """Say at once what an arm cannot be called."""
        if self.stage is not Stage.CHECK:
            return
        name, reason = self.name.text().strip(), ""
        try:
            check_name(name)
        except ArmError as error:
            reason = str(error)
        self.say_of_name(reason, name in self._others)

    def _write(self) -> None:
        if self._found is not None:
            name = self.name.text().strip()
            self.enter(Stage.WRITE)
            self._start(writing(self._book, self._arm, self._found, name), self.finished.emit)

    def _look_up(self, device: str) -> None:
        """Recognise the arm, and propose a name that no other arm has."""
        name = FIRST_NAME
        try:
            self._arm = self._book.on(device)
            self._others = frozenset(arm.name for arm in self._book.arms()) - {self._arm.name}
            taken = (f"{FIRST_NAME} {number}" for number in range(2, 1000))
            while name in self._others:
                name = next(taken)
        except ArmError as error:
            self.complain(str(error))
        self.name.setText(self._arm.name or name)

    # The thread

    def _start(self, work: Work, succeeded: Callable[[Any], None]) -> None:
        self._succeeded = succeeded
        self._job = job = Job(work)
        job.progressed.connect(self._on_progress)
        job.succeeded.connect(self._on_success)
        job.failed.connect(self._on_failure)
        job.cancelled.connect(self._on_end)
        job.start()

    def _after_job(self, then: Callable[[], None]) -> None:
        """Drop what runs, and go on when the port is free again."""
        self._then = then
        if self._job is None:
            then()
        else:
            self._job.cancel()

    def _on_success(self, result: Any) -> None:
        if self._release():
            self._succeeded(result)

    def _on_end(self) -> None:
        if self._release():
            self._then()

    def _on_failure(self, error: Exception) -> None:
        """Say what happened; what was moved so far is kept."""
        if not self._release():
            return
        if self.stage is Stage.WRITE:
            self.enter(Stage.CHECK, self._imported)
            self._check_name()
        else:
            self.enter(Stage.LOST if self._swept else Stage.HOLD)
        self.complain(_LOST if isinstance(error, ConnectionLostError) else str(error))

    def _release(self) -> bool:
        """Wait for the thread, which has nothing left to do; return whether anybody still listens."""
        if self._closed or self._job is None:
            return False
        self._job.wait()
        self._last, self._job = self._job, None
        return True

    def _leave(self) -> None:
        limp = self.stage is not Stage.HOLD and not self._imported
        words = "Calibration cancelled: nothing was written to the arm."
        self.cancelled.emit(words + " It is limp." if limp else words)
