"""Slow functions for the set-up of a camera, to be called in another thread: writes the mat, lists the webcams."""

from __future__ import annotations

from typing import TYPE_CHECKING

from platformdirs import user_documents_path

from metagui.atomic_write import write_atomically

if TYPE_CHECKING:
    from pathlib import Path


def save_mat(paper: str, folder: Path | None = None) -> Path:
    """Write the mat and the tags for a paper into the user's documents; return the path. Raises OSError."""
    from metagui.cameras.mat import find_mat
    from metagui.cameras.mat_pdf import make_mat_pdf

    where = folder or user_documents_path()
    where.mkdir(parents=True, exist_ok=True)
    path = where / f"metagui-mat-{paper}.pdf"
    write_atomically(path, make_mat_pdf(find_mat(paper)), replace=True)
    return path


def list_cameras() -> tuple[tuple[str, str], ...]:
    """Return identity and name of the webcams that are plugged in."""
    from metagui.cameras.capture.webcam import list_webcams

    return tuple(
        (each.identity, each.name if each.permitted else f"{each.name} (no permission)") for each in list_webcams()
    )
