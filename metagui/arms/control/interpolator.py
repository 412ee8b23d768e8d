"""When a controller is asked, and how what it wants becomes one joint target a tick."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metagui.arms.arm import ArmError, Command, read_only_copy
from metagui.arms.control.tick import TICKS_PER_DECISION, Controller, ControllerError
from metagui.arms.kinematics import ToolMotion

if TYPE_CHECKING:
    from metagui.arms.arm import FloatArray, Observation
    from metagui.arms.kinematics import CartesianServo

ActiveInstruction = tuple[object | None, int]
"""The click being carried out and its index; (None, -1) where there is none."""


class CommandInterpolator:
    """Asks a controller at every second tick and splits its motion over the ticks between."""

    def __init__(self, servo: CartesianServo) -> None:
        self._servo = servo
        self._controller: Controller | None = None
        self.decision: ToolMotion | Command | None = None
        """What was decided last."""
        self._start_positions: FloatArray | None = None
        self.active_instruction: ActiveInstruction = (None, -1)

    def reset(self) -> None:
        """Drop what was decided; the next motion starts wherever the arm is."""
        self._controller, self.decision, self.active_instruction = None, None, (None, -1)

    def compute_command(
        self, index: int, controller: Controller | None, observation: Observation, sent: FloatArray | None
    ) -> Command | None:
        """Return the joint targets of tick ``index``, None where nobody wants anything. Raises ControllerError.

        ``sent`` (J,) are the last targets: a motion starts from them where the arm has nearly reached them, so that
        a new controller does not make it sag or jerk.
        """
        if index % TICKS_PER_DECISION == 0:
            self._query_controller(controller, observation, sent)
        if isinstance(self.decision, ToolMotion):
            return self._servo.step(observation, self.decision, 1.0 / TICKS_PER_DECISION)
        if (
            self.decision is None
            or self._start_positions is None
            or self._start_positions.shape != self.decision.positions.shape
        ):
            return self.decision
        share = (index % TICKS_PER_DECISION + 1) / TICKS_PER_DECISION
        return Command(
            read_only_copy(self._start_positions + share * (self.decision.positions - self._start_positions))
        )

    def _query_controller(
        self, controller: Controller | None, observation: Observation, sent: FloatArray | None
    ) -> None:
        moving = controller is self._controller and isinstance(self.decision, ToolMotion)
        self.reset()
        if controller is None:
            return
        before = _read_active_instruction(controller)
        try:
            plan = controller.decide(observation)
        except ArmError as error:
            raise ControllerError(str(error)) from error
        except Exception as error:
            raise ControllerError(f"{type(controller).__name__} failed: {error or type(error).__name__}") from error
        if isinstance(plan, ToolMotion) and not moving:
            self._servo.reset(observation, sent)
        self._controller, self.decision, self.active_instruction, self._start_positions = (
            controller,
            plan,
            _read_active_instruction(controller),
            sent,
        )
        if plan is not None and self.active_instruction[0] is None:
            self.active_instruction = before  # the decision that ends a click still belongs to it


def _read_active_instruction(controller: Controller) -> ActiveInstruction:
    """Return the click a controller says it is carrying out, and its index."""
    return getattr(controller, "current_instruction", None), getattr(controller, "instruction_index", -1)
