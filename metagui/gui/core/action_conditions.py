"""Conditions under which each action is enabled, and the tooltip text for a disabled one. Qt-free.

Nothing else enables actions, so that a button, its shortcut and its tooltip always agree.
"""

from __future__ import annotations

from collections.abc import Callable

from metagui.gui.core.app_state import AppSnapshot, ArmActivity, LearningActivity

Condition = Callable[[AppSnapshot], str | None]
"""Returns what is missing, as a complete sentence, or None."""
CLOSE_CAMERA_TEXT = "Close the set-up of the camera first."


def _connected(snapshot: AppSnapshot) -> str | None:
    if snapshot.state is ArmActivity.NO_ARM:
        return "Connect an arm first."
    if snapshot.state is ArmActivity.CONNECTING:
        return "The arm is being connected."
    if snapshot.state is ArmActivity.CALIBRATING:
        return "The arm is being calibrated."
    if snapshot.state is ArmActivity.CHECKING_POSE:
        return "Close the check of the pose first."
    if snapshot.state is ArmActivity.SETTING_UP_CAMERA:
        return CLOSE_CAMERA_TEXT
    return "Reconnect the arm first." if snapshot.state is ArmActivity.ERROR else None


def _chosen_arm_connected(snapshot: AppSnapshot) -> str | None:
    return None if snapshot.same_arm else "Another arm is selected than the one connected; press Connect first."


def _not_recording(snapshot: AppSnapshot) -> str | None:
    return "Stop the recording first." if snapshot.state is ArmActivity.RECORDING else None


def _chosen_arm_or_recording(snapshot: AppSnapshot) -> str | None:
    return None if snapshot.state is ArmActivity.RECORDING else _chosen_arm_connected(snapshot)


def _not_running(snapshot: AppSnapshot) -> str | None:
    if snapshot.state is ArmActivity.COUNTDOWN:
        return "The arm is about to move; stop it first."
    return "The arm is running; stop it first." if snapshot.state is ArmActivity.RUNNING else None


def _not_calibrating(snapshot: AppSnapshot) -> str | None:
    if snapshot.state is ArmActivity.CHECKING_POSE:
        return "Close the check of the pose first."
    if snapshot.state is ArmActivity.SETTING_UP_CAMERA:
        return CLOSE_CAMERA_TEXT
    return "Finish the calibration or cancel it first." if snapshot.state is ArmActivity.CALIBRATING else None


def _torque_on(snapshot: AppSnapshot) -> str | None:
    if not snapshot.torque_off:
        return None
    return "The torque is off; press Hold first." if snapshot.limp else "The arm follows your hand; press Hold first."


def _teaching_by_clicks(snapshot: AppSnapshot) -> str | None:
    return None if snapshot.mode == "click" else "Choose to teach by clicks first."


def _hand_guiding_or_not_recording(snapshot: AppSnapshot) -> str | None:
    return _not_recording(snapshot) if snapshot.mode != "hand" else None


def _simulated_scene(snapshot: AppSnapshot) -> str | None:
    return None if snapshot.simulated else "Objects on a real table are moved by hand; mark their positions."


def _placeable(snapshot: AppSnapshot) -> str | None:
    return None if snapshot.needs_placement else "This arm observes its objects; nothing has to be marked."


def _on_port(snapshot: AppSnapshot) -> str | None:
    return None if snapshot.on_port else "Choose an arm on a port first; the simulated one needs no calibration."


def _real_arm_connected(snapshot: AppSnapshot) -> str | None:
    if snapshot.simulated:
        return "Connect an arm on a port first; the simulated one has exact zeros."
    return None if snapshot.named_arm else "Name the arm first, so that its zeros can be stored."


def _real_arm(snapshot: AppSnapshot) -> str | None:
    return "Connect an arm on a port first; the simulated one knows its table." if snapshot.simulated else None


def _camera_on(snapshot: AppSnapshot) -> str | None:
    return None if snapshot.has_camera else "No camera watches the table of this arm; set one up first."


def _not_learning(snapshot: AppSnapshot) -> str | None:
    if snapshot.learning not in (LearningActivity.IDLE, LearningActivity.COMPARING):
        return f"{snapshot.learning.value} is still running; stop it first."
    return None


def _not_comparing(snapshot: AppSnapshot) -> str | None:
    return "Takes are being compared; wait a moment." if snapshot.learning is LearningActivity.COMPARING else None


def _task_selected(snapshot: AppSnapshot) -> str | None:
    return None if snapshot.task else "Choose a task in the list first."


def _take_selected(snapshot: AppSnapshot) -> str | None:
    return None if snapshot.take else "Choose a take in the list first."


def _no_real_arm(snapshot: AppSnapshot) -> str | None:
    if snapshot.simulated or snapshot.state in (ArmActivity.NO_ARM, ArmActivity.ERROR):
        return None
    return "Disconnect the arm first; another library begins without it."


def _writable(snapshot: AppSnapshot) -> str | None:
    return "This library is read-only; open another one, or make it writable." if snapshot.read_only else None


def _takes_selected(snapshot: AppSnapshot) -> str | None:
    return None if snapshot.selected.takes else "Choose takes in the list first."


