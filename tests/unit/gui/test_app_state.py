"""The state: legal transitions, conditions of actions, and the snapshot of the parts; no window is needed."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from metagui.demonstrations.demonstration import TakeKey
from metagui.gui.arm.arm_choices import make_port_choice, make_simulated_choice
from metagui.gui.core.action_conditions import CONDITIONS, explain_disabled
from metagui.gui.core.actions import ACTION_INFOS, connect_text, make_tooltip
from metagui.gui.core.app_state import (
    LEARNING_TRANSITIONS,
    TRANSITIONS,
    AppSnapshot,
    AppState,
    ArmActivity,
    IllegalTransitionError,
    LearningActivity,
    transition,
    transition_learning,
)
from metagui.gui.core.selection import Selection
from metagui.gui.window.app_snapshot import take_snapshot

FULL = AppSnapshot(
    ArmActivity.READY,
    task="t",
    take_count=3,
    take="001",
    selected=Selection(("lift",), (TakeKey("press red", "001"),)),
    task_count=2,
    has_policy=True,
    prior_problem=None,
    encoder_problem=None,
    undo_text="x",
    redo_text="y",
    newest_take=TakeKey("press red", "001"),
    on_port=True,
    own_encoder=True,
)


def test_every_activity_has_a_successor() -> None:
    assert set(TRANSITIONS) == set(ArmActivity)
    assert set(LEARNING_TRANSITIONS) == set(LearningActivity)
    assert all(TRANSITIONS.values())


def test_illegal_transition_names_the_legal_ones() -> None:
    assert transition(ArmActivity.READY, ArmActivity.RECORDING) is ArmActivity.RECORDING
    assert transition(ArmActivity.READY, ArmActivity.READY) is ArmActivity.READY
    with pytest.raises(IllegalTransitionError, match="no_arm cannot become recording; it can become calibrating, conn"):
        transition(ArmActivity.NO_ARM, ArmActivity.RECORDING)
    with pytest.raises(IllegalTransitionError):
        transition_learning(LearningActivity.ADAPTING, LearningActivity.TRAINING)


def test_error_can_follow_every_activity() -> None:
    assert all(ArmActivity.ERROR in TRANSITIONS[s] for s in ArmActivity if s is not ArmActivity.ERROR)


def test_every_condition_belongs_to_an_action() -> None:
    keys = {a.key for a in ACTION_INFOS} | {a.condition_key for a in ACTION_INFOS}
    assert set(CONDITIONS) <= keys


def test_complete_snapshot_of_the_simulated_arm_enables_all_but_nine_actions() -> None:
    disabled = {key for key in CONDITIONS if explain_disabled(key, FULL)}
    assert disabled == {
        "stop_learning",
        "cancel_learning",
        "mark",
        "clear_overload",
        "check_pose",
        "camera",
        "picture",
        "again_here",
        "again_elsewhere",
    }


@pytest.mark.parametrize(
    ("key", "changes", "words"),
    [
        ("adapt", {"take_count": 0}, "no takes yet"),
        ("adapt", {"task": None}, "Choose a task"),
        ("adapt", {"prior_problem": "the file is broken"}, "the file is broken"),
        ("adapt", {"learning": LearningActivity.TRAINING}, "Training is still running"),
        ("run", {"has_policy": False}, "press Adapt"),
        ("run", {"state": ArmActivity.RECORDING}, "Stop the recording"),
        ("record", {"state": ArmActivity.NO_ARM}, "Connect an arm"),
        ("record", {"state": ArmActivity.ERROR}, "Reconnect"),
        ("motion", {"state": ArmActivity.RUNNING}, "The arm is running"),
        ("undo", {"undo_text": None}, "Nothing to undo"),
        ("record", {"state": ArmActivity.CONNECTING}, "being connected"),
        ("record", {"state": ArmActivity.CALIBRATING}, "being calibrated"),
        ("record", {"state": ArmActivity.CHECKING_POSE}, "Close the check"),
        ("connect", {"state": ArmActivity.CHECKING_POSE}, "Close the check"),
        ("check_pose", {"simulated": False}, "Name the arm"),
        ("camera", {}, "the simulated one knows its table"),
        ("camera", {"simulated": False, "state": ArmActivity.RECORDING}, "Stop the recording"),
        ("picture", {"simulated": False}, "No camera watches the table"),
        ("record", {"state": ArmActivity.SETTING_UP_CAMERA}, "Close the set-up of the camera"),
        ("connect", {"state": ArmActivity.SETTING_UP_CAMERA}, "Close the set-up of the camera"),
        ("connect", {"state": ArmActivity.CALIBRATING}, "cancel it first"),
        ("record", {"state": ArmActivity.COUNTDOWN}, "about to move"),
        ("run", {"torque_off": True, "limp": True}, "The torque is off; press Hold"),
        ("run", {"torque_off": True}, "follows your hand; press Hold"),
        ("replay_arm", {"take": None}, "Choose a take"),
        ("replay_arm", {"torque_off": True}, "press Hold"),
        ("motion", {"mode": "hand"}, "by clicks first"),
        ("randomise", {"simulated": False}, "moved by hand"),
        ("mark", {}, "nothing has to be marked"),
        ("calibrate", {"on_port": False}, "Choose an arm on a port"),
    ],
)
def test_disabled_action_gives_the_reason(key: str, changes: dict[str, object], words: str) -> None:
    assert words in (explain_disabled(key, AppSnapshot(**(vars(FULL) | changes))) or "")  # type: ignore[arg-type]


def test_record_is_enabled_while_adapting_and_stop_always() -> None:
    busy = AppSnapshot(**(vars(FULL) | {"learning": LearningActivity.ADAPTING}))
    assert explain_disabled("record", busy) is None
    for state in ArmActivity:
        assert explain_disabled("stop", AppSnapshot(state)) is None


def test_tooltip_has_reason_and_shortcut() -> None:
    info = next(a for a in ACTION_INFOS if a.key == "adapt")
    assert make_tooltip(info, "Choose a task first.").startswith("Choose a task first.  (Ctrl+Return")


def test_connect_button_shows_what_it_does() -> None:
    assert connect_text(AppSnapshot()) == "Connect"
    assert connect_text(AppSnapshot(ArmActivity.CONNECTING)) == "Cancel"
    assert connect_text(FULL) == "Disconnect"
    assert connect_text(AppSnapshot(**(vars(FULL) | {"same_arm": False}))) == "Connect"


def test_no_single_letter_or_space_is_a_shortcut() -> None:
    for info in ACTION_INFOS:
        assert len(info.shortcut) != 1
        assert info.shortcut != "Space"


# The state of the program


def test_state_changes_only_along_legal_transitions() -> None:
    state, seen = AppState(), []
    state.changed.connect(lambda snapshot: seen.append(snapshot.state))
    state.request(ArmActivity.READY)
    assert state.activity is ArmActivity.READY
    with pytest.raises(IllegalTransitionError):
        state.request(ArmActivity.CALIBRATING)
    assert seen == [ArmActivity.READY]


def test_state_emits_only_what_has_changed() -> None:
    state, seen, selections = AppState(), [], []
    state.changed.connect(seen.append)
    state.selection_changed.connect(lambda: selections.append(state.snapshot.take_key))
    counts = {"lift": 3}
    state.observe(lambda before: replace(before, take_count=counts.get(before.task or "", 0)))
    state.refresh()
    assert seen == []
    state.select("lift", "001")
    state.select("lift", "001")
    assert [snapshot.take_count for snapshot in seen] == [3]
    state.report_take_loaded(TakeKey("lift", "002"))
    state.report_take_loaded(TakeKey("lift", "001"))
    assert selections == [TakeKey("lift", "001")] * 2
    counts["lift"] = 4
    state.refresh()
    assert state.snapshot.take_count == 4


def test_snapshot_is_read_from_the_parts() -> None:
    """The function is pure: plain records in place of the controllers are enough."""
    simulated, mine = make_simulated_choice(), make_port_choice("/dev/ttyACM0")
    undo_stack = SimpleNamespace(undoText=lambda: "recording", redoText=str)
    library: Any = SimpleNamespace(
        tasks=("lift", "push"),
        write_problem="",
        find_task=lambda name: SimpleNamespace(has_policy=name == "lift"),
        usable_takes=lambda name: ["001", "002"] if name else [],
        undo_stack=undo_stack,
    )
    connection = SimpleNamespace(current=simulated, chosen=mine, reconnecting=False)
    arm: Any = SimpleNamespace(
        connection=connection,
        controller=SimpleNamespace(
            pending_count=1, torque_off=False, is_limp=False, arm=object(), alarm="hot", is_overloaded=True
        ),
        camera=SimpleNamespace(is_on=True),
    )
    teaching: Any = SimpleNamespace(modes=SimpleNamespace(mode="keys"), steps=SimpleNamespace(steps=()))
    recording: Any = SimpleNamespace(
        controller=SimpleNamespace(newest_take=None, countdown_enabled={True: False, False: True})
    )
    learning: Any = SimpleNamespace(
        queue=SimpleNamespace(state=LearningActivity.TRAINING),
        prior=SimpleNamespace(
            problem=None, encoder_problem="the encoder is not trained yet", encoder=SimpleNamespace(is_own=True)
        ),
    )
    before = AppSnapshot(ArmActivity.READY, task="lift")
    found = take_snapshot(before, library, arm, teaching, recording, learning)
    assert (found.state, found.task, found.take_count, found.task_count) == (ArmActivity.READY, "lift", 2, 2)
    assert (found.has_policy, found.learning, found.mode) == (True, LearningActivity.TRAINING, "keys")
    assert (found.undo_text, found.redo_text, found.just_saved, found.arm_busy) == ("recording", None, False, True)
    assert (found.simulated, found.same_arm, found.on_port, found.counts_down) == (True, False, True, False)
    assert (found.alarm, found.overloaded) == ("hot", True)
    connection.current = mine
    found = take_snapshot(before, library, arm, teaching, recording, learning)
    assert (found.simulated, found.same_arm, found.counts_down, found.needs_placement) == (False, True, True, False)
