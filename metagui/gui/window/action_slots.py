"""Which part of the session a button, a key or a gesture calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt

from metagui.gui.scene.take_player import Replay
from metagui.gui.similarity.comparison import TakeKey

if TYPE_CHECKING:
    from metagui.arms.arm import FloatArray
    from metagui.demonstrations.demonstration import Segment
    from metagui.gui.window.main_window import MainWindow
    from metagui.gui.window.session import Session


class Commands(QObject):
    """Connects the window's actions and widgets to the session."""

    def __init__(self, window: MainWindow, session: Session) -> None:
        super().__init__(window)
        self._window, self._session = window, session
        self.replay = Replay(self)
        self._connect_actions()
        self._connect_widgets()

    def _connect_actions(self) -> None:
        session, actions = self._session, self._window.actions_
        steering, undo, learner = session.steering, session.shelf.undo_stack, session.studies.learner
        slots = {
            "connect": session.toggle_connection,
            "record": session.toggle_recording,
            "again": session.take_again,
            "discard": session.discard_newest,
            "adapt": session.adapt,
            "run": session.run,
            "stop": self._stop,
            "calibrate": self._calibrate,
            "name_arm": self._name_arm,
            "copy_command": session.arm_flow.copy_command,
            "limp": session.toggle_limp,
            "countdown": self._choose_countdown,
            "replay_arm": session.replay_on_arm,
            "undo": undo.undo,
            "redo": undo.redo,
            "randomise": steering.randomise,
            "home": steering.home,
            "up": steering.up,
            "down": steering.down,
            "release": steering.release,
            "compare": session.studies.compare,
            "train": session.studies.train,
            "stop_learning": learner.stop,
            "cancel_learning": learner.cancel,
            "new_task": self._new_task,
            "delete": self._delete,
            "success": self._mark_success,
            "failure": self._mark_failure,
            "replay": self._toggle_replay,
        }
        for key, slot in slots.items():
            actions[key].triggered.connect(slot)

    def _connect_widgets(self) -> None:
        window, session = self._window, self._session
        window.tasks.chosen.connect(session.choose)
        window.traces.recut.connect(self._recut, Qt.ConnectionType.QueuedConnection)
        window.tasks.model.renamed.connect(session.rename)
        window.tasks.tree.doubleClicked.connect(window.actions_["replay"].trigger)
        window.arm.view.clicked.connect(session.steering.propose)
        window.arm.view.clicked.connect(self.replay.stop)
        window.arm.tools.chosen.connect(session.steering.choose_tool)
        window.arm.name.textEdited.connect(self._name_new_task)
        window.arm.name.editingFinished.connect(self._finish_name)
        window.arm.view.placed.connect(session.marking.put)
        window.arm.things.here.connect(session.marking.put_here)
        window.arm.modes.chosen.connect(session.modes.choose)
        window.arm.modes.opened.connect(session.modes.look_for_gamepad)
        window.arm.modes.followed.connect(self._follow)
        window.top.arms.chosen.connect(session.station.choose)
        window.top.arms.named.connect(session.station.name_chosen)
        window.top.arms.port_named.connect(session.station.add_port)
        window.calibration.finished.connect(session.arm_flow.use)
        window.calibration.cancelled.connect(session.arm_flow.end_calibration)
        window.banner.accepted.connect(session.leftovers.keep)
        window.odd.accepted.connect(session.lessons.leave_odd_out)
        window.odd.declined.connect(session.lessons.keep_odd)
        window.banner.declined.connect(session.leftovers.throw_away)
        self.replay.shown.connect(self._show_replay)
        self.replay.ended.connect(self._end_replay)

    # The arm

    def _calibrate(self) -> None:
        """Let go of the arm and open the page that calibrates it."""
        session, choice = self._session, self._session.station.chosen
        session.arm_flow.calibrate()
        self._window.calibration.open(choice.device, session.station.book)

    def _name_arm(self) -> None:
        self._window.top.arms.ask_name(self._session.station.chosen.name)

    def _stop(self) -> None:
        """Halt everything; a calibration is cancelled."""
        self._session.stop()
        self._window.calibration.cancel()

    def _follow(self, key: str) -> None:
        found = next((choice for choice in self._session.modes.leaders() if choice.key == key), None)
        if found is None:
            self._session.modes.unfollow()
        else:
            self._session.modes.follow(found)

    def _choose_countdown(self) -> None:
        self._session.count_before_recording(self._window.actions_["countdown"].isChecked())

    # Naming

    def _new_task(self) -> None:
        """Choose nothing, and wait for a name; none is needed."""
        self._window.tasks.choose(None)
        self._session.choose(None, None)
        self._window.arm.name.clear()
        self._window.arm.name.setFocus()

    def _name_new_task(self, text: str) -> None:
        if self._session.situation.task is None:
            self._session.taking.new_name = text.strip()

    def _finish_name(self) -> None:
        text, task = self._window.arm.name.text().strip(), self._session.situation.task
        if task and text and text != task:
            self._session.rename(task, text)

    # What is chosen

    def _delete(self) -> None:
        """Move the chosen take or task to the trash."""
        s = self._session.situation
        if s.task:
            self._session.shelf.remove(s.task, s.take)
            what = f"“{s.task}” take {s.take}" if s.take else f"“{s.task}”"
            self._session.said.emit(f"Moved {what} to the trash", "info", "undo")

    def _mark_success(self) -> None:
        self._mark(True)

    def _mark_failure(self) -> None:
        self._mark(False)

    def _mark(self, success: bool) -> None:
        s = self._session.situation
        if s.task and s.take:
            self._session.shelf.set_success(TakeKey(s.task, s.take), success)

    def _recut(self, segments: tuple[Segment, ...]) -> None:
        s = self._session.situation
        if s.task and s.take:
            self._session.shelf.set_segments(TakeKey(s.task, s.take), segments)

    # Replay

    def _toggle_replay(self) -> None:
        """Play the chosen take in the view, or stop playing."""
        take = self._session.chosen_take()
        if self.replay.playing:
            self.replay.stop()
        elif take is not None and not self.replay.start(take):
            self._session.said.emit("This take has no simulator states, so it cannot be replayed.", "warning", "")

    def _show_replay(self, state: FloatArray, share: float) -> None:
        self._window.arm.view.show_state(state, None)
        self._window.arm.show_title(f"Replaying take {self._session.situation.take or ''} · {100 * share:.0f} %")
        self._window.traces.show_progress(share)

    def _end_replay(self) -> None:
        self._window.arm.show_title("Arm")
        self._window.traces.show_progress(None)
