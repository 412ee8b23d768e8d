"""Layout of the check pose page: the model in a pose, the arm as the program sees it, and the zeros of its joints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from metagui.gui.pose_check.pose_canvas import PoseCanvas
from metagui.gui.pose_check.zero_draft import CHECK_POSES
from metagui.gui.pose_check.zero_table import ZeroTable
from metagui.gui.theme.theme import scaled_font
from metagui.gui.widgets.panel import GRID_PX, SegmentedControl, make_muted_label

if TYPE_CHECKING:
    from metagui.gui.theme.theme import Theme

EXPLANATION = (
    "Put the arm into the pose of the upper picture. The lower picture shows where the program believes the arm to be: "
    "correct the zeros until it looks like your arm."
)
LIMP_TEXT, HOLD_TEXT = "I am holding it: motors off", "Hold"
MOVE_TEXT = "Move the arm there slowly"


class PosePage(QFrame):
    """The page without behaviour; ``PoseCheck`` connects its widgets."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.setObjectName("panel")
        self.setAccessibleName("Check the pose")
        self.title = QLabel()
        self.title.setFont(scaled_font(1.3, bold=True))
        self.pose_canvas = PoseCanvas(theme, "Model in the pose")
        self.arm_canvas = PoseCanvas(theme, "The arm as the program sees it")
        self.pose_control = SegmentedControl("Pose", [pose.name for pose in CHECK_POSES])
        self.pose_sentence, self.arm_sentence = _make_paragraph(), _make_paragraph("muted")
        self.problem_label = _make_paragraph("alarm")
        self.table = ZeroTable()
        self.move_button, self.limp_button = _make_button(MOVE_TEXT), _make_button(LIMP_TEXT)
        self.reset_button, self.close_button = _make_button("Back to the saved zeros"), _make_button("Close")
        self.save_button = _make_button("Save the zeros", "primary")
        self.pose_canvas.camera_moved.connect(self.arm_canvas.set_camera)
        self.arm_canvas.camera_moved.connect(self.pose_canvas.set_camera)
        self._lay_out()

    def _lay_out(self) -> None:
        regions = QHBoxLayout()
        regions.setSpacing(2 * GRID_PX)
        regions.addLayout(self._make_pictures(), 1)
        regions.addWidget(self._make_side())
        page = QVBoxLayout(self)
        page.setContentsMargins(2 * GRID_PX, GRID_PX, 2 * GRID_PX, GRID_PX)
        page.setSpacing(GRID_PX)
        page.addWidget(self.title)
        page.addWidget(_make_paragraph(text=EXPLANATION))
        page.addLayout(regions, 1)

    def _make_pictures(self) -> QVBoxLayout:
        out = QVBoxLayout()
        out.setSpacing(4)
        pictures = (("The pose", self.pose_canvas), ("Your arm, as the program sees it", self.arm_canvas))
        for caption, canvas in pictures:
            out.addWidget(make_muted_label(caption))
            out.addWidget(canvas, 1)
        return out

    def _make_side(self) -> QWidget:
        """Return the column beside the pictures: poses, arm, zeros, and what to do with them."""
        out = QWidget()
        out.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        column = QVBoxLayout(out)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GRID_PX)
        column.addWidget(self.pose_control, 0, Qt.AlignmentFlag.AlignLeft)
        column.addWidget(self.pose_sentence)
        column.addLayout(_make_row(self.move_button, self.limp_button))
        column.addWidget(self.arm_sentence)
        column.addWidget(self.table)
        column.addWidget(self.problem_label)
        column.addStretch(1)
        buttons = _make_row(self.reset_button)
        buttons.addWidget(self.close_button)
        buttons.addWidget(self.save_button)
        column.addLayout(buttons)
        return out

    def show_problem(self, text: str) -> None:
        """Show a problem; an empty text hides it."""
        self.problem_label.setText(text)
        self.problem_label.setAccessibleName(text)
        self.problem_label.setVisible(bool(text))

    def show_arm_text(self, text: str) -> None:
        """Show what the arm does."""
        if text != self.arm_sentence.text():
            self.arm_sentence.setText(text)
            self.arm_sentence.setAccessibleName(text)

    def show_torque(self, is_off: bool) -> None:
        """Name the button by what it does now."""
        text = HOLD_TEXT if is_off else LIMP_TEXT
        self.limp_button.setText(text)
        self.limp_button.setAccessibleName(text)


def _make_button(text: str, style_name: str = "big") -> QPushButton:
    out = QPushButton(text)
    out.setObjectName(style_name)
    out.setAccessibleName(text)
    out.setAutoDefault(True)  # Return presses the button that has the focus
    return out


def _make_paragraph(style_name: str = "", text: str = "") -> QLabel:
    out = QLabel(text)
    out.setObjectName(style_name)
    out.setWordWrap(True)
    return out


def _make_row(*widgets: QWidget) -> QHBoxLayout:
    out = QHBoxLayout()
    out.setSpacing(GRID_PX)
    for widget in widgets:
        out.addWidget(widget)
    out.addStretch(1)
    return out
