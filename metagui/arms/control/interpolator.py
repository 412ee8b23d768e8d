"""When a controller is asked, and how what it wants becomes one joint target a tick."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metagui.arms.arm import ArmError, Command, frozen
from metagui.arms.control.tick import DECISION_TICKS, Controller, ControllerError
from metagui.arms.kinematics import Motion

if TYPE_CHECKING:
    from metagui.arms.arm import FloatArray, Observation
    from metagui.arms.kinematics import CartesianServo

Mark = tuple[object | None, int]
"""The click being carried out and its index; (None, -1) where there is none."""


class Decisions:
    """Asks a controller at every second tick and splits its motion over the ticks between."""

    def __init__(self, servo: CartesianServo) -> None:
        self._servo = servo
        self._controller: Controller | None = None
        self.plan: Motion | Command | None = None
        """What was decided last."""
        self._from: FloatArray | None = None
        self.mark: Mark = (None, -1)

    def forget(self) -> None:
        """Drop what was decided; the next motion starts wherever the arm is."""
        self._controller, self.plan, self.mark = None, None, (None, -1)

    def ask(
        self, index: int, controller: Controller | None, observation: Observation, sent: FloatArray | None
    ) -> Command | None:
        """Return the joint targets of tick ``index``, None where nobody wants anything. Raises ControllerError.

        ``sent`` (J,) are the last targets: a motion starts from them where the arm has nearly reached them, so that
        a new controller does not make it sag or jerk.
        """
        if index % DECISION_TICKS == 0:
            self._decide(controller, observation, sent)
        if isinstance(self.plan, Motion):
            return self._servo.step(observation, self.plan, 1.0 / DECISION_TICKS)
        if self.plan is None or self._from is None or self._from.shape != self.plan.positions.shape:
            return self.plan
        share = (index % DECISION_TICKS + 1) / DECISION_TICKS
        return Command(frozen(self._from + share * (self.plan.positions - self._from)))

    def _decide(self, controller: Controller | None, observation: Observation, sent: FloatArray | None) -> None:
        moving = controller is self._controller and isinstance(self.plan, Motion)
        self.forget()
        if controller is None:
            return
        before = _mark_of(controller)
        try:
            plan = controller.decide(observation)
        except ArmError as error:
            raise ControllerError(str(error)) from error
        except Exception as error:
            raise ControllerError(f"{type(controller).__name__} failed: {error or type(error).__name__}") from error
        if isinstance(plan, Motion) and not moving:
            self._servo.reset(observation, sent)
        self._controller, self.plan, self.mark, self._from = controller, plan, _mark_of(controller), sent
        if plan is not None and self.mark[0] is None:
            self.mark = before  # the decision that ends a click still belongs to it


def _mark_of(controller: Controller) -> Mark:
    """Return the click a controller says it is carrying out, and its index."""
    return getattr(controller, "current_click", None), getattr(controller, "click_index", -1)
