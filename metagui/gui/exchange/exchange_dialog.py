"""Base of the export and the import dialog: a form, a progress bar with Cancel, and what was left out and why.

The dialogs are not modal, so that the arm can be stopped at any time; Esc stops the arm in them, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from metagui.gui.core.generator_job import GeneratorJob
from metagui.gui.widgets.panel import make_muted_label

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from PySide6.QtGui import QAction

    from metagui.demonstrations.formats.exchange import ExchangeProgress, LeftOut

MAX_LISTED_REASONS = 200
"""Number of reasons that are listed."""


class ExchangeDialog(QDialog):
    """A form, and one job at a time."""

    finished_job = Signal(object)
    """The report of a job that finished."""

    def __init__(self, title: str, verb: str, stop_action: QAction, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setMinimumWidth(560)
        self.setModal(False)
        self.addAction(stop_action)
        self.form = QFormLayout()
        self.form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.form.setVerticalSpacing(8)
        self.start_button = QPushButton(verb)
        self.start_button.setObjectName("primary")
        self.start_button.setDefault(True)
        self.cancel_button = QPushButton("Cancel")
        self.close_button = QPushButton("Close")
        self.progress_bar = QProgressBar()
        self.progress_bar.setTextVisible(False)
        self.status_label = make_muted_label()
        self.status_label.setWordWrap(True)
        self.report = QPlainTextEdit()
        self.report.setReadOnly(True)
        self.report.setAccessibleName("Report")
        self.report.setTabChangesFocus(True)
        self._job: GeneratorJob | None = None
        self._previous_job: GeneratorJob | None = None
        """The job before the present one: it must not be freed while one of its own signals is being delivered."""
        self._lay_out()
        self.start_button.clicked.connect(self.start)
        self.cancel_button.clicked.connect(self.cancel)
        self.close_button.clicked.connect(self.close)
        self._show_running(False)

    def _lay_out(self) -> None:
        buttons = QHBoxLayout()
        buttons.addWidget(self.status_label, 1)
        for button in (self.start_button, self.cancel_button, self.close_button):
            button.setAutoDefault(False)
            buttons.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 16, 16, 16)
        layout.setSpacing(12)
        layout.addLayout(self.form)
        layout.addWidget(self.progress_bar)
        layout.addWidget(self.report, 1)
        layout.addLayout(buttons)
        self.report.setMinimumHeight(110)
        self.report.hide()

    # The job

    @property
    def is_running(self) -> bool:
        """True while a job runs."""
        return self._job is not None

    def start(self) -> None:
        """Start the job that the form describes; overridden."""
        raise NotImplementedError

    def run_job(self, make_steps: Callable[[], Generator[ExchangeProgress, None, Any]]) -> None:
        """Run the generator that ``make_steps`` makes in another thread."""
        if self._job is not None:
            return
        self._job = job = GeneratorJob(lambda _should_stop: make_steps())
        job.progressed.connect(self._on_progress)
        job.succeeded.connect(self._on_success)
        job.failed.connect(self._on_failure)
        job.cancelled.connect(self._on_cancel)
        self.report.hide()
        self.status_label.clear()
        self.progress_bar.setRange(0, 0)
        self._show_running(True)
        job.start()

    def cancel(self) -> None:
        """Abandon the job; ``describe_cancelled`` is shown once it has ended."""
        if self._job is not None:
            self.status_label.setText("Cancelling …")
            self._job.cancel()

    def end(self) -> None:
        """Abandon the job and wait for its thread; for the end of the program."""
        if self._job is not None:
            self._job.cancel()
            self._job.wait()
            self._previous_job, self._job = self._job, None

    def show_report(self, summary: str, notes: list[str], left_out: list[LeftOut]) -> None:
        """Show the result: a summary, notes, and everything that was left out with its reason."""
        lines = [summary, *notes]
        if left_out:
            lines += ["", f"Left out ({len(left_out)}):"]
            lines += [f"- {each.reason}" for each in left_out[:MAX_LISTED_REASONS]]
        if len(left_out) > MAX_LISTED_REASONS:
            lines.append(f"- and {len(left_out) - MAX_LISTED_REASONS} more")
        self._show_text("\n".join(lines))

    def describe_cancelled(self) -> str:
        """Return what a cancelled job left behind; overridden."""
        raise NotImplementedError

    def handle_failure(self, error: Exception) -> None:
        """Show why a job failed; overridden where something can be asked."""
        self._show_text(str(error) or type(error).__name__)

    def _show_text(self, text: str) -> None:
        self.report.setPlainText(text)
        self.report.show()

    def _show_running(self, running: bool) -> None:
        for row in range(self.form.rowCount()):
            item = self.form.itemAt(row, QFormLayout.ItemRole.FieldRole)
            widget = item.widget() if item is not None else None
            if widget is not None:
                widget.setEnabled(not running)
        self.start_button.setVisible(not running)
        self.cancel_button.setVisible(running)
        self.progress_bar.setVisible(running)

    def _on_progress(self, batch: list[ExchangeProgress]) -> None:
        step = batch[-1]
        self.progress_bar.setRange(0, step.total)
        self.progress_bar.setValue(step.done)
        count = f"{step.done} of {step.total}" if step.total else f"{step.done}"
        self.status_label.setText(f"{count} · {step.description}")

    def _on_success(self, report: Any) -> None:
        self._end_job()
        self.finished_job.emit(report)

    def _on_failure(self, error: Exception) -> None:
        self._end_job()
        self.handle_failure(error)

    def _on_cancel(self) -> None:
        self._end_job()
        self._show_text(self.describe_cancelled())
        self.finished_job.emit(None)

    def _end_job(self) -> None:
        """Wait for the thread, which has finished its work."""
        if self._job is not None:
            self._job.wait()
            self._previous_job, self._job = self._job, None
        self.status_label.clear()
        self._show_running(False)


def make_hint(text: str) -> QLabel:
    """Return a muted label that wraps to two lines."""
    out = make_muted_label(text)
    out.setWordWrap(True)
    out.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
    out.setMinimumHeight(2 * out.fontMetrics().lineSpacing())  # forms do not ask labels for their height by width
    out.setAlignment(Qt.AlignmentFlag.AlignTop)
    return out


def make_row(*widgets: QWidget) -> QWidget:
    """Return a widget with others in a row, the first one growing."""
    out = QWidget()
    row = QHBoxLayout(out)
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(8)
    for index, widget in enumerate(widgets):
        row.addWidget(widget, 1 if index == 0 else 0)
    out.setFocusProxy(widgets[0])
    return out
