"""Records the steps of a take once more by itself: in a new scene, or in the same one after they were changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QObject

from metagui.arms.arm import ArmError
from metagui.gui.arm.capabilities import Restorable
from metagui.gui.core.app_state import AppSnapshot, ArmActivity
from metagui.gui.teaching.steps.step_list import StepStatus

if TYPE_CHECKING:
    from metagui.arms.arm import FloatArray
    from metagui.demonstrations.demonstration import Instruction
    from metagui.gui.arm.arm_controller import ArmController
    from metagui.gui.core.app_state import AppState
    from metagui.gui.core.messages import Messages
    from metagui.gui.teaching.click_dispatcher import ClickDispatcher
    from metagui.gui.teaching.steps.step_list import StepList


REPLACE_QUESTION = (
    "This throws away the take that is being recorded. Press it again to do so; Finish keeps the take, and "
    "the steps can be recorded again after it."
)
"""Posted by the first press while a take is being recorded."""


class TakeRecording(Protocol):
    """What records takes: the ``RecordingController``."""

    is_recording: bool

    @property
    def next_task(self) -> str:
        """Name of the task of the take being recorded, else of the next one."""

    @property
    def records_existing_task(self) -> bool:
        """True while a take of a task is recorded that existed before."""

    def start_recording(self, task: str | None = None) -> None:
        """Start a take of a task, by default the selected one."""

    def discard_take(self) -> None:
        """Delete the take being recorded."""

    def request_finish(self) -> None:
        """Finish the take after the last instruction."""


class StepRepeater(QObject):
    """Starts a take, gives the arm all steps of the list, and finishes the take once all of them are achieved."""

    def __init__(
        self,
        controller: ArmController,
        clicks: ClickDispatcher,
        steps: StepList,
        recording: TakeRecording,
        state: AppState,
        messages: Messages,
    ) -> None:
        super().__init__()
        self._controller, self._clicks, self._steps = controller, clicks, steps
        self._recording, self._state, self._messages = recording, state, messages
        self._task: str | None = None
        self._plan: tuple[Instruction, ...] = ()
        """Steps that are given to the arm when the take has begun."""
        self._is_repeating = False
        self._has_asked = False
        """True once the user was told that the take being recorded would be thrown away."""
        self._activity = state.activity
        self._start_state: FloatArray | None = None
        """State of arm and scene when the present or the last take began."""
        state.changed.connect(self._on_state_changed)
        steps.changed.connect(self._finish_when_done)

    def repeat_here(self) -> None:
        """Record the listed steps once more from where the last take began; a second call replaces a running take."""
        if self._begin() and self._start_state is not None:
            try:
                self._controller.restore_state(self._start_state)
            except ArmError as error:
                self._plan = ()
                self._messages.post_error(error)
                return
            self._clicks.scene_used = False
            self._start()

    def repeat_elsewhere(self) -> None:
        """Record the listed steps once more in a new scene; a second call replaces a running take."""
        if self._begin():
            self._clicks.scene_used = True
            self._start()

    def _begin(self) -> bool:
        """Prepare the plan; return False without one, if a real arm holds an object, or if the user must be asked."""
        tick = self._controller.latest_tick
        plan = self._steps.instructions
        if not plan or tick is None:
            return False
        if not isinstance(self._controller.arm, Restorable) and tick.observation.scene.held.any():
            text = (
                "The gripper holds an object. Nothing was recorded; put it down where the take begins, then try again."
            )
            self._messages.post(text, "warning")
            return False
        if self._recording.is_recording and not self._has_asked:
            self._has_asked = True
            self._messages.post(REPLACE_QUESTION, "warning")
            return False
        self._controller.program_controller.clear()
        self._task = self._recording.next_task if self._recording.records_existing_task else None
        if self._recording.is_recording:
            self._recording.discard_take()
        self._plan = plan
        return True

    def _start(self) -> None:
        self._recording.start_recording(self._task)
        if self._state.activity is ArmActivity.READY:  # it did not begin: no later take may carry out the plan
            self._plan = ()

    def _on_state_changed(self, snapshot: AppSnapshot) -> None:
        """Begin and end with the take."""
        before, self._activity = self._activity, snapshot.state
        if before is self._activity:
            return
        self._has_asked = False
        if self._activity is ArmActivity.RECORDING:
            self._begin_take()
        elif before is ArmActivity.RECORDING:
            self._is_repeating = False
            self._steps.end_take()
        elif before is ArmActivity.COUNTDOWN:
            self._plan = ()  # it was cancelled

    def _begin_take(self) -> None:
        self._start_state = self._controller.get_arm_state()
        self._steps.clear()
        plan, self._plan = self._plan, ()
        self._is_repeating = bool(plan)
        for instruction in plan:
            self._clicks.add_instruction(instruction)

    def _finish_when_done(self) -> None:
        """Finish the take once all steps are achieved; if one was not, leave it to the person."""
        if not self._is_repeating or not self._steps.steps or self._steps.is_busy:
            return
        self._is_repeating = False
        if all(step.status is StepStatus.DONE for step in self._steps.steps):
            self._recording.request_finish()
