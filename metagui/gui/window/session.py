"""What the person is doing, from first click to a running policy: between the widgets and the parts with threads."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from metagui.arms.feetech.serial_port import usb_ports
from metagui.arms.so101.arm_registry import ArmBook
from metagui.gui.arm.arm_connection import Station
from metagui.gui.arm.arm_controller import ArmDesk
from metagui.gui.arm.connection_messages import ArmFlow
from metagui.gui.core.app_state import Learning, Situation, State, step
from metagui.gui.core.task_queue import Errands
from metagui.gui.execution.execution_controller import Performing
from metagui.gui.execution.policy_run import Running
from metagui.gui.learning.adaptation_controller import Lessons
from metagui.gui.library.library_model import Shelf
from metagui.gui.recording.crash_recovery import Leftovers
from metagui.gui.recording.recording_controller import Taking
from metagui.gui.scene.object_placement import Marking
from metagui.gui.similarity.behaviour_comparison import Acting
from metagui.gui.similarity.comparison import TakeKey
from metagui.gui.teaching.click_dispatcher import Steering
from metagui.gui.teaching.mode_controller import TeachModes
from metagui.gui.teaching.modes import HAND
from metagui.gui.window.app_snapshot import outlook
from metagui.gui.window.studies import Studies

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from metagui.arms.control.tick import Tick
    from metagui.arms.feetech.serial_port import UsbPort
    from metagui.demonstrations.demonstration import Click, Demonstration
    from metagui.demonstrations.storage.library import Library
    from metagui.gui.arm.capabilities import DeskArm
    from metagui.gui.widgets.toast import Kind
    from metagui.learning.prior import Prior

UNMARKED = "Nothing is marked on this table, so the policy does not know where things stand. Stop, and mark them."


class Session(QObject):
    """The flow: choose, record, adapt, run. Everything it does is told in words through ``said``."""

    situation_changed = Signal(object)
    said = Signal(str, str, str)
    """Text, kind, and the key of the action that belongs to it, or nothing."""
    ticked = Signal(object)
    chosen_changed = Signal()
    """Another task or take was chosen, or the chosen take has been read."""
    renamed = Signal(str)
    """A task has this name now."""

    def __init__(
        self,
        make_arm: Callable[[], DeskArm],
        library: Library,
        load_prior: Callable[[], Prior],
        seed: int | None = None,
        book: ArmBook | None = None,
        ports: Callable[[], tuple[UsbPort, ...]] = usb_ports,
    ) -> None:
        """``make_arm`` makes the simulated arm; ``book`` knows the named ones, ``ports`` lists what is plugged in."""
        super().__init__()
        simulated = make_arm()
        self.errands = Errands()
        self.desk = ArmDesk(simulated, library.root)
        self.station = Station(self.desk, simulated, book or ArmBook(ports=ports), ports)
        self.arm_flow = ArmFlow(self.station, self.desk)
        self.modes = TeachModes(self.desk, self.station)
        self.shelf = Shelf(library, self.errands)
        self.studies = Studies(self.shelf, self.errands, load_prior, simulated)
        self.lessons = Lessons(self.studies, self.shelf)
        self.acting = Acting(self.studies, self.shelf)
        self.running = Running(self.desk, self.shelf, self.errands)
        self.steering = Steering(self.desk, seed)
        self.marking = Marking(self.desk, self.shelf.undo_stack)
        self.situation = Situation()
        self.taking = Taking(self.desk, self.shelf, self.studies, self.modes)
        self.leftovers = Leftovers(self.shelf, self.errands)
        self.performing = Performing(self.running, self.steering, self.modes)
        self.counts_in = {True: False, False: True}
        """Whether it is counted down before a recording, with the simulated arm and with others."""
        self._connect()

    def _connect(self) -> None:
        desk, shelf, studies = self.desk, self.shelf, self.studies
        desk.ticked.connect(self._on_tick)
        desk.alarmed.connect(self._on_alarm)
        self.arm_flow.became.connect(self._on_arm)
        self.arm_flow.interrupted.connect(self._on_interruption)
        self.station.listed.connect(self.update)
        self.modes.changed.connect(self.update)
        self.steering.clicked.connect(self._on_click)
        self.steering.rested.connect(self.taking.on_rest)
        shelf.changed.connect(self._on_shelf)
        shelf.undo_changed.connect(self.update)
        shelf.loaded.connect(self._on_loaded)
        studies.ready.connect(self._on_prior)
        studies.remarked.connect(self._say)
        self.lessons.changed.connect(self.update)
        self.taking.began.connect(self._on_take_began)
        self.taking.ended.connect(self._on_take_ended)
        self.taking.saved.connect(self.update)
        self.taking.unsaved.connect(self.leftovers.look)
        self.performing.became.connect(self._become)
        for failing in (shelf, studies, self.errands, self.leftovers, self.performing):
            failing.failed.connect(self._on_error)
        speaking = (self.taking, self.leftovers, self.steering, self.arm_flow, self.modes, self.lessons, self.marking)
        for speaker in (*speaking, self.performing):
            speaker.said.connect(self.said)

    # The situation

    def update(self, *_: object) -> None:
        """Work out anew what is enabled."""
        self._consider(self.situation.task, self.situation.take)

    def _consider(self, task: str | None, take: str | None) -> None:
        """Take up what is chosen, and work out what that enables."""
        found = outlook(self, task, take)
        if found != self.situation:
            self.situation = found
            self.situation_changed.emit(found)

    def _become(self, state: State) -> None:
        self.situation = replace(self.situation, state=step(self.situation.state, state))
        self.situation_changed.emit(self.situation)
        self.update()

    def _say(self, text: str, kind: Kind = "info", action: str = "") -> None:
        self.said.emit(text, kind, action)

    def _on_error(self, error: Exception) -> None:
        from metagui.learning.adaptation.adapted_task import AdaptedError

        self._say(str(error) or type(error).__name__, "error", "adapt" if isinstance(error, AdaptedError) else "")
        self.update()

    # Beginning and end

    def open(self) -> None:
        """Read the library, look for what a crash left behind, load the prior; then connect the arm."""
        self.station.open()
        self.shelf.refresh()
        self.leftovers.look()
        self.studies.load_prior()

    def _on_prior(self) -> None:
        """The learner is warm: nothing will hold up the control thread for long any more."""
        if self.situation.state is State.NO_ARM and self.station.chosen.simulated:
            self.toggle_connection()
        self.update()
        self.studies.compare()

    def close(self) -> None:
        """Hold the arm, keep the take being recorded, end every thread."""
        self.performing.countdown.cancel()
        if self.taking.recording:
            self.taking.finish()
        self.modes.close()
        self.station.close()
        self.studies.close()
        self.errands.close()

    def folder(self) -> Path:
        """Return where the recordings lie."""
        return self.shelf.library.root

    # The arm

    def toggle_connection(self) -> None:
        """Connect the chosen arm, or let it go."""
        self.arm_flow.toggle(self.situation.state)

    def _on_arm(self, state: State) -> None:
        """Another arm is connected, or none."""
        if state is not self.situation.state:
            self.modes.reset()
        self.steering.begin(self.desk.arm)
        self._become(state)

    def _on_tick(self, tick: Tick) -> None:
        if (self.situation.busy, self.situation.limp) != (self.desk.pending > 0, self.desk.limp):
            self.update()
        self.ticked.emit(tick)

    def _on_interruption(self, lost: bool) -> None:
        """What the arm did is over; a take is kept."""
        if self.taking.recording:
            self.taking.finish()
        self.performing.interrupt()
        if lost:
            self.modes.reset()

    def _on_alarm(self, words: str) -> None:
        self._say(words, "warning")

    def _on_click(self, click: Click) -> None:
        self.taking.note(click)
        self.update()

    # Choosing

    def choose(self, task: str | None, take: str | None) -> None:
        """Take note of what is chosen in the list."""
        if (task, take) != (self.situation.task, self.situation.take):
            if task:
                self.taking.new_name = ""
            self._consider(task, take)
            self.chosen_changed.emit()

    def chosen_take(self) -> Demonstration | None:
        """Return the chosen take if it has been read."""
        s = self.situation
        return self.shelf.take(TakeKey(s.task, s.take)) if s.task and s.take else None

    def _on_loaded(self, key: TakeKey) -> None:
        if key == (self.situation.task, self.situation.take):
            self.chosen_changed.emit()

    def _on_shelf(self) -> None:
        names = {row.name for row in self.shelf.tasks}
        if self.situation.task and self.situation.task not in names:
            self.choose(None, None)
        self.taking.forget_missing()
        self.studies.drop_missing()
        self.update()
        if not len(self.studies.comparison):  # the prior may have been there before the list of takes
            self.studies.compare()

    def rename(self, task: str, name: str) -> None:
        """Give a task another name."""
        if self.shelf.rename(task, name):
            self.renamed.emit(name)

    # Leading by hand

    def toggle_limp(self) -> None:
        """Hold a limp arm; let one that holds go limp, once the person had time to take hold of it."""
        if self.desk.limp or self.situation.state is not State.READY:
            self.modes.toggle_limp()
        else:
            self.modes.choose(HAND)
            self.performing.count("The arm goes limp: hold it", self._go_limp)

    def _go_limp(self) -> None:
        self._become(State.READY)
        self.modes.toggle_limp()

    # Recording

    def toggle_recording(self) -> None:
        """Begin a take of the chosen task, or of a new one that its clicks name; or finish the take."""
        if self.taking.recording:
            self.taking.ask_to_finish()
        else:
            self.record()

    def record(self, task: str | None = None) -> None:
        """Begin a take of a task, by default the chosen one, in a new scene; counted in if that is wanted."""
        begin = partial(self._record_now, task or self.situation.task)
        if self.situation.counts_in and self.situation.state is State.READY:
            self.performing.count("Recording begins", begin)
        else:
            begin()

    def count_before_recording(self, wanted: bool) -> None:
        """Say whether it is counted down before a recording with an arm like this."""
        self.counts_in[self.situation.simulated] = wanted
        self.update()

    def _record_now(self, task: str | None) -> None:
        if self.steering.scene_used:
            self.steering.randomise()
        self.taking.begin(task)
        if not self.taking.recording and self.situation.state is State.COUNTDOWN:
            self._become(State.READY)

    def _on_take_began(self) -> None:
        self._become(State.RECORDING)

    def _on_take_ended(self) -> None:
        self.steering.scene_used = True
        self._become(State.READY)

    def discard_newest(self) -> None:
        """Throw away the take being recorded, or take the newest one out again."""
        self.taking.discard()
        self.update()

    def take_again(self) -> None:
        """Discard the newest take, or the one being recorded, and record anew in another scene."""
        task = self.taking.repeated(self.situation.task)
        self.taking.discard()
        self.steering.scene_used = True
        self.record(task)

    # Learning

    def adapt(self) -> None:
        """Adapt to the chosen task's takes."""
        self.lessons.adapt(self.situation.task)

    # Running

    def run(self) -> None:
        """Let the arm do the chosen task in a new scene, or on a real table as it is, after a countdown."""
        if self.situation.task is not None:
            if self.marking.missing:
                self._say(UNMARKED, "warning", "mark")
            self.performing.run(self.situation.task, not self.situation.simulated)

    def replay_on_arm(self) -> None:
        """Let the arm repeat the chosen take."""
        take = self.chosen_take()
        if take is not None:
            self.performing.replay(take, not self.situation.simulated)

    def stop(self) -> None:
        """Halt whatever runs and hold the arm."""
        was_limp = self.desk.limp
        self.desk.halt()
        self.modes.halt()
        self._end_what_runs(was_limp)
        self.steering.teacher.first = None
        self.update()

    def _end_what_runs(self, was_limp: bool) -> None:
        learner = self.studies.learner
        if self.performing.stop():
            return
        if self.taking.recording:
            self.taking.finish()
        elif learner.state is not Learning.IDLE and not was_limp:
            learner.stop()
        elif self.situation.state is State.READY:
            self._say("Stopped; the arm holds.")
