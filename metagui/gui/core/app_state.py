"""What the program is doing and what that allows: one table of legal transitions and one of conditions.

Widgets read it and nobody else decides what is enabled, so that a button, its shortcut and its tooltip can
never disagree. Nothing here knows Qt.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeVar

StateT = TypeVar("StateT", bound=Enum)


class ArmActivity(Enum):
    """What the arm is doing; the value is the word the status bar shows."""

    NO_ARM = "No arm"
    CALIBRATING = "Calibrating"
    CONNECTING = "Connecting"
    READY = "Ready"
    COUNTDOWN = "Starting"
    RECORDING = "Recording"
    RUNNING = "Running"
    ERROR = "Error"


class LearningActivity(Enum):
    """What the learner thread is doing; it runs at most one job, beside whatever the arm does."""

    IDLE = "Idle"
    ADAPTING = "Adapting"
    COMPARING = "Comparing takes"
    TRAINING = "Training"


class IllegalTransitionError(Exception):
    """The program tried to go from one state to another that cannot follow it."""


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
            ArmActivity.COUNTDOWN,
            ArmActivity.RECORDING,
            ArmActivity.RUNNING,
            ArmActivity.ERROR,
        }
    ),
    ArmActivity.COUNTDOWN: frozenset(
        {ArmActivity.READY, ArmActivity.RECORDING, ArmActivity.RUNNING, ArmActivity.ERROR}
    ),
    ArmActivity.RECORDING: frozenset({ArmActivity.READY, ArmActivity.ERROR}),
    ArmActivity.RUNNING: frozenset({ArmActivity.READY, ArmActivity.ERROR}),
    ArmActivity.ERROR: frozenset({ArmActivity.NO_ARM, ArmActivity.CONNECTING, ArmActivity.READY}),
}

LEARNING_TRANSITIONS: dict[LearningActivity, frozenset[LearningActivity]] = {
    LearningActivity.IDLE: frozenset(
        {LearningActivity.ADAPTING, LearningActivity.COMPARING, LearningActivity.TRAINING}
    ),
    LearningActivity.ADAPTING: frozenset({LearningActivity.IDLE}),
    LearningActivity.COMPARING: frozenset({LearningActivity.IDLE}),
    LearningActivity.TRAINING: frozenset({LearningActivity.IDLE}),
}


def transition(state: ArmActivity, following: ArmActivity) -> ArmActivity:
    """Return ``following``, or raise IllegalTransitionError naming what could have followed ``state``."""
    return _require_legal(state, following, TRANSITIONS[state])


def transition_learning(state: LearningActivity, following: LearningActivity) -> LearningActivity:
    """Return ``following``, or raise IllegalTransitionError naming what could have followed ``state``."""
    return _require_legal(state, following, LEARNING_TRANSITIONS[state])


def _require_legal(state: StateT, following: StateT, legal: frozenset[StateT]) -> StateT:
    if following is state or following in legal:
        return following
    names = ", ".join(sorted(s.name.lower() for s in legal))
    raise IllegalTransitionError(f"{state.name.lower()} cannot become {following.name.lower()}; it can become {names}")


@dataclass(frozen=True)
class AppSnapshot:
    """Everything that decides what is enabled, at one moment."""

    state: ArmActivity = ArmActivity.NO_ARM
    learning: LearningActivity = LearningActivity.IDLE
    task: str | None = None
    take_count: int = 0
    """How many takes the chosen task has."""
    take: str | None = None
    task_count: int = 0
    has_policy: bool = False
    prior_problem: str | None = "the prior is still loading"
    """Why there is nothing to adapt from, or None."""
    encoder_problem: str | None = "the encoder is still loading"
    """Why takes cannot be compared, or None."""
    undo_text: str | None = None
    redo_text: str | None = None
    just_saved: bool = False
    """Whether the newest take can still be discarded with one press."""
    arm_busy: bool = field(default=False)
    """Whether the arm still carries out what was clicked."""
    mode: str = "click"
    """How the arm is taught; see ``modes.MODES``."""
    torque_off: bool = False
    """Whether a person leads the arm by hand."""
    simulated: bool = True
    """Whether the connected arm is the simulated one, whose things can be scattered anew."""
    needs_placement: bool = False
    """Whether a person has to say where things stand."""
    on_port: bool = False
    """Whether the chosen arm hangs on a port."""
    same_arm: bool = True
    """Whether the chosen arm is the one that is connected."""
    reconnecting: bool = False
    """Whether a lost arm is being looked for."""
    counts_down: bool = False
    """Whether it is counted down before a recording."""


Condition = Callable[[AppSnapshot], str | None]
"""What is missing, in words that follow a full stop; None when nothing is."""


def _connected(snapshot: AppSnapshot) -> str | None:
    if snapshot.state is ArmActivity.NO_ARM:
        return "Connect an arm first."
    if snapshot.state is ArmActivity.CONNECTING:
        return "The arm is being connected."
    if snapshot.state is ArmActivity.CALIBRATING:
        return "The arm is being calibrated."
    return "Reconnect the arm first." if snapshot.state is ArmActivity.ERROR else None


def _not_recording(snapshot: AppSnapshot) -> str | None:
    return "Stop the recording first." if snapshot.state is ArmActivity.RECORDING else None


def _not_running(snapshot: AppSnapshot) -> str | None:
    if snapshot.state is ArmActivity.COUNTDOWN:
        return "The arm is about to move; stop it first."
    return "The arm is running; stop it first." if snapshot.state is ArmActivity.RUNNING else None


def _not_calibrating(snapshot: AppSnapshot) -> str | None:
    return "Finish the calibration or cancel it first." if snapshot.state is ArmActivity.CALIBRATING else None


def _torque_on(snapshot: AppSnapshot) -> str | None:
    return "The arm is limp; press Hold first." if snapshot.torque_off else None


def _teaching_by_clicks(snapshot: AppSnapshot) -> str | None:
    return None if snapshot.mode == "click" else "Choose to teach by clicks first."


def _hand_guiding_or_not_recording(snapshot: AppSnapshot) -> str | None:
    return _not_recording(snapshot) if snapshot.mode != "hand" else None


def _simulated_scene(snapshot: AppSnapshot) -> str | None:
    return None if snapshot.simulated else "Things on a real table are moved by hand; mark where they stand."


def _placeable(snapshot: AppSnapshot) -> str | None:
    return None if snapshot.needs_placement else "This arm knows where things stand; nothing has to be marked."


def _on_port(snapshot: AppSnapshot) -> str | None:
    return None if snapshot.on_port else "Choose an arm on a port first; the simulated one needs no calibration."


def _not_learning(snapshot: AppSnapshot) -> str | None:
    if snapshot.learning in (LearningActivity.ADAPTING, LearningActivity.TRAINING):
        return f"{snapshot.learning.value} is still running; stop it first."
    return None


def _task_selected(snapshot: AppSnapshot) -> str | None:
    return None if snapshot.task else "Choose a task in the list first."


def _take_selected(snapshot: AppSnapshot) -> str | None:
    return None if snapshot.take else "Choose a take in the list first."


def _has_takes(snapshot: AppSnapshot) -> str | None:
    return None if snapshot.take_count else "This task has no takes yet; record one first."


def _prior_ready(snapshot: AppSnapshot) -> str | None:
    return f"There is nothing to adapt from: {snapshot.prior_problem}." if snapshot.prior_problem else None


def _encoder_ready(snapshot: AppSnapshot) -> str | None:
    return f"Takes cannot be compared: {snapshot.encoder_problem}." if snapshot.encoder_problem else None


def _has_policy(snapshot: AppSnapshot) -> str | None:
    return None if snapshot.has_policy else "This task has no policy yet; press Adapt first."


def _enough_tasks(snapshot: AppSnapshot) -> str | None:
    return None if snapshot.task_count >= 2 else "Comparing needs at least two tasks."


def _just_saved(snapshot: AppSnapshot) -> str | None:
    return None if snapshot.just_saved else "No take has just been recorded."


def _can_undo(snapshot: AppSnapshot) -> str | None:
    return None if snapshot.undo_text else "Nothing to undo."


def _can_redo(snapshot: AppSnapshot) -> str | None:
    return None if snapshot.redo_text else "Nothing to redo."


def _is_learning(snapshot: AppSnapshot) -> str | None:
    return "Nothing is being learnt." if snapshot.learning is LearningActivity.IDLE else None


_TEACHABLE = (_connected, _not_running)
_IDLE_ARM = (_connected, _not_recording, _not_running)

CONDITIONS: dict[str, tuple[Condition, ...]] = {
    "connect": (_not_recording, _not_running, _not_calibrating),
    "calibrate": (_on_port, _not_recording, _not_running, _not_calibrating),
    "name_arm": (_on_port, _not_calibrating),
    "record": _TEACHABLE,
    "again": (_connected, _not_running, _just_saved),
    "discard": (_not_recording, _just_saved),
    "adapt": (_task_selected, _has_takes, _prior_ready, _not_learning),
    "run": (*_IDLE_ARM, _task_selected, _has_policy, _torque_on),
    "replay_arm": (*_IDLE_ARM, _take_selected, _torque_on),
    "randomise": (*_IDLE_ARM, _simulated_scene),
    "mark": (_placeable, *_IDLE_ARM),
    "motion": (*_TEACHABLE, _teaching_by_clicks),
    "limp": (*_TEACHABLE, _hand_guiding_or_not_recording),
    "undo": (_not_recording, _can_undo),
    "redo": (_not_recording, _can_redo),
    "rename": (_not_recording, _task_selected, _not_learning),
    "delete": (_not_recording, _task_selected, _not_learning),
    "success": (_not_recording, _take_selected),
    "failure": (_not_recording, _take_selected),
    "replay": (_take_selected,),
    "train": (_enough_tasks, _not_learning),
    "compare": (_encoder_ready, _enough_tasks, _not_learning),
    "stop_learning": (_is_learning,),
    "cancel_learning": (_is_learning,),
}
"""What each action needs; an action that is not listed is always enabled."""


def explain_disabled(key: str, snapshot: AppSnapshot) -> str | None:
    """Return what an action lacks, in words for its tooltip, or None if it is enabled."""
    for condition in CONDITIONS.get(key, ()):
        missing = condition(snapshot)
        if missing:
            return missing
    return None
