"""Reading of stored settings, of which none may stop the start: what is unknown or damaged counts as not stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PySide6.QtCore import QSettings

_FLAGS: dict[object, bool] = {True: True, False: False, "true": True, "false": False}
MAX_RECENT_LIBRARIES = 8
LIBRARY_SETTING, RECENT_SETTING = "library/folder", "library/recent"
"""Keys of the library that was open last, and of those before it, newest first."""


def read_text(settings: QSettings, key: str, default: str = "") -> str:
    """Return a stored text, or ``default``."""
    value = read_value(settings, key)
    return value if isinstance(value, str) else default


def read_flag(settings: QSettings, key: str, default: bool) -> bool:
    """Return a stored truth value, or ``default``."""
    value = read_value(settings, key)
    return _FLAGS.get(value, default) if isinstance(value, bool | int | str) else default


def read_texts(settings: QSettings, key: str) -> list[str]:
    """Return a stored list of texts; a list of one is stored as a text."""
    value = read_value(settings, key)
    values = value if isinstance(value, list) else [value]
    return [each for each in values if isinstance(each, str) and each]


def remember_library(settings: QSettings, folder: str) -> None:
    """Store a library as the one that was open last."""
    others = [each for each in read_texts(settings, RECENT_SETTING) if each != folder]
    settings.setValue(LIBRARY_SETTING, folder)
    settings.setValue(RECENT_SETTING, [folder, *others][:MAX_RECENT_LIBRARIES])


def read_value(settings: QSettings, key: str) -> object:
    """Return a stored value of any type; None if there is none, or it cannot be decoded."""
    try:
        value: object = settings.value(key)
    except (TypeError, ValueError, RuntimeError, EOFError):  # a value of a type that this version cannot decode
        return None
    return value
