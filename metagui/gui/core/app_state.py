"""State of the program: what the arm and the learner are doing, which transitions are legal, and what is selected."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, TypeVar

from PySide6.QtCore import QObject, Signal

from metagui.demonstrations.demonstration import TakeKey
from metagui.gui.core.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Callable

StateT = TypeVar("StateT", bound=Enum)


PRIOR_LOADING = "the prior is still loading"
"""Reason why there is no prior at first, as the second half of a sentence."""


class ArmActivity(Enum):
    """Activity of the arm; the value is the text in the status bar."""

    NO_ARM = "No arm"
    CALIBRATING = "Calibrating"
    CONNECTING = "Connecting"
    CHECKING_POSE = "Checking the pose"
    SETTING_UP_CAMERA = "Setting up the camera"
    READY = "Ready"
    COUNTDOWN = "Starting"
    RECORDING = "Recording"
    RUNNING = "Running"
    ERROR = "Error"


class LearningActivity(Enum):
    """Activity of the learning thread, which runs at most one job, independently of the arm."""

    IDLE = "Idle"
    ADAPTING = "Adapting"
    COMPARING = "Comparing takes"
    TRAINING = "Training"
    MEASURING = "Measuring success"


class IllegalTransitionError(Exception):
    """An activity was requested that cannot follow the present one."""


TRANSITIONS: dict[ArmActivity, frozenset[ArmActivity]] = {
    ArmActivity.NO_ARM: frozenset(
        {ArmActivity.CALIBRATING, ArmActivity.CONNECTING, ArmActivity.READY, ArmActivity.ERROR}
    ),
    ArmActivity.CALIBRATING: frozenset({ArmActivity.NO_ARM, ArmActivity.CONNECTING, ArmActivity.ERROR}),
    ArmActivity.CONNECTING: frozenset({ArmActivity.NO_ARM, ArmActivity.READY, ArmActivity.ERROR}),
    ArmActivity.READY: frozenset(
        {
            ArmActivity.NO_ARM,
            ArmActivity.CONNECTING,
            ArmActivity.CHECKING_POSE,
            ArmActivity.SETTING_UP_CAMERA,
            ArmActivity.COUNTDOWN,
            ArmActivity.RECORDING,
            ArmActivity.RUNNING,
            ArmActivity.ERROR,
        }
    ),
    ArmActivity.CHECKING_POSE: frozenset(
        {ArmActivity.READY, ArmActivity.NO_ARM, ArmActivity.CONNECTING, ArmActivity.ERROR}
    ),
    ArmActivity.SETTING_UP_CAMERA: frozenset(
        {ArmActivity.READY, ArmActivity.NO_ARM, ArmActivity.CONNECTING, ArmActivity.ERROR}
    ),
    ArmActivity.COUNTDOWN: frozenset(
        {ArmActivity.READY, ArmActivity.RECORDING, ArmActivity.RUNNING, ArmActivity.ERROR}
    ),
    ArmActivity.RECORDING: frozenset({ArmActivity.READY, ArmActivity.ERROR}),
    ArmActivity.RUNNING: frozenset({ArmActivity.READY, ArmActivity.ERROR}),
    ArmActivity.ERROR: frozenset({ArmActivity.NO_ARM, ArmActivity.CONNECTING, ArmActivity.READY}),
}
"""Legal successors of each activity of the arm."""

LEARNING_TRANSITIONS: dict[LearningActivity, frozenset[LearningActivity]] = {
    LearningActivity.IDLE: frozenset(
        {
            LearningActivity.ADAPTING,
            LearningActivity.COMPARING,
            LearningActivity.TRAINING,
            LearningActivity.MEASURING,
        }
    ),
    LearningActivity.ADAPTING: frozenset({LearningActivity.IDLE}),
    LearningActivity.COMPARING: frozenset({LearningActivity.IDLE}),
    LearningActivity.TRAINING: frozenset({LearningActivity.IDLE}),
    LearningActivity.MEASURING: frozenset({LearningActivity.IDLE}),
}
"""Legal successors of each activity of the learner."""


def transition(state: ArmActivity, following: ArmActivity) -> ArmActivity:
    """Return ``following``, or raise IllegalTransitionError with the legal successors of ``state``."""
    return _require_legal(state, following, TRANSITIONS[state])


def transition_learning(state: LearningActivity, following: LearningActivity) -> LearningActivity:
    """Return ``following``, or raise IllegalTransitionError with the legal successors of ``state``."""
    return _require_legal(state, following, LEARNING_TRANSITIONS[state])


def _require_legal(state: StateT, following: StateT, legal: frozenset[StateT]) -> StateT:
    if following is state or following in legal:
        return following
    names = ", ".join(sorted(s.name.lower() for s in legal))
    raise IllegalTransitionError(f"{state.name.lower()} cannot become {following.name.lower()}; it can become {names}")


@dataclass(frozen=True)
class AppSnapshot:
    """Everything that decides which actions are enabled, at one moment."""

    state: ArmActivity = ArmActivity.NO_ARM
    learning: LearningActivity = LearningActivity.IDLE
    task: str | None = None
    """Name of the selected task."""
    take_count: int = 0
    """Number of takes of the selected task that can be learnt from."""
    take: str | None = None
    """Name of the selected take."""
    selected: Selection = field(default_factory=Selection)
    """All selected tasks and takes."""
    read_only: bool = False
    """True if the library cannot be changed."""
    task_count: int = 0
    has_policy: bool = False
    """True if the selected task has been adapted."""
    prior_problem: str | None = PRIOR_LOADING
    """Reason why there is no prior, or None."""
    encoder_problem: str | None = "the encoder is still loading"
    """Reason why takes cannot be compared, or None."""
    own_encoder: bool = False
    """True if takes are compared by an encoder that was trained on the library."""
    undo_text: str | None = None
    redo_text: str | None = None
    newest_take: TakeKey | None = None
    """The take that was just saved, as long as it can be discarded with one press."""
    arm_busy: bool = False
    """True while the arm carries out queued instructions."""
    mode: str = "click"
    """Key of the teaching mode; see ``modes.TEACHING_MODES``."""
    torque_off: bool = False
    """True while the arm can be guided by hand."""
    limp: bool = False
    """True while its torque is off; otherwise it follows a hand and stays where it is let go."""
    simulated: bool = True
    """True if the connected arm is the simulated one, whose scene can be randomised."""
    needs_placement: bool = False
    """True if the positions of objects can be marked, which a camera corrects for those that it sees."""
    has_camera: bool = False
    """True if a camera watches the table of the connected arm."""
    on_port: bool = False
    """True if the selected arm is on a port."""
    named_arm: bool = False
    """True if the connected arm is a real one that has a name."""
    same_arm: bool = True
    """True if the selected arm is the connected one."""
    reconnecting: bool = False
    """True while the program tries to reconnect a lost arm."""
    alarm: str = ""
    """Fault of the connected arm or reason why it gave way; empty if there is none."""
    overloaded: bool = False
    """True if motors of the arm have reduced their torque until their overload is cleared."""
    has_steps: bool = False
    """True if steps were given to the arm that can be recorded again."""
    counts_down: bool = False
    """True if a countdown precedes each recording."""

    @property
    def is_starting(self) -> bool:
        """True while the simulated arm waits for the learning code, after which it connects by itself."""
        return self.state is ArmActivity.NO_ARM and not self.on_port and self.prior_problem == PRIOR_LOADING

    @property
    def just_saved(self) -> bool:
        """True if the newest take can still be discarded with one press."""
        return self.newest_take is not None

    @property
    def take_key(self) -> TakeKey | None:
        """Key of the selected take, or None."""
        return TakeKey(self.task, self.take) if self.task and self.take else None


class AppState(QObject):
    """The one state of the program: controllers request changes, and the window follows ``changed``."""

    changed = Signal(object)
    """An AppSnapshot that differs from the one before."""
    selection_changed = Signal()
    """Another task or take was selected, or the selected take has been read."""

    def __init__(self) -> None:
        super().__init__()
        self.snapshot = AppSnapshot()
        self._take_snapshot: Callable[[AppSnapshot], AppSnapshot] | None = None

    @property
    def activity(self) -> ArmActivity:
        """What the arm is doing."""
        return self.snapshot.state

    def observe(self, take_snapshot: Callable[[AppSnapshot], AppSnapshot]) -> None:
        """Set the function that brings a snapshot up to date with the parts of the program."""
        self._take_snapshot = take_snapshot

    def refresh(self, *_: object) -> None:
        """Bring the snapshot up to date; connect this to signals of parts that it depends on."""
        self._update(self.snapshot)

    def request(self, activity: ArmActivity) -> None:
        """Change the activity of the arm. Raises IllegalTransitionError."""
        self.snapshot = replace(self.snapshot, state=transition(self.snapshot.state, activity))
        self.changed.emit(self.snapshot)
        self.refresh()

    def select(self, task: str | None, take: str | None, selected: Selection | None = None) -> None:
        """Select a task, and one of its takes or none; with ``selected``, others with it."""
        alone = Selection(takes=(TakeKey(task, take),)) if task and take else Selection((task,) if task else ())
        found = replace(self.snapshot, task=task, take=take, selected=selected or alone)
        is_shown_already = (task, take) == (self.snapshot.task, self.snapshot.take)
        if found != self.snapshot:
            self._update(found)
        if not is_shown_already:
            self.selection_changed.emit()

    def report_take_loaded(self, key: TakeKey) -> None:
        """Emit ``selection_changed`` if the take that was read is the selected one."""
        if key == self.snapshot.take_key:
            self.selection_changed.emit()

    def _update(self, snapshot: AppSnapshot) -> None:
        found = snapshot if self._take_snapshot is None else self._take_snapshot(snapshot)
        if found != self.snapshot:
            self.snapshot = found
            self.changed.emit(found)
