"""Small implementations, without physics, of the parts that are slow, random or never fail."""

import time

import numpy as np

from metagui.arms.arm import (
    Command,
    ConnectionLostError,
    JointState,
    NotConnectedError,
    SceneObject,
    SceneState,
    read_only_bool_copy,
    read_only_copy,
)
from metagui.arms.kinematics import HOME_ANGLES_RAD, JOINTS, ToolMotion

NAN_JOINTS = read_only_copy(np.full(len(JOINTS), np.nan))


class FakeArm:
    """Arm that follows every command at once, logs it, and fails on request.

    ``errors`` maps the name of a method to the exception that it raises.
    """

    name = "plain arm"
    joints = JOINTS
    objects = (
        SceneObject("red cube", "block", (0.025, 0.025, 0.025), (1.0, 0.0, 0.0)),
        SceneObject("table", "table", (0.0, 0.0, 0.0), (0.5, 0.5, 0.5)),
    )

    def __init__(self, positions=HOME_ANGLES_RAD):
        self.positions = np.array(positions, dtype=float)
        self.connected = True
        self.sent_log = []
        """Entries ('command' or 'hold', positions in rad)."""
        self.errors = {}

    def connect(self):
        """Connect."""
        self.connected = True

    def observe(self):
        """Return the last commanded positions."""
        self._raise_planned_error("observe")
        return JointState(
            time.perf_counter(),
            read_only_copy(self.positions),
            NAN_JOINTS,
            NAN_JOINTS,
            NAN_JOINTS,
            NAN_JOINTS,
            0.001,
            0,
        )

    def observe_scene(self):
        """Return a scene of a cube and the table at rest."""
        flags = np.zeros(2, dtype=bool)
        positions = np.array([[0.2, 0.0, 0.0125], [0.215, 0.0, 0.0]])
        return SceneState(
            read_only_copy(positions),
            read_only_copy(np.zeros(2)),
            read_only_bool_copy(flags),
            read_only_bool_copy(flags),
        )

    def command(self, command):
        """Move to the command at once."""
        self._raise_planned_error("command")
        self.sent_log.append(("command", command.positions.copy()))
        self.positions = command.positions.copy()
        return command

    def hold(self):
        """Log the position."""
        self._raise_planned_error("hold")
        self.sent_log.append(("hold", self.positions.copy()))

    def disconnect(self):
        """Hold and disconnect."""
        self.hold()
        self.connected = False

    def _raise_planned_error(self, method):
        if not self.connected:
            raise NotConnectedError("The plain arm is not connected; nothing moved.")
        if method in self.errors:
            raise self.errors[method]


CONNECTION_LOST = ConnectionLostError("The arm does not answer any more; it holds its last position. Check the cable.")


class ScriptedController:
    """Controller that returns one planned motion, command or exception per decision, then None."""

    def __init__(self, *plans, instruction=None):
        self.planned = list(plans)
        self.instruction = instruction
        self.current_instruction = None
        self.instruction_index = -1
        self.times = []

    def decide(self, observation):
        """Return the next plan, or raise it if it is an exception."""
        self.times.append(observation.time)
        if not self.planned:
            self.current_instruction = None
            return None
        if self.instruction is not None and self.current_instruction is None:
            self.current_instruction, self.instruction_index = self.instruction, self.instruction_index + 1
        plan = self.planned.pop(0)
        if isinstance(plan, Exception):
            raise plan
        return plan


class HoldingController:
    """Controller that always requests the same joint positions, rad."""

    def __init__(self, positions):
        self.positions = positions

    def decide(self, observation):
        """Return the positions."""
        return Command(self.positions)


def make_motion(x=0.0, y=0.0, z=0.0, turn=0.0, gripper=0.4, done=False):
    """Return a tool motion by a displacement, m, and a turn, rad."""
    return ToolMotion(np.array([x, y, z]), turn, gripper, done)


def make_command(joint_offset):
    """Return a command to the home pose with every joint offset by ``joint_offset`` rad."""
    return Command(HOME_ANGLES_RAD + joint_offset)
