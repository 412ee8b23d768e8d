"""How the calibration looks: one page whose bars stay while sentence and buttons go from stage to stage."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QLineEdit, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from metagui.gui.arm.calibration.joint_bars import JointBars
from metagui.gui.theme.icons import pixmap
from metagui.gui.theme.theme import scaled_font
from metagui.gui.widgets.panel import GAP, muted

if TYPE_CHECKING:
    from metagui.gui.theme.theme import Theme


class Stage(Enum):
    """Where in the calibration one is."""

    HOLD = auto()
    SWEEP = auto()
    LOST = auto()
    """The port vanished in mid-sweep; what was moved is kept."""
    CHECK = auto()
    WRITE = auto()


@dataclass(frozen=True)
class Words:
    """What a stage says: which step it is, its sentence, its buttons; an empty button is hidden."""

    step: int
    sentence: str
    primary: str
    secondary: str = ""


STEPS = ("Hold the arm", "Move every joint", "Check and write")
STAGES = {
    Stage.HOLD: Words(
        0,
        "Calibrating tells the program what the servos' numbers mean: the motors are switched off, and you lead every "
        "joint by hand from stop to stop. Without its motors the arm sinks: hold it before you go on.",
        "I am holding it: motors off",
        "Use a LeRobot calibration…",
    ),
    Stage.SWEEP: Words(
        1, "Lead every joint slowly from stop to stop, in any order. A joint is done when its bar is full.", "Finish",
        "Start over",
    ),
    Stage.LOST: Words(
        1, "What was moved so far is kept. Plug the arm in again, hold it, and go on.", "Go on", "Start over"
    ),
    Stage.CHECK: Words(
        2, "All joints are known, here beside the model's travel. Put the arm down, name it, and write the "
        "calibration to its servos.", "Write to the arm", "Start over",
    ),
    Stage.WRITE: Words(2, "Writing to the servos …", "Write to the arm"),
}  # fmt: skip
_IMPORTED = "This is what {file} says, beside the model's travel. The motors go off while it is written: hold the arm."
_DOUBTFUL = "A joint's travel does not fit this arm. Was every joint led to both stops, and is the file this arm's?"
_PAUSE = "Every joint is done. Lead on if one has not touched both stops; pause, and it ends by itself."
_WIDTH = 860


class CalibrationPage(QFrame):
    """The card in the middle of a page, without what its buttons do."""

    def __init__(self, theme: Theme, device: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self.stage = Stage.HOLD
        self.setAccessibleName("Calibration")
        self._title = QLabel("Calibrate the arm")
        self._title.setFont(scaled_font(1.4, bold=True))
        self._steps = [QLabel(f"{number}  {words}") for number, words in enumerate(STEPS, 1)]
        self._sentence = _paragraph("")
        self._sentence.setMinimumHeight(2 * self.fontMetrics().lineSpacing() + 2)
        self.bars = JointBars(theme)
        self._sign, self._trouble = QLabel(), _paragraph("alarm")
        self.name, self._hint = QLineEdit(), muted()
        self.name.setAccessibleName("Name of the arm")
        self.name.setMaxLength(60)
        self.name.setFixedWidth(260)
        self.primary, self.secondary, self.cancel_button = _button("primary"), _button("big"), _button("big", "Cancel")
        self.cancel_button.setToolTip("Go back and change nothing")
        self._lay_out(device)
        theme.changed.connect(self._tint)
        self._tint()

    def enter(self, stage: Stage, imported: str = "", doubtful: bool = False) -> None:
        """Show a stage; ``imported`` is the file from which the calibration came."""
        self.stage, words = stage, STAGES[stage]
        self._sentence.setText(_IMPORTED.format(file=imported) if imported else words.sentence)
        for number, label in enumerate(self._steps):
            label.setObjectName("heading" if number == words.step else "muted")
            label.style().unpolish(label)
            label.style().polish(label)
        _label(self.primary, "I am holding it: write" if imported else words.primary)
        _label(self.secondary, words.secondary)
        self.primary.setEnabled(stage is not Stage.WRITE)
        self.cancel_button.setEnabled(stage is not Stage.WRITE)
        self._named.setVisible(stage in (Stage.CHECK, Stage.WRITE))
        self.name.setEnabled(stage is Stage.CHECK)
        self._doubt = _DOUBTFUL if doubtful else ""
        self.complain(self._doubt)
        (self.name if stage is Stage.CHECK else self.primary).setFocus()

    def complain(self, words: str) -> None:
        """Say what is wrong; nothing takes it back."""
        self._trouble.setText(words)
        self._trouble.setAccessibleName(words)
        self._sign.setVisible(bool(words))
        self._trouble.setVisible(bool(words))

    def say_pausing_ends(self) -> None:
        """Say that all is moved."""
        self._sentence.setText(_PAUSE)
        self.complain("")

    def say_of_name(self, reason: str, taken: bool) -> None:
        """Say why the arm cannot be called so, or whose place it takes."""
        self.primary.setEnabled(not reason)
        self.primary.setToolTip(reason)
        self.complain(reason or self._doubt)
        self._hint.setText("takes the place of the other arm of this name" if taken else "")

    def _lay_out(self, device: str) -> None:
        top = _row(self._title)
        where = muted(device)
        where.setAccessibleName(f"Port {device}")
        top.addWidget(where)
        steps = _row(*self._steps)
        steps.setSpacing(3 * GAP)
        trouble = QHBoxLayout()
        trouble.setSpacing(GAP)
        trouble.addWidget(self._sign, 0, Qt.AlignmentFlag.AlignTop)
        trouble.addWidget(self._trouble, 1)
        label = QLabel("Name of the arm")
        label.setBuddy(self.name)
        self._named = QWidget()
        self._named.setLayout(_row(label, self.name, self._hint))
        buttons = QHBoxLayout()
        buttons.setSpacing(GAP)
        buttons.addWidget(self.secondary)
        buttons.addStretch(1)
        buttons.addWidget(self.cancel_button)
        buttons.addWidget(self.primary)
        card = QFrame()
        card.setObjectName("panel")
        card.setMaximumWidth(_WIDTH)
        card.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        column = QVBoxLayout(card)
        column.setContentsMargins(32, 24, 32, 24)
        column.setSpacing(2 * GAP)
        for layout in (top, steps):
            column.addLayout(layout)
        column.addWidget(self._sentence)
        column.addWidget(self.bars)
        column.addWidget(self._named)
        column.addLayout(trouble)
        column.addLayout(buttons)
        across = QHBoxLayout()
        across.addStretch(1)
        across.addWidget(card, 100)
        across.addStretch(1)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(GAP, 5 * GAP, GAP, GAP)
        outer.addLayout(across)
        outer.addStretch(1)

    def _tint(self) -> None:
        self._sign.setPixmap(pixmap("warning", self._theme.colours.danger, 20, self.devicePixelRatioF()))


def _button(look: str, words: str = "") -> QPushButton:
    out = QPushButton(words)
    out.setObjectName(look)
    out.setAccessibleName(words)
    out.setAutoDefault(True)  # Return presses the one that has the focus
    return out


def _label(button: QPushButton, words: str) -> None:
    button.setText(words)
    button.setAccessibleName(words)
    button.setToolTip("")
    button.setVisible(bool(words))


def _paragraph(look: str) -> QLabel:
    out = QLabel()
    out.setObjectName(look)
    out.setWordWrap(True)
    out.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return out


def _row(*widgets: QWidget) -> QHBoxLayout:
    out = QHBoxLayout()
    out.setContentsMargins(0, 0, 0, 0)
    out.setSpacing(GAP)
    for widget in widgets:
        out.addWidget(widget)
    out.addStretch(1)
    return out
