"""Tests of the renderer: cameras match rays, picking ignores the arm, pictures are drawn if there is OpenGL."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from metagui.arms.arm import ArmError, SceneObject
from metagui.arms.simulation import opengl
from metagui.arms.simulation.orbit_camera import OrbitCamera
from metagui.arms.simulation.renderer import RenderingError, SceneColours, SceneMarker, SceneRenderer
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.arms.tables.table import DEFAULT_TABLE, SCENE_OBJECTS, Table
from tests.helpers.projection import project_point

if TYPE_CHECKING:
    from collections.abc import Iterator

opengl.choose_backend()
WIDTH, HEIGHT = 320, 240


@pytest.fixture(scope="module")
def renderer() -> Iterator[SceneRenderer]:
    try:
        made = SceneRenderer(WIDTH, HEIGHT)
    except RenderingError as error:
        pytest.skip(str(error))
    made.update_state(SimulatedArm(3).get_state())
    yield made
    made.close()


def test_compute_ray_passes_through_point() -> None:
    camera = OrbitCamera().orbited(40, 12).zoomed(1.3).panned(0.1, -0.05)
    point = np.array([0.2, 0.05, 0.02])
    x, y = project_point(camera, point, WIDTH, HEIGHT)
    direction = point - camera.position
    assert np.allclose(camera.compute_ray(x, y, WIDTH, HEIGHT), direction / np.linalg.norm(direction))


def test_camera_stays_above_table_and_near() -> None:
    camera = OrbitCamera()
    for _ in range(50):
        camera = camera.orbited(10, 20).zoomed(1.5).panned(1.0, 1.0)
    assert camera.elevation <= -4.0
    assert camera.distance <= 2.5
    assert np.abs(camera.target).max() <= 0.5


def test_pick_finds_every_object_at_its_pixel(renderer: SceneRenderer) -> None:
    camera = OrbitCamera()
    for each in SCENE_OBJECTS:
        position, _ = renderer.get_object_pose(each.name)
        found = renderer.pick(camera, *project_point(camera, position, WIDTH, HEIGHT), WIDTH, HEIGHT)
        assert found is not None
        assert found.object_name == each.name
        assert np.linalg.norm(found.point[:2] - position[:2]) < 0.02
    assert renderer.pick(camera, 1, 1, WIDTH, HEIGHT) is None


def test_draw_shows_colours_and_markers(renderer: SceneRenderer) -> None:
    renderer.set_colours(SceneColours((0.0, 0.0, 1.0), (1.0, 1.0, 1.0), (0.5, 0.5, 0.5)))
    plain = renderer.draw(OrbitCamera(), WIDTH, HEIGHT)
    assert plain.shape[0] >= HEIGHT
    assert tuple(plain[0, 0]) == (0, 0, 255)
    ball = SceneMarker("ball", np.array([0.25, 0.1, 0.1]), (0.02, 0.02, 0.02), (1.0, 0.0, 1.0, 1.0))
    line = SceneMarker("arrow", np.zeros(3), (0.01, 0.01, 0.01), (1.0, 1.0, 0.0, 1.0), np.array([0.2, 0.2, 0.2]))
    assert (renderer.draw(OrbitCamera(), WIDTH, HEIGHT, [ball, line]) != plain).any()
    assert renderer.draw(OrbitCamera(), WIDTH, HEIGHT, high_quality=True).shape == (2 * HEIGHT, 2 * WIDTH, 3)


def test_update_state_detects_visible_motion(renderer: SceneRenderer) -> None:
    arm = SimulatedArm(3)
    renderer.update_state(arm.get_state())
    assert not renderer.update_state(arm.get_state())
    arm.randomise(4)
    assert renderer.update_state(arm.get_state())


def test_update_state_other_scene_raises(renderer: SceneRenderer) -> None:
    with pytest.raises(ArmError, match="another scene"):
        renderer.update_state(np.zeros(3))


def test_choose_backend_uses_available_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opengl.sys, "platform", "linux")
    for there, expected in ((("libOSMesa.so.8",), "osmesa"), ((), "disable"), (("libEGL.so.1",), "egl")):
        monkeypatch.delenv("MUJOCO_GL", raising=False)
        monkeypatch.setattr(opengl, "_can_load", lambda library, there=there: library in there)
        assert opengl.choose_backend() == expected
    monkeypatch.setenv("MUJOCO_GL", "glfw")
    assert opengl.choose_backend() == "glfw"


@pytest.mark.skipif(not opengl.can_change_threads(), reason="contexts are bound to their thread here")
def test_renderer_opened_in_a_thread_draws_in_another(renderer: SceneRenderer) -> None:
    opened: list[SceneRenderer] = []

    def open_there() -> None:
        opened.append(SceneRenderer(WIDTH, HEIGHT))
        opened[0].hand_over()

    thread = threading.Thread(target=open_there)
    thread.start()
    thread.join()
    opened[0].quality = renderer.quality
    for each in (renderer, *opened):
        each.update_state(SimulatedArm(3).get_state())
        each.set_colours(SceneColours((0.2, 0.2, 0.2), (0.8, 0.8, 0.8), (0.5, 0.5, 0.5)))
    assert np.array_equal(opened[0].draw(OrbitCamera(), WIDTH, HEIGHT), renderer.draw(OrbitCamera(), WIDTH, HEIGHT))
    opened[0].close()
    assert renderer.draw(OrbitCamera(), WIDTH, HEIGHT).any(), "closing one leaves the other open"


def test_renderer_draws_another_table_and_returns(renderer: SceneRenderer) -> None:
    """A take of other objects is drawn with them; afterwards the own scene looks as before."""
    table = Table((SceneObject("white bar", "block", (0.06, 0.06, 0.06), (1.0, 1.0, 1.0)),))
    renderer.update_state(SimulatedArm(3).get_state())
    before = renderer.draw(OrbitCamera(), WIDTH, HEIGHT).copy()
    other = SimulatedArm(3, table=table)
    with pytest.raises(ArmError, match="another scene"):
        renderer.update_state(other.get_state())
    assert renderer.show_table(table)
    assert not renderer.show_table(table)
    renderer.update_state(other.get_state())
    drawn = renderer.draw(OrbitCamera(), WIDTH, HEIGHT)
    assert ((drawn > 250).all(axis=2)).sum() > ((before > 250).all(axis=2)).sum() + 200
    names = {
        picked.object_name
        for x in range(0, WIDTH, 4)
        for y in range(0, HEIGHT, 4)
        if (picked := renderer.pick(OrbitCamera(), x, y, WIDTH, HEIGHT))
    }
    assert names == {"white bar", "table"}
    assert renderer.show_table(DEFAULT_TABLE)
    renderer.update_state(SimulatedArm(3).get_state())
    np.testing.assert_array_equal(renderer.draw(OrbitCamera(), WIDTH, HEIGHT), before)
