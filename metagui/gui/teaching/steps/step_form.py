"""Form by which a step is given without a mouse: action, object, target, numbers, and what the step would do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from metagui.demonstrations.demonstration import Instruction
from metagui.gui.teaching.click_teacher import CLICK_TOOLS, REACH_HEIGHT_M, TRACE_CIRCLE, TRACE_HEIGHT_M
from metagui.gui.teaching.steps.number_row import NumberRow
from metagui.gui.teaching.steps.step_numbers import MM_PER_M, change_numbers, describe_object_place, list_numbers
from metagui.gui.widgets.eliding_label import ElidingLabel

if TYPE_CHECKING:
    from PySide6.QtGui import QShowEvent

    from metagui.arms.arm import Observation
    from metagui.gui.teaching.click_teacher import ClickTeacher, Proposal

DEFAULT_NUMBERS_MM = {
    "ahead": 200.0,
    "left": 0.0,
    "height": MM_PER_M * REACH_HEIGHT_M,
    "radius": MM_PER_M * float(TRACE_CIRCLE["radius"]),  # type: ignore[arg-type]
}
"""First values of the numbers, mm."""


class StepForm(QWidget):
    """Choice boxes that list the actions and the objects of the scene, number fields, and a button that does it."""

    step_chosen = Signal(object)
    """The ``Proposal`` of a step: an instruction, or why it is not possible."""
    tool_chosen = Signal(str)
    """Action that was chosen."""

    def __init__(self, click_teacher: ClickTeacher) -> None:
        super().__init__()
        self._teacher = click_teacher
        self._observation: Observation | None = None
        self._problem: str | None = None
        self.action_box = _make_box("Action of the step")
        for tool in CLICK_TOOLS:
            self.action_box.addItem(tool.text, tool.action)
        self.object_box = _make_box("Object of the step")
        self.target_box = _make_box("Target of the push")
        self.numbers = NumberRow("of the step")
        self.hint = ElidingLabel()
        self.hint.setObjectName("muted")
        self.button = QPushButton("Do it")
        self.button.setAccessibleName("Do the step")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        for widget in (self.action_box, self.object_box, self.target_box, self.numbers):
            column.addWidget(widget)
        row = QHBoxLayout()
        row.addWidget(self.button)
        row.addWidget(self.hint, 1)
        column.addLayout(row)
        self.action_box.activated.connect(self._on_action_activated)
        self.action_box.currentIndexChanged.connect(self._show_fields)
        for box in (self.object_box, self.target_box):
            box.currentIndexChanged.connect(self._show_fields)
        self.numbers.changed.connect(self._show_hint)
        self.button.clicked.connect(self.submit)
        for key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            shortcut = QShortcut(QKeySequence(key), self, context=Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(self.submit)
        self._fill_objects()

    # Content

    def show_observation(self, observation: Observation | None) -> None:
        """Show where the objects are; ``observation`` is the newest one."""
        self._observation = observation
        if self.isVisible():
            self._update()

    def showEvent(self, event: QShowEvent) -> None:
        """Bring up to date what was not followed while the form was hidden."""
        super().showEvent(event)
        self._update()

    def _update(self) -> None:
        self._fill_objects()
        self._show_hint()

    def show_tool(self, action: str) -> None:
        """Show the action that is chosen elsewhere too."""
        self.action_box.setCurrentIndex(self.action_box.findData(action))
        self._show_fields()

    def refresh(self, problem: str | None) -> None:
        """Enable the button, or disable it with the problem as its tooltip."""
        self._problem = problem
        self._show_hint()

    def _fill_objects(self) -> None:
        """List the objects with their places; the choice stays."""
        objects = self._teacher.objects
        for box in (self.object_box, self.target_box):
            box.blockSignals(True)  # new data of the current entry would count as another choice
            if [box.itemData(row) for row in range(box.count())] != [each.name for each in objects]:
                box.clear()
                for each in objects:
                    box.addItem(each.name, each.name)
            for row, each in enumerate(objects):
                place = describe_object_place(each.name, row, self._observation)
                box.setItemData(row, place, Qt.ItemDataRole.ToolTipRole)
            box.blockSignals(False)
        self._describe_chosen()

    def _describe_chosen(self) -> None:
        """Let a screen reader also say where the chosen objects are."""
        for box in (self.object_box, self.target_box):
            place = box.currentData(Qt.ItemDataRole.ToolTipRole) or ""
            box.setToolTip(place)
            box.setAccessibleDescription(place)

    def _on_action_activated(self, _index: int) -> None:
        self.tool_chosen.emit(self.action_box.currentData())

    def _show_fields(self, _index: int = 0) -> None:
        """Show the fields of the chosen action."""
        pushes = self.action_box.currentData() == "push"
        self.target_box.setVisible(pushes)
        self._describe_chosen()
        place = (self.target_box if pushes else self.object_box).currentData()
        self.numbers.show_numbers(list_numbers(self.action_box.currentData(), place == "table"), DEFAULT_NUMBERS_MM)
        self._show_hint()

    def _show_hint(self, _key: str = "") -> None:
        proposal = self.propose()
        self.hint.set_full_text(self._problem or (proposal.hint if proposal is not None else ""))
        self.button.setEnabled(self._problem is None)
        self.button.setToolTip(self._problem or "Let the arm do this step (Enter).")

    # Steps

    def propose(self) -> Proposal | None:
        """Return what the chosen step would do; None without objects."""
        action, name = self.action_box.currentData(), self.object_box.currentData()
        if name is None:
            return None
        parameters = dict(TRACE_CIRCLE) if action == "trace" else {}
        height = {"reach": REACH_HEIGHT_M, "trace": TRACE_HEIGHT_M}.get(action)
        if height is not None:
            parameters["offset"] = (0.0, 0.0, height)
        target = self.target_box.currentData() if action == "push" else None
        instruction = change_numbers(Instruction(action, name, target, parameters), self.numbers.values())
        return self._teacher.check(instruction, self._observation)

    def submit(self) -> None:
        """Do the chosen step."""
        proposal = self.propose()
        if self._problem is None and proposal is not None:
            self.step_chosen.emit(proposal)


def _make_box(name: str) -> QComboBox:
    out = QComboBox()
    out.setAccessibleName(name)
    out.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    out.setMinimumContentsLength(10)
    return out
