"""Dialog of the preferences. Each takes effect at once; it is not modal, and Esc closes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QComboBox, QDialog, QFormLayout, QHBoxLayout, QLabel, QPushButton, QWidget

from metagui.gui.widgets.action_button import make_button
from metagui.gui.widgets.eliding_label import ElidingLabel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PySide6.QtGui import QAction

    from metagui.gui.core.actions import Actions

COUNTDOWN_TEXTS = {True: "Count down before recording the simulated arm", False: "Count down before recording an arm"}
"""Text for each kind of arm, by whether it is simulated."""


class PreferencesDialog(QDialog):
    """Library, colours, countdowns and sounds."""

    countdown_chosen = Signal(bool, bool)
    """True for the simulated arm, and whether a countdown precedes its recordings."""
    sounds_chosen = Signal(bool)
    """Whether sounds are made."""

    def __init__(self, parent: QWidget, actions: Actions, colours: Sequence[str]) -> None:
        """Create the hidden dialog; ``colours`` are the keys of the actions that choose colours."""
        super().__init__(parent)
        self.setWindowTitle("Preferences")
        self.setModal(False)
        self.setMinimumWidth(480)
        self._colour_actions: list[QAction] = [actions[key] for key in colours]
        self.folder_label = ElidingLabel()
        self.colours_box = QComboBox()
        self.colours_box.setAccessibleName("Colours")
        self.colours_box.addItems([action.text() for action in self._colour_actions])
        self.countdown_boxes = {simulated: QCheckBox(text) for simulated, text in COUNTDOWN_TEXTS.items()}
        self.sounds_box = QCheckBox("Sound when a take is saved, during countdowns, and for errors")
        for box in (*self.countdown_boxes.values(), self.sounds_box):
            box.setAccessibleName(box.text())
        self._lay_out(actions)
        self.colours_box.activated.connect(self._choose_colours)
        self.countdown_boxes[True].clicked.connect(self._choose_simulated_countdown)
        self.countdown_boxes[False].clicked.connect(self._choose_countdown)
        self.sounds_box.clicked.connect(self.sounds_chosen)

    def _lay_out(self, actions: Actions) -> None:
        form = QFormLayout(self)
        form.setContentsMargins(20, 20, 20, 16)
        form.setVerticalSpacing(12)
        library, row = QWidget(), QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.folder_label, 1)
        row.addWidget(make_button(actions["open_library"]))
        library.setLayout(row)
        colours = QLabel("Colours")
        colours.setBuddy(self.colours_box)
        form.addRow("Library", library)
        form.addRow(colours, self.colours_box)
        form.addRow("Recording", self.countdown_boxes[True])
        form.addRow("", self.countdown_boxes[False])
        form.addRow("Sounds", self.sounds_box)
        close_button = QPushButton("Close")
        close_button.clicked.connect(self.hide)
        below = QHBoxLayout()
        below.addStretch(1)
        below.addWidget(close_button)
        form.addRow(below)

    def open_for(self, folder: str, countdowns: Mapping[bool, bool], sounds: bool) -> None:
        """Show the present choices."""
        self.folder_label.set_full_text(folder)
        checked = [index for index, action in enumerate(self._colour_actions) if action.isChecked()]
        self.colours_box.setCurrentIndex(checked[0] if checked else 0)
        for simulated, box in self.countdown_boxes.items():
            box.setChecked(countdowns[simulated])
        self.sounds_box.setChecked(sounds)
        self.show()
        self.activateWindow()

    def _choose_colours(self, index: int) -> None:
        self._colour_actions[index].trigger()

    def _choose_simulated_countdown(self, enabled: bool) -> None:
        self.countdown_chosen.emit(True, enabled)

    def _choose_countdown(self, enabled: bool) -> None:
        self.countdown_chosen.emit(False, enabled)
