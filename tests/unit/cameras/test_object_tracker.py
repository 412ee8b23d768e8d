"""The tracker: hidden, carried, put down and displaced objects, and a camera that is knocked or frozen."""

import numpy as np
import pytest

from metagui.cameras.camera import Frame
from metagui.cameras.capture.rendered import knock
from metagui.cameras.mat import A4, make_nominal_pose
from metagui.cameras.object_tracker import KNOCKED_PICTURES, STALE_S, ObjectTracker, TaggedObject, ToolGrip
from metagui.cameras.tags import Tag
from metagui.cameras.view import make_view

CUBE = TaggedObject("red cube", 10, 0.0125, 0.0125)
ZONE = TaggedObject("yellow zone", 13, 0.0, 0.0008)
POSE = make_nominal_pose(A4)
HALF_M = 0.0096


class Desk:
    """A camera over a mat with objects, without pictures: only their tags' corners."""

    def __init__(self):
        self.view = make_view(np.array([0.3, 0.1, 0.5]), np.zeros(3), 1000.0, (1280, 720))
        self.random = np.random.default_rng(0)
        self.time = 100.0
        self.places = {CUBE: (np.array([0.2, 0.03, 0.0125]), 0.3), ZONE: (np.array([0.17, -0.05, 0.0]), 0.0)}
        self.hidden = set()
        self.hidden_mat = set()
        self.frozen = False
        self.picture = np.zeros((720, 1280, 3), dtype=np.uint8)
        self.tracker = ObjectTracker([CUBE, ZONE], A4, POSE)

    def look(self, grip=None, elapsed=0.1):
        self.time += elapsed
        if not self.frozen:
            self.picture = self.picture.copy()
            self.picture[0, 0, 0] += 1
        tags = [Tag(i, self.see(A4.tag_corners[i])) for i in range(4) if i not in self.hidden_mat]
        for each, (centre, yaw) in self.places.items():
            if each not in self.hidden:
                along, left = np.array([np.cos(yaw), np.sin(yaw), 0]), np.array([-np.sin(yaw), np.cos(yaw), 0])
                top = centre + (0.0, 0.0, each.tag_height)
                corners = [top + HALF_M * (a * along + b * left) for a, b in ((1, 1), (1, -1), (-1, -1), (-1, 1))]
                tags.append(Tag(each.tag, self.see(POSE.to_mat(np.array(corners)))))
        return self.tracker.update(Frame(self.time, self.picture), tags, grip)

    def see(self, points):
        return self.view.project(points) + self.random.normal(0, 0.1, points.shape[:-1] + (2,))


@pytest.fixture
def desk():
    return Desk()


def test_objects_are_seen_with_their_yaw(desk):
    scene = desk.look()
    cube = scene.objects["red cube"]
    assert cube.status == "seen"
    assert cube.position == pytest.approx([0.2, 0.03, 0.0125], abs=0.001)
    assert cube.yaw == pytest.approx(0.3, abs=0.05)
    assert not scene.problem
    assert scene.find_missing(["red cube", "blue cube"]) == ["blue cube"]


def test_a_hidden_object_is_held_over_and_becomes_stale(desk):
    desk.look()
    desk.hidden.add(CUBE)
    assert desk.look().objects["red cube"].status == "held over"
    scene = desk.look(elapsed=STALE_S + 0.1)
    assert scene.objects["red cube"].status == "stale"
    assert scene.find_missing(["red cube"]) == ["red cube"]
    assert scene.objects["red cube"].position == pytest.approx([0.2, 0.03, 0.0125], abs=0.001)


def test_a_displaced_object_is_followed(desk):
    desk.look()
    desk.places[CUBE] = np.array([0.2, -0.02, 0.0125]), 0.0
    assert desk.look().objects["red cube"].position == pytest.approx([0.2, -0.02, 0.0125], abs=0.001)


def test_a_held_object_rides_with_the_gripper_and_is_seen_on_the_stack_where_it_was_put(desk):
    desk.look()
    for height in np.linspace(0.0125, 0.10, 8):
        grip = ToolGrip(np.array([0.2, 0.03, height]), 0.3, frozenset({"red cube"}))
        desk.places[CUBE] = grip.position, 0.3
        scene = desk.look(grip)
    assert scene.objects["red cube"].status == "carried"
    assert scene.objects["red cube"].position == pytest.approx([0.2, 0.03, 0.10], abs=0.002)
    grip = ToolGrip(np.array([0.22, -0.05, 0.0375]), 1.3, frozenset({"red cube"}))
    desk.places[CUBE] = grip.position, 1.3
    assert desk.look(grip).objects["red cube"].yaw == pytest.approx(1.3, abs=0.05)
    scene = desk.look()  # released on another cube
    assert scene.objects["red cube"].status == "seen"
    assert scene.objects["red cube"].position == pytest.approx([0.22, -0.05, 0.0375], abs=0.002)
    desk.places[CUBE] = np.array([0.14, 0.05, 0.0125]), 0.0  # a hand takes it from the stack
    assert desk.look().objects["red cube"].position == pytest.approx([0.14, 0.05, 0.0125], abs=0.002)


