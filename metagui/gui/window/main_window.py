"""Main window: its regions in splitters, the actions that concern the window alone, and its stored geometry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QByteArray, QSettings, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QActionGroup
from PySide6.QtWidgets import QMainWindow, QSplitter, QVBoxLayout, QWidget

from metagui.gui.arm.calibration.wizard_host import WizardHost
from metagui.gui.cameras.camera_picture import CameraPicture
from metagui.gui.core.actions import Actions
from metagui.gui.core.stored_choices import read_value
from metagui.gui.execution.success_view import SuccessView
from metagui.gui.help.about_page import AboutPage
from metagui.gui.help.hint_bar import HintBar
from metagui.gui.help.shortcuts_page import ShortcutsPage
from metagui.gui.learning.loss_panel import LossPanel
from metagui.gui.library.task_list import TaskList
from metagui.gui.recording.joint_plot import JointPlot
from metagui.gui.scene.arm_panel import ArmPanel
from metagui.gui.similarity.similarity_panel import SimilarityPanel
from metagui.gui.theme.icons import make_icon
from metagui.gui.widgets.offer_bar import OfferBar
from metagui.gui.widgets.panel import Panel, make_muted_label
from metagui.gui.widgets.toast import ToastArea, ToastMessage
from metagui.gui.window.status_bar import StatusBar
from metagui.gui.window.top_bar import THEME_CHOICES, TopBar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PySide6.QtGui import QAction, QCloseEvent, QPaintEvent, QResizeEvent, QShowEvent

    from metagui.arms.arm import FloatArray
    from metagui.gui.library.task_rows import TakeRow
    from metagui.gui.teaching.click_teacher import ClickTeacher
    from metagui.gui.theme.theme import Theme

GEOMETRY_SETTING = "window/geometry"
WINDOW_MARGIN_PX = 8
MINIMUM_SIZE_PX = (1024, 680)
"""Width and height below which labels would be cut."""
COMPACT_WIDTH_PX = 1240
"""Width of the window below which some buttons show shorter texts."""
JOINT_PANEL_WIDTH_PX = 184
"""Minimum width of the panel of joint angles, so that names, curves and values fit."""
PREFERRED_SIZE_PX = (1440, 900)
"""Width and height at the first start, if the screen is large enough."""
UNPAINTED_MS = 400
"""Time after which ``shown`` is emitted although nothing was painted, ms."""
FRAME_PX = (2, 32)
"""Width and height that the desktop adds for borders and title bar."""


class MainWindow(QMainWindow):
    """Top bar, tasks at the left, arm and joint angles above, curves and similarity below, status at the bottom."""

    shown = Signal()
    """The window is visible, and has been painted for the first time."""
    closing = Signal()
    """The window is being closed; the slots end all threads."""
    library_requested = Signal(object)
    """Folder of another library that is to be opened instead of this one, a Path."""

    def __init__(
        self,
        theme: Theme,
        settings: QSettings,
        get_sparkline: Callable[[TakeRow], FloatArray | None],
        click_teacher: ClickTeacher,
        joint_names: Sequence[str],
    ) -> None:
        super().__init__()
        self.theme, self.settings = theme, settings
        self._was_shown = False
        self.setWindowTitle("metagui")
        self.setWindowIcon(make_icon("arm", theme.colours.accent))
        self.setMinimumSize(*MINIMUM_SIZE_PX)
        self.resize(choose_first_size(self.screen().availableGeometry().size()))
        self.actions_ = Actions(self, theme)
        self.top_bar = TopBar(theme, self.actions_)
        self.hint_bar = HintBar(theme, settings)
        self.recovery_bar = OfferBar(theme, "Keep it", "Throw it away")
        self.outlier_bar = OfferBar(theme, "Leave it out and adapt again", "Keep it")
        self.task_list = TaskList(theme, self.actions_, get_sparkline)
        self.arm_panel = ArmPanel(theme, self.actions_, click_teacher)
        self.camera_picture = CameraPicture(theme, click_teacher)
        self.camera_picture.hide()
        self.arm_panel.add_picture(self.camera_picture)
        self.joint_plot = JointPlot(theme, list(joint_names))
        self.loss_panel = LossPanel(theme, self.actions_["adapt"])
        self.success_view = SuccessView(self.actions_["measure"])
        self.loss_panel.add_view("Success rate", self.success_view)
        self.similarity_panel = SimilarityPanel(theme, self.actions_["train"])
        self.status_bar = StatusBar(theme, self.actions_)
        self.toast_area = ToastArea(theme)
        self.wizard_host = WizardHost(theme)
        self._splitters = self._lay_out()
        self.shortcuts_page, self.about_page = ShortcutsPage(self), AboutPage(self, self.actions_)
        self._connect_actions()
        self._restore_geometry()

    def _lay_out(self) -> dict[str, QSplitter]:
        """Arrange the regions and return the splitters by object name."""
        above = _make_splitter("above", Qt.Orientation.Horizontal, (self.arm_panel, self._make_joint_panel()), (62, 38))
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
        for widget in (self.top_bar, self.recovery_bar, self.outlier_bar):
            outer.addWidget(widget)
        outer.addWidget(self.wizard_host, 1)
        outer.addWidget(self.hint_bar)  # below: when it comes or goes, no row of the list moves under the mouse
        outer.addWidget(self.status_bar)
        self.setCentralWidget(frame)
        return {s.objectName(): s for s in (above, below, centre, main)}

    def _make_joint_panel(self) -> QWidget:
        """Return the panel of joint angles, with a hint while segments can be edited."""
        self._joint_panel = Panel("Joint angles")
        self._joint_panel.setMinimumWidth(JOINT_PANEL_WIDTH_PX)
        self._joint_panel.body.addWidget(self.joint_plot)
        hint = make_muted_label(
            "Drag a boundary to move it; a double click adds or removes one. Keys: M and B at the playhead."
        )
        hint.setWordWrap(True)
        hint.hide()
        self._joint_panel.body.addWidget(hint)
        self.joint_plot.editable_changed.connect(hint.setVisible)
        return self._joint_panel

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
        """Connect the actions that concern the window alone."""
        actions = self.actions_
        actions["delete"].setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        self.task_list.tree.addAction(actions["delete"])  # the key deletes nothing while the list is out of focus
        actions["search"].triggered.connect(self.task_list.search.setFocus)
        actions["tasks_region"].triggered.connect(self.task_list.tree.setFocus)
        actions["arm_region"].triggered.connect(self._focus_arm)
        actions["plots_region"].triggered.connect(self.loss_panel.axes.setFocus)
        actions["keys"].triggered.connect(self.shortcuts_page.open)
        actions["about"].triggered.connect(self.about_page.open)
        actions["copy_details"].triggered.connect(self.about_page.copy_details)
        actions["view"].triggered.connect(self.arm_panel.view.reset_camera)
        actions["rename"].triggered.connect(self.task_list.edit_name)
        actions["quit"].triggered.connect(self.close)
        self._theme_group = QActionGroup(self)
        for key in THEME_CHOICES:
            self._theme_group.addAction(actions[key])
            actions[key].setData(key)
        actions[self.theme.choice].setChecked(True)
        self._theme_group.triggered.connect(self._choose_theme)

    def _focus_arm(self) -> None:
        self.arm_panel.view.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def _choose_theme(self, action: QAction) -> None:
        self.theme.choose(action.data())
        self.settings.setValue("window/colours", self.theme.choice)

    def request_library(self, folder: object) -> None:
        """Ask for the window of another library, once what led to this has ended."""
        QTimer.singleShot(0, self, lambda: self.library_requested.emit(folder))

    def show_notice(self, text: str) -> None:
        """Show a warning that concerns the whole window."""
        self.toast_area.show_message(ToastMessage(text, "warning"))

    def showEvent(self, event: QShowEvent) -> None:
        """Make sure that ``shown`` follows, also where nothing is painted, as on a display that is off."""
        super().showEvent(event)
        if not event.spontaneous():
            QTimer.singleShot(UNPAINTED_MS, self, self._report_shown)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Let what takes time begin after the first picture of the window."""
        super().paintEvent(event)
        if not self._was_shown:
            QTimer.singleShot(0, self, self._report_shown)

    def _report_shown(self) -> None:
        """Emit ``shown`` once, after which OpenGL can be started, unless the window is closed already."""
        if not self._was_shown and self.isVisible():
            self._was_shown = True
            self.shown.emit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Shorten texts in a narrow window."""
        super().resizeEvent(event)
        compact = event.size().width() < COMPACT_WIDTH_PX
        self.top_bar.set_compact(compact)
        self.arm_panel.tool_bar.set_compact(compact)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Store the geometry, and end everything that runs."""
        self.settings.setValue(GEOMETRY_SETTING, self.saveGeometry())
        for name, splitter in self._splitters.items():
            self.settings.setValue(f"window/{name}", splitter.saveState())
        self.task_list.cancel_editing()
        self.wizard_host.close_wizard()
        self.closing.emit()
        self.arm_panel.view.close_renderer()
        super().closeEvent(event)

    def _restore_geometry(self) -> None:
        geometry = read_value(self.settings, GEOMETRY_SETTING)
        if isinstance(geometry, QByteArray):
            self.restoreGeometry(geometry)
        for name, splitter in self._splitters.items():
            state = read_value(self.settings, f"window/{name}")
            if isinstance(state, QByteArray):
                splitter.restoreState(state)


def choose_first_size(available: QSize) -> QSize:
    """Return the size of the first window on a screen with this much room, so that Stop and status bar are inside."""
    room = available - QSize(*FRAME_PX)
    return QSize(*PREFERRED_SIZE_PX).boundedTo(room).expandedTo(QSize(*MINIMUM_SIZE_PX))


def _make_splitter(
    name: str, orientation: Qt.Orientation, widgets: tuple[QWidget, ...], percentages: tuple[int, ...]
) -> QSplitter:
    """Return a splitter that divides its space in the given percentages."""
    out = QSplitter(orientation)
    out.setObjectName(name)
    out.setHandleWidth(WINDOW_MARGIN_PX)
    out.setChildrenCollapsible(False)
    for index, (widget, percentage) in enumerate(zip(widgets, percentages, strict=True)):
        out.addWidget(widget)
        out.setStretchFactor(index, percentage)
    out.setSizes([percentage * 12 for percentage in percentages])
    return out
