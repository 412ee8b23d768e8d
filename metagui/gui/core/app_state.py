"""What the program is doing and what that allows: one table of legal transitions and one of conditions.

Widgets read it and nobody else decides what is enabled, so that a button, its shortcut and its tooltip can
never disagree. Nothing here knows Qt.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeVar

E = TypeVar("E", bound=Enum)


class State(Enum):
    """What the arm is doing; the value is the word the status bar shows."""

    NO_ARM = "No arm"
    CALIBRATING = "Calibrating"
    CONNECTING = "Connecting"
    READY = "Ready"
    COUNTDOWN = "Starting"
    RECORDING = "Recording"
    RUNNING = "Running"
    ERROR = "Error"


class Learning(Enum):
    """What the learner thread is doing; it runs at most one job, beside whatever the arm does."""

    IDLE = "Idle"
    ADAPTING = "Adapting"
    COMPARING = "Comparing takes"
    TRAINING = "Training"


class IllegalTransitionError(Exception):
    """The program tried to go from one state to another that cannot follow it."""


TRANSITIONS: dict[State, frozenset[State]] = {
    State.NO_ARM: frozenset({State.CALIBRATING, State.CONNECTING, State.READY, State.ERROR}),
    State.CALIBRATING: frozenset({State.NO_ARM, State.CONNECTING, State.ERROR}),
    State.CONNECTING: frozenset({State.NO_ARM, State.READY, State.ERROR}),
    State.READY: frozenset(
        {State.NO_ARM, State.CONNECTING, State.COUNTDOWN, State.RECORDING, State.RUNNING, State.ERROR}
    ),
    State.COUNTDOWN: frozenset({State.READY, State.RECORDING, State.RUNNING, State.ERROR}),
    State.RECORDING: frozenset({State.READY, State.ERROR}),
    State.RUNNING: frozenset({State.READY, State.ERROR}),
    State.ERROR: frozenset({State.NO_ARM, State.CONNECTING, State.READY}),
}

LEARNING_TRANSITIONS: dict[Learning, frozenset[Learning]] = {
    Learning.IDLE: frozenset({Learning.ADAPTING, Learning.COMPARING, Learning.TRAINING}),
    Learning.ADAPTING: frozenset({Learning.IDLE}),
    Learning.COMPARING: frozenset({Learning.IDLE}),
    Learning.TRAINING: frozenset({Learning.IDLE}),
}


def step(state: State, following: State) -> State:
    """Return ``following``, or raise IllegalTransitionError naming what could have followed ``state``."""
    return _checked(state, following, TRANSITIONS[state])


def step_learning(state: Learning, following: Learning) -> Learning:
    """Return ``following``, or raise IllegalTransitionError naming what could have followed ``state``."""
    return _checked(state, following, LEARNING_TRANSITIONS[state])


def _checked(state: E, following: E, legal: frozenset[E]) -> E:
    if following is state or following in legal:
        return following
    names = ", ".join(sorted(s.name.lower() for s in legal))
    raise IllegalTransitionError(f"{state.name.lower()} cannot become {following.name.lower()}; it can become {names}")


@dataclass(frozen=True)
class Situation:
    """Everything that decides what is enabled, at one moment."""

    state: State = State.NO_ARM
    learning: Learning = Learning.IDLE
    task: str | None = None
    takes: int = 0
    """How many takes the chosen task has."""
    take: str | None = None
    tasks: int = 0
    adapted: bool = False
    prior_problem: str | None = "the prior is still loading"
    """Why there is nothing to adapt from, or None."""
    encoder_problem: str | None = "the encoder is still loading"
    """Why takes cannot be compared, or None."""
    undo: str | None = None
    redo: str | None = None
    just_saved: bool = False
    """Whether the newest take can still be discarded with one press."""
    busy: bool = field(default=False)
    """Whether the arm still carries out what was clicked."""
    mode: str = "click"
    """How the arm is taught; see ``modes.MODES``."""
    limp: bool = False
    """Whether a person leads the arm by hand."""
    simulated: bool = True
    """Whether the connected arm is the simulated one, whose things can be scattered anew."""
    markable: bool = False
    """Whether a person has to say where things stand."""
    port: bool = False
    """Whether the chosen arm hangs on a port."""
    same_arm: bool = True
    """Whether the chosen arm is the one that is connected."""
    looking: bool = False
    """Whether a lost arm is being looked for."""
    counts_in: bool = False
    """Whether it is counted down before a recording."""


Condition = Callable[[Situation], str | None]
"""What is missing, in words that follow a full stop; None when nothing is."""


def _connected(s: Situation) -> str | None:
    if s.state is State.NO_ARM:
        return "Connect an arm first."
    if s.state is State.CONNECTING:
        return "The arm is being connected."
    if s.state is State.CALIBRATING:
        return "The arm is being calibrated."
    return "Reconnect the arm first." if s.state is State.ERROR else None


def _not_recording(s: Situation) -> str | None:
    return "Stop the recording first." if s.state is State.RECORDING else None


def _not_running(s: Situation) -> str | None:
    if s.state is State.COUNTDOWN:
        return "The arm is about to move; stop it first."
    return "The arm is running; stop it first." if s.state is State.RUNNING else None


def _not_calibrating(s: Situation) -> str | None:
    return "Finish the calibration or cancel it first." if s.state is State.CALIBRATING else None


def _not_limp(s: Situation) -> str | None:
    return "The arm is limp; press Hold first." if s.limp else None


def _clicking(s: Situation) -> str | None:
    return None if s.mode == "click" else "Choose to teach by clicks first."


def _leading_or_idle(s: Situation) -> str | None:
    return _not_recording(s) if s.mode != "hand" else None


def _scattered(s: Situation) -> str | None:
    return None if s.simulated else "Things on a real table are moved by hand; mark where they stand."


def _marked(s: Situation) -> str | None:
    return None if s.markable else "This arm knows where things stand; nothing has to be marked."


def _on_port(s: Situation) -> str | None:
    return None if s.port else "Choose an arm on a port first; the simulated one needs no calibration."


def _not_learning(s: Situation) -> str | None:
    if s.learning in (Learning.ADAPTING, Learning.TRAINING):
        return f"{s.learning.value} is still running; stop it first."
    return None


def _task(s: Situation) -> str | None:
    return None if s.task else "Choose a task in the list first."


def _take(s: Situation) -> str | None:
    return None if s.take else "Choose a take in the list first."


def _takes(s: Situation) -> str | None:
    return None if s.takes else "This task has no takes yet; record one first."


def _prior(s: Situation) -> str | None:
    return f"There is nothing to adapt from: {s.prior_problem}." if s.prior_problem else None


def _encoder(s: Situation) -> str | None:
    return f"Takes cannot be compared: {s.encoder_problem}." if s.encoder_problem else None


def _adapted(s: Situation) -> str | None:
    return None if s.adapted else "This task has no policy yet; press Adapt first."


def _enough_tasks(s: Situation) -> str | None:
    return None if s.tasks >= 2 else "Comparing needs at least two tasks."


def _saved(s: Situation) -> str | None:
    return None if s.just_saved else "No take has just been recorded."


def _undo(s: Situation) -> str | None:
    return None if s.undo else "Nothing to undo."


def _redo(s: Situation) -> str | None:
    return None if s.redo else "Nothing to redo."


def _learning_runs(s: Situation) -> str | None:
    return "Nothing is being learnt." if s.learning is Learning.IDLE else None


_STEER = (_connected, _not_running)
_IDLE_ARM = (_connected, _not_recording, _not_running)

CONDITIONS: dict[str, tuple[Condition, ...]] = {
    "connect": (_not_recording, _not_running, _not_calibrating),
    "calibrate": (_on_port, _not_recording, _not_running, _not_calibrating),
    "name_arm": (_on_port, _not_calibrating),
    "record": _STEER,
    "again": (_connected, _not_running, _saved),
    "discard": (_not_recording, _saved),
    "adapt": (_task, _takes, _prior, _not_learning),
    "run": (*_IDLE_ARM, _task, _adapted, _not_limp),
    "replay_arm": (*_IDLE_ARM, _take, _not_limp),
    "randomise": (*_IDLE_ARM, _scattered),
    "mark": (_marked, *_IDLE_ARM),
    "motion": (*_STEER, _clicking),
    "limp": (*_STEER, _leading_or_idle),
    "undo": (_not_recording, _undo),
    "redo": (_not_recording, _redo),
    "rename": (_not_recording, _task, _not_learning),
    "delete": (_not_recording, _task, _not_learning),
    "success": (_not_recording, _take),
    "failure": (_not_recording, _take),
    "replay": (_take,),
    "train": (_enough_tasks, _not_learning),
    "compare": (_encoder, _enough_tasks, _not_learning),
    "stop_learning": (_learning_runs,),
    "cancel_learning": (_learning_runs,),
}
"""What each action needs; an action that is not listed is always enabled."""


def why_not(key: str, situation: Situation) -> str | None:
    """Return what an action lacks, in words for its tooltip, or None if it is enabled."""
    for condition in CONDITIONS.get(key, ()):
        missing = condition(situation)
        if missing:
            return missing
    return None
