"""Outlines in a picture of the table, and what a click in it means."""

import numpy as np
import pytest

from metagui.arms.simulation.scene import resting_position
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.arms.tables.table import SCENE_OBJECTS
from metagui.cameras.mat import A4, make_nominal_pose
from metagui.cameras.view import make_view
from metagui.vision.table_picture import TablePicture, find_convex_hull, is_inside


@pytest.fixture
def picture():
    arm = SimulatedArm(0)
    for name, x, y in (("red cube", 0.2, 0.05), ("green cube", 0.17, -0.05), ("blue cube", 0.23, -0.06)):
        arm.place_object(name, x, y)
    arm.place_object("yellow zone", 0.25, 0.02)
    arm.place_object("violet zone", 0.14, 0.11)
    view = make_view(np.array([0.3, 0.1, 0.45]), np.zeros(3), 800.0, (960, 540))
    return TablePicture(view, make_nominal_pose(A4), arm.objects, arm.observe_scene())


@pytest.mark.parametrize("index", range(5))
def test_the_middle_of_every_object_picks_it_at_its_top(picture, index):
    pixel = picture.project(picture.scene.positions[index] + (0.0, 0.0, SCENE_OBJECTS[index].support_height))
    picked = picture.pick(pixel)
    assert picked.object_name == SCENE_OBJECTS[index].name
    assert picked.point[:2] == pytest.approx(picture.scene.positions[index][:2], abs=0.001)


def test_a_point_beside_all_objects_is_on_the_table(picture):
    point = resting_position(SCENE_OBJECTS[3], 0.20, -0.01) * (1, 1, 0)
    picked = picture.pick(picture.project(point))
    assert picked.object_name == "table"
    assert picked.point == pytest.approx(point, abs=1e-6)


def test_far_away_and_above_the_horizon_there_is_nothing(picture):
    assert picture.pick(picture.project(np.array([0.9, 0.0, 0.0]))) is None


def test_a_cube_in_front_of_a_zone_is_picked_first(picture):
    positions = np.array(picture.scene.positions)
    positions[0, :2] = positions[3, :2]
    from dataclasses import replace

    stacked = replace(picture, scene=replace(picture.scene, positions=positions))
    assert stacked.pick(stacked.project(positions[0] + (0, 0, 0.0125))).object_name == "red cube"


def test_hulls_and_insides():
    hull = find_convex_hull(np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.5, 0.5]]))
    assert len(hull) == 4
    assert is_inside(np.array([0.4, 0.6]), hull)
    assert not is_inside(np.array([1.4, 0.6]), hull)
    assert not is_inside(np.array([0.0, 0.0]), hull[:2])
