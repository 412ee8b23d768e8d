"""How the calibration looks: one page whose bars stay while sentence and buttons go from stage to stage."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QLineEdit, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from metagui.gui.arm.calibration.joint_bars import JointBars
from metagui.gui.theme.icons import make_pixmap
from metagui.gui.theme.theme import scaled_font
from metagui.gui.widgets.panel import GRID_PX, make_muted_label

if TYPE_CHECKING:
    from metagui.gui.theme.theme import Theme


class CalibrationStage(Enum):
    """Where in the calibration one is."""

    HOLD = auto()
    SWEEP = auto()
    LOST = auto()
    """The port vanished in mid-sweep; what was moved is kept."""
    CHECK = auto()
    WRITE = auto()


@dataclass(frozen=True)
class StageText:
    """What a stage says: which step it is, its sentence, its buttons; an empty button is hidden."""

    step: int
    sentence: str
    primary: str
    secondary: str = ""


CALIBRATION_STEPS = ("Hold the arm", "Move every joint", "Check and write")
STAGE_TEXTS = {
    CalibrationStage.HOLD: StageText(
        0,
        "Calibrating tells the program what the servos' numbers mean: the motors are switched off, and you lead every "
        "joint by hand from stop to stop. Without its motors the arm sinks: hold it before you go on.",
        "I am holding it: motors off",
        "Use a LeRobot calibration…",
    ),
    CalibrationStage.SWEEP: StageText(
        1, "Lead every joint slowly from stop to stop, in any order. A joint is done when its bar is full.", "Finish",
        "Start over",
    ),
    CalibrationStage.LOST: StageText(
        1, "What was moved so far is kept. Plug the arm in again, hold it, and go on.", "Go on", "Start over"
    ),
    CalibrationStage.CHECK: StageText(
        2, "All joints are known, here beside the model's travel. Put the arm down, name it, and write the "
        "calibration to its servos.", "Write to the arm", "Start over",
    ),
    CalibrationStage.WRITE: StageText(2, "Writing to the servos …", "Write to the arm"),
}  # fmt: skip
_IMPORTED_TEXT = (
    "This is what {file} says, beside the model's travel. The motors go off while it is written: hold the arm."
)
_DOUBTFUL_TEXT = (
    "A joint's travel does not fit this arm. Was every joint led to both stops, and is the file this arm's?"
)
_COMPLETE_TEXT = "Every joint is done. Lead on if one has not touched both stops; pause, and it ends by itself."
_CARD_WIDTH_PX = 860


class CalibrationPage(QFrame):
    """The card in the middle of a page, without what its buttons do."""

    def __init__(self, theme: Theme, device: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self.stage = CalibrationStage.HOLD
        self.setAccessibleName("Calibration")
        self._title = QLabel("Calibrate the arm")
        self._title.setFont(scaled_font(1.4, bold=True))
        self._steps = [QLabel(f"{number}  {words}") for number, words in enumerate(CALIBRATION_STEPS, 1)]
        self._sentence = _make_paragraph("")
        self._sentence.setMinimumHeight(2 * self.fontMetrics().lineSpacing() + 2)
        self.bars = JointBars(theme)
        self._warning_icon, self._problem_label = QLabel(), _make_paragraph("alarm")
        self.name_field, self._name_hint = QLineEdit(), make_muted_label()
        self.name_field.setAccessibleName("Name of the arm")
        self.name_field.setMaxLength(60)
        self.name_field.setFixedWidth(260)
        self.primary_button, self.secondary_button, self.cancel_button = (
            _make_button("primary"),
            _make_button("big"),
            _make_button("big", "Cancel"),
        )
        self.cancel_button.setToolTip("Go back and change nothing")
        self._lay_out(device)
        theme.changed.connect(self._tint)
        self._tint()

    def show_stage(self, stage: CalibrationStage, file_name: str = "", is_doubtful: bool = False) -> None:
        """Show a stage; ``imported`` is the file from which the calibration came."""
        self.stage, words = stage, STAGE_TEXTS[stage]
        self._sentence.setText(_IMPORTED_TEXT.format(file=file_name) if file_name else words.sentence)
        for number, label in enumerate(self._steps):
            label.setObjectName("heading" if number == words.step else "muted")
            label.style().unpolish(label)
            label.style().polish(label)
        _set_button_text(self.primary_button, "I am holding it: write" if file_name else words.primary)
        _set_button_text(self.secondary_button, words.secondary)
        self.primary_button.setEnabled(stage is not CalibrationStage.WRITE)
        self.cancel_button.setEnabled(stage is not CalibrationStage.WRITE)
        self._name_row.setVisible(stage in (CalibrationStage.CHECK, CalibrationStage.WRITE))
        self.name_field.setEnabled(stage is CalibrationStage.CHECK)
        self._doubt_text = _DOUBTFUL_TEXT if is_doubtful else ""
        self.show_problem(self._doubt_text)
        (self.name_field if stage is CalibrationStage.CHECK else self.primary_button).setFocus()

    def show_problem(self, text: str) -> None:
        """Say what is wrong; nothing takes it back."""
        self._problem_label.setText(text)
        self._problem_label.setAccessibleName(text)
        self._warning_icon.setVisible(bool(text))
        self._problem_label.setVisible(bool(text))

    def show_sweep_complete(self) -> None:
        """Say that all is moved."""
        self._sentence.setText(_COMPLETE_TEXT)
        self.show_problem("")

    def show_name_check(self, problem: str, is_taken: bool) -> None:
        """Say why the arm cannot be called so, or whose place it takes."""
        self.primary_button.setEnabled(not problem)
        self.primary_button.setToolTip(problem)
        self.show_problem(problem or self._doubt_text)
        self._name_hint.setText("takes the place of the other arm of this name" if is_taken else "")

    def _lay_out(self, device: str) -> None:
        top = _make_row(self._title)
        where = make_muted_label(device)
        where.setAccessibleName(f"Port {device}")
        top.addWidget(where)
        steps = _make_row(*self._steps)
        steps.setSpacing(3 * GRID_PX)
        trouble = QHBoxLayout()
        trouble.setSpacing(GRID_PX)
        trouble.addWidget(self._warning_icon, 0, Qt.AlignmentFlag.AlignTop)
        trouble.addWidget(self._problem_label, 1)
        label = QLabel("Name of the arm")
        label.setBuddy(self.name_field)
        self._name_row = QWidget()
        self._name_row.setLayout(_make_row(label, self.name_field, self._name_hint))
        buttons = QHBoxLayout()
        buttons.setSpacing(GRID_PX)
        buttons.addWidget(self.secondary_button)
        buttons.addStretch(1)
        buttons.addWidget(self.cancel_button)
        buttons.addWidget(self.primary_button)
        card = QFrame()
        card.setObjectName("panel")
        card.setMaximumWidth(_CARD_WIDTH_PX)
        card.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        column = QVBoxLayout(card)
        column.setContentsMargins(32, 24, 32, 24)
        column.setSpacing(2 * GRID_PX)
        for layout in (top, steps):
            column.addLayout(layout)
        column.addWidget(self._sentence)
        column.addWidget(self.bars)
        column.addWidget(self._name_row)
        column.addLayout(trouble)
        column.addLayout(buttons)
        across = QHBoxLayout()
        across.addStretch(1)
        across.addWidget(card, 100)
        across.addStretch(1)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(GRID_PX, 5 * GRID_PX, GRID_PX, GRID_PX)
        outer.addLayout(across)
        outer.addStretch(1)

    def _tint(self) -> None:
        self._warning_icon.setPixmap(make_pixmap("warning", self._theme.colours.danger, 20, self.devicePixelRatioF()))


def _make_button(style_name: str, text: str = "") -> QPushButton:
    out = QPushButton(text)
    out.setObjectName(style_name)
    out.setAccessibleName(text)
    out.setAutoDefault(True)  # Return presses the one that has the focus
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
