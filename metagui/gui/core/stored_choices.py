"""Reading of stored settings, of which none may stop the start: what is unknown or damaged counts as not stored."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from metagui.checked_json import FileReasonError, check_regular

if TYPE_CHECKING:
    from PySide6.QtCore import QSettings

_MAX_SETTINGS_BYTES = 1 << 20
"""Maximum size of a settings file that is read."""

_FLAGS: dict[object, bool] = {True: True, False: False, "true": True, "false": False}
MAX_RECENT_LIBRARIES = 8
LIBRARY_SETTING, RECENT_SETTING = "library/folder", "library/recent"
"""Keys of the library that was open last, and of those before it, newest first."""


def open_settings(path: Path | None = None) -> tuple[QSettings, str]:
    """Return the user's settings, or those of the file ``path``, and why they cannot be used, empty if they can.

    Instead of those that cannot be used, a new file in the folder for temporary files is returned.
    """
    from PySide6.QtCore import QSettings

    checked = path or find_settings_path()
    try:
        if checked is not None and os.path.lexists(checked) and not (checked.is_file() and not checked.stat().st_size):
            check_regular(checked, _MAX_SETTINGS_BYTES)
    except (FileReasonError, OSError) as error:
        reason = error if isinstance(error, FileReasonError) else "its folder cannot be read"
        name = Path(tempfile.mkdtemp(prefix="metagui-")) / "settings.ini"
        problem = f"The settings in {checked} cannot be used: {reason}. The window starts with the usual ones."
        return QSettings(str(name), QSettings.Format.IniFormat), problem
    return (QSettings() if path is None else QSettings(str(path), QSettings.Format.IniFormat)), ""


def find_settings_path() -> Path | None:
    """Return the path of the user's settings file; None where the system keeps settings in another way."""
    from PySide6.QtCore import QCoreApplication, QStandardPaths

    if sys.platform in ("win32", "darwin"):
        return None
    folder = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.GenericConfigLocation)
    return Path(folder) / QCoreApplication.organizationName() / f"{QCoreApplication.applicationName()}.conf"


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
