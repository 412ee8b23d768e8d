"""Bar under the 3-D view while a take is on display: play, slider, speed, repeat, cutting, and back to the arm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QMenu, QPushButton, QSlider, QStyle, QWidget

from metagui.gui.scene.player_keys import press_player_key
from metagui.gui.scene.take_player import PLAYBACK_SPEEDS
from metagui.gui.theme.icons import make_icon
from metagui.gui.widgets.action_button import make_button
from metagui.gui.widgets.panel import GRID_PX

if TYPE_CHECKING:
    from PySide6.QtGui import QKeyEvent, QMouseEvent

    from metagui.gui.core.actions import Actions
    from metagui.gui.scene.take_player import TakePlayer
    from metagui.gui.theme.theme import Theme

CUT_ACTIONS = ("trim_start", "trim_end", "trim_motion", "cut_pauses", "", "untrim")
"""Entries of the menu that cuts a take; an empty key is a line."""
_HANDLE_PX = 14


class TimeSlider(QSlider):
    """Slider of the playhead in milliseconds; a press on its groove moves it there."""

    def __init__(self, player: TakePlayer) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self._player = player
        self.setAccessibleName("Playhead")
        self.setMinimumWidth(80)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Move the handle under the pointer, so that it can be dragged at once."""
        if event.button() == Qt.MouseButton.LeftButton:
            x, width = round(event.position().x()) - _HANDLE_PX // 2, self.width() - _HANDLE_PX
            self.setSliderPosition(QStyle.sliderValueFromPosition(self.minimum(), self.maximum(), x, width))
        super().mousePressEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Move or play the playhead."""
        if not press_player_key(self._player, event.key(), event.modifiers()):
            super().keyPressEvent(event)


class PlayerBar(QWidget):
    """Shows and moves the playhead of a player; hidden while the arm is shown."""

    def __init__(self, theme: Theme, actions: Actions, player: TakePlayer) -> None:
        super().__init__()
        self._theme, self._player = theme, player
        self.slider, self.time_label, self.speed_box = TimeSlider(player), QLabel(), QComboBox()
        self._play_button = QPushButton()
        self._play_button.setObjectName("flat")
        self._play_button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.time_label.setObjectName("muted")
        self.speed_box.setAccessibleName("Speed of the replay")
        self.speed_box.setToolTip("Speed of the replay")
        self.speed_box.addItems([f"{speed:g}×" for speed in PLAYBACK_SPEEDS])
        self._lay_out(actions)
        self._play_button.clicked.connect(player.toggle)
        self.slider.valueChanged.connect(self._seek)
        self.slider.sliderPressed.connect(player.pause)
        self.speed_box.activated.connect(self._choose_speed)
        player.moved.connect(self._show_position)
        player.playback_changed.connect(self._show_playback)
        theme.changed.connect(self._show_playback)
        self._show_playback()

    def _lay_out(self, actions: Actions) -> None:
        menu = QMenu(self)
        menu.setToolTipsVisible(True)
        for key in CUT_ACTIONS:
            menu.addAction(actions[key]) if key else menu.addSeparator()
        self.cut_button = QPushButton("Cut")
        self.cut_button.setObjectName("flat")
        self.cut_button.setToolTip("Leave out parts of the take; drag the handles in the joint angles, too.")
        self.cut_button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.cut_button.setMenu(menu)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GRID_PX)
        row.addWidget(self._play_button)
        row.addWidget(self.slider, 1)
        row.addWidget(self.time_label)
        row.addWidget(self.speed_box)
        row.addWidget(make_button(actions["loop"], "flat", show_text=False, icon_size=18))
        row.addWidget(self.cut_button)
        row.addWidget(make_button(actions["live"], "flat", show_text=False, icon_size=16))

    def _seek(self, milliseconds: int) -> None:
        self._player.seek(milliseconds / 1000.0)

    def _choose_speed(self, index: int) -> None:
        self._player.set_speed(PLAYBACK_SPEEDS[index])

    def _show_position(self) -> None:
        player = self._player
        self.slider.blockSignals(True)  # the slider's whole milliseconds must not move the playhead
        self.slider.setValue(round(1000 * player.position))
        self.slider.blockSignals(False)
        self.time_label.setText(f"{player.position:.2f} / {player.duration:.2f} s")

    def _show_playback(self) -> None:
        """Show the take's length, whether it plays, and the speed."""
        player = self._player
        self.setVisible(player.take is not None)
        colour = self._theme.colours.text
        self._play_button.setIcon(make_icon("pause" if player.is_playing else "run", colour))
        name = "Pause" if player.is_playing else "Play"
        self._play_button.setAccessibleName(name)
        self._play_button.setToolTip(f"{name} the take  (Space)")
        self.cut_button.setIcon(make_icon("cut", colour))
        self.slider.blockSignals(True)
        self.slider.setRange(0, round(1000 * player.duration))
        self.slider.blockSignals(False)
        self.time_label.setMinimumWidth(self.fontMetrics().horizontalAdvance(f"{player.duration:.2f} / 00.00 s") + 4)
        if abs(player.speed) in PLAYBACK_SPEEDS:
            self.speed_box.setCurrentIndex(PLAYBACK_SPEEDS.index(abs(player.speed)))
        self._show_position()