def test_a_knocked_camera_is_noticed_and_measures_right_again(desk):
    desk.look()
    desk.view = knock(desk.view, np.random.default_rng(1))
    during = [desk.look() for _ in range(KNOCKED_PICTURES - 1)]
    assert {scene.objects["red cube"].status for scene in during} == {"held over"}
    scene = desk.look()
    assert scene.knocks == 1
    assert scene.objects["red cube"].position == pytest.approx([0.2, 0.03, 0.0125], abs=0.001)


def test_a_camera_that_was_knocked_off_the_mat_says_so_and_holds(desk):
    desk.look()
    desk.view = knock(desk.view, np.random.default_rng(1))
    desk.hidden_mat |= {1, 2}
    for _ in range(KNOCKED_PICTURES + 1):
        scene = desk.look()
    assert "camera was moved" in scene.problem
    assert "far right" in scene.problem
    assert scene.objects["red cube"].status == "held over"
    desk.hidden_mat.clear()
    assert desk.look().objects["red cube"].status == "seen"


def test_the_arm_over_some_tags_of_the_mat_disturbs_nothing(desk):
    desk.look()
    desk.hidden_mat = {0, 1, 2, 3}
    assert desk.look().objects["red cube"].status == "seen"


def test_the_mat_is_solved_although_an_object_stands_on_one_of_its_tags(desk):
    desk.hidden_mat = {2}
    cube = desk.look().objects["red cube"]
    assert cube.position == pytest.approx([0.2, 0.03, 0.0125], abs=0.0015)


def test_a_stack_that_a_hand_built_is_told_from_the_table_by_the_size_of_its_tag(desk):
    below = TaggedObject("green cube", 11, 0.0125, 0.0125)
    desk.tracker = ObjectTracker([CUBE, ZONE, below], A4, POSE)
    desk.places[below] = np.array([0.2, 0.0, 0.0125]), 0.0
    desk.look()
    desk.places[CUBE] = np.array([0.203, 0.002, 0.0375]), 0.2
    desk.hidden.add(below)
    cube = desk.look().objects["red cube"]
    assert cube.position == pytest.approx([0.203, 0.002, 0.0375], abs=0.001)


def test_a_cube_that_a_hand_lifts_is_measured_at_its_height(desk):
    desk.look()
    desk.places[CUBE] = np.array([0.2, 0.03, 0.09]), 0.0
    assert desk.look().objects["red cube"].position == pytest.approx([0.2, 0.03, 0.09], abs=0.006)


def test_a_held_object_that_is_seen_elsewhere_was_left_behind(desk):
    desk.look()
    statuses = []
    for height in np.linspace(0.02, 0.10, 6):  # the gripper rises without the cube
        grip = ToolGrip(np.array([0.2, 0.03, height]), 0.3, frozenset({"red cube"}))
        statuses.append(desk.look(grip).objects["red cube"].status)
    assert statuses[0] == "carried"
    assert statuses[-1] == "seen"
    assert desk.look(grip).objects["red cube"].position == pytest.approx([0.2, 0.03, 0.0125], abs=0.001)


def test_confidence_falls_with_age(desk):
    seen = desk.look().objects["red cube"]
    assert seen.compute_confidence(desk.time) == 1.0
    desk.hidden.add(CUBE)
    hidden = desk.look(elapsed=STALE_S / 2).objects["red cube"]
    assert hidden.compute_confidence(desk.time) == pytest.approx(0.5)
    assert hidden.get_age(desk.time) == pytest.approx(STALE_S / 2)


def test_a_frozen_camera_is_noticed(desk):
    desk.look()
    desk.frozen = True
    scenes = [desk.look() for _ in range(10)]
    assert "repeats the same picture" in scenes[-1].problem
    assert scenes[-1].objects["red cube"].status == "held over"


def test_without_the_mat_nothing_is_measured(desk):
    desk.hidden_mat = {2, 3}
    scene = desk.look()
    assert not scene.objects
    assert "near right" in scene.problem
