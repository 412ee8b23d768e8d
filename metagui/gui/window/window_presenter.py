"""What the window shows of the session: its situation, the newest tick, its words, its tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer

from metagui.arms.arm import CONTROL_RATE
from metagui.gui.arm.rate_meter import RateMeter
from metagui.gui.core.app_state import Learning, Situation, State, why_not
from metagui.gui.scene.overlays import path_marks
from metagui.gui.theme.theme import unit_rgb
from metagui.gui.widgets.toast import Message
from metagui.gui.window.action_slots import Commands
from metagui.gui.window.arm_presenter import ArmViews
from metagui.gui.window.learning_presenter import LearningViews

if TYPE_CHECKING:
    from metagui.arms.control.tick import Tick
    from metagui.demonstrations.storage.library import TakeInfo
    from metagui.gui.window.main_window import MainWindow
    from metagui.gui.window.session import Session

TRACE_PERIOD = 100
"""How often the live joint traces are drawn, ms."""


class Binding(QObject):
    """Connects the session's signals to the widgets."""

    def __init__(self, window: MainWindow, session: Session) -> None:
        super().__init__(window)
        self._window, self._session = window, session
        self._situation = Situation()
        self._opened = False
        self._rate = RateMeter()
        self._wanted_task: str | None = None
        self._commands = Commands(window, session)
        self._arms = ArmViews(window, session)
        self._learning = LearningViews(session, window.losses, window.similarity)
        self._traces = QTimer(self, interval=TRACE_PERIOD)
        self._traces.timeout.connect(window.traces.refresh)
        self._connect()
        self._show_situation(session.situation)
        window.arm.tools.show_tool(session.steering.teacher.verb)

    def _connect(self) -> None:
        session, window = self._session, self._window
        session.situation_changed.connect(self._show_situation)
        session.said.connect(self._say)
        session.ticked.connect(self._show_tick)
        session.chosen_changed.connect(self._show_chosen)
        session.renamed.connect(self._expect)
        session.steering.tool_changed.connect(self._show_tool)
        session.taking.saved.connect(self._show_saved)
        session.leftovers.offered.connect(window.banner.offer)
        session.lessons.offered.connect(window.odd.offer)
        session.shelf.changed.connect(self._show_tasks)
        session.shelf.loaded.connect(self._repaint_tasks)
        session.studies.learner.progress.connect(window.status.show_progress)
        session.studies.adapted.connect(lambda _adapted: window.toasts.settle([window.actions_["adapt"]]))
        session.running.distance_changed.connect(window.arm.show_distance)

    def open(self) -> None:
        """Start what wants a visible window, once."""
        if self._opened:
            return
        self._opened = True
        view, arm = self._window.arm.view, self._session.desk.arm
        view.open()
        view.setFocus()
        view.show_state(arm.state(), None)
        self._window.status.folder.say(str(self._session.folder()))
        self._traces.start()
        self._session.open()

    def close(self) -> None:
        """The window is closed."""
        self._arms.close()

    def _show_situation(self, situation: Situation) -> None:
        window, before = self._window, self._situation
        self._situation = situation
        window.actions_.refresh(situation)
        window.status.show_situation(situation)
        window.tasks.show_recording(situation.state is State.RECORDING)
        missing = why_not("motion", situation)
        window.arm.tools.refresh(missing)
        window.arm.view.teaching = missing is None
        window.arm.view.calm = situation.learning is Learning.IDLE
        window.arm.show_saved(situation.just_saved and situation.state is State.READY)
        if situation.state is not State.RECORDING:
            window.arm.show_recording("")
        if situation.state is State.READY and before.state in (State.NO_ARM, State.CONNECTING, State.ERROR):
            window.traces.forget()
        if situation.state is not before.state:
            self._commands.replay.stop()
            window.arm.show_title("Arm")
        if (situation.task, situation.state) != (before.task, before.state) and not window.arm.name.hasFocus():
            window.arm.show_name(situation.task or self._session.taking.new_name)

    def _show_tick(self, tick: Tick) -> None:
        window, recorder = self._window, self._session.desk.recorder
        if not self._commands.replay.playing:
            window.arm.view.show_state(tick.state, tick.observation)
        window.traces.extend(tick.time, tick.observation.joints.positions, tick.click, tick.click_index)
        if recorder.recording:
            window.arm.show_recording(f"● {recorder.samples / CONTROL_RATE:.1f} s")
        rate = self._rate.update(tick.index, tick.time)
        if tick.index % 25 < 2:
            limits = " · limits in force" if self._situation.state is State.RUNNING else ""
            window.status.show_rate(f"{rate:.1f} / {CONTROL_RATE:.0f} Hz, {tick.missed} missed{limits}")

    def _show_tool(self, verb: str) -> None:
        self._window.arm.tools.show_tool(verb)
        self._window.arm.view.refresh_hint()

    def _show_tasks(self) -> None:
        self._window.tasks.show_tasks(self._session.shelf.tasks)
        if self._session.shelf.task(self._wanted_task) is not None:
            self._window.tasks.choose(self._wanted_task)
            self._wanted_task = None

    def _repaint_tasks(self, _key: object) -> None:
        self._window.tasks.tree.viewport().update()

    def _expect(self, task: str) -> None:
        """Choose a task as soon as the list has it."""
        self._wanted_task = task

    def _show_saved(self, info: TakeInfo) -> None:
        self._expect(info.task)

    def _show_chosen(self) -> None:
        """Show the chosen take, or the arm if none is chosen."""
        s, window = self._session.situation, self._window
        self._commands.replay.stop()
        take = self._session.chosen_take()
        if take is not None:
            window.traces.show_take(take)
            window.arm.view.show_path(path_marks(take.tool_positions, unit_rgb(window.theme.colours.accent)))
        else:
            window.traces.live()
            window.arm.view.show_path(())
        if s.task and window.tasks.current()[0] != s.task:
            window.tasks.choose(s.task, s.take)

    def _say(self, text: str, kind: str, action: str) -> None:
        found = self._window.actions_[action] if action else None
        self._window.toasts.say(Message(text, kind, found))  # type: ignore[arg-type]
        self._window.status.message.say(text)
