"""Random legal poses of the arm, and a check at every tick that nothing is touched on the way out of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.kinematics import (
    GRIPPER_CLOSED_RAD,
    HOME_ANGLES_RAD,
    HOME_POSITION_M,
    JOINTS,
    compute_closed_tip,
    forward_kinematics,
    inverse_kinematics,
)
from metagui.arms.simulation.collision_checker import CollisionChecker
from metagui.arms.teleoperation.velocity import VelocityController
from metagui.demonstrations.demonstration import Instruction
from metagui.demonstrations.programs.program_controller import ProgramController

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.arms.arm import FloatArray, Observation, SceneState
    from metagui.arms.control.loop import ControlLoop
    from metagui.arms.control.tick import Controller, JointMove, Tick
    from metagui.arms.kinematics import ToolMotion
    from metagui.arms.simulation.simulated_arm import SimulatedArm
    from metagui.learning.adaptation.rollout import PolicyController

CALIBRATION_POSE_RAD = np.zeros(6)
"""All joints in the middle, as in LeRobot's calibration: upper arm up, forearm and hand forward."""
MAX_TICKS = 3000
"""Number of ticks (a minute) after which an attempt has failed."""
HOME = Instruction("home", "table", None, {"offset": (0.0, 0.0, 0.10)})
CLICK = Instruction("reach", "table", None, {"offset": (0.0, 0.05, 0.12)})


def set_joint_positions(arm: SimulatedArm, positions: FloatArray) -> None:
    """Put a simulated arm at rest at joint angles (6,), rad; the objects stay."""
    state, model = arm.get_state(), arm.model
    state[1 : 1 + len(positions)] = positions
    velocities = 1 + model.nq
    state[velocities : velocities + 2 * model.nv] = 0.0
    state[velocities + 2 * model.nv : velocities + 2 * model.nv + len(positions)] = positions
    arm.set_state(state)


def draw_legal_pose(rng: np.random.Generator, arm: SimulatedArm) -> FloatArray:
    """Return joint angles (6,), uniform within the limits, at which nothing is touched in the arm's scene."""
    lower, upper = np.array([[joint.lower, joint.upper] for joint in JOINTS]).T
    checker = CollisionChecker(0.0)
    checker.begin(HOME_ANGLES_RAD, arm.objects, arm.observe_scene())
    while True:
        positions: FloatArray = rng.uniform(lower, upper)
        if checker.is_free(positions):
            return positions


@dataclass
class TouchAudit:
    """Sink of a loop that notes what the arm touches, in the scene of the first tick, and moved objects."""

    objects: tuple[object, ...]
    only_joint_moves: bool = False
    """True if what a controller does after the planned moves is not checked."""
    contacts: set[tuple[str, str]] = field(default_factory=set)
    max_object_shift: float = 0.0
    """Largest distance of an object from its first position, m."""
    max_step: float = 0.0
    """Largest change of a joint's target from one tick to the next, rad."""
    ticks: int = 0

    def __post_init__(self) -> None:
        self._checker = CollisionChecker(0.0)
        self._scene: SceneState | None = None
        self._sent: FloatArray | None = None

    def __call__(self, tick: Tick) -> None:
        """Check one tick."""
        if self.only_joint_moves and tick.joint_move is None:
            return
        self.ticks += 1
        scene, positions = tick.observation.scene, tick.observation.joints.positions
        if self._scene is None:
            self._scene = scene
            self._checker.begin(HOME_ANGLES_RAD, self.objects, scene)  # type: ignore[arg-type]
        self.contacts |= set(self._checker.describe_contacts(positions))
        shift = np.linalg.norm(scene.positions - self._scene.positions, axis=1).max()
        self.max_object_shift = max(self.max_object_shift, float(shift))
        if self._sent is not None:
            self.max_step = max(self.max_step, float(np.abs(tick.sent.positions - self._sent).max()))
        self._sent = tick.sent.positions


class _Watched:
    """Controller that notes how often its inner controller returned a motion of the tool."""

    def __init__(self, controller: Controller) -> None:
        self.controller = controller
        self.tool_motions = 0

    def decide(self, observation: Observation) -> ToolMotion | JointMove | None:
        """Return the decision of the inner controller."""
        decision = self.controller.decide(observation)
        self.tool_motions += type(decision).__name__ == "ToolMotion"
        return decision  # type: ignore[return-value]


def go_home(loop: ControlLoop) -> bool:
    """Press Home; return whether the arm arrives."""
    controller = ProgramController(loop.scene.objects)
    controller.add_instructions(HOME)
    last = loop.run_inline(controller, MAX_TICKS)
    assert last is not None
    distance = float(np.linalg.norm(last.observation.tool_position - HOME_POSITION_M))
    return not controller.pending_count and distance < 0.015


def begin_click(loop: ControlLoop) -> bool:
    """Click a point above the table; return whether the gripper gets there."""
    controller = ProgramController(loop.scene.objects)
    controller.add_instructions(CLICK)
    loop.run_inline(controller, MAX_TICKS)
    return not controller.failure_reason and controller.instruction_index == 0 and not controller.pending_count


def begin_run(loop: ControlLoop, policy: PolicyController, decisions: int = 10) -> bool:
    """Run a policy; return whether it starts to move the tool, however it goes on."""
    watched = _Watched(policy)
    loop.set_controller(watched)
    for _ in range(MAX_TICKS):
        loop.step_once()
        if watched.tool_motions >= decisions or policy.finished:
            return watched.tool_motions > 0
    return False


def press_key(loop: ControlLoop, decisions: int = 10) -> bool:
    """Hold the keys that move the gripper towards its home position; return whether it moves."""
    tool = forward_kinematics(loop.arm.observe().positions).position
    x, y, z = 0.05 * (HOME_POSITION_M - tool) / np.linalg.norm(HOME_POSITION_M - tool)
    velocity = VelocityController(clock=lambda: 0.0)
    velocity.set_velocity(x, y, z, 0.0, gripper_open=True)
    watched = _Watched(velocity)
    loop.set_controller(watched)
    before = None
    for _ in range(MAX_TICKS):
        tick = loop.step_once()
        if watched.tool_motions == 1 and before is None:
            before = tick.observation.tool_position
        if watched.tool_motions >= decisions and before is not None:
            return float(np.linalg.norm(tick.observation.tool_position - before)) > 0.005
    return False


def find_touch(point: Sequence[float] | FloatArray) -> FloatArray:
    """Return the angles (J,), rad, at which the tips of the closed gripper touch a point (3,), m."""
    target = goal = np.array(point, dtype=np.float64)
    for _ in range(20):
        angles = inverse_kinematics(target, 0.0)
        target = target + goal - compute_closed_tip(angles)
    return np.append(angles, GRIPPER_CLOSED_RAD)
