"""Moves the objects of a digital twin to where a camera sees the real ones.

Between pictures, and for what the camera cannot see, the twin goes on as without a camera: its fingers push, grasp and
carry. A picture is older than the present: the difference between the seen and the twin's pose is taken at the time of
the picture, and applied now.
"""

from __future__ import annotations

import bisect
import math
from collections import deque
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from metagui.arms.kinematics import forward_kinematics
from metagui.cameras.object_tracker import ToolGrip

if TYPE_CHECKING:
    from metagui.arms.arm import BoolArray, FloatArray, JointState, SceneObject
    from metagui.arms.simulation.digital_twin import DigitalTwin
    from metagui.cameras.object_tracker import Sighting
    from metagui.vision.table_camera import TableSight

HISTORY_TICKS = 150
"""Number of past states of the twin: a picture may be three seconds old."""
DISPLACED_M, TURNED_RAD = 0.002, math.radians(4.0)
"""Difference of poses from which on the twin's object is moved; less is noise, m and rad."""
TOUCHED_M = 0.008
"""The same for an object that the gripper touches, whose own pose follows the fingers, m."""


class SightSource(Protocol):
    """What sees the table."""

    @property
    def sight(self) -> TableSight | None:
        """The newest picture with what is known."""


class _Past(NamedTuple):
    time: float
    tool: FloatArray
    tool_yaw: float
    positions: FloatArray
    """(A, 3) positions of the objects, m; changed when they are corrected."""
    yaws: FloatArray
    held: BoolArray
    touched: BoolArray


class SightedTwin:
    """Corrects a twin by what ``camera`` sees. Implements TwinObserver; ``read_grip`` may be called by any thread."""

    def __init__(self) -> None:
        self.camera: SightSource | None = None
        self._past: deque[_Past] = deque(maxlen=HISTORY_TICKS)
        self._names: tuple[str, ...] = ()
        self._used = 0.0

    def correct(self, twin: DigitalTwin, joints: JointState) -> frozenset[str]:
        """Note the twin's present state, and move its objects if there is a new picture; return those it moved."""
        self._names = tuple(each.name for each in twin.objects)
        pose = forward_kinematics(joints.positions)
        scene = twin.observe_scene()
        self._past.append(
            _Past(
                joints.time,
                pose.position,
                float(pose.yaw),
                np.array(scene.positions),
                scene.yaws,
                scene.held,
                scene.touched,
            )
        )
        sight = None if self.camera is None else self.camera.sight
        if sight is None or sight.scene.time == self._used or not sight.report.is_measuring:
            return frozenset()
        self._used = sight.scene.time
        seen = {
            name: each
            for name, each in sight.scene.objects.items()
            if each.status == "seen" and each.time == sight.scene.time and name in self._names
        }
        for name, each in seen.items():
            self._correct_object(twin, self._names.index(name), each)
        return frozenset(seen)

    def read_grip(self, time: float) -> ToolGrip | None:
        """Return what the twin's gripper held at a time, s; None before the first tick."""
        past = self._find_past(time)
        if past is None:
            return None
        held = frozenset(name for name, is_held in zip(self._names, past.held, strict=True) if is_held)
        return ToolGrip(past.tool, past.tool_yaw, held)

    def _find_past(self, time: float) -> _Past | None:
        """Return the twin's state at a time, s, or the nearest one."""
        states = tuple(self._past)
        if not states:
            return None
        return states[min(bisect.bisect_left(states, time, key=lambda each: each.time), len(states) - 1)]

    def _correct_object(self, twin: DigitalTwin, index: int, seen: Sighting) -> None:
        """Move one object of the twin to where it was seen."""
        past = self._find_past(seen.time)
        assert past is not None
        now = self._past[-1]
        yaw_now = float(now.yaws[index])
        yaw = _nearest_yaw(seen.yaw, yaw_now, twin.objects[index])
        if past.held[index]:  # seen elsewhere than in the gripper
            self._move(twin, index, seen.time, seen.position, yaw)
        elif not now.held[index]:  # else the picture is older than the grasp
            offset = seen.position - past.positions[index]
            if now.touched[index] or past.touched[index]:
                if float(np.linalg.norm(offset)) > TOUCHED_M:
                    self._move(twin, index, seen.time, now.positions[index] + offset, yaw_now)
            elif float(np.linalg.norm(offset)) > DISPLACED_M or abs(yaw - yaw_now) > TURNED_RAD:
                self._move(twin, index, seen.time, seen.position, yaw)

    def _move(self, twin: DigitalTwin, index: int, seen_at: float, position: FloatArray, yaw: float) -> None:
        """Move an object of the twin, and correct its past since it was seen: later pictures are compared with that."""
        offset = position - self._past[-1].positions[index]
        twin.move_object(index, position, yaw)
        for past in self._past:
            if past.time >= seen_at:
                past.positions[index] += offset


def _nearest_yaw(yaw: float, before: float, seen: SceneObject) -> float:
    """Return the yaw nearest to the one before at which an object looks the same, rad."""
    if seen.is_round:
        return before
    turn = math.pi / 2 if seen.size[0] == seen.size[1] else math.pi
    return before + (yaw - before + turn / 2) % turn - turn / 2
