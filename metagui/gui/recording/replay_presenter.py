"""Presenter of the selected take: one playhead in the 3-D view, the joint plot and the slider, and its cutting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, Qt

from metagui.arms.arm import ArmError
from metagui.gui.core.app_state import ArmActivity
from metagui.gui.recording.segment_edit import bring_boundary, is_segmentation_editable, toggle_boundary
from metagui.gui.recording.take_editor import TakeEditor
from metagui.gui.scene.overlays import make_path_markers
from metagui.gui.scene.player_keys import press_player_key
from metagui.gui.theme.colours import unit_rgb

if TYPE_CHECKING:
    from collections.abc import Callable

    from metagui.arms.arm import FloatArray
    from metagui.arms.control.tick import Tick
    from metagui.demonstrations.demonstration import Demonstration, TakeKey
    from metagui.gui.arm.arm_controller import ArmController
    from metagui.gui.core.actions import Actions
    from metagui.gui.core.app_state import AppState
    from metagui.gui.core.messages import Messages
    from metagui.gui.library.library_model import LibraryModel
    from metagui.gui.recording.joint_plot import JointPlot
    from metagui.gui.recording.segment_edit import SegmentTuple
    from metagui.gui.scene.arm_panel import ArmPanel

IDLE_STATES = (ArmActivity.NO_ARM, ArmActivity.READY, ArmActivity.ERROR)
"""Activities of the arm during which a take can be on display."""
ARM_MOTION_RAD = 0.03
"""Motion of a joint, rad, from which the arm is shown again: a hand, a leader or a gamepad moves it."""
ARM_ACTIONS = ("randomise", "mark", "home", "up", "down", "release", "limp", "clear_overload")
"""Actions that move the arm or change its scene, after which it is shown."""


class ReplayPresenter(QObject):
    """Shows the selected take until the arm moves, a click in the view, or Stop."""

    def __init__(
        self,
        panel: ArmPanel,
        plot: JointPlot,
        actions: Actions,
        controller: ArmController,
        library_model: LibraryModel,
        state: AppState,
        messages: Messages,
    ) -> None:
        super().__init__(panel)
        self._panel, self._plot, self._actions, self._player = panel, plot, actions, panel.player
        self._controller, self._library_model, self._state, self._messages = controller, library_model, state, messages
        self._editor = TakeEditor(library_model, messages)
        self._pair: tuple[Demonstration, Demonstration] | None = None
        """Two takes that are compared."""
        self._angles_when_shown: FloatArray | None = None
        """Joint angles (J,) of the arm when the take on display was shown, rad; None before the first tick."""
        self._connect_actions(
            {
                "replay": self._toggle_replay,
                "loop": self._toggle_loop,
                "live": self.show_arm,
                "trim_start": self._trim_start,
                "trim_end": self._trim_end,
                "trim_motion": self._trim_to_motion,
                "cut_pauses": self._cut_pauses,
                "untrim": self._untrim,
            }
        )
        for key in ARM_ACTIONS:
            actions[key].triggered.connect(self.show_arm)
        panel.view.left_take.connect(self.show_arm)
        controller.ticked.connect(self._give_way)
        self._plot.press_key = self._press_key
        self._plot.ruler.scrubbed.connect(self._scrub)
        self._plot.trimmed.connect(self._editor.trim_to_times, Qt.ConnectionType.QueuedConnection)
        self._player.moved.connect(self._show_position)
        self._player.playback_changed.connect(self._show_playback)

    def _connect_actions(self, slots: dict[str, Callable[..., object]]) -> None:
        for key, slot in slots.items():
            self._actions[key].triggered.connect(slot)

    # What is shown

    def show_pair(self, first: Demonstration | None, second: Demonstration | None) -> None:
        """Draw the second of two takes over the first once that is selected; None for both ends it."""
        if first is None and self._pair is None:
            return
        self._pair = None if first is None or second is None else (first, second)
        take = self._selected_take()
        if take is not None:
            self._draw_pair(take)

    def _draw_pair(self, take: Demonstration) -> None:
        """Draw the path of the selected take, and path and angles of the second one if it is the first of a pair."""
        pair, series = self._pair, self._plot.theme.colours.series
        is_first = pair is not None and (pair[0].task, pair[0].name) == (take.task, take.name)
        second = pair[1] if pair is not None and is_first else None
        shown = ((take, series[0]),) if second is None else ((take, series[0]), (second, series[1]))
        self._panel.view.show_path(
            tuple(m for each, colour in shown for m in make_path_markers(each.tool_positions, unit_rgb(colour)))
        )
        self._plot.show_second_take(second)

    def show_selection(self) -> None:
        """Show the selected take in its own scene and in the joint plot, or the arm if none is selected."""
        take, view = self._selected_take(), self._panel.view
        if take is None:
            self._plot.show_live()
            view.show_path(())
            self._player.show_take(None)
            return
        self._plot.show_take(take)
        self._draw_pair(take)
        on_display = self._player.take
        is_on_display = on_display is not None and (on_display.task, on_display.name) == (take.task, take.name)
        if is_on_display or self._can_show():
            self._player.show_take(take)

    def show_arm(self) -> None:
        """Show the arm in the 3-D view; the take stays in the joint plot."""
        self._player.show_take(None)

    def _can_show(self) -> bool:
        """Whether a take may take the arm's place in the view."""
        return self._state.activity in IDLE_STATES and not self._state.snapshot.arm_busy

    def _give_way(self, tick: Tick) -> None:
        """Show the arm as soon as it moves, whatever moves it: who moves it must see it."""
        if self._player.take is None:
            return
        angles = tick.observation.joints.positions
        if self._angles_when_shown is None:
            self._angles_when_shown = angles
        elif np.abs(angles - self._angles_when_shown).max() > ARM_MOTION_RAD:
            self.show_arm()

    def _show_position(self) -> None:
        player, view = self._player, self._panel.view
        self._plot.show_playhead(None if player.take is None else player.position)
        state = player.state
        if state is None:
            return
        try:
            view.show_state(state, None)
        except ArmError as error:
            self._messages.post_error(error)
            player.show_take(None)

    def _show_playback(self) -> None:
        player, panel = self._player, self._panel
        panel.view.shows_take = player.take is not None
        if player.take is None:
            self._angles_when_shown = None
            panel.show_title("Arm")
            tick = self._controller.latest_tick
            panel.view.show_state(self._controller.get_arm_state(), tick.observation if tick else None)
        else:
            verb = "Replaying take" if player.is_playing else "Take"
            panel.show_title(f"{verb} {player.take.name} of “{player.take.task}”")
        self._state.refresh()

    # Playhead

    def _selected_take(self) -> Demonstration | None:
        key = self._state.snapshot.take_key
        return None if key is None else self._library_model.request_take(key)

    def _take_on_display(self) -> Demonstration | None:
        """Return the selected take, and show it if the arm was shown."""
        take = self._selected_take()
        if take is not None and self._can_show():
            self._player.show_take(take)
        return take

    def _toggle_replay(self) -> None:
        """Replay the selected take in the view, or pause the replay."""
        take = self._take_on_display()
        if take is not None and take.states is None:
            text = "This take has no simulator states: the 3-D view cannot show it, the joint angles can."
            self._messages.post(text, "warning")
        self._player.toggle()

    def _toggle_loop(self) -> None:
        self._player.set_looping(self._actions["loop"].isChecked())

    def _scrub(self, time: float) -> None:
        if self._take_on_display() is not None:
            self._player.pause()
            self._player.seek(time)

    def _press_key(self, key: int, modifiers: Qt.KeyboardModifier) -> bool:
        trims = {Qt.Key.Key_I: "trim_start", Qt.Key.Key_O: "trim_end"}
        if key in trims and not modifiers:
            self._actions[trims[Qt.Key(key)]].trigger()
            return True
        take = self._take_on_display()
        edits = {Qt.Key.Key_B: toggle_boundary, Qt.Key.Key_M: bring_boundary}
        if key in edits and not modifiers and take is not None:
            self._edit_boundary(take, edits[Qt.Key(key)])
            return True
        return press_player_key(self._player, key, modifiers)

    def _edit_boundary(self, take: Demonstration, edit: Callable[[SegmentTuple, int, int], SegmentTuple]) -> None:
        """Change the boundary at the playhead, or say why that is not possible."""
        if not is_segmentation_editable(take):
            self._messages.post("The parts of this take are its clicks, so their boundaries stay.")
            return
        segments = edit(take.segments, self._player.sample, len(take))
        if segments == take.segments:
            self._messages.post("No boundary can be there. Move the playhead, then try again.")
        else:
            self._plot.segments_edited.emit(segments)

    # Cutting

    def _trim_start(self) -> None:
        take = self._take_on_display()
        if take is not None:
            self._editor.trim(take, self._player.sample, take.trim[1] if take.trim else len(take))

    def _trim_end(self) -> None:
        take = self._take_on_display()
        if take is not None:
            self._editor.trim(take, take.trim[0] if take.trim else 0, self._player.sample + 1)

    def _trim_to_motion(self) -> None:
        take = self._take_on_display()
        if take is not None:
            self._editor.trim_to_motion(take)

    def _untrim(self) -> None:
        take = self._take_on_display()
        if take is not None:
            self._editor.untrim(take)

    def _cut_pauses(self) -> None:
        take = self._take_on_display()
        if take is not None:
            self._editor.cut_pauses(take, self._select)

    def _select(self, key: TakeKey) -> None:
        self._state.select(*key)
