"""Centre panel of the window: the 3-D view, the teaching tools, and the task of the next take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QProgressBar, QSplitter, QWidget

from metagui.gui.scene.placement_bar import PlacementBar
from metagui.gui.scene.player_bar import PlayerBar
from metagui.gui.scene.scene_view import SceneView
from metagui.gui.scene.take_player import TakePlayer
from metagui.gui.teaching.mode_bar import ModeBar
from metagui.gui.teaching.steps.steps_panel import StepsPanel
from metagui.gui.teaching.tool_bar import TeachingToolBar
from metagui.gui.widgets.action_button import make_button
from metagui.gui.widgets.countdown_overlay import CountdownOverlay
from metagui.gui.widgets.eliding_label import ElidingLabel
from metagui.gui.widgets.notice_bar import NoticeBar
from metagui.gui.widgets.panel import GRID_PX, Panel, make_muted_label

if TYPE_CHECKING:
    from metagui.gui.core.actions import Actions
    from metagui.gui.teaching.click_teacher import ClickTeacher
    from metagui.gui.theme.theme import Theme

MIN_TITLE_PX = 60
"""Smallest width of the title, pixels."""
NAME_FIELD_TEXTS = {
    False: "Task of the next take. Another name makes another task and changes none. If it is empty, the task is named "
    "after your clicks.",
    True: "The take being recorded belongs to this task.",
}
"""Tooltips of the name field, by whether it is fixed."""


class ArmPanel(Panel):
    """The 3-D view with tools, task name, and, while a policy runs, its distance to the demonstrations."""

    def __init__(self, theme: Theme, actions: Actions, click_teacher: ClickTeacher) -> None:
        super().__init__("Arm")
        self.view = SceneView(theme, click_teacher)
        self.player = TakePlayer(self)
        self.player_bar = PlayerBar(theme, actions, self.player)
        self.countdown_overlay = CountdownOverlay(theme, self.view)
        self.notice_bar = NoticeBar(theme, actions, ("mark", "clear_overload", "camera"))
        self.tool_bar = TeachingToolBar(theme, actions)
        self.mode_bar = ModeBar(theme, actions, self.tool_bar)
        self.steps_panel = StepsPanel(theme, actions, click_teacher)
        self.placement_bar = PlacementBar(theme, actions)
        self.task_name_field = self._make_name_field()
        self._task_name_label = make_muted_label("Next take of")
        self._task_name_label.setBuddy(self.task_name_field)
        self.elapsed = QLabel()
        self.elapsed.setObjectName("alarm")
        self._retake_button = make_button(actions["again"], "flat", icon_size=16)
        self._discard_button = make_button(actions["discard"], "flat", icon_size=16)
        self._distance_widget = self._make_distance_widget()
        self.eliding_title = ElidingLabel()
        self._show_eliding_title()
        self.header.insertWidget(1, self.placement_bar)
        self.header.insertWidget(2, make_button(actions["view"], "flat", show_text=False, icon_size=16))
        for widget in (
            self._retake_button,
            self._discard_button,
            self.elapsed,
            self._distance_widget,
            self._task_name_label,
        ):
            self.header.addWidget(widget)
        self.header.addWidget(self.task_name_field, 2)
        self._views = self._make_views()
        self.body.addLayout(self._make_scene_row(), 1)
        self.body.addWidget(self.player_bar)
        self.body.addWidget(self.notice_bar)
        self.body.addWidget(self.mode_bar)
        self.show_distance(None)
        self.show_take_buttons(False)

    def _make_views(self) -> QSplitter:
        """Return the 3-D view with a camera's picture at its right, if there is one."""
        out = QSplitter(Qt.Orientation.Horizontal)
        out.setHandleWidth(GRID_PX)
        out.setChildrenCollapsible(False)
        out.addWidget(self.view)
        return out

    def _make_scene_row(self) -> QHBoxLayout:
        """Return the views with the steps at their right."""
        out = QHBoxLayout()
        out.setSpacing(GRID_PX)
        out.addWidget(self._views, 1)
        out.addWidget(self.steps_panel)
        return out

    def _show_eliding_title(self) -> None:
        """Put a title into the header that takes the room that is left, because names of tasks are long."""
        self.title.hide()
        self.eliding_title.setObjectName("title")
        self.eliding_title.setMinimumWidth(MIN_TITLE_PX)
        self.header.takeAt(1)  # the stretch
        self.header.insertWidget(0, self.eliding_title, 3)
        self.show_title("Arm")

    def _make_name_field(self) -> QLineEdit:
        out = QLineEdit()
        out.setPlaceholderText("named by your clicks")
        out.setAccessibleName("Task of the next take")
        out.setToolTip(NAME_FIELD_TEXTS[False])
        out.returnPressed.connect(self.view.setFocus)
        out.setMinimumWidth(110)
        out.setMaximumWidth(320)
        return out

    def _make_distance_widget(self) -> QWidget:
        out = QWidget()
        self._distance_bar = QProgressBar()
        self._distance_bar.setRange(0, 200)
        self._distance_bar.setTextVisible(False)
        self._distance_bar.setFixedWidth(100)
        self._distance_bar.setAccessibleName("Distance to the demonstrations")
        self._distance_label = make_muted_label()
        self._distance_label.setMinimumWidth(84)
        row = QHBoxLayout(out)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GRID_PX)
        row.addWidget(make_muted_label("Distance to demonstrations"))
        row.addWidget(self._distance_bar)
        row.addWidget(self._distance_label)
        return out

    def add_picture(self, picture: QWidget) -> None:
        """Add a picture of the table at the right of the 3-D view; it takes room only while it is visible."""
        self._views.addWidget(picture)
        self._views.setSizes([1000, 800])

    def show_steps(self, shown: bool) -> None:
        """Show or hide the steps, with the focus where keys give the next one, or in the view."""
        had_focus = self.steps_panel.isAncestorOf(self.focusWidget())
        self.steps_panel.setVisible(shown)
        if shown:
            self.steps_panel.focus_form()
        elif had_focus:
            self.view.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def show_take_buttons(self, saved: bool) -> None:
        """Show the buttons to repeat or discard the take that was just saved."""
        self._retake_button.setVisible(saved)
        self._task_name_label.setVisible(not saved)
        self._discard_button.setVisible(saved)

    def show_recording(self, text: str) -> None:
        """Show the duration of the take being recorded; an empty text hides it."""
        self.elapsed.setText(text)
        self.elapsed.setVisible(bool(text))

    def show_recording_task(self, recording: bool, fixed: bool) -> None:
        """Show whose take is being recorded; its name is ``fixed`` if the task existed before."""
        self._task_name_label.setText("Take of" if recording else "Next take of")
        self.task_name_field.setReadOnly(fixed)
        self.task_name_field.setToolTip(NAME_FIELD_TEXTS[fixed])
        if not self.task_name_field.hasFocus():
            self.task_name_field.setCursorPosition(0)  # the beginning of a long name tells most

    def show_distance(self, distance: float | None) -> None:
        """Show the distance of a run to the demonstrations; 1 is the largest among them. None hides it."""
        self._distance_widget.setVisible(distance is not None)
        self._task_name_label.setVisible(distance is None and self._retake_button.isHidden())
        self.task_name_field.setVisible(distance is None)
        if distance is not None:
            self._distance_bar.setValue(round(100 * min(distance, 2.0)))
            self._distance_label.setText(
                "similar" if distance < 1.0 else "different" if distance > 1.6 else "slightly off"
            )

    def show_task_name(self, name: str) -> None:
        """Show the task of the next take, scrolled to the beginning of its name."""
        self.task_name_field.setText(name)
        self.task_name_field.setCursorPosition(0)

    def show_title(self, title: str) -> None:
        """Show what the view displays, such as the arm or a take."""
        self.eliding_title.set_full_text(title)
