"""Row above the list of tasks: search field, menu of filters and orders, and what the search hides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Signal
from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QMenu, QPushButton, QToolButton, QVBoxLayout, QWidget

from metagui.demonstrations.curation.search import QUERY_HELP
from metagui.gui.theme.icons import make_icon
from metagui.gui.widgets.action_button import make_button
from metagui.gui.widgets.eliding_label import ElidingLabel

if TYPE_CHECKING:
    from collections.abc import Iterable

    from PySide6.QtGui import QResizeEvent

    from metagui.gui.core.actions import Actions
    from metagui.gui.theme.theme import Theme

FILTERS = (
    ("Succeeded", "is:success"),
    ("Failed", "is:failure"),
    ("Not marked", "is:unmarked"),
    ("", ""),
    ("Taught by hand", "is:hand"),
    ("Not adapted", "not:is:adapted"),
    ("", ""),
    ("With tags", "is:tagged"),
    ("With notes", "is:noted"),
    ("Doubtful", "is:doubtful"),
)
"""Entries of the menu, and the terms that they put into the search field."""
ORDERS = (("By name", "name"), ("Newest first", "date"), ("Most takes first", "takes"))
"""Entries of the menu, and keys of ``SORT_KEYS``."""


MIN_WIDTH_WITH_TEXT_PX = 300
"""Width of the row below which its buttons show icons only."""


class SearchRow(QWidget):
    """The row; the filters of its menu are words in its search field, so that one place says what is shown."""

    query_changed = Signal(str)
    """The text of the search."""
    order_changed = Signal(str)
    """A key of ``SORT_KEYS``."""

    def __init__(self, theme: Theme, actions: Actions) -> None:
        super().__init__()
        self._theme, self._tags = theme, tuple[str, ...]()
        self.field = QLineEdit()
        self.field.setPlaceholderText("Search")
        self.field.setAccessibleName("Search tasks")
        self.field.setClearButtonEnabled(True)
        self.field.setToolTip(QUERY_HELP)
        self._search_icon = self.field.addAction(
            make_icon("search", "#888888"), QLineEdit.ActionPosition.LeadingPosition
        )
        self.field.textChanged.connect(self.query_changed)
        self._filters: dict[str, QAction] = {}
        self._orders: dict[str, QAction] = {}
        self._tag_menu = QMenu("With the tag", self)
        self.menu_button = self._make_menu_button()
        self.result_label = ElidingLabel()
        self.result_label.setObjectName("muted")
        self._lay_out(actions)
        theme.changed.connect(self._update_icons)
        self._update_icons()
        self.show_result("")

    def _lay_out(self, actions: Actions) -> None:
        above, below = QHBoxLayout(), QHBoxLayout()
        above.setSpacing(6)
        above.addWidget(self.field, 1)
        above.addWidget(self.menu_button)
        self._new_button = make_button(actions["new_task"])
        above.addWidget(self._new_button)
        self._result = QWidget()
        below.setContentsMargins(0, 0, 0, 0)
        below.addWidget(self.result_label, 1)
        show_all = QPushButton("Show all")
        show_all.setObjectName("flat")
        show_all.setAccessibleName("Show all tasks")
        show_all.setToolTip("Clear the search.")
        show_all.clicked.connect(self.field.clear)
        below.addWidget(show_all)
        self._result.setLayout(below)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(above)
        column.addWidget(self._result)

    def _make_menu_button(self) -> QToolButton:
        menu = QMenu(self)
        for text, term in FILTERS:
            if not term:
                menu.addSeparator()
                continue
            action = menu.addAction(text)
            action.setCheckable(True)
            action.setData(term)
            self._filters[term] = action
        menu.addMenu(self._tag_menu)
        menu.addSeparator()
        group = QActionGroup(self)
        for text, order in ORDERS:
            action = group.addAction(text)
            action.setCheckable(True)
            action.setData(order)
            menu.addAction(action)
            self._orders[order] = action
        self._orders["name"].setChecked(True)
        menu.aboutToShow.connect(self._update_menu)
        menu.triggered.connect(self._on_triggered)
        out = QToolButton()
        out.setObjectName("flat")
        out.setAccessibleName("Filter and sort")
        out.setToolTip("Choose which takes are shown, and how the tasks are sorted.")
        out.setIconSize(QSize(18, 18))
        out.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        out.setMenu(menu)
        return out

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Leave the room to the search where there is little."""
        super().resizeEvent(event)
        self._new_button.set_text_shown(event.size().width() >= MIN_WIDTH_WITH_TEXT_PX)

    @property
    def order(self) -> str:
        """Key of the order of the tasks."""
        return next(key for key, action in self._orders.items() if action.isChecked())

    def set_order(self, order: str) -> None:
        """Sort by a key; an unknown one is ignored."""
        if order in self._orders:
            self._orders[order].setChecked(True)
            self.order_changed.emit(order)

    def set_tags(self, tags: Iterable[str]) -> None:
        """Offer the tags that takes have."""
        self._tags = tuple(sorted(tags))

    def show_result(self, text: str) -> None:
        """Show what the search found and what it hides; an empty text hides the line."""
        self.result_label.set_full_text(text)
        self._result.setVisible(bool(text))

    def _update_menu(self) -> None:
        """Check the filters whose words are in the search field, also if they were typed."""
        words = self.field.text().split()
        for term, action in self._filters.items():
            self._mark(action, term in words)
        self._tag_menu.clear()
        self._tag_menu.setEnabled(bool(self._tags))
        for tag in self._tags:
            action = self._tag_menu.addAction(tag)
            action.setCheckable(True)
            action.setData(_make_tag_term(tag))
            self._mark(action, _make_tag_term(tag) in self.field.text())

    def _mark(self, action: QAction, checked: bool) -> None:
        action.setChecked(checked)

    def _on_triggered(self, action: QAction) -> None:
        term = str(action.data())
        if term in self._orders:
            self.order_changed.emit(term)
        elif action.isChecked():
            self.field.setText(f"{self.field.text()} {term}".strip())
        else:
            self.field.setText(" ".join(self.field.text().replace(term, " ").split()))

    def _update_icons(self) -> None:
        self._search_icon.setIcon(make_icon("search", self._theme.colours.muted))
        self.menu_button.setIcon(make_icon("filter", self._theme.colours.text))


def _make_tag_term(tag: str) -> str:
    """Return the term that finds a tag."""
    return f'"tag:{tag}"' if " " in tag else f"tag:{tag}"
