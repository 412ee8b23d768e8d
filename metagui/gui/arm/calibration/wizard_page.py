"""Layout of the calibration wizard: one page on which text and buttons change with the stage."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from metagui.arms.so101.range_of_motion import SweepSettings
from metagui.arms.so101.stops import ArmModel
from metagui.gui.arm.calibration.joint_bars import JointBars
from metagui.gui.theme.icons import make_pixmap
from metagui.gui.theme.theme import scaled_font
from metagui.gui.widgets.panel import GRID_PX, make_muted_label

if TYPE_CHECKING:
    from metagui.gui.theme.theme import Theme


class CalibrationStage(Enum):
    """Stage of a calibration."""

    HOLD = auto()
    SWEEP = auto()
    LOST = auto()
    """The port disappeared during the sweep; the recorded travel is kept."""
    CHECK = auto()
    WRITE = auto()


@dataclass(frozen=True)
class StageText:
    """Texts of a stage: index of its step, sentence, and button texts; a button without text is hidden."""

    step: int
    sentence: str
    primary: str
    secondary: str = ""


CALIBRATION_STEPS = ("Hold the arm", "Move every joint", "Check and write")
STAGE_TEXTS = {
    CalibrationStage.HOLD: StageText(
        0,
        "Calibration measures the travel of every joint: the motors are switched off, and you move each joint by hand "
        "from stop to stop. Without its motors the arm sinks: hold it before you continue.",
        "I am holding it: motors off",
        "Use a LeRobot calibration…",
    ),
    CalibrationStage.SWEEP: StageText(
        1, "Move every joint slowly from stop to stop, in any order. A joint is done when its bar is full. If one goes "
        f"no further, move the others, then wait {SweepSettings().short_settle_time:.0f} s.", "Finish",
        "Start over",
    ),
    CalibrationStage.LOST: StageText(
        1, "The travel measured so far is kept. Plug the arm in again, hold it, and continue.", "Continue", "Start over"
    ),
    CalibrationStage.CHECK: StageText(
        2, "The travel of every joint is known; compare it with the model's. Put the arm down, name it, and write the "
        "calibration to its servos.", "Write to the arm", "Start over",
    ),
    CalibrationStage.WRITE: StageText(2, "Writing to the servos …", "Write to the arm"),
}  # fmt: skip
_IMPORTED_TEXT = (
    "Calibration from {file}, compared with the model. The motors are switched off while it is written: hold the arm."
)
_DOUBTFUL_TEXT = (
    "The travel of a joint does not fit this arm. Move every joint to both stops, or choose a file of this arm."
)
_COMPLETE_TEXT = (
    "Every joint is done. Continue if one has not reached both stops; the sweep ends when you stop moving the arm."
)
_CARD_WIDTH_PX = 860


class CalibrationPage(QFrame):
    """The page with a card in its centre; a subclass implements what the buttons do."""

    def __init__(self, theme: Theme, device: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self.stage = CalibrationStage.HOLD
        self.setAccessibleName("Calibration")
        self._title = QLabel("Calibrate the arm")
        self._title.setFont(scaled_font(1.4, bold=True))
        self._steps = [QLabel(f"{number}  {text}") for number, text in enumerate(CALIBRATION_STEPS, 1)]
        self.sentence_label = _make_paragraph("")
        self.sentence_label.setMinimumHeight(2 * self.fontMetrics().lineSpacing() + 2)
        self.bars = JointBars(theme)
        self._warning_icon, self.problem_label = QLabel(), _make_paragraph("alarm")
        self.name_field, self.name_hint = QLineEdit(), make_muted_label()
        self.name_field.setAccessibleName("Name of the arm")
        self.name_field.setMaxLength(60)
        self.name_field.setFixedWidth(260)
        self.model_field = QComboBox()
        self.model_field.setAccessibleName("Model of the arm")
        self.model_field.setToolTip("The zeros follow from the stops, which differ between the models")
        for model in ArmModel:
            self.model_field.addItem(model.label, model)
        self.primary_button, self.secondary_button, self.cancel_button = (
            _make_button("primary"),
            _make_button("big"),
            _make_button("big", "Cancel"),
        )
        self.cancel_button.setToolTip("Close the calibration without changing anything")
        self._name_row = self._make_name_row()
        self._lay_out(device)
        theme.changed.connect(self._tint)
        self._tint()

    def show_stage(
        self, stage: CalibrationStage, file_name: str = "", is_doubtful: bool = False, doubts: str = ""
    ) -> None:
        """Show a stage; ``file_name`` is the file of an imported calibration, ``doubts`` what to check in it."""
        self.stage, texts = stage, STAGE_TEXTS[stage]
        self.sentence_label.setText(_IMPORTED_TEXT.format(file=file_name) if file_name else texts.sentence)
        for number, label in enumerate(self._steps):
            label.setObjectName("heading" if number == texts.step else "muted")
            label.style().unpolish(label)
            label.style().polish(label)
        _set_button_text(self.primary_button, "I am holding it: write" if file_name else texts.primary)
        _set_button_text(self.secondary_button, texts.secondary)
        self.primary_button.setEnabled(stage is not CalibrationStage.WRITE)
        self.cancel_button.setEnabled(stage is not CalibrationStage.WRITE)
        self._name_row.setVisible(stage in (CalibrationStage.CHECK, CalibrationStage.WRITE))
        self.name_field.setEnabled(stage is CalibrationStage.CHECK)
        self.model_field.setEnabled(stage is CalibrationStage.CHECK)
        self._doubt_text = " ".join(text for text in (doubts, _DOUBTFUL_TEXT if is_doubtful else "") if text)
        self.show_problem(self._doubt_text)
        (self.name_field if stage is CalibrationStage.CHECK else self.primary_button).setFocus()

    def show_problem(self, text: str) -> None:
        """Show a problem; an empty text hides it."""
        self.problem_label.setText(text)
        self.problem_label.setAccessibleName(text)
        self._warning_icon.setVisible(bool(text))
        self.problem_label.setVisible(bool(text))

    def show_sweep_complete(self) -> None:
        """Show that every joint has reached both stops."""
        self.sentence_label.setText(_COMPLETE_TEXT)
        self.show_problem("")

    def show_name_check(self, problem: str, is_taken: bool) -> None:
        """Show why the name cannot be used, or that it replaces another arm of that name."""
        self.primary_button.setEnabled(not problem)
        self.primary_button.setToolTip(problem)
        self.show_problem(problem or self._doubt_text)
        self.name_hint.setText("replaces the other arm of this name" if is_taken else "")

    def _lay_out(self, device: str) -> None:
        card = QFrame()
        card.setObjectName("panel")
        card.setMaximumWidth(_CARD_WIDTH_PX)
        card.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        column = QVBoxLayout(card)
        column.setContentsMargins(32, 24, 32, 24)
        column.setSpacing(2 * GRID_PX)
        column.addLayout(self._make_title_row(device))
        column.addLayout(self._make_steps_row())
        column.addWidget(self.sentence_label)
        column.addWidget(self.bars)
        column.addWidget(self._name_row)
        column.addLayout(self._make_problem_row())
        column.addLayout(self._make_button_row())
        centred = QHBoxLayout()
        centred.addStretch(1)
        centred.addWidget(card, 100)
        centred.addStretch(1)
        page = QVBoxLayout(self)
        page.setContentsMargins(GRID_PX, 5 * GRID_PX, GRID_PX, GRID_PX)
        page.addLayout(centred)
        page.addStretch(1)

    def _make_title_row(self, device: str) -> QHBoxLayout:
        port_label = make_muted_label(device)
        port_label.setAccessibleName(f"Port {device}")
        out = _make_row(self._title)
        out.addWidget(port_label)
        return out

    def _make_steps_row(self) -> QHBoxLayout:
        out = _make_row(*self._steps)
        out.setSpacing(3 * GRID_PX)
        return out

    def _make_name_row(self) -> QWidget:
        label = QLabel("Name of the arm")
        label.setBuddy(self.name_field)
        out = QWidget()
        out.setLayout(_make_row(label, self.name_field, self.model_field, self.name_hint))
        return out

    def _make_problem_row(self) -> QHBoxLayout:
        out = QHBoxLayout()
        out.setSpacing(GRID_PX)
        out.addWidget(self._warning_icon, 0, Qt.AlignmentFlag.AlignTop)
        out.addWidget(self.problem_label, 1)
        return out

    def _make_button_row(self) -> QHBoxLayout:
        out = QHBoxLayout()
        out.setSpacing(GRID_PX)
        out.addWidget(self.secondary_button)
        out.addStretch(1)
        out.addWidget(self.cancel_button)
        out.addWidget(self.primary_button)
        return out

    def _tint(self) -> None:
        self._warning_icon.setPixmap(make_pixmap("warning", self._theme.colours.danger, 20, self.devicePixelRatioF()))


def _make_button(style_name: str, text: str = "") -> QPushButton:
    out = QPushButton(text)
    out.setObjectName(style_name)
    out.setAccessibleName(text)
    out.setAutoDefault(True)  # Return presses the button that has the focus
    return out


def _set_button_text(button: QPushButton, text: str) -> None:
    button.setText(text)
    button.setAccessibleName(text)
    button.setToolTip("")
    button.setVisible(bool(text))


def _make_paragraph(style_name: str) -> QLabel:
    out = QLabel()
    out.setObjectName(style_name)
    out.setWordWrap(True)
    out.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return out


def _make_row(*widgets: QWidget) -> QHBoxLayout:
    out = QHBoxLayout()
    out.setContentsMargins(0, 0, 0, 0)
    out.setSpacing(GRID_PX)
    for widget in widgets:
        out.addWidget(widget)
    out.addStretch(1)
    return out
