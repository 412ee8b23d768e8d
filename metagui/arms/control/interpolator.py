"""Calls a controller at its decisions and interpolates the result to one joint target per tick."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metagui.arms.arm import ArmError, Command, read_only_copy
from metagui.arms.control.tick import TICKS_PER_DECISION, Controller, ControllerError
from metagui.arms.kinematics import ToolMotion

if TYPE_CHECKING:
    from metagui.arms.arm import FloatArray, Observation
    from metagui.arms.kinematics import CartesianServo

ActiveInstruction = tuple[object | None, int]
"""The instruction being executed and its index; (None, -1) if there is none."""


class CommandInterpolator:
    """Calls a controller at every second tick and splits its motion over the ticks of the decision."""

    def __init__(self, servo: CartesianServo) -> None:
        self._servo = servo
        self._controller: Controller | None = None
        self.decision: ToolMotion | Command | None = None
        """The last decision."""
        self._start_positions: FloatArray | None = None
        self.active_instruction: ActiveInstruction = (None, -1)

    def reset(self) -> None:
        """Discard the last decision; the next motion starts at the arm's present position."""
        self._controller, self.decision, self.active_instruction = None, None, (None, -1)

    def compute_command(
        self, index: int, controller: Controller | None, observation: Observation, sent: FloatArray | None
    ) -> Command | None:
        """Return the joint targets of tick ``index``, None if there is no decision. Raises ControllerError.

        ``sent`` (J,) are the last targets: a motion starts from them if the arm has nearly reached them, so that a
        new controller causes no sag or jerk.
        """
        if index % TICKS_PER_DECISION == 0:
            self._query_controller(controller, observation, sent)
        decision, start = self.decision, self._start_positions
        if isinstance(decision, ToolMotion):
            return self._servo.step(observation, decision, 1.0 / TICKS_PER_DECISION)
        if decision is None or start is None or start.shape != decision.positions.shape:
            return decision
        fraction = (index % TICKS_PER_DECISION + 1) / TICKS_PER_DECISION
        return Command(read_only_copy(start + fraction * (decision.positions - start)))

    def _query_controller(
        self, controller: Controller | None, observation: Observation, sent: FloatArray | None
    ) -> None:
        """Get the next decision. Raises ControllerError."""
        moving = controller is self._controller and isinstance(self.decision, ToolMotion)
        self.reset()
        if controller is None:
            return
        before = _read_active_instruction(controller)
        try:
            decision = controller.decide(observation)
        except ArmError as error:
            raise ControllerError(str(error)) from error
        except Exception as error:
            raise ControllerError(f"{type(controller).__name__} failed: {error or type(error).__name__}") from error
        if isinstance(decision, ToolMotion) and not moving:
            self._servo.reset(observation, sent)
        self._controller, self.decision, self._start_positions = controller, decision, sent
        self.active_instruction = _read_active_instruction(controller)
        if decision is not None and self.active_instruction[0] is None:
            self.active_instruction = before  # the decision that ends an instruction still belongs to it


def _read_active_instruction(controller: Controller) -> ActiveInstruction:
    """Return the instruction that a controller is executing, and its index."""
    return getattr(controller, "current_instruction", None), getattr(controller, "instruction_index", -1)