def _tasks_selected(snapshot: AppSnapshot) -> str | None:
    return None if snapshot.selected.tasks else "Choose a task in the list first."


def _something_selected(snapshot: AppSnapshot) -> str | None:
    return None if len(snapshot.selected) else "Choose takes or tasks in the list first."


def _has_takes(snapshot: AppSnapshot) -> str | None:
    return None if snapshot.take_count else "This task has no takes yet; record one first."


def _prior_ready(snapshot: AppSnapshot) -> str | None:
    return f"There is nothing to adapt from: {snapshot.prior_problem}." if snapshot.prior_problem else None


def _encoder_ready(snapshot: AppSnapshot) -> str | None:
    return f"Takes cannot be compared: {snapshot.encoder_problem}." if snapshot.encoder_problem else None


def _own_encoder(snapshot: AppSnapshot) -> str | None:
    return None if snapshot.own_encoder else "The shipped encoder is in use."


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


def _has_steps(snapshot: AppSnapshot) -> str | None:
    return None if snapshot.has_steps else "No steps yet: click in the view, or choose one in the form."


def _overloaded(snapshot: AppSnapshot) -> str | None:
    return None if snapshot.overloaded else "No motor is overloaded."


_TEACHABLE = (_connected, _not_running)
_IDLE_ARM = (_connected, _not_recording, _not_running)

CONDITIONS: dict[str, tuple[Condition, ...]] = {
    "connect": (_not_recording, _not_running, _not_calibrating),
    "calibrate": (_on_port, _not_recording, _not_running, _not_calibrating),
    "check_pose": (*_IDLE_ARM, _chosen_arm_connected, _real_arm_connected, _torque_on),
    "camera": (*_IDLE_ARM, _chosen_arm_connected, _real_arm),
    "picture": (_camera_on,),
    "name_arm": (_on_port, _not_calibrating),
    "clear_overload": (_connected, _overloaded),
    "record": (_writable, *_TEACHABLE, _chosen_arm_or_recording),
    "again_here": (_writable, *_TEACHABLE, _chosen_arm_or_recording, _teaching_by_clicks, _has_steps),
    "again_elsewhere": (_writable, *_TEACHABLE, _chosen_arm_or_recording, _teaching_by_clicks, _has_steps),
    "again": (_connected, _not_running, _chosen_arm_connected, _just_saved),
    "discard": (_not_recording, _just_saved),
    "adapt": (_writable, _task_selected, _has_takes, _prior_ready, _not_learning),
    "run": (*_IDLE_ARM, _chosen_arm_connected, _task_selected, _has_policy, _torque_on),
    "measure": (_task_selected, _has_policy, _not_learning, _not_comparing),
    "replay_arm": (*_IDLE_ARM, _chosen_arm_connected, _take_selected, _torque_on),
    "randomise": (*_IDLE_ARM, _simulated_scene),
    "mark": (_placeable, *_IDLE_ARM),
    "motion": (*_TEACHABLE, _teaching_by_clicks),
    "limp": (*_TEACHABLE, _hand_guiding_or_not_recording),
    "undo": (_not_recording, _writable, _can_undo),
    "redo": (_not_recording, _writable, _can_redo),
    "rename": (_not_recording, _writable, _task_selected, _not_learning),
    "delete": (_not_recording, _writable, _something_selected, _not_learning),
    "duplicate": (_not_recording, _writable, _something_selected),
    "move": (_not_recording, _writable, _takes_selected, _not_learning),
    "split": (_not_recording, _writable, _takes_selected, _not_learning),
    "merge": (_not_recording, _writable, _tasks_selected, _not_learning),
    "details": (_not_recording, _writable, _something_selected),
    "success": (_not_recording, _writable, _takes_selected),
    "failure": (_not_recording, _writable, _takes_selected),
    "replay": (_take_selected,),
    "live": (_take_selected,),
    "trim_start": (_not_recording, _writable, _take_selected),
    "trim_end": (_not_recording, _writable, _take_selected),
    "trim_motion": (_not_recording, _writable, _take_selected),
    "cut_pauses": (_not_recording, _writable, _take_selected, _not_learning),
    "untrim": (_not_recording, _writable, _take_selected),
    "train": (_writable, _encoder_ready, _enough_tasks, _not_learning),
    "shipped_encoder": (_own_encoder, _not_learning),
    "open_library": (_not_recording, _not_running, _not_calibrating, _no_real_arm, _not_learning),
    "import": (_writable, _not_recording, _not_running),
    "export": (_not_recording, _not_running),
    "compare": (_encoder_ready, _enough_tasks, _not_learning),
    "stop_learning": (_is_learning,),
    "cancel_learning": (_is_learning,),
}
"""Conditions of each action, checked in order; an action that is not listed is always enabled."""


def explain_disabled(key: str, snapshot: AppSnapshot) -> str | None:
    """Return why an action is disabled, as text for its tooltip, or None if it is enabled."""
    for condition in CONDITIONS.get(key, ()):
        missing = condition(snapshot)
        if missing:
            return missing
    return None
