"""A real arm with a physics twin: to the loop, the recorder, the view and a policy it looks like the simulated one.

The joints are the real arm's, as measured; where things stand is the twin's, in which a person marked them once.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

from metagui.arms.arm import CONTROL_PERIOD_S, ArmError, HandGuidable, NotConnectedError
from metagui.arms.kinematics import forward_kinematics
from metagui.arms.simulation.digital_twin import DigitalTwin

if TYPE_CHECKING:
    import mujoco

    from metagui.arms.arm import Arm, Command, FloatArray, Joint, JointState, SceneState

MAX_CATCH_UP_PERIODS = 5
"""Control periods that the twin makes up for when the loop was late."""


class TwinnedArm:
    """Any arm without a scene, among the anchors of a twin. Implements Arm, Scene, Replayable and Guidable.

    ``put`` and ``put_here`` may be called from any thread; the arm's own methods as those of the arm inside.
    ``lockstep`` lets one control period pass in the twin at every observation, whatever the clock says.
    """

    def __init__(self, arm: Arm, lockstep: bool = False) -> None:
        self.arm = arm
        self._guidable = arm if isinstance(arm, HandGuidable) else None
        self._max_periods = 1 if lockstep else MAX_CATCH_UP_PERIODS
        self._twin = DigitalTwin()
        self._lock = threading.RLock()
        self._tool_position: FloatArray | None = None
        self._tool_yaw = 0.0
        self._followed_at = 0.0
        self.objects = self._twin.objects
        self.placed_objects: frozenset[str] = frozenset()
        """Names of what a person has put somewhere; the rest stands aside."""

    # The arm

    @property
    def name(self) -> str:
        """The real arm's name."""
        return self.arm.name

    @property
    def device(self) -> str:
        """The port it is on, or was last; empty for an arm without one."""
        return str(getattr(self.arm, "device", ""))

    @property
    def joints(self) -> tuple[Joint, ...]:
        """The real arm's joints."""
        return self.arm.joints

    @property
    def connected(self) -> bool:
        """Whether the real arm is connected."""
        return self.arm.connected

    @property
    def hand_guiding(self) -> bool:
        """Whether a person leads the arm."""
        return self._guidable is not None and self._guidable.hand_guiding

    def connect(self) -> None:
        """Connect the real arm; it holds where it is, and so does the twin. Raises ArmError."""
        self.arm.connect()
        with self._lock:
            self._twin.reset_tracking()

    def observe(self) -> JointState:
        """Read the real joints, and let the twin follow them. Raises ArmError."""
        state = self.arm.observe()
        pose = forward_kinematics(state.positions)
        with self._lock:
            late = round((state.time - self._followed_at) / CONTROL_PERIOD_S)
            self._followed_at = state.time
            self._twin.follow(state.positions, min(max(late, 1), self._max_periods))
            self._tool_position, self._tool_yaw = pose.position, float(pose.yaw)
        return state

    def command(self, command: Command) -> Command:
        """Send joint targets to the real arm. Raises ArmError."""
        return self.arm.command(command)

    def hold(self) -> None:
        """Make the real arm stay where it is, with torque; this ends hand-guiding. Raises ArmError."""
        self.arm.hold()

    def start_hand_guiding(self) -> None:
        """Let a person lead the arm: torque off. It may sink; somebody must hold it. Raises ArmError."""
        if self._guidable is None:
            raise ArmError(f"{self.name} cannot be led by hand; it holds its position. Click instead.")
        self._guidable.start_hand_guiding()

    def disconnect(self) -> None:
        """Hold, then close; never drops the arm. Raises ArmError."""
        self.arm.disconnect()

    # The scene

    def observe_scene(self) -> SceneState:
        """Return where every anchor of the twin is now."""
        with self._lock:
            return self._twin.observe_scene()

    def place_object(self, object_name: str, x: float, y: float, yaw: float = 0.0) -> None:
        """Say where a thing stands: x and y on the table, m, and its turn, rad. Raises PlaceError."""
        with self._lock:
            self._twin.place_object(object_name, x, y, yaw)
            self.placed_objects |= {object_name}

    def place_object_at_tool(self, object_name: str) -> None:
        """Say that a thing stands under the gripper's tip, turned as the gripper is. Raises ArmError."""
        with self._lock:
            if self._tool_position is None:
                raise NotConnectedError(
                    f"{self.name} was not read yet, so nobody knows where it points. Connect it first."
                )
            self.place_object(object_name, float(self._tool_position[0]), float(self._tool_position[1]), self._tool_yaw)

    # What a take stores

    @property
    def model(self) -> mujoco.MjModel:
        """The twin's model, never to be changed."""
        return self._twin.model

    @property
    def model_xml(self) -> str:
        """The twin's scene as MJCF text."""
        return self._twin.model_xml

    def get_state(self) -> FloatArray:
        """Return a copy of the twin's full state (D,), safe to hand to another thread."""
        with self._lock:
            return self._twin.get_state()

    def __enter__(self) -> Self:
        """Connect."""
        self.connect()
        return self

    def __exit__(self, *exception: object) -> None:
        """Hold, then close."""
        self.disconnect()
