"""What may follow what, and what is enabled when: without Qt."""

from __future__ import annotations

import pytest

from metagui.gui.core.actions import ACTIONS, connect_word, tooltip
from metagui.gui.core.app_state import (
    CONDITIONS,
    LEARNING_TRANSITIONS,
    TRANSITIONS,
    IllegalTransitionError,
    Learning,
    Situation,
    State,
    step,
    step_learning,
    why_not,
)

FULL = Situation(
    State.READY, task="t", takes=3, take="001", tasks=2, adapted=True, prior_problem=None, encoder_problem=None,
    undo="x", redo="y", just_saved=True, port=True,
)  # fmt: skip


def test_every_state_has_a_way_on() -> None:
    assert set(TRANSITIONS) == set(State)
    assert set(LEARNING_TRANSITIONS) == set(Learning)
    assert all(TRANSITIONS.values())


def test_legal_steps_are_taken_and_others_say_what_would_be_legal() -> None:
    assert step(State.READY, State.RECORDING) is State.RECORDING
    assert step(State.READY, State.READY) is State.READY
    with pytest.raises(IllegalTransitionError, match="no_arm cannot become recording; it can become calibrating, conn"):
        step(State.NO_ARM, State.RECORDING)
    with pytest.raises(IllegalTransitionError):
        step_learning(Learning.ADAPTING, Learning.TRAINING)


def test_an_error_ends_everything_the_arm_does() -> None:
    assert all(State.ERROR in TRANSITIONS[s] for s in State if s is not State.ERROR)


def test_every_condition_belongs_to_an_action() -> None:
    keys = {a.key for a in ACTIONS} | {a.condition for a in ACTIONS}
    assert set(CONDITIONS) <= keys


def test_what_is_enabled_when_everything_is_there() -> None:
    lacking = {key for key in CONDITIONS if why_not(key, FULL)}
    assert lacking == {"stop_learning", "cancel_learning", "mark"}


@pytest.mark.parametrize(
    ("key", "changes", "words"),
    [
        ("adapt", {"takes": 0}, "no takes yet"),
        ("adapt", {"task": None}, "Choose a task"),
        ("adapt", {"prior_problem": "the file is broken"}, "the file is broken"),
        ("adapt", {"learning": Learning.TRAINING}, "Training is still running"),
        ("run", {"adapted": False}, "press Adapt"),
        ("run", {"state": State.RECORDING}, "Stop the recording"),
        ("record", {"state": State.NO_ARM}, "Connect an arm"),
        ("record", {"state": State.ERROR}, "Reconnect"),
        ("motion", {"state": State.RUNNING}, "The arm is running"),
        ("undo", {"undo": None}, "Nothing to undo"),
        ("record", {"state": State.CONNECTING}, "being connected"),
        ("record", {"state": State.CALIBRATING}, "being calibrated"),
        ("connect", {"state": State.CALIBRATING}, "cancel it first"),
        ("record", {"state": State.COUNTDOWN}, "about to move"),
        ("run", {"limp": True}, "press Hold"),
        ("replay_arm", {"take": None}, "Choose a take"),
        ("replay_arm", {"limp": True}, "press Hold"),
        ("motion", {"mode": "hand"}, "by clicks first"),
        ("randomise", {"simulated": False}, "moved by hand"),
        ("mark", {}, "nothing has to be marked"),
        ("calibrate", {"port": False}, "Choose an arm on a port"),
    ],
)
def test_what_is_disabled_says_what_is_missing(key: str, changes: dict[str, object], words: str) -> None:
    assert words in (why_not(key, Situation(**(vars(FULL) | changes))) or "")  # type: ignore[arg-type]


def test_one_can_record_while_adapting_and_stop_always() -> None:
    busy = Situation(**(vars(FULL) | {"learning": Learning.ADAPTING}))
    assert why_not("record", busy) is None
    for state in State:
        assert why_not("stop", Situation(state)) is None


def test_a_disabled_tooltip_names_what_is_missing_and_the_key() -> None:
    info = next(a for a in ACTIONS if a.key == "adapt")
    assert tooltip(info, "Choose a task first.").startswith("Choose a task first.  (Ctrl+Return")


def test_what_connect_would_do_is_written_on_it() -> None:
    assert connect_word(Situation()) == "Connect"
    assert connect_word(Situation(State.CONNECTING)) == "Cancel"
    assert connect_word(FULL) == "Disconnect"
    assert connect_word(Situation(**(vars(FULL) | {"same_arm": False}))) == "Connect"


def test_no_bare_letters_or_space_as_shortcuts() -> None:
    for info in ACTIONS:
        assert len(info.shortcut) != 1
        assert info.shortcut != "Space"
