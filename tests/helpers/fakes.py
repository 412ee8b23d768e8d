"""Real implementations, small and without physics, of what is slow, random or unbreakable in the program."""

import time

import numpy as np

from metagui.arms.arm import (
    Anchor,
    Command,
    ConnectionLostError,
    JointState,
    NotConnectedError,
    SceneState,
    frozen,
    frozen_flags,
)
from metagui.arms.kinematics import HOME, JOINTS, Motion

NAN = frozen(np.full(len(JOINTS), np.nan))


class PlainArm:
    """An arm that is wherever it was sent one command ago, tells what it was sent, and breaks when told to.

    ``breaks`` maps a method's name to the exception it raises from now on.
    """

    name = "plain arm"
    joints = JOINTS
    anchors = (Anchor("red cube", "cube", 0.025, (1.0, 0.0, 0.0)), Anchor("table", "table", 0.0, (0.5, 0.5, 0.5)))

    def __init__(self, positions=HOME):
        self.positions = np.array(positions, dtype=float)
        self.connected = True
        self.sent = []
        """What was sent, and where the arm was when it was made to hold: (what, positions)."""
        self.breaks = {}

    def connect(self):
        self.connected = True

    def observe(self):
        self._maybe_break("observe")
        return JointState(time.perf_counter(), frozen(self.positions), NAN, NAN, NAN, NAN, 0.001, 0)

    def observe_scene(self):
        flags = np.zeros(2, dtype=bool)
        positions = np.array([[0.2, 0.0, 0.0125], [0.215, 0.0, 0.0]])
        return SceneState(frozen(positions), frozen(np.zeros(2)), frozen_flags(flags), frozen_flags(flags))

    def command(self, command):
        self._maybe_break("command")
        self.sent.append(("command", command.positions.copy()))
        self.positions = command.positions.copy()
        return command

    def hold(self):
        self._maybe_break("hold")
        self.sent.append(("hold", self.positions.copy()))

    def disconnect(self):
        self.hold()
        self.connected = False

    def _maybe_break(self, method):
        if not self.connected:
            raise NotConnectedError("The plain arm is not connected; nothing moved.")
        if method in self.breaks:
            raise self.breaks[method]


LOST = ConnectionLostError("The arm does not answer any more; it holds its last position. Check the cable.")


class Steps:
    """A controller that returns one planned thing a decision, then has nothing more to do."""

    def __init__(self, *plans, click=None):
        self.plans = list(plans)
        self.click = click
        self.current_click = None
        self.click_index = -1
        self.times = []

    def decide(self, observation):
        self.times.append(observation.time)
        if not self.plans:
            self.current_click = None
            return None
        if self.click is not None and self.current_click is None:
            self.current_click, self.click_index = self.click, self.click_index + 1
        plan = self.plans.pop(0)
        if isinstance(plan, Exception):
            raise plan
        return plan


def motion(x=0.0, y=0.0, z=0.0, turn=0.0, gripper=0.4, done=False):
    return Motion(np.array([x, y, z]), turn, gripper, done)


def pose(change):
    """A command to the home pose with every joint changed by as much."""
    return Command(HOME + change)


def until(condition, seconds=10.0):
    """Wait until ``condition()`` is true; fail after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.002)
