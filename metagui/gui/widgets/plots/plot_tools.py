"""Fit and the context menu of a plot: showing all of it again, and saving it as a picture or as numbers."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, QStandardPaths, Qt, Signal
from PySide6.QtWidgets import QFileDialog, QMenu, QPushButton

from metagui.gui.widgets.plots.plot_export import PLOT_FORMATS, PlotTable, save_plot

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyqtgraph as pg
    from PySide6.QtCore import QPoint

ZOOM_KEYS = {Qt.Key.Key_Plus: 0.8, Qt.Key.Key_Equal: 0.8, Qt.Key.Key_Minus: 1.25}
"""Factor of the visible range with every press of a key."""
_MARGIN_PX = 4


class PlotTools(QObject):
    """The button Fit, which is shown while a plot is zoomed or panned, and the menu of the right button."""

    reported = Signal(str, str)
    """Text and kind of a message about a plot that was saved or could not be."""

    def __init__(
        self, plot: pg.PlotWidget, fit: Callable[[], None], make_table: Callable[[], PlotTable | None], own_fit: bool
    ) -> None:
        """Add the tools to a plot; with ``own_fit``, its panel has a button that shows everything again."""
        super().__init__(plot)
        self._plot, self._fit, self._make_table, self._own_fit = plot, fit, make_table, own_fit
        self.fit_button = QPushButton("Fit", plot)
        self.fit_button.setToolTip("Show the whole plot  (0)")
        self.fit_button.setAccessibleName("Show the whole plot")
        self.fit_button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.fit_button.hide()
        self.fit_button.clicked.connect(self.fit)
        self.menu = QMenu(plot)
        self.menu.addAction("Fit", self.fit)
        self.menu.addSeparator()
        for suffix, title in PLOT_FORMATS:
            self.menu.addAction(f"Save {title} …", partial(self.ask_where, suffix))
        self.dialog: QFileDialog | None = None
        """Dialog for the file to save to, once it was needed."""
        plot.plotItem.vb.sigRangeChangedManually.connect(self.show_fit)
        plot.scene().sigMouseClicked.connect(self._on_clicked)
        plot.installEventFilter(self)

    # Zoom

    def fit(self) -> None:
        """Show the whole plot."""
        self.fit_button.hide()
        self._fit()

    def show_fit(self, *_range: object) -> None:
        """Offer to show the whole plot again."""
        if not self._own_fit:
            self.fit_button.show()
            self._place()

    def press_key(self, key: int) -> bool:
        """Zoom by + and -, and show all by 0; return False for any other key."""
        box = self._plot.plotItem.vb
        if key == Qt.Key.Key_0:
            self.fit()
        elif key in ZOOM_KEYS and any(box.mouseEnabled()):
            factor = ZOOM_KEYS[Qt.Key(key)]
            along_x, along_y = box.mouseEnabled()
            box.scaleBy((factor if along_x else 1.0, factor if along_y else 1.0))
            box.sigRangeChangedManually.emit(box.mouseEnabled())
        else:
            return False
        return True

    def _place(self) -> None:
        self.fit_button.adjustSize()
        self.fit_button.move(self._plot.width() - self.fit_button.width() - _MARGIN_PX, _MARGIN_PX)
        self.fit_button.raise_()

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        """Keep the button in its corner."""
        if event.type() == QEvent.Type.Resize:
            self._place()
        return False

    # Saving

    def _on_clicked(self, event: object) -> None:
        if event.button() == Qt.MouseButton.RightButton:  # type: ignore[attr-defined]
            self.open_menu(event.screenPos().toPoint())  # type: ignore[attr-defined]

    def open_menu(self, at: QPoint) -> None:
        """Open the menu at a point of the screen."""
        self.menu.popup(at)

    def ask_where(self, suffix: str) -> None:
        """Ask for the file to save to."""
        dialog = self.dialog = self.dialog or self._make_dialog()
        dialog.setDefaultSuffix(suffix)
        dialog.setNameFilter(f"{suffix.upper()} (*.{suffix})")
        dialog.selectFile(f"{self._plot.accessibleName().lower()}.{suffix}")
        dialog.open()

    def _make_dialog(self) -> QFileDialog:
        dialog = QFileDialog(self._plot, "Save the plot")
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setFileMode(QFileDialog.FileMode.AnyFile)
        dialog.setDirectory(QStandardPaths.writableLocation(QStandardPaths.StandardLocation.DocumentsLocation))
        dialog.fileSelected.connect(self._save)
        return dialog

    def _save(self, name: str) -> None:
        path = Path(name)
        try:
            save_plot(self._plot.plotItem, path, self._make_table())
        except OSError as error:
            text = f"The plot could not be saved to {path}: {error.strerror or error}. Nothing was changed. "
            self.reported.emit(f"{text}Choose another folder.", "error")
        else:
            self.reported.emit(f"Saved the plot to {path}.", "success")
