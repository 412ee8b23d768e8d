"""A real arm with its digital twin, with the interface of the simulated arm for loop, recorder, view and policies.

The joints are measured on the real arm; the objects' poses are those of the twin, in which a person placed them, or a
camera sees them.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol, Self

from metagui.arms.arm import (
    CONTROL_PERIOD_S,
    ArmError,
    HandGuidable,
    NotConnectedError,
    OverloadClearable,
)
from metagui.arms.guiding import GuidingStiffness
from metagui.arms.kinematics import forward_kinematics
from metagui.arms.simulation.digital_twin import DigitalTwin
from metagui.arms.tables.table import DEFAULT_TABLE, Table

if TYPE_CHECKING:
    import mujoco

    from metagui.arms.arm import Arm, Command, FloatArray, Joint, JointState, SceneState

MAX_CATCH_UP_PERIODS = 5
"""Largest number of control periods that the twin simulates at once after a late tick."""


class TwinObserver(Protocol):
    """Sees the real table, and moves the twin's objects there."""

    def correct(self, twin: DigitalTwin, joints: JointState) -> frozenset[str]:
        """Move objects of a twin that has just followed ``joints``; return their names. Called in the arm's thread."""


class TwinnedArm:
    """An arm without a scene, with the objects of a twin. Implements Arm, Scene, StatefulArm and HandGuidable.

    ``place_object`` and ``place_object_at_tool`` may be called from any thread, the arm's methods as those of ``arm``.
    With ``lockstep``, the twin simulates one control period per observation, independent of the clock.
    """

    def __init__(self, arm: Arm, lockstep: bool = False, table: Table = DEFAULT_TABLE) -> None:
        self.arm = arm
        self._guidable = arm if isinstance(arm, HandGuidable) else None
        self._max_periods = 1 if lockstep else MAX_CATCH_UP_PERIODS
        self.table = table
        self._twin = DigitalTwin(table)
        self._lock = threading.RLock()
        self._tool_position: FloatArray | None = None
        self._tool_yaw = 0.0
        self._followed_at = 0.0
        self.objects = self._twin.objects
        self.placed_objects: frozenset[str] = frozenset()
        """Names of the objects that a person has placed, or a camera has seen; the others are parked out of reach."""
        self.observer: TwinObserver | None = None
        """Moves the twin's objects to where it sees the real ones; may be set by any thread."""

    # The arm

    @property
    def name(self) -> str:
        """The real arm's name."""
        return self.arm.name

    @property
    def device(self) -> str:
        """The arm's present or last port; empty for an arm without one."""
        return str(getattr(self.arm, "device", ""))

    @property
    def measures_health(self) -> bool:
        """Return whether the real arm's servos report their status."""
        return bool(getattr(self.arm, "measures_health", False))

    def list_warnings(self) -> list[str]:
        """Return texts on what was found when the real arm was connected."""
        list_warnings = getattr(self.arm, "list_warnings", None)
        return list(list_warnings()) if list_warnings is not None else []

    @property
    def overloaded(self) -> frozenset[str]:
        """Names of the real arm's overloaded joints."""
        return self.arm.overloaded if isinstance(self.arm, OverloadClearable) else frozenset()

    def clear_overload(self) -> None:
        """End the overloads of the real arm. Raises ArmError."""
        if isinstance(self.arm, OverloadClearable):
            self.arm.clear_overload()

    @property
    def joints(self) -> tuple[Joint, ...]:
        """The real arm's joints."""
        return self.arm.joints

    @property
    def connected(self) -> bool:
        """Return whether the real arm is connected."""
        return self.arm.connected

    @property
    def hand_guiding(self) -> bool:
        """Return whether a person guides the arm by hand."""
        return self._guidable is not None and self._guidable.hand_guiding

    def connect(self) -> None:
        """Connect the real arm; it holds its present position, and so does the twin. Raises ArmError."""
        self.arm.connect()
        with self._lock:
            self._twin.reset_tracking()

    def observe(self) -> JointState:
        """Read the real joints and let the twin follow them. Raises ArmError."""
        state = self.arm.observe()
        pose = forward_kinematics(state.positions)
        with self._lock:
            periods = round((state.time - self._followed_at) / CONTROL_PERIOD_S)
            self._followed_at = state.time
            self._twin.follow(state.positions, min(max(periods, 1), self._max_periods))
            self._tool_position, self._tool_yaw = pose.position, float(pose.yaw)
            observer = self.observer
            if observer is not None:
                seen = observer.correct(self._twin, state)
                if not seen <= self.placed_objects:
                    self.placed_objects |= seen
        return state

    def command(self, command: Command) -> Command:
        """Send joint targets to the real arm. Raises ArmError."""
        return self.arm.command(command)

    def hold(self) -> None:
        """Hold the present position with torque, which ends hand guiding. Raises ArmError."""
        self.arm.hold()

    @property
    def limp(self) -> bool:
        """Return whether the real arm's torque is off for hand guiding."""
        return self._guidable is not None and self._guidable.limp

    def start_hand_guiding(self, stiffness: GuidingStiffness = GuidingStiffness.LIMP) -> None:
        """Let a hand move the real arm; a limp one sinks unless a person holds it. Raises ArmError."""
        if self._guidable is None:
            raise ArmError(f"{self.name} cannot be guided by hand; it holds its position. Click objects instead.")
        self._guidable.start_hand_guiding(stiffness)

    def disconnect(self) -> None:
        """Hold, then close; never drops the arm. Raises ArmError."""
        self.arm.disconnect()

    # The scene

    def observe_scene(self) -> SceneState:
        """Return the present state of the twin's objects."""
        with self._lock:
            return self._twin.observe_scene()

    def place_object(self, object_name: str, x: float, y: float, yaw: float = 0.0) -> None:
        """Place an object on the twin's table at x and y, m, with ``yaw``, rad. Raises PlacementError."""
        with self._lock:
            self._twin.place_object(object_name, x, y, yaw)
            self.placed_objects |= {object_name}

    def place_object_at_tool(self, object_name: str) -> None:
        """Place an object under the gripper's tip, with the gripper's yaw. Raises ArmError."""
        with self._lock:
            if self._tool_position is None:
                raise NotConnectedError(
                    f"{self.name} was not read yet, so its position is unknown. Nothing was changed; connect it first."
                )
            self.place_object(object_name, float(self._tool_position[0]), float(self._tool_position[1]), self._tool_yaw)

    def is_sight_blocked(self, eye: FloatArray, object_name: str, top: float) -> bool:
        """Return whether something of the twin is between ``eye`` (3,) and the top of an object, m."""
        with self._lock:
            return self._twin.is_sight_blocked(eye, [each.name for each in self.objects].index(object_name), top)

    # For storing takes

    @property
    def model(self) -> mujoco.MjModel:
        """The twin's model, which must not be changed."""
        return self._twin.model

    @property
    def model_xml(self) -> str:
        """Return the twin's scene as MJCF text."""
        return self._twin.model_xml

    def get_state(self) -> FloatArray:
        """Return a copy of the twin's full state (D,), which may be passed to another thread."""
        with self._lock:
            return self._twin.get_state()

    def __enter__(self) -> Self:
        """Connect."""
        self.connect()
        return self

    def __exit__(self, *exception: object) -> None:
        """Hold, then close."""
        self.disconnect()
