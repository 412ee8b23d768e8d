"""Building blocks of the window: titled panel, empty state, segmented control, muted label."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QButtonGroup,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QStackedLayout,
    QVBoxLayout,
    QWidget,
)

from metagui.gui.theme.icons import make_pixmap
from metagui.gui.widgets.action_button import make_button

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QAction

    from metagui.gui.theme.theme import Theme

GRID_PX = 8
"""Unit of all margins and spacings, pixels."""


class Panel(QFrame):
    """A rounded frame with a title; ``header`` takes further widgets, ``body`` the content."""

    def __init__(self, title: str, name: str | None = None) -> None:
        super().__init__()
        self.setObjectName("panel")
        self.setAccessibleName(name or title)
        self.title = QLabel(title)
        self.title.setObjectName("title")
        self.header = QHBoxLayout()
        self.header.setSpacing(GRID_PX)
        self.header.addWidget(self.title)
        self.header.addStretch(1)
        self.body = QVBoxLayout()
        self.body.setSpacing(GRID_PX)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 8, 12, 12)
        layout.setSpacing(6)
        header_area = QWidget()
        header_area.setMinimumHeight(32)
        header_area.setLayout(self.header)
        self.header.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(header_area)
        layout.addLayout(self.body, 1)


class EmptyState(QWidget):
    """An icon, a sentence why a panel is empty, and the button that fills it."""

    def __init__(
        self, theme: Theme, icon: str, sentence: str, action: QAction | None = None, style_name: str = ""
    ) -> None:
        super().__init__()
        self._theme, self._icon = theme, icon
        self._picture = QLabel()
        self._picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._sentence = QLabel(sentence)
        self._sentence.setObjectName("sentence")
        self._sentence.setWordWrap(True)
        self._sentence.setAlignment(Qt.AlignmentFlag.AlignCenter)
        layout = QVBoxLayout(self)
        layout.addStretch(1)
        layout.addWidget(self._picture)
        layout.addWidget(self._sentence)
        if action is not None:
            layout.addWidget(make_button(action, style_name), 0, Qt.AlignmentFlag.AlignHCenter)
        layout.addStretch(1)
        theme.changed.connect(self._tint)
        self._tint()

    def set_sentence(self, sentence: str) -> None:
        """Show another sentence."""
        self._sentence.setText(sentence)

    def _tint(self) -> None:
        self._picture.setPixmap(make_pixmap(self._icon, self._theme.colours.muted, 32, self.devicePixelRatioF()))


class EmptyStateStack(QWidget):
    """Shows either its content or its empty state."""

    def __init__(self, content: QWidget, empty: EmptyState) -> None:
        super().__init__()
        self.empty_state = empty
        self._stack = QStackedLayout(self)
        self._stack.addWidget(empty)
        self._stack.addWidget(content)
        self._policies = {empty: empty.sizePolicy(), content: content.sizePolicy()}

    def set_filled(self, filled: bool) -> None:
        """Show the content if ``filled``, else the empty state; the hidden one takes no room."""
        self._stack.setCurrentIndex(int(filled))
        hidden = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Ignored)
        for page, policy in self._policies.items():
            page.setSizePolicy(policy if page is self._stack.currentWidget() else hidden)

    @property
    def is_filled(self) -> bool:
        """True if the content is shown."""
        return self._stack.currentIndex() == 1


class SegmentedControl(QFrame):
    """A row of exclusive buttons, drawn as small tabs."""

    segment_chosen = Signal(int)

    def __init__(self, name: str, labels: Sequence[str] = ()) -> None:
        super().__init__()
        self.setObjectName("segments")
        self.setAccessibleName(name)
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(2, 2, 2, 2)
        self._row.setSpacing(2)
        self._group = QButtonGroup(self)
        self._group.idClicked.connect(self.segment_chosen)
        self.set_labels(labels)

    def set_labels(self, labels: Sequence[str], tooltips: Sequence[str] = ()) -> None:
        """Replace the segments and select the first one."""
        for old in self._group.buttons():
            self._group.removeButton(old)
            self._row.removeWidget(old)
            old.deleteLater()
        for index, label in enumerate(labels):
            button = self._make_button(label, tooltips[index] if tooltips else label)
            self._group.addButton(button, index)
        self.select(0)
        is_choice = len(labels) > 1
        if self.parentWidget() is not None or not is_choice:  # without a parent, it would be shown as a window
            self.setVisible(is_choice)

    def _make_button(self, label: str, tooltip: str) -> QPushButton:
        out = QPushButton()
        out.setObjectName("segment")
        out.setText(label)
        out.setToolTip(tooltip)
        out.setAccessibleName(tooltip)
        out.setCheckable(True)
        out.setCursor(Qt.CursorShape.PointingHandCursor)
        out.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._row.addWidget(out)
        return out

    def select(self, index: int) -> None:
        """Select a segment without emitting ``segment_chosen``."""
        button = self._group.button(index)
        if button is not None:
            button.setChecked(True)

    def set_enabled_at(self, index: int, enabled: bool) -> None:
        """Enable or disable a segment."""
        button = self._group.button(index)
        if button is not None:
            button.setEnabled(enabled)

    @property
    def current_index(self) -> int:
        """Index of the selected segment."""
        return self._group.checkedId()


def make_muted_label(text: str = "") -> QLabel:
    """Return a label in the colour of secondary text."""
    out = QLabel(text)
    out.setObjectName("muted")
    return out
