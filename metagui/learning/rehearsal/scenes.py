"""Draws fresh scenes for rehearsal: the task's own objects in new places, the arm where the takes began."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.arm import Command, UnreachableError
from metagui.arms.kinematics import inverse_kinematics
from metagui.arms.simulation import scene
from metagui.arms.tables.table import TABLE_TOP, Table, TableError
from metagui.learning.rehearsal.goals import get_fixed_targets

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from metagui.arms.arm import BoolArray, FloatArray
    from metagui.arms.simulation.simulated_arm import SimulatedArm
    from metagui.demonstrations.demonstration import Demonstration
    from metagui.learning.rehearsal.goals import SegmentGoal

MIN_SPACING_M = 0.066
"""Least distance between the centres of objects, m; as in the window's new scenes."""
MAX_REACH_M = 0.36
"""Horizontal distance from the base beyond which an object is not on the part of the table that is used, m."""
ELEVATION_M, STACK_RADIUS_M = 0.008, 0.02
"""Height above its rest, m, and horizontal distance, m, that show that an object is on another one."""
SETTLING_TICKS = 10
"""Number of control periods in which the gripper closes on what it holds at the start."""
MAX_DRAWS = 200
"""Number of draws after which a scene is used although a goal may be out of reach."""


@dataclass(frozen=True)
class StartScene:
    """A scene in which a run begins."""

    layout: scene.SceneLayout
    joints: FloatArray
    """(J,) rad."""
    targets: FloatArray
    """(J,) servo targets, rad: a gripper that holds an object is commanded to close further."""
    is_holding: bool

    def apply(self, arm: SimulatedArm) -> None:
        """Set the scene in the simulator."""
        arm.reset(self.layout)
        arm.set_joint_positions(self.joints)
        for _ in range(SETTLING_TICKS if self.is_holding else 0):
            arm.command(Command(self.targets))


def draw_scenes(
    takes: Sequence[Demonstration], goals: Sequence[SegmentGoal], rng: np.random.Generator
) -> Iterator[StartScene]:
    """Yield scenes without end: each starts like one take, with its free objects in new places within reach."""
    table = Table.from_scene_objects(takes[0].objects)
    while True:
        for index in rng.permutation(len(takes)):
            yield _draw_scene(takes[index], goals, rng, table)


def _draw_scene(
    take: Demonstration, goals: Sequence[SegmentGoal], rng: np.random.Generator, table: Table
) -> StartScene:
    first = (take.trim or (0, len(take)))[0]
    shown, fixed = take.object_positions[first], find_fixed_objects(take, first)
    widths = np.array([each.width for each in table.scene_objects])
    least = (widths[:, None] + widths) / 2 + scene.MIN_GAP_M
    for attempt in range(MAX_DRAWS):
        drawn = scene.sample_layout(rng, table=table)
        positions = np.where(fixed[:, None], shown, drawn.positions)
        share = min(2.0 * (1.0 - attempt / MAX_DRAWS), 1.0)  # a full table is crowded
        spacing = np.maximum(least, share * MIN_SPACING_M)
        targets = get_fixed_targets(goals, positions)
        if _is_spaced(positions, fixed, spacing) and all(map(_is_reachable, targets)):
            break
    yaws = np.where(fixed, take.object_yaws[first], drawn.yaws)
    return StartScene(
        scene.SceneLayout(positions, yaws),
        take.joint_positions[first],
        take.command_sent[first],
        bool(take.held[first].any()),
    )


def find_simulated_table(takes: Sequence[Demonstration]) -> Table | None:
    """Return the table on which takes can be rehearsed; None if they have no objects, or the simulator cannot."""
    objects = takes[0].objects if takes else ()
    if len(objects) < 2 or objects[-1] != TABLE_TOP:
        return None
    try:
        return Table.from_scene_objects(objects)
    except TableError:
        return None


def find_fixed_objects(take: Demonstration, sample: int) -> BoolArray:
    """Return flags (A,) of objects that keep their places: the table, what is held or stacked, what is out of reach."""
    positions = take.object_positions[sample]
    heights = np.array([each.resting_height for each in take.objects])
    raised = positions[:, 2] > heights + ELEVATION_M
    distances = np.linalg.norm(positions[:, None, :2] - positions[None, :, :2], axis=2)
    below = (raised[None] & (distances < STACK_RADIUS_M)).any(axis=1)
    is_table = np.array([each.kind == "table" for each in take.objects])
    far = np.linalg.norm(positions[:, :2], axis=1) > MAX_REACH_M
    return np.asarray(take.held[sample] | raised | below | is_table | far)


def _is_spaced(positions: FloatArray, fixed: BoolArray, spacing: FloatArray) -> bool:
    """Return whether free objects keep their distance (A, A), m, from those that stay, except from the table."""
    free, others = positions[~fixed, :2], positions[fixed, :2][:-1]
    distances = np.linalg.norm(free[:, None] - others[None], axis=2)
    return bool((distances >= spacing[~fixed][:, fixed][:, :-1]).all())


def _is_reachable(position: FloatArray) -> bool:
    try:
        inverse_kinematics(position, 0.0)
    except UnreachableError:
        return False
    return True
