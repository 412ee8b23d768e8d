"""The rendered camera: its lens and faults, and what the program finds in its pictures."""

import numpy as np
import pytest

from metagui.arms.arm import ArmError
from metagui.arms.simulation import opengl
from metagui.arms.simulation.renderer import RenderingError
from metagui.arms.simulation.scene import SceneLayout, sample_layout
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.arms.tables.table import SCENE_OBJECTS
from metagui.cameras.camera import CameraLostError
from metagui.cameras.capture.rendered import Optics, RenderedCamera
from metagui.cameras.mat import A4
from metagui.cameras.mat_view import MatNotSeenError, solve_mat_view
from metagui.cameras.picture_checks import explain_unseen
from metagui.cameras.tags import TagDetector
from metagui.cameras.view import make_view
from metagui.emulated_camera import TAG_HEIGHT_M, TAG_OF_OBJECT, EmulatedCameraTable

opengl.choose_backend()
FOLDED_RAD = np.array([1.9, -1.7, 1.6, 1.2, 0.0, 0.45])
POINTS_M = np.array([[0.16, 0.03], [0.19, -0.03], [0.2, 0.04], [0.13, -0.01], [0.24, 0.0]])


@pytest.fixture(scope="module")
def arm():
    arm = SimulatedArm()
    layout = sample_layout(np.random.default_rng(0))
    positions = layout.positions.copy()
    positions[:-1, :2] = POINTS_M
    arm.reset(SceneLayout(positions, layout.yaws))
    arm.set_joint_positions(FOLDED_RAD)
    return arm


@pytest.fixture(scope="module")
def table(arm):
    try:
        made = EmulatedCameraTable(A4, arm.get_state)
    except RenderingError as error:
        pytest.skip(str(error))
    yield made
    made.close()


@pytest.fixture
def camera(table):
    view = make_view(np.array([0.28, 0.05, 0.5]), np.array([0.01, 0.0, 0.0]), 1000.0, (1280, 720))
    return RenderedCamera(table.render, view, Optics(supersampling=1.0))


def test_objects_are_found_where_the_emulated_table_has_them(arm, table, camera):
    frame = camera.read()
    tags = {tag.id: tag for tag in TagDetector().detect(frame.picture)}
    found = solve_mat_view(list(tags.values()), A4, frame.size)
    true = arm.observe_scene().positions
    for each, position in zip(SCENE_OBJECTS[:-1], true, strict=False):
        height = position[2] + TAG_HEIGHT_M[each.name]
        point = table.mat_pose.to_base(found.view.locate(tags[TAG_OF_OBJECT[each.name]].centre, height))
        assert np.linalg.norm((point - position)[:2]) < 0.002, each.name


def test_the_arm_hides_what_is_behind_it(arm, camera):
    arm.set_joint_positions(np.array([0.5, 0.6, 0.0, 1.0, 0.0, 0.45]))
    tags = {tag.id for tag in TagDetector().detect(camera.read().picture)}
    arm.set_joint_positions(FOLDED_RAD)
    assert tags < {tag.id for tag in TagDetector().detect(camera.read().picture)}


def test_a_knock_moves_every_tag_and_the_mat_is_solved_again(camera):
    before = camera.read()
    camera.faults.add("knocked")
    after = camera.read()
    found = [solve_mat_view(TagDetector().detect(each.picture), A4, before.size) for each in (before, after)]
    assert np.linalg.norm(found[0].corners - found[1].corners, axis=-1).min() > 3.0
    assert np.linalg.norm(found[0].view.position - found[1].view.position) > 0.005


@pytest.mark.parametrize(("fault", "message"), [("dark", "too dark"), ("blurred", "out of focus")])
def test_a_bad_picture_is_explained(camera, fault, message):
    camera.faults.add(fault)
    picture = camera.read().picture
    assert message in explain_unseen(picture, TagDetector())


def test_a_good_picture_has_no_explanation_and_a_mirrored_one_has(camera):
    picture = camera.read().picture
    assert not explain_unseen(picture, TagDetector())
    assert "mirrored" in explain_unseen(np.ascontiguousarray(picture[:, ::-1]), TagDetector())


def test_covered_tags_are_missing_by_name(camera):
    camera.faults.add("covered")
    with pytest.raises(MatNotSeenError, match="far left"):
        solve_mat_view(TagDetector().detect(camera.read().picture), A4, (1280, 720))


def test_with_one_tag_in_a_reflection_the_mat_is_solved_from_the_others(camera):
    before = solve_mat_view(TagDetector().detect(camera.read().picture), A4, (1280, 720))
    camera.faults.add("glare")
    tags = TagDetector().detect(camera.read().picture)
    assert 0 not in {tag.id for tag in tags}
    assert np.abs(solve_mat_view(tags, A4, (1280, 720)).corners - before.corners).max() < 1.0


def test_a_frozen_camera_repeats_its_picture_and_an_unplugged_one_is_lost(camera):
    first = camera.read()
    camera.faults.add("frozen")
    assert (camera.read().picture == first.picture).all()
    camera.faults.add("unplugged")
    with pytest.raises(CameraLostError, match="plug it in"):
        camera.read()


def test_a_state_of_another_scene_is_refused(table):
    with pytest.raises(ArmError, match="another scene"):
        table._renderer.draw(np.zeros(3), np.zeros(3), np.eye(3), 100.0, (64, 48))
