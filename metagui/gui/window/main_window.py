"""The window: regions in splitters that remember their sizes, and which command goes where."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QByteArray, QSettings, Qt, QUrl
from PySide6.QtGui import QActionGroup, QDesktopServices
from PySide6.QtWidgets import QMainWindow, QSplitter, QVBoxLayout, QWidget

from metagui.gui.arm.calibration.wizard_host import CalibrationPlace
from metagui.gui.core.actions import Actions
from metagui.gui.learning.loss_panel import LossPanel
from metagui.gui.library.task_list import TaskList
from metagui.gui.recording.joint_plot import Traces
from metagui.gui.scene.arm_panel import ArmPanel
from metagui.gui.similarity.similarity_panel import SimilarityPanel
from metagui.gui.theme.icons import icon
from metagui.gui.widgets.offer_bar import Banner
from metagui.gui.widgets.panel import Panel, muted
from metagui.gui.widgets.toast import Toasts
from metagui.gui.window.shortcuts_page import KeysPage
from metagui.gui.window.status_bar import StatusBar
from metagui.gui.window.top_bar import LOOKS, TopBar
from metagui.gui.window.window_presenter import Binding

if TYPE_CHECKING:
    from PySide6.QtGui import QCloseEvent, QShowEvent

    from metagui.gui.theme.theme import Theme
    from metagui.gui.window.session import Session

GEOMETRY, CHOSEN = "window/geometry", "arm/chosen"
COUNTDOWN = {True: "recording/countdown-simulated", False: "recording/countdown"}
MARGIN = 8


class MainWindow(QMainWindow):
    """Top bar, tasks at the left, arm and traces above, curves and similarity below, status at the bottom."""

    def __init__(self, session: Session, theme: Theme, settings: QSettings) -> None:
        super().__init__()
        self.session, self.theme, self._settings = session, theme, settings
        self.setWindowTitle("metagui")
        self.setWindowIcon(icon("arm", theme.colours.accent))
        self.resize(1440, 900)
        self.setMinimumSize(1024, 680)
        self.actions_ = Actions(self, theme)
        self.top = TopBar(theme, self.actions_)
        self.banner = Banner(theme, "Keep it", "Throw it away")
        self.odd = Banner(theme, "Leave it out and adapt again", "Keep it")
        self.tasks = TaskList(theme, self.actions_, session.shelf.sparkline)
        self.arm = ArmPanel(theme, self.actions_, session.steering.teacher)
        self.traces = Traces(theme, [j.name for j in session.desk.arm.joints])
        self.losses = LossPanel(theme, self.actions_["adapt"])
        self.similarity = SimilarityPanel(theme, self.actions_["train"])
        self.status = StatusBar(theme, self.actions_)
        self.toasts = Toasts(theme)
        self.calibration = CalibrationPlace(theme)
        self._splitters = self._lay_out()
        self.keys = KeysPage(self)
        self._connect_own()
        self._binding = Binding(self, session)
        self._restore()

    def _lay_out(self) -> dict[str, QSplitter]:
        traces = Panel("Joint angles")
        traces.body.addWidget(self.traces)
        hint = muted("Drag a cut to where it belongs; a double click adds or removes one.")
        hint.setWordWrap(True)
        hint.hide()
        traces.body.addWidget(hint)
        self.traces.recuttable.connect(hint.setVisible)
        self._traces_panel = traces
        above = _splitter("above", Qt.Orientation.Horizontal, (self.arm, traces), (62, 38))
        below = _splitter("below", Qt.Orientation.Horizontal, (self.losses, self.similarity), (50, 50))
        centre = _splitter("centre", Qt.Orientation.Vertical, (above, below), (63, 37))
        main = _splitter("main", Qt.Orientation.Horizontal, (self._left(), centre), (20, 80))
        canvas = QWidget()
        canvas.setObjectName("canvas")
        inside = QVBoxLayout(canvas)
        inside.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
        inside.addWidget(main)
        self.calibration.cover(canvas)
        frame = QWidget()
        outer = QVBoxLayout(frame)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(0)
        for widget, stretch in (
            (self.top, 0),
            (self.banner, 0),
            (self.odd, 0),
            (self.calibration, 1),
            (self.status, 0),
        ):
            outer.addWidget(widget, stretch)
        self.setCentralWidget(frame)
        return {s.objectName(): s for s in (above, below, centre, main)}

    def _left(self) -> QWidget:
        """Return the left region: tasks, and messages below them while there are any."""
        out = QWidget()
        out.setMinimumWidth(248)
        column = QVBoxLayout(out)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.tasks, 1)
        column.addWidget(self.toasts)
        return out

    def _connect_own(self) -> None:
        """Connect what concerns the window alone."""
        actions = self.actions_
        actions["search"].triggered.connect(self.tasks.search.setFocus)
        actions["tasks_region"].triggered.connect(self.tasks.tree.setFocus)
        actions["arm_region"].triggered.connect(self._focus_arm)
        actions["plots_region"].triggered.connect(self.losses.axes.setFocus)
        actions["keys"].triggered.connect(self.keys.open)
        actions["view"].triggered.connect(self.arm.view.reset_camera)
        actions["rename"].triggered.connect(self.tasks.edit_name)
        actions["folder"].triggered.connect(self._open_folder)
        actions["quit"].triggered.connect(self.close)
        self._looks = QActionGroup(self)
        for key in LOOKS:
            self._looks.addAction(actions[key])
            actions[key].setData(key)
        actions[self.theme.choice].setChecked(True)
        self._looks.triggered.connect(self._choose_look)

    def _focus_arm(self) -> None:
        self.arm.view.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def _choose_look(self, action: object) -> None:
        self.theme.choose(action.data())  # type: ignore[attr-defined]
        self._settings.setValue("window/colours", self.theme.choice)

    def _open_folder(self) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.session.folder())))

    def showEvent(self, event: QShowEvent) -> None:
        """Start OpenGL when there is a window to draw for."""
        super().showEvent(event)
        if not event.spontaneous():
            self._binding.open()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Hold the arm, end every thread, remember the sizes."""
        self._settings.setValue(GEOMETRY, self.saveGeometry())
        for name, splitter in self._splitters.items():
            self._settings.setValue(f"window/{name}", splitter.saveState())
        self._save_countdown()
        self._binding.close()
        self.calibration.end()
        self.session.close()
        self.arm.view.close_renderer()
        super().closeEvent(event)

    def _save_countdown(self) -> None:
        for simulated, wanted in self.session.counts_in.items():
            self._settings.setValue(COUNTDOWN[simulated], wanted)
        self._settings.setValue(CHOSEN, self.session.station.chosen.key)

    def _restore(self) -> None:
        """Take up the sizes and choices of the last time."""
        for simulated, key in COUNTDOWN.items():
            if self._settings.contains(key):
                self.session.counts_in[simulated] = bool(self._settings.value(key, type=bool))
        self.session.station.wish(str(self._settings.value(CHOSEN, "")))
        geometry = self._settings.value(GEOMETRY)
        if isinstance(geometry, QByteArray):
            self.restoreGeometry(geometry)
        for name, splitter in self._splitters.items():
            state = self._settings.value(f"window/{name}")
            if isinstance(state, QByteArray):
                splitter.restoreState(state)


def _splitter(
    name: str, orientation: Qt.Orientation, widgets: tuple[QWidget, ...], shares: tuple[int, ...]
) -> QSplitter:
    """Return a splitter that shares its room out in percent."""
    out = QSplitter(orientation)
    out.setObjectName(name)
    out.setHandleWidth(MARGIN)
    out.setChildrenCollapsible(False)
    for index, (widget, share) in enumerate(zip(widgets, shares, strict=True)):
        out.addWidget(widget)
        out.setStretchFactor(index, share)
    out.setSizes([share * 12 for share in shares])
    return out
