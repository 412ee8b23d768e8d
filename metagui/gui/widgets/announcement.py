"""Announcements: texts that a screen reader says at once, wherever the focus is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget


def announce(source: QWidget, text: str, urgent: bool = False) -> None:
    """Let a screen reader say a text after the present one, or, if ``urgent``, at once; nothing without one."""
    if not QAccessible.isActive() or not text:
        return
    event = QAccessibleAnnouncementEvent(source, text)
    kinds = QAccessible.AnnouncementPoliteness
    event.setPoliteness(kinds.Assertive if urgent else kinds.Polite)
    QAccessible.updateAccessibility(event)
