"""The scene follows from the table: its model, its layouts, what is drawn and what collides, for any table."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import mujoco
import numpy as np
import pytest

from metagui.arms.arm import Command, SceneObject
from metagui.arms.kinematics import HOME_ANGLES_RAD
from metagui.arms.simulation import scene
from metagui.arms.simulation.collision_checker import CollisionChecker
from metagui.arms.simulation.digital_twin import DigitalTwin
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.arms.tables.table import SIZE_LIMITS, Table, TableError
from metagui.paths import resources_dir

if TYPE_CHECKING:
    from numpy.typing import NDArray

GREY = (0.5, 0.5, 0.5)
EVERY_KIND = Table(
    (
        SceneObject("bar", "block", (0.02, 0.08, 0.03), GREY),
        SceneObject("can", "cylinder", (0.03, 0.03, 0.05), GREY),
        SceneObject("cup", "bowl", (0.08, 0.08, 0.06), GREY),
        SceneObject("tray", "tray", (0.10, 0.07, 0.02), GREY),
        SceneObject("field", "zone", (0.05, 0.08, 0.0), GREY),
        SceneObject("spot", "point", (0.012, 0.012, 0.0), GREY),
    )
)


BEFORE = ["0x1.70705d358b14ap-3", "0x1.2bf9043255a6bp-3", "0x1.c846040b8e23dp-3"]


def serialise(model: mujoco.MjModel) -> NDArray[np.uint8]:
    """Return a model as bytes."""
    content = np.zeros(mujoco.mj_sizeModel(model), np.uint8)
    mujoco.mj_saveModel(model, None, content)
    return content


def draw_table(seed: int) -> Table:
    """Return a table of one to ten objects of any kind, none wider than 60 mm."""
    rng = np.random.default_rng(seed)
    objects = []
    for index in range(int(rng.integers(1, 11))):
        kind = list(SIZE_LIMITS)[int(rng.integers(len(SIZE_LIMITS)))]
        limits = SIZE_LIMITS[kind]
        x, y = rng.uniform(limits.horizontal[0], min(limits.horizontal[1], 0.06), 2)
        z = rng.uniform(limits.height[0], min(limits.height[1], 0.06))
        is_round = kind in ("cylinder", "bowl", "point")
        objects.append(SceneObject(f"object {index}", kind, (x, x if is_round else y, z), tuple(rng.random(3))))
    return Table(tuple(objects))


def test_default_tables_model_is_that_of_the_fixed_scene(tmp_path: Path) -> None:
    """The scene file of the version before tables gives the same model, byte by byte."""
    shutil.copy(resources_dir() / "arm" / "so101.xml", tmp_path)
    shutil.copy(Path(__file__).parents[2] / "data" / "default_table" / "scene.xml", tmp_path)
    before = serialise(mujoco.MjModel.from_xml_path(str(tmp_path / "scene.xml")))
    np.testing.assert_array_equal(serialise(scene.load_model()), before)


def test_default_tables_layouts_and_states_are_as_before() -> None:
    """Numbers of the version before tables: seed 7, and 25 control periods after it."""
    arm = SimulatedArm(7)
    arm.connect()
    for _ in range(25):
        arm.command(Command(HOME_ANGLES_RAD + 0.2))
    state = arm.get_state()
    assert [float(value).hex() for value in state[[7, 8, 14]]] == BEFORE


@pytest.mark.parametrize("seed", range(12))
def test_any_table_lies_still_within_reach_and_apart(seed: int) -> None:
    table = draw_table(seed)
    arm = SimulatedArm(seed, table=table)
    arm.connect()
    first = arm.observe_scene()
    assert len(first.positions) == len(table.scene_objects)
    for _ in range(50):
        arm.command(Command(HOME_ANGLES_RAD))
    last = arm.observe_scene()
    np.testing.assert_allclose(last.positions, first.positions, atol=2.5e-3)
    points = first.positions[:-1, :2]
    for index, each in enumerate(table.objects):
        assert abs(float(first.positions[index, 2]) - each.resting_height) < 1e-3
        assert math.hypot(*points[index]) < 0.32
        for other in range(index):
            gap = math.hypot(*(points[index] - points[other])) - (each.width + table.objects[other].width) / 2
            assert gap > scene.MIN_GAP_M - 1e-9


@pytest.mark.parametrize("seed", range(12))
def test_any_parked_table_is_out_of_reach_and_apart(seed: int) -> None:
    table = draw_table(seed)
    twin = DigitalTwin(table)
    points = twin.observe_scene().positions[:-1, :2]
    for index, each in enumerate(table.objects):
        assert math.hypot(points[index, 0] - 0.039, points[index, 1]) > 0.15 or points[index, 0] < -0.05
        assert abs(points[index, 1]) + each.width / 2 < 0.37
        for other in range(index):
            distance = np.abs(points[index] - points[other]).max()
            assert distance > min(each.width, table.objects[other].width) / 2


def test_table_that_is_too_full_is_refused_with_the_reason() -> None:
    table = Table(tuple(SceneObject(f"tray {i}", "tray", (0.2, 0.2, 0.02), GREY) for i in range(10)))
    with pytest.raises(TableError, match="do not fit into the arm's reach"):
        scene.sample_layout(np.random.default_rng(0), table=table)


def test_container_holds_what_is_dropped_into_it() -> None:
    table = Table((EVERY_KIND.objects[2], SceneObject("dice", "block", (0.02,) * 3, GREY)))
    arm = SimulatedArm(1, table=table)
    arm.connect()
    cup = arm.observe_scene().positions[0]
    position = np.array([cup[0], cup[1], 0.09])
    state_model = arm.model
    data = mujoco.MjData(state_model)
    scene.set_state(state_model, data, arm.get_state())
    scene.place_object(state_model, data, table.objects[1], position, 0.3)
    mujoco.mj_forward(state_model, data)
    arm.set_state(scene.get_state(state_model, data))
    for _ in range(60):
        arm.command(Command(HOME_ANGLES_RAD))
    dice = arm.observe_scene().positions[1]
    assert math.hypot(*(dice[:2] - cup[:2])) < 0.03
    assert abs(dice[2] - (0.003 + 0.010)) < 0.003


@pytest.mark.parametrize("name", [each.name for each in EVERY_KIND.objects if each.is_solid])
def test_collision_checker_sees_every_solid(name: str) -> None:
    """The closed gripper is put into the object: the checker names it, and not when the object is elsewhere."""
    arm = SimulatedArm(3, table=EVERY_KIND)
    checker = CollisionChecker(0.004, EVERY_KIND)
    away = scene.make_parked_layout(EVERY_KIND)
    arm.reset(away)
    positions = np.append(HOME_ANGLES_RAD[:5], 0.0)
    checker.begin(positions, arm.objects, arm.observe_scene())
    assert not [pair for pair in checker.describe_contacts(positions) if name in pair]
    index = [each.name for each in arm.objects].index(name)
    moved = away.positions.copy()
    moved[index] = (0.215, 0.0, 0.10)
    arm.reset(scene.SceneLayout(moved, away.yaws))
    checker.begin(positions, arm.objects, arm.observe_scene())
    if not EVERY_KIND.objects[index].is_container:
        assert [pair for pair in checker.describe_contacts(positions) if name in pair]


def test_state_of_another_table_is_refused() -> None:
    with pytest.raises(Exception, match="another scene"):
        SimulatedArm().set_state(SimulatedArm(table=EVERY_KIND).get_state())


def test_placement_takes_sizes_into_account() -> None:
    twin = DigitalTwin(EVERY_KIND)
    twin.place_object("cup", 0.2, 0.0)
    with pytest.raises(scene.PlacementError, match="the cup stands there"):
        twin.place_object("can", 0.24, 0.0)
    twin.place_object("can", 0.27, 0.0)
    twin.place_object("spot", 0.2, 0.0)
    np.testing.assert_allclose(twin.observe_scene().positions[1], (0.27, 0.0, 0.025), atol=1e-6)
