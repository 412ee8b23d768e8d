"""Pictures of takes of the simulated arm and of digital twins, rendered from their stored states."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from metagui.arms.arm import ArmError
from metagui.arms.tables.table import Table
from metagui.demonstrations.formats.exchange import ExchangeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metagui.arms.simulation.renderer import Image
    from metagui.demonstrations.demonstration import Demonstration

CAMERA_NAME = "scene"
"""Name of the rendered camera in other programs' files."""


class TakeCamera:
    """Renders the samples of takes; use it as a context manager, in one thread. Raises ExchangeError."""

    def __init__(self, size: tuple[int, int]) -> None:
        """Open the renderer; ``size`` is the width and height of the pictures, pixels."""
        from metagui.arms.simulation.orbit_camera import OrbitCamera
        from metagui.arms.simulation.renderer import RenderQuality, SceneRenderer

        self.width, self.height = size
        self._view = OrbitCamera()
        try:
            self._renderer = SceneRenderer(self.width, self.height)
        except ArmError as error:
            raise ExchangeError(f"{error} Nothing was written; export without pictures.") from error
        self._renderer.quality = RenderQuality(shadows=True, supersampling=1.0)  # the same on every machine

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._renderer.close()

    def render(self, take: Demonstration) -> Iterator[Image]:
        """Yield one picture (height, width, 3) per sample. Raises ExchangeError for a take without states."""
        if take.states is None:
            raise ExchangeError(
                f"Task {take.task!r}, take {take.name} has no simulator states, so no pictures can be rendered. "
                "Export without pictures, or leave it out."
            )
        try:
            self._renderer.show_table(Table.from_scene_objects(take.objects))
            for state in take.states:
                self._renderer.update_state(state)
                yield self._renderer.draw(self._view, self.width, self.height)
        except ArmError as error:
            raise ExchangeError(f"Task {take.task!r}, take {take.name}: {error}") from error
