"""Folders of the shipped resources, the example tasks, the default library and the cache."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path, user_documents_path, user_log_path

LIBRARY_MODELS_FOLDER = ".metagui"
"""Folder of a library's own prior and encoder, inside the library; it contains no tasks."""
_PACKAGE_DIR = Path(__file__).resolve().parent
_CHECKOUT_DIR = _PACKAGE_DIR.parent


def is_source_checkout() -> bool:
    """Return whether the package is imported from a source checkout rather than an installed wheel."""
    return (_CHECKOUT_DIR / "pyproject.toml").is_file()


def resources_dir() -> Path:
    """Return the folder of shipped, read-only files: the wheel's copy, else the checkout's."""
    packaged = _PACKAGE_DIR / "resources"
    return packaged if packaged.is_dir() else _CHECKOUT_DIR / "resources"


def recordings_dir() -> Path:
    """Return the default library: ``METAGUI_RECORDINGS``, the checkout's folder, or in the documents."""
    chosen = os.environ.get("METAGUI_RECORDINGS")
    if chosen:
        return Path(chosen).expanduser()
    if is_source_checkout():
        return _CHECKOUT_DIR / "recordings"
    return user_documents_path() / "metagui"


def examples_dir() -> Path | None:
    """Return the folder of the shipped example tasks, or None if there is none (in a source checkout)."""
    found = resources_dir() / "examples"
    return found if found.is_dir() else None


def cache_dir() -> Path:
    """Return the folder of files that can be deleted at any time: ``METAGUI_CACHE``, or the user's cache folder."""
    chosen = os.environ.get("METAGUI_CACHE")
    return Path(chosen).expanduser() if chosen else user_cache_path("metagui", appauthor=False)


def log_path() -> Path:
    """Return the path of the log file: ``METAGUI_LOG``, or in the folder of the system for logs."""
    chosen = os.environ.get("METAGUI_LOG")
    return Path(chosen).expanduser() if chosen else user_log_path("metagui", appauthor=False) / "metagui.log"
