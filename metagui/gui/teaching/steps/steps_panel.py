"""Panel beside the 3-D view: a form that gives the next step by keys, and the list of the steps of the take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from metagui.gui.teaching.steps.number_row import NumberRow
from metagui.gui.teaching.steps.step_form import StepForm
from metagui.gui.teaching.steps.step_list import StepList, StepStatus
from metagui.gui.teaching.steps.step_numbers import change_numbers, list_numbers_of, read_numbers
from metagui.gui.theme.colours import disabled_colour
from metagui.gui.theme.icons import make_icon
from metagui.gui.widgets.action_button import make_button

if TYPE_CHECKING:
    from collections.abc import Callable

    from metagui.gui.core.actions import Actions
    from metagui.gui.teaching.click_teacher import ClickTeacher
    from metagui.gui.theme.theme import Theme

PANEL_WIDTH_PX, BUTTON_WIDTH_PX, STEP_ICON_PX = 204, 31, 16
STATUS_SIGNS = {
    StepStatus.WAITING: "…",
    StepStatus.RUNNING: "▶",
    StepStatus.DONE: "✓",
    StepStatus.FAILED: "✗",
    StepStatus.STOPPED: "–",
    StepStatus.CHANGED: "↻",
}
"""Sign of each status in the list; the words are in the tooltip and read to screen readers."""
_BUTTONS = (
    ("remove", "delete", "Remove the step", "Remove the chosen step (Del)"),
    ("earlier", "up", "Move the step earlier", "Move the chosen step earlier (Alt+Up)"),
    ("later", "down", "Move the step later", "Move the chosen step later (Alt+Down)"),
    ("undo", "undo", "Undo the last step", "Remove the last step; if it is done, record the take again"),
)  # fmt: skip


class StepsPanel(QScrollArea):
    """The form, the list, and the buttons that record the listed steps again; it scrolls where there is little room."""

    def __init__(self, theme: Theme, actions: Actions, click_teacher: ClickTeacher) -> None:
        super().__init__()
        self._theme = theme
        self._steps: StepList | None = None
        self.setAccessibleName("Steps of the take")
        self.setFixedWidth(PANEL_WIDTH_PX)
        self.form = StepForm(click_teacher)
        self.list = QListWidget()
        self.list.setAccessibleName("List of steps")
        self.list.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setMinimumHeight(54)
        self.numbers = NumberRow("of the listed step")
        self.buttons = {key: self._make_button(name, tooltip) for key, _, name, tooltip in _BUTTONS}
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self.form)
        column.addWidget(self.list, 1)
        column.addWidget(self.numbers)
        column.addLayout(self._make_button_row(actions))
        self.setWidget(content)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.currentRowChanged.connect(self._show_chosen)
        self.numbers.changed.connect(self._on_number_changed)
        for key, slot in {"remove": self._remove, "earlier": self._move_up, "later": self._move_down}.items():
            self.buttons[key].clicked.connect(slot)
        self.buttons["undo"].clicked.connect(self._undo_last)
        self._add_shortcuts({"Del": self._remove, "Alt+Up": self._move_up, "Alt+Down": self._move_down})
        theme.changed.connect(self._update_icons)
        self._update_icons()
        self.hide()

    def _make_button(self, name: str, tooltip: str) -> QPushButton:
        out = QPushButton()
        out.setObjectName("flat")
        out.setAccessibleName(name)
        out.setIconSize(QSize(STEP_ICON_PX, STEP_ICON_PX))
        out.setToolTip(tooltip)
        out.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        return out

    def _make_button_row(self, actions: Actions) -> QHBoxLayout:
        out = QHBoxLayout()
        out.setSpacing(0)
        again = [make_button(actions[key], "flat", False, STEP_ICON_PX) for key in ("again_here", "again_elsewhere")]
        for button in (*self.buttons.values(), *again):
            button.setFixedWidth(BUTTON_WIDTH_PX)
            out.addWidget(button)
        out.insertStretch(len(self.buttons), 1)
        return out

    def _add_shortcuts(self, slots: dict[str, Callable[[], None]]) -> None:
        """Let keys work while the list has the focus."""
        for keys, slot in slots.items():
            shortcut = QShortcut(QKeySequence(keys), self.list, context=Qt.ShortcutContext.WidgetShortcut)
            shortcut.activated.connect(slot)

    def follow(self, steps: StepList) -> None:
        """Show these steps from now on."""
        self._steps = steps
        steps.changed.connect(self._show_steps)
        self._show_steps()

    def focus_form(self) -> None:
        """Move the focus to the first field of the form."""
        self.form.action_box.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def _show_steps(self) -> None:
        steps = self._steps.steps if self._steps is not None else ()
        row, at_end = self.list.currentRow(), self.list.currentRow() >= self.list.count() - 1
        while self.list.count() > len(steps):
            self.list.takeItem(self.list.count() - 1)
        while self.list.count() < len(steps):
            self.list.addItem(QListWidgetItem())
        for number, step in enumerate(steps, 1):
            item = self.list.item(number - 1)
            item.setText(f"{STATUS_SIGNS[step.status]} {number}  {step.describe()}")
            item.setToolTip(f"{step.describe()}: {step.status.value}")
            spoken = f"Step {number}: {step.describe()}, {step.status.value}"
            item.setData(Qt.ItemDataRole.AccessibleTextRole, spoken)
        if steps and (at_end or not 0 <= row < len(steps)):
            self.list.setCurrentRow(len(steps) - 1)
        self._show_chosen()

    def _show_chosen(self, _row: int = 0) -> None:
        """Show the numbers of the chosen step, and which changes are possible."""
        row, steps = self.list.currentRow(), self._steps
        if steps is None:
            return
        chosen = steps.steps[row] if 0 <= row < len(steps.steps) else None
        values = read_numbers(chosen.instruction) if chosen is not None else {}
        self.numbers.show_numbers(list_numbers_of(chosen.instruction) if chosen is not None else (), values)
        self.numbers.set_values(values)
        problem = steps.explain_fixed(row)
        self.numbers.setEnabled(not problem)
        self.numbers.setToolTip(problem)
        allowed = {
            "remove": not problem,
            "earlier": not problem and not steps.explain_fixed(row - 1),
            "later": not problem and not steps.explain_fixed(row + 1),
            "undo": bool(steps.steps) and not steps.explain_fixed(len(steps.steps) - 1),
        }
        for key, _, _, tooltip in _BUTTONS:
            self.buttons[key].setEnabled(allowed[key])
            self.buttons[key].setToolTip(problem if problem and key != "undo" else tooltip)

    def _on_number_changed(self, key: str) -> None:
        row = self.list.currentRow()
        if self._steps is not None and 0 <= row < len(self._steps.steps):
            changed = {key: self.numbers.values()[key]}
            self._steps.replace_step(row, change_numbers(self._steps.steps[row].instruction, changed))

    def _remove(self) -> None:
        if self._steps is not None:
            self._steps.remove(self.list.currentRow())

    def _undo_last(self) -> None:
        if self._steps is not None:
            self._steps.remove(len(self._steps.steps) - 1)

    def _move_up(self) -> None:
        self._move(-1)

    def _move_down(self) -> None:
        self._move(1)

    def _move(self, by: int) -> None:
        row = self.list.currentRow()
        if self._steps is not None and self._steps.move(row, by):
            self.list.setCurrentRow(row + by)

    def _update_icons(self) -> None:
        colours = self._theme.colours
        for key, icon, _, _ in _BUTTONS:
            self.buttons[key].setIcon(make_icon(icon, colours.text, disabled_colour(colours).name()))
