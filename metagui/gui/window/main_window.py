"""The window: regions in splitters that remember their sizes, and which command goes where."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QByteArray, QSettings, Qt, QUrl
from PySide6.QtGui import QActionGroup, QDesktopServices
from PySide6.QtWidgets import QMainWindow, QSplitter, QVBoxLayout, QWidget

from metagui.gui.arm.calibration.wizard_host import WizardHost
from metagui.gui.core.actions import Actions
from metagui.gui.learning.loss_panel import LossPanel
from metagui.gui.library.task_list import TaskList
from metagui.gui.recording.joint_plot import JointPlot
from metagui.gui.scene.arm_panel import ArmPanel
from metagui.gui.similarity.similarity_panel import SimilarityPanel
from metagui.gui.theme.icons import make_icon
from metagui.gui.widgets.offer_bar import OfferBar
from metagui.gui.widgets.panel import Panel, make_muted_label
from metagui.gui.widgets.toast import ToastArea
from metagui.gui.window.shortcuts_page import ShortcutsPage
from metagui.gui.window.status_bar import StatusBar
from metagui.gui.window.top_bar import THEME_CHOICES, TopBar
from metagui.gui.window.window_presenter import WindowPresenter

if TYPE_CHECKING:
    from PySide6.QtGui import QCloseEvent, QShowEvent

    from metagui.gui.theme.theme import Theme
    from metagui.gui.window.session import Session

GEOMETRY_SETTING, CHOSEN_ARM_SETTING = "window/geometry", "arm/chosen"
COUNTDOWN_SETTINGS = {True: "recording/countdown-simulated", False: "recording/countdown"}
WINDOW_MARGIN_PX = 8


class MainWindow(QMainWindow):
    """Top bar, tasks at the left, arm and traces above, curves and similarity below, status at the bottom."""

    def __init__(self, session: Session, theme: Theme, settings: QSettings) -> None:
        super().__init__()
        self.session, self.theme, self._settings = session, theme, settings
        self.setWindowTitle("metagui")
        self.setWindowIcon(make_icon("arm", theme.colours.accent))
        self.resize(1440, 900)
        self.setMinimumSize(1024, 680)
        self.actions_ = Actions(self, theme)
        self.top_bar = TopBar(theme, self.actions_)
        self.recovery_bar = OfferBar(theme, "Keep it", "Throw it away")
        self.outlier_bar = OfferBar(theme, "Leave it out and adapt again", "Keep it")
        self.task_list = TaskList(theme, self.actions_, session.library_model.get_sparkline)
        self.arm_panel = ArmPanel(theme, self.actions_, session.click_dispatcher.click_teacher)
        self.joint_plot = JointPlot(theme, [j.name for j in session.arm_controller.arm.joints])
        self.loss_panel = LossPanel(theme, self.actions_["adapt"])
        self.similarity_panel = SimilarityPanel(theme, self.actions_["train"])
        self.status_bar = StatusBar(theme, self.actions_)
        self.toast_area = ToastArea(theme)
        self.wizard_host = WizardHost(theme)
        self._splitters = self._lay_out()
        self.shortcuts_page = ShortcutsPage(self)
        self._connect_actions()
        self._presenter = WindowPresenter(self, session)
        self._restore()

    def _lay_out(self) -> dict[str, QSplitter]:
        traces = Panel("Joint angles")
        traces.body.addWidget(self.joint_plot)
        hint = make_muted_label("Drag a cut to where it belongs; a double click adds or removes one.")
        hint.setWordWrap(True)
        hint.hide()
        traces.body.addWidget(hint)
        self.joint_plot.editable_changed.connect(hint.setVisible)
        self._joint_panel = traces
        above = _make_splitter("above", Qt.Orientation.Horizontal, (self.arm_panel, traces), (62, 38))
        below = _make_splitter("below", Qt.Orientation.Horizontal, (self.loss_panel, self.similarity_panel), (50, 50))
        centre = _make_splitter("centre", Qt.Orientation.Vertical, (above, below), (63, 37))
        main = _make_splitter("main", Qt.Orientation.Horizontal, (self._make_left_column(), centre), (20, 80))
        canvas = QWidget()
        canvas.setObjectName("canvas")
        inside = QVBoxLayout(canvas)
        inside.setContentsMargins(WINDOW_MARGIN_PX, WINDOW_MARGIN_PX, WINDOW_MARGIN_PX, WINDOW_MARGIN_PX)
        inside.addWidget(main)
        self.wizard_host.set_content(canvas)
        frame = QWidget()
        outer = QVBoxLayout(frame)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(0)
        for widget, stretch in (
            (self.top_bar, 0),
            (self.recovery_bar, 0),
            (self.outlier_bar, 0),
            (self.wizard_host, 1),
            (self.status_bar, 0),
        ):
            outer.addWidget(widget, stretch)
        self.setCentralWidget(frame)
        return {s.objectName(): s for s in (above, below, centre, main)}

    def _make_left_column(self) -> QWidget:
        """Return the left region: tasks, and messages below them while there are any."""
        out = QWidget()
        out.setMinimumWidth(248)
        column = QVBoxLayout(out)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.task_list, 1)
        column.addWidget(self.toast_area)
        return out

    def _connect_actions(self) -> None:
        """Connect what concerns the window alone."""
        actions = self.actions_
        actions["search"].triggered.connect(self.task_list.search.setFocus)
        actions["tasks_region"].triggered.connect(self.task_list.tree.setFocus)
        actions["arm_region"].triggered.connect(self._focus_arm)
        actions["plots_region"].triggered.connect(self.loss_panel.axes.setFocus)
        actions["keys"].triggered.connect(self.shortcuts_page.open)
        actions["view"].triggered.connect(self.arm_panel.view.reset_camera)
        actions["rename"].triggered.connect(self.task_list.edit_name)
        actions["folder"].triggered.connect(self._open_folder)
        actions["quit"].triggered.connect(self.close)
        self._theme_group = QActionGroup(self)
        for key in THEME_CHOICES:
            self._theme_group.addAction(actions[key])
            actions[key].setData(key)
        actions[self.theme.choice].setChecked(True)
        self._theme_group.triggered.connect(self._choose_theme)

    def _focus_arm(self) -> None:
        self.arm_panel.view.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def _choose_theme(self, action: object) -> None:
        self.theme.choose(action.data())  # type: ignore[attr-defined]
        self._settings.setValue("window/colours", self.theme.choice)

    def _open_folder(self) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.session.library_folder())))

    def showEvent(self, event: QShowEvent) -> None:
        """Start OpenGL when there is a window to draw for."""
        super().showEvent(event)
        if not event.spontaneous():
            self._presenter.open()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Hold the arm, end every thread, remember the sizes."""
        self._settings.setValue(GEOMETRY_SETTING, self.saveGeometry())
        for name, splitter in self._splitters.items():
            self._settings.setValue(f"window/{name}", splitter.saveState())
        self._save_choices()
        self._presenter.close()
        self.wizard_host.close_wizard()
        self.session.close()
        self.arm_panel.view.close_renderer()
        super().closeEvent(event)

    def _save_choices(self) -> None:
        for simulated, wanted in self.session.countdown_before_recording.items():
            self._settings.setValue(COUNTDOWN_SETTINGS[simulated], wanted)
        self._settings.setValue(CHOSEN_ARM_SETTING, self.session.arm_connection.chosen.key)

    def _restore(self) -> None:
        """Take up the sizes and choices of the last time."""
        for simulated, key in COUNTDOWN_SETTINGS.items():
            if self._settings.contains(key):
                self.session.countdown_before_recording[simulated] = bool(self._settings.value(key, type=bool))
        self.session.arm_connection.choose_when_listed(str(self._settings.value(CHOSEN_ARM_SETTING, "")))
        geometry = self._settings.value(GEOMETRY_SETTING)
        if isinstance(geometry, QByteArray):
            self.restoreGeometry(geometry)
        for name, splitter in self._splitters.items():
            state = self._settings.value(f"window/{name}")
            if isinstance(state, QByteArray):
                splitter.restoreState(state)


def _make_splitter(
    name: str, orientation: Qt.Orientation, widgets: tuple[QWidget, ...], percentages: tuple[int, ...]
) -> QSplitter:
    """Return a splitter that shares its room out in percent."""
    out = QSplitter(orientation)
    out.setObjectName(name)
    out.setHandleWidth(WINDOW_MARGIN_PX)
    out.setChildrenCollapsible(False)
    for index, (widget, share) in enumerate(zip(widgets, percentages, strict=True)):
        out.addWidget(widget)
        out.setStretchFactor(index, share)
    out.setSizes([share * 12 for share in percentages])
    return out
