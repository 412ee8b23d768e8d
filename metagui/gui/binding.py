"""Connects the session's signals to the widgets and the widgets' to the session; no logic of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QTimer

from metagui.arms.arm import CONTROL_RATE
from metagui.gui.comparison import TakeKey
from metagui.gui.curves import Curves
from metagui.gui.marks import path_marks
from metagui.gui.rate import RateMeter
from metagui.gui.replay import Replay
from metagui.gui.state import Learning, Situation, State, why_not
from metagui.gui.theme import unit_rgb
from metagui.gui.toast import Message

if TYPE_CHECKING:
    from metagui.arms.ticks import Tick
    from metagui.gui.main_window import MainWindow
    from metagui.gui.session import Session

TRACE_PERIOD = 100
"""How often the live joint traces are drawn, ms."""


class Binding(QObject):
    """Which signal goes where."""

    def __init__(self, window: MainWindow, session: Session) -> None:
        super().__init__(window)
        self._window, self._session = window, session
        self._situation = Situation()
        self._latest: Tick | None = None
        self._opened = False
        self._rate = RateMeter()
        self._replay = Replay(self)
        self._wanted_task: str | None = None
        self._wanted_pair: tuple[TakeKey, TakeKey] | None = None
        self._traces = QTimer(self, interval=TRACE_PERIOD)
        self._traces.timeout.connect(window.traces.refresh)
        self._connect_actions()
        self._connect_session()
        self._connect_widgets()
        self._show_situation(session.situation)
        window.arm.tools.show_tool(session.teacher.verb)

    def open(self) -> None:
        """Start what wants a visible window, once."""
        if self._opened:
            return
        self._opened = True
        view, arm = self._window.arm.view, self._session.desk.arm
        view.open()
        view.show_state(arm.state(), None)
        self._window.status.folder.say(str(self._session.folder()))
        self._traces.start()
        self._session.open()

    def _connect_actions(self) -> None:
        session, actions = self._session, self._window.actions_
        slots = {
            "connect": session.toggle_connection,
            "record": session.toggle_recording,
            "again": session.take_again,
            "discard": session.discard_newest,
            "adapt": session.adapt,
            "run": session.run,
            "stop": session.stop,
            "undo": session.shelf.undo_stack.undo,
            "redo": session.shelf.undo_stack.redo,
            "randomise": session.randomise,
            "home": session.home,
            "up": session.up,
            "down": session.down,
            "release": session.release,
            "compare": session.compare,
            "stop_learning": session.studies.learner.stop,
            "cancel_learning": session.studies.learner.cancel,
            "train": self._train,
            "new_task": self._new_task,
            "delete": self._delete,
            "success": self._mark_success,
            "failure": self._mark_failure,
            "replay": self._toggle_replay,
        }
        for key, slot in slots.items():
            actions[key].triggered.connect(slot)

    def _connect_session(self) -> None:
        session = self._session
        session.situation_changed.connect(self._show_situation)
        session.said.connect(self._say)
        session.ticked.connect(self._show_tick)
        session.tool_changed.connect(self._show_tool)
        session.chosen_changed.connect(self._show_chosen)
        session.saved.connect(self._show_saved)
        session.offered.connect(self._show_offer)
        session.shelf.changed.connect(self._show_tasks)
        session.shelf.loaded.connect(self._repaint_tasks)
        session.studies.learner.progress.connect(self._window.status.show_progress)
        session.studies.steps.connect(self._window.losses.extend)
        session.studies.adapted.connect(self._show_adapted)
        session.studies.recalled.connect(self._show_earlier)
        session.studies.ended.connect(self._show_cancelled)
        session.studies.compared.connect(self._show_comparison)
        session.studies.training.connect(self._show_training)
        session.studies.trained.connect(session.compare)
        session.running.distance_changed.connect(self._window.arm.show_distance)

    def _connect_widgets(self) -> None:
        window, session = self._window, self._session
        self._replay.shown.connect(self._show_replay)
        self._replay.ended.connect(self._end_replay)
        window.tasks.tree.doubleClicked.connect(window.actions_["replay"].trigger)
        window.arm.view.clicked.connect(self._replay.stop)
        window.tasks.chosen.connect(session.choose)
        window.tasks.model.renamed.connect(self._rename)
        window.arm.view.clicked.connect(session.propose)
        window.arm.tools.chosen.connect(self._choose_tool)
        window.arm.name.textEdited.connect(self._name_new_task)
        window.arm.name.editingFinished.connect(self._finish_name)
        window.banner.accepted.connect(session.keep_left)
        window.banner.declined.connect(session.throw_left)
        window.similarity.pair_chosen.connect(self._show_pair)
        session.shelf.loaded.connect(self._on_loaded)

    # Session to widgets

    def _show_situation(self, situation: Situation) -> None:
        window, before = self._window, self._situation
        self._situation = situation
        window.actions_.refresh(situation)
        window.status.show_situation(situation)
        missing = why_not("motion", situation)
        window.arm.tools.refresh(missing)
        window.arm.view.teaching = missing is None
        window.arm.show_saved(situation.just_saved and situation.state is State.READY)
        if situation.state is not State.RECORDING:
            window.arm.show_recording("")
        if situation.task != before.task or situation.state is not before.state:
            self._show_name()
        if situation.task != before.task:
            self._show_task_curves()
        window.arm.view.calm = situation.learning is Learning.IDLE
        if situation.state is not before.state:
            self._replay.stop()
        if situation.learning is Learning.ADAPTING and before.learning is not Learning.ADAPTING:
            self._window.losses.begin(self._session.clicks_in_words(situation.task))
        if (situation.encoder_problem, situation.tasks) != (before.encoder_problem, before.tasks):
            self._explain_similarity()

    def _show_name(self) -> None:
        s = self._situation
        if not self._window.arm.name.hasFocus():
            self._window.arm.show_name(s.task or self._session.new_name)

    def _show_tick(self, tick: Tick) -> None:
        window = self._window
        self._latest = tick
        if not self._replay.playing:
            window.arm.view.show_state(tick.state, tick.observation)
        observation = tick.observation
        window.traces.extend(tick.time, observation.joints.positions, tick.click, tick.click_index)
        desk = self._session.desk
        if desk.recorder.recording:
            seconds = desk.recorder.samples / CONTROL_RATE
            window.arm.show_recording(f"● {seconds:.1f} s")
        rate = self._rate.update(tick.index, tick.time)
        if tick.index % 25 < 2:
            window.status.show_rate(f"{rate:.1f} / {CONTROL_RATE:.0f} Hz, {tick.missed} missed")

    def _show_tool(self, verb: str) -> None:
        self._window.arm.tools.show_tool(verb)
        self._window.arm.view.refresh_hint()

    def _show_tasks(self) -> None:
        self._window.tasks.show_tasks(self._session.shelf.tasks)
        if self._session.shelf.task(self._wanted_task) is not None:
            self._window.tasks.choose(self._wanted_task)
            self._wanted_task = None
        self._show_neighbours()

    def _repaint_tasks(self, _key: object) -> None:
        self._window.tasks.tree.viewport().update()

    def _show_saved(self, info: Any) -> None:
        """Choose the task of the take that was just saved, so that the next one joins it."""
        self._wanted_task = info.task

    def _show_chosen(self) -> None:
        s, window = self._situation, self._window
        self._replay.stop()
        take = self._session.chosen_take()
        if take is not None:
            window.traces.show_take(take)
            colour = unit_rgb(window.theme.colours.accent)
            window.arm.view.show_path(path_marks(take.tool_positions, colour))
        else:
            window.traces.live()
            window.arm.view.show_path(())
        if s.task and window.tasks.current()[0] != s.task:
            window.tasks.choose(s.task, s.take)
        self._show_neighbours()

    def _say(self, text: str, kind: str, action: str) -> None:
        found = self._window.actions_[action] if action else None
        self._window.toasts.say(Message(text, kind, found))  # type: ignore[arg-type]
        self._window.status.message.say(text)

    def _show_offer(self, words: str) -> None:
        if words:
            self._window.banner.offer(words)
        else:
            self._window.banner.hide()

    # Learning

    def _show_adapted(self, adapted: Any) -> None:
        clicks = dict(enumerate(adapted.clicks))
        self._window.losses.conclude({i: c.choice for i, c in clicks.items()}, {i: c.reason for i, c in clicks.items()})

    def _show_earlier(self, adapted: Any) -> None:
        """Show what an earlier adaptation of the chosen task looked like."""
        if self._situation.learning is not Learning.ADAPTING and adapted.task == self._situation.task:
            curves = Curves.from_provenance(adapted.provenance.get("curves", []))
            self._window.losses.restore(self._session.clicks_in_words(adapted.task), curves)
            self._show_adapted(adapted)

    def _show_task_curves(self) -> None:
        """Bring the chosen task's curves up, or say that there are none yet."""
        s = self._situation
        if s.learning is Learning.ADAPTING:
            return
        if s.adapted and s.task:
            self._session.studies.recall(s.task)
            return
        many = f"{s.takes} take{'' if s.takes == 1 else 's'}"
        self._window.losses.clear(
            f"“{s.task}” has {many} and no policy yet. Press Adapt and watch it learn."
            if s.task and s.takes
            else "Record a few takes of a task, then press Adapt: the curves of learning it appear here."
        )

    def _show_cancelled(self, what: str) -> None:
        if what == Learning.ADAPTING.value:
            self._window.losses.clear("Cancelled; nothing was changed. Press Adapt to start again.")
        if what != Learning.COMPARING.value:
            self._say(f"{what} was cancelled; nothing was changed.", "info", "")

    def _explain_similarity(self) -> None:
        s = self._situation
        if s.encoder_problem:
            self._window.similarity.explain(f"Nothing to compare yet: {s.encoder_problem}.")
        elif s.tasks < 2:
            self._window.similarity.explain("Similarity compares tasks: record a second one.")

    def _show_comparison(self, newest: Any) -> None:
        self._window.similarity.show_comparison(self._session.studies.comparison, newest)
        self._show_neighbours()

    def _show_neighbours(self) -> None:
        task = self._situation.task
        found, why = self._session.studies.neighbours(task) if task else ([], "")
        prompt = "Choose a task in the list to see which others look like it."
        if task and not found:
            task, prompt = None, f"“{task}” has no take that could be compared yet."
        self._window.similarity.show_neighbours(task, found, why, prompt)

    def _show_training(self, step: Any) -> None:
        self._window.similarity.show_training(step.same_distances, step.different_distances)

    # Widgets to session

    def _choose_tool(self, verb: str) -> None:
        self._session.teacher.choose(verb) if verb != self._session.teacher.verb else None
        self._window.arm.view.refresh_hint()

    def _name_new_task(self, text: str) -> None:
        if self._situation.task is None:
            self._session.new_name = text.strip()

    def _finish_name(self) -> None:
        text, task = self._window.arm.name.text().strip(), self._situation.task
        if task and text and text != task:
            self._rename(task, text)

    def _new_task(self) -> None:
        self._window.tasks.choose(None)
        self._session.choose(None, None)
        self._window.arm.name.clear()
        self._window.arm.name.setFocus()

    def _rename(self, task: str, name: str) -> None:
        if self._session.shelf.rename(task, name):
            self._wanted_task = name

    def _delete(self) -> None:
        s = self._situation
        if s.task:
            self._session.shelf.remove(s.task, s.take)
            what = f"“{s.task}” take {s.take}" if s.take else f"“{s.task}”"
            self._say(f"Moved {what} to the trash", "info", "undo")

    def _mark_success(self) -> None:
        self._mark(True)

    def _mark_failure(self) -> None:
        self._mark(False)

    def _mark(self, success: bool) -> None:
        s = self._situation
        if s.task and s.take:
            self._session.shelf.set_success(TakeKey(s.task, s.take), success)

    def _toggle_replay(self) -> None:
        """Play the chosen take in the view, or stop playing."""
        take = self._session.chosen_take()
        if self._replay.playing:
            self._replay.stop()
        elif take is not None and not self._replay.start(take):
            self._say("This take has no simulator states, so it cannot be replayed.", "warning", "")

    def _show_replay(self, state: Any, share: float) -> None:
        s = self._situation
        self._window.arm.view.show_state(state, None)
        self._window.arm.show_title(f"Replaying take {s.take or ''} · {100 * share:.0f} %")
        self._window.traces.show_progress(share)

    def _end_replay(self) -> None:
        self._window.arm.show_title("Arm")
        self._window.traces.show_progress(None)

    def _train(self) -> None:
        self._session.studies.train()

    def _show_pair(self, first: str, second: str) -> None:
        comparison = self._session.studies.comparison
        self._wanted_pair = comparison.closest_pair(first, second)
        self._on_loaded(None)

    def _on_loaded(self, _key: object) -> None:
        if self._wanted_pair is None:
            return
        takes = [self._session.shelf.take(key) for key in self._wanted_pair]
        if takes[0] is not None and takes[1] is not None:
            self._wanted_pair = None
            self._window.similarity.show_pair(takes[0], takes[1])
