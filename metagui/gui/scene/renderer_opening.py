"""Opens the renderer of the 3-D view in a thread, because OpenGL and its first pictures take a second in software."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from metagui.arms.arm import ArmError
from metagui.arms.simulation import opengl
from metagui.arms.simulation.renderer import SceneRenderer
from metagui.gui.core.generator_job import GeneratorJob

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from PySide6.QtCore import QSize


class RendererOpening(QObject):
    """One attempt to open a renderer; where OpenGL is bound to the GUI thread, it is opened there."""

    opened = Signal(object)
    """The ``SceneRenderer``; it belongs to the receiver."""
    failed = Signal(object)
    """The ``ArmError`` that says what is missing."""

    def __init__(self, size: QSize, parent: QObject) -> None:
        super().__init__(parent)
        self._size = size.width(), size.height()
        self._renderer: SceneRenderer | None = None
        self._job: GeneratorJob | None = None

    def start(self) -> None:
        """Begin; one of the two signals follows, unless ``close`` is called first."""
        if not opengl.can_change_threads():
            QTimer.singleShot(0, self, self._open_here)
            return
        self._job = GeneratorJob(self._open_in_thread, self)
        self._job.succeeded.connect(self._report)
        self._job.failed.connect(self._fail)
        self._job.start()

    def _open_in_thread(self, _should_stop: Callable[[], bool]) -> Generator[None, None, None]:
        yield
        self._renderer = SceneRenderer(*self._size)
        self._renderer.hand_over()

    def _open_here(self) -> None:
        try:
            self._renderer = SceneRenderer(*self._size)
        except ArmError as error:
            self.failed.emit(error)
            return
        self._report()

    def _report(self, _result: object = None) -> None:
        renderer, self._renderer = self._renderer, None
        if renderer is not None:
            self.opened.emit(renderer)

    def _fail(self, error: Exception) -> None:
        if not isinstance(error, ArmError):
            raise error
        self.failed.emit(error)

    def close(self) -> None:
        """Wait for the thread, and free a renderer that was not passed on."""
        if self._job is not None:
            self._job.wait()
        renderer, self._renderer = self._renderer, None
        if renderer is not None:
            renderer.close()
