"""The person's choices in the window: stored when it closes, back at the next start, changed in the preferences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from metagui.arms.guiding import GuidingStiffness
from metagui.gui.core.stored_choices import read_flag, read_text, read_texts
from metagui.gui.preferences.library_picker import LibraryPicker
from metagui.gui.preferences.preferences_dialog import PreferencesDialog
from metagui.gui.preferences.sounds import Sounds
from metagui.gui.similarity.similarity_panel import SIMILARITY_VIEWS
from metagui.gui.window.top_bar import THEME_CHOICES

if TYPE_CHECKING:
    from metagui.gui.window.main_window import MainWindow
    from metagui.gui.window.session import Session
    from metagui.gui.window.session_parts import ArmParts, ExecutionParts, TeachingParts

CHOSEN_ARM_SETTING = "arm/chosen"
STIFFNESS_SETTING = "teaching/stiffness"
SELECTED_TASK_SETTING, TASK_ORDER_SETTING, EXPANDED_SETTING = "library/task", "library/order", "library/expanded"
SOUNDS_SETTING, SIMILARITY_VIEW_SETTING = "window/sounds", "window/similarity-view"
COUNTDOWN_SETTINGS = {True: "recording/countdown-simulated", False: "recording/countdown"}
"""Keys of the settings for the countdown before a recording, with the simulated arm (True) and real arms (False)."""


class WindowChoices(QObject):
    """Stores and restores the choices of one window, and connects what changes them."""

    def __init__(self, window: MainWindow, session: Session) -> None:
        super().__init__(window)
        self._window, self._session, self._settings = window, session, window.settings
        self._recording = session.recording.controller
        self.sounds = Sounds(self, read_flag(window.settings, SOUNDS_SETTING, False))
        self.dialog = PreferencesDialog(window, window.actions_, THEME_CHOICES)
        folder, menu, action = (
            session.library.folder,
            window.top_bar.inner_menus["recent ▸"],
            window.actions_["open_library"],
        )
        self.picker = LibraryPicker(window, action, menu, folder, window.settings, session.messages)
        window.about_page.set_library(folder)
        session.library.access_changed.connect(self._show_read_only)
        self.picker.chosen.connect(window.request_library)
        window.actions_["preferences"].triggered.connect(self._open_dialog)
        self.dialog.countdown_chosen.connect(self._set_countdown)
        self.dialog.sounds_chosen.connect(self._set_sounds)
        session.messages.posted.connect(self.sounds.on_message)
        self._recording.take_saved.connect(self.sounds.on_take_saved)
        self._connect_countdown(session.execution)

    def _connect_countdown(self, execution: ExecutionParts) -> None:
        execution.countdown.count_changed.connect(self.sounds.on_count)

    def close(self) -> None:
        """Store the choices, and close the dialogs."""
        self._save(self._session.arm, self._session.teaching)
        self.dialog.close()
        self.picker.close()

    def _save(self, arm: ArmParts, teaching: TeachingParts) -> None:
        settings, task_list = self._settings, self._window.task_list
        for simulated, enabled in self._recording.countdown_enabled.items():
            settings.setValue(COUNTDOWN_SETTINGS[simulated], enabled)
        settings.setValue(SELECTED_TASK_SETTING, self._window.task_list.current_selection()[0] or "")
        settings.setValue(TASK_ORDER_SETTING, task_list.search_row.order)
        settings.setValue(EXPANDED_SETTING, sorted(task_list.tree.expanded_tasks))
        settings.setValue(CHOSEN_ARM_SETTING, arm.connection.chosen.key)
        settings.setValue(STIFFNESS_SETTING, teaching.modes.stiffness.value)
        chosen = self._window.similarity_panel.chosen_view
        settings.setValue(SIMILARITY_VIEW_SETTING, "" if chosen is None else SIMILARITY_VIEWS[chosen])

    def restore(self) -> str:
        """Restore the choices of the last time; return the task to select once it is listed."""
        self._restore(self._session.arm, self._session.teaching)
        return read_text(self._settings, SELECTED_TASK_SETTING)

    def _restore(self, arm: ArmParts, teaching: TeachingParts) -> None:
        settings, task_list = self._settings, self._window.task_list
        task_list.search_row.set_order(read_text(settings, TASK_ORDER_SETTING))
        task_list.tree.expanded_tasks |= set(read_texts(settings, EXPANDED_SETTING))
        countdowns = self._recording.countdown_enabled
        for simulated, key in COUNTDOWN_SETTINGS.items():
            countdowns[simulated] = read_flag(settings, key, countdowns[simulated])
        arm.connection.choose_when_listed(read_text(settings, CHOSEN_ARM_SETTING))
        stiffness, view = read_text(settings, STIFFNESS_SETTING), read_text(settings, SIMILARITY_VIEW_SETTING)
        if stiffness in tuple(GuidingStiffness):
            teaching.modes.choose_stiffness(stiffness)
        if view in SIMILARITY_VIEWS:
            self._window.similarity_panel.choose_view(SIMILARITY_VIEWS.index(view))

    # Library

    def _show_read_only(self, problem: str) -> None:
        """Say that the library cannot be changed, in a message and above the list for as long as it is open."""
        self._session.messages.post(problem, "warning")
        self._window.task_list.show_notice("Read-only: takes can be seen, compared and run.", problem)

    # Preferences

    def _open_dialog(self) -> None:
        countdowns = self._recording.countdown_enabled
        self.dialog.open_for(str(self._session.library.folder), countdowns, self.sounds.enabled)

    def _set_countdown(self, simulated: bool, enabled: bool) -> None:
        self._recording.countdown_enabled[simulated] = enabled
        self._session.state.refresh()

    def _set_sounds(self, enabled: bool) -> None:
        self.sounds.enabled = enabled
        self._settings.setValue(SOUNDS_SETTING, enabled)
        self.sounds.play()
