"""Layout of the page that sets a camera up in three steps: print the mat, see the mat, touch its crosses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QFrame, QHBoxLayout, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from metagui.cameras.mat import MATS
from metagui.gui.cameras.camera_picture import CameraPicture
from metagui.gui.theme.theme import scaled_font
from metagui.gui.widgets.panel import GRID_PX, SegmentedControl, make_muted_label

if TYPE_CHECKING:
    from metagui.gui.theme.theme import Theme

COLUMN_PX = 430
"""Width of the column of steps."""
PRINT_TEXT = (
    "Print at 100 %, check the bar of 100 mm, and tape the mat flat before the arm's base. Cut the tags out, and stick "
    "each flat on its object: {tags}."
)
SEE_TEXT = "Set the camera 40 to 70 cm away, tilted 20 to 50° to the vertical, so that it sees the whole mat."
TOUCH_TEXT = (
    "Optional, for exact grasps: with the motors off and the gripper closed, bring the finger tips to the middle of "
    "each cross."
)
MOTORS_OFF_TEXT, MOTORS_ON_TEXT = "I am holding it: motors off", "Hold"


class CameraSetupPage(QFrame):
    """The page without behaviour; ``CameraSetupFlow`` connects its widgets."""

    def __init__(self, theme: Theme, tags: str) -> None:
        super().__init__()
        self.setObjectName("panel")
        self.setAccessibleName("Set up the camera")
        self.title = QLabel()
        self.title.setFont(scaled_font(1.3, bold=True))
        self.view = CameraPicture(theme)
        self.view.setAccessibleName("Preview of the camera")
        self.paper_control = SegmentedControl("Paper", list(MATS))
        self.print_button = make_button("Save the mat as PDF")
        self.camera_box = QComboBox()
        self.camera_box.setAccessibleName("Camera")
        self.address_field = QLineEdit()
        self.address_field.setPlaceholderText("http://… of a phone or of `metagui emulate-camera`")
        self.address_field.setAccessibleName("Address of a stream")
        self.open_button = make_button("Open")
        self.camera_sentence = make_paragraph()
        self.touch_sentence = make_paragraph()
        self.limp_button, self.touch_button = make_button(MOTORS_OFF_TEXT), make_button("", "primary")
        self.again_button = make_button("Begin again")
        self.none_button, self.done_button = make_button("Use no camera"), make_button("Done", "primary")
        self._lay_out(PRINT_TEXT.format(tags=tags))

    def _lay_out(self, print_text: str) -> None:
        steps = QVBoxLayout()
        steps.setSpacing(GRID_PX)
        steps.addWidget(_make_heading("1  Print the mat"))
        steps.addWidget(make_paragraph(text=print_text))
        steps.addLayout(_make_row(self.paper_control, self.print_button))
        steps.addWidget(_make_heading("2  See the mat"))
        steps.addWidget(make_paragraph(text=SEE_TEXT))
        steps.addWidget(self.camera_box)
        address = QHBoxLayout()
        address.addWidget(self.address_field, 1)
        address.addWidget(self.open_button)
        steps.addLayout(address)
        steps.addWidget(self.camera_sentence)
        steps.addWidget(_make_heading("3  Touch the crosses"))
        steps.addWidget(make_paragraph(text=TOUCH_TEXT))
        steps.addLayout(_make_row(self.limp_button, self.again_button))
        steps.addLayout(_make_row(self.touch_button))
        steps.addWidget(self.touch_sentence)
        steps.addStretch(1)
        steps.addLayout(_make_row(self.none_button, self.done_button))
        column = QWidget()
        column.setFixedWidth(COLUMN_PX)
        column.setLayout(steps)
        steps.setContentsMargins(0, 0, 0, 0)
        regions = QHBoxLayout()
        regions.setSpacing(2 * GRID_PX)
        regions.addWidget(column)
        preview = QVBoxLayout()
        preview.addWidget(make_muted_label("What the camera sees; the mat's tags are green"))
        preview.addWidget(self.view, 1)
        regions.addLayout(preview, 1)
        page = QVBoxLayout(self)
        page.setContentsMargins(2 * GRID_PX, GRID_PX, 2 * GRID_PX, GRID_PX)
        page.addWidget(self.title)
        page.addLayout(regions, 1)

    @property
    def paper(self) -> str:
        """Name of the chosen size of paper, a key of ``MATS``."""
        return list(MATS)[self.paper_control.current_index]

    def show_camera(self, text: str, is_problem: bool) -> None:
        """Show one sentence on what the camera sees."""
        show_sentence(self.camera_sentence, text, "alarm" if is_problem else "")

    def show_touches(self, text: str, is_problem: bool = False) -> None:
        """Show how far the touches are, their result, or why there is none."""
        show_sentence(self.touch_sentence, text, "alarm" if is_problem else "")

    def show_torque(self, is_off: bool) -> None:
        """Name the button by what it does now."""
        text = MOTORS_ON_TEXT if is_off else MOTORS_OFF_TEXT
        self.limp_button.setText(text)
        self.limp_button.setAccessibleName(text)

    def name_touch(self, text: str) -> None:
        """Name the button of the next touch; an empty text hides it."""
        self.touch_button.setText(text)
        self.touch_button.setAccessibleName(text)
        self.touch_button.setVisible(bool(text))


def show_sentence(label: QLabel, text: str, style_name: str) -> None:
    """Show a sentence in a style, if it changed."""
    if (text, style_name) != (label.text(), label.objectName()):
        label.setObjectName(style_name)
        label.style().unpolish(label)
        label.style().polish(label)
        label.setText(text)
        label.setAccessibleName(text)


def make_button(text: str, style_name: str = "big") -> QPushButton:
    """Return a button that Return presses while it has the focus."""
    out = QPushButton(text)
    out.setObjectName(style_name)
    out.setAccessibleName(text)
    out.setAutoDefault(True)
    return out


def make_paragraph(style_name: str = "", text: str = "") -> QLabel:
    """Return a label whose text is wrapped."""
    out = QLabel(text)
    out.setObjectName(style_name)
    out.setWordWrap(True)
    return out


def _make_heading(text: str) -> QLabel:
    out = QLabel(text)
    out.setFont(scaled_font(1.1, bold=True))
    return out


def _make_row(*widgets: QWidget) -> QHBoxLayout:
    out = QHBoxLayout()
    out.setSpacing(GRID_PX)
    for widget in widgets:
        out.addWidget(widget, 0, Qt.AlignmentFlag.AlignLeft)
    out.addStretch(1)
    return out
