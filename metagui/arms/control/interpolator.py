"""Calls a controller at its decisions and interpolates the result to one joint target per tick."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metagui.arms.arm import ArmError, Command, read_only_copy
from metagui.arms.control.tick import TICKS_PER_DECISION, Controller, ControllerError, JointMove
from metagui.arms.kinematics import ToolMotion

if TYPE_CHECKING:
    from metagui.arms.arm import FloatArray, Observation
    from metagui.arms.control.cartesian_servo import CartesianServo
    from metagui.arms.control.joint_mover import JointMover

ActiveInstruction = tuple[object | None, int]
"""The instruction being executed and its index; (None, -1) if there is none."""


class CommandInterpolator:
    """Calls a controller at every second tick and splits its motion over the ticks of the decision.

    While a JointMove of the controller is being carried out, ``mover`` decides instead of the controller.
    """

    def __init__(self, servo: CartesianServo, mover: JointMover) -> None:
        self._servo, self._mover = servo, mover
        self._controller: Controller | None = None
        self.decision: ToolMotion | Command | None = None
        """The last decision."""
        self._start_positions: FloatArray | None = None
        self.active_instruction: ActiveInstruction = (None, -1)

    @property
    def joint_move(self) -> JointMove | None:
        """The planned move that is being carried out, None if there is none."""
        return self._mover.move

    def reset(self) -> None:
        """Discard the last decision and move; the next motion starts at the arm's present position."""
        self._mover.cancel()
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
        if controller is not self._controller or controller is None:
            self.reset()
        if controller is None:
            return
        moving = isinstance(self.decision, ToolMotion)
        self.decision, self.active_instruction = None, (None, -1)
        before = _read_active_instruction(controller)
        try:
            decision = self._decide(controller, observation, sent)
        except ArmError as error:
            raise ControllerError(str(error)) from error
        except Exception as error:
            raise ControllerError(f"{type(controller).__name__} failed: {error or type(error).__name__}") from error
        if isinstance(decision, ToolMotion) and not moving:
            self._servo.reset(observation, sent)
        self._controller, self.decision, self._start_positions = controller, decision, sent
        self.active_instruction = _read_active_instruction(controller)
        if decision is not None and self.active_instruction[0] is None and self.joint_move is None:
            self.active_instruction = before  # the decision that ends an instruction still belongs to it

    def _decide(
        self, controller: Controller, observation: Observation, sent: FloatArray | None
    ) -> ToolMotion | Command | None:
        """Return the next motion of the planned move if there is one, else of the controller. Raises ArmError."""
        has_ended = False
        if self._mover.move is not None:
            command = self._mover.decide(observation)
            if command is not None:
                return command
            has_ended = True
        decision = controller.decide(observation)
        if isinstance(decision, JointMove) and not has_ended:
            self._mover.begin(decision, observation, sent)
            command = self._mover.decide(observation)
            if command is not None:
                return command
            decision = controller.decide(observation)
        if isinstance(decision, JointMove):
            raise ControllerError(
                "The arm went to a pose to start from, but cannot start there either. It holds its position. "
                "Check its calibration, then try again."
            )
        return decision


def _read_active_instruction(controller: Controller) -> ActiveInstruction:
    """Return the instruction that a controller is executing, and its index."""
    return getattr(controller, "current_instruction", None), getattr(controller, "instruction_index", -1)
