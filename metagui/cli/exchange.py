"""Helpers of ``metagui export`` and ``metagui import``: chosen takes, options as text, and the progress bar."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from metagui.cli.library import is_usable
from metagui.cli.output import CommandError, make_progress_bar, print_note, print_result

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from metagui.arms.so101.calibration import ArmCalibration
    from metagui.demonstrations.formats.exchange import ExchangeProgress, ExportReport
    from metagui.demonstrations.storage.hdf5 import TakeInfo
    from metagui.demonstrations.storage.library import Library

ReportT = TypeVar("ReportT")
_MIN_PIXELS, _MAX_PIXELS = 16, 2048


def choose_takes(
    library: Library, tasks: list[str] | None, names: list[str] | None, include_failed: bool
) -> list[TakeInfo]:
    """Return the takes to export; print which are left out. Raises LibraryError, CommandError."""
    if names and (tasks is None or len(tasks) != 1):
        raise CommandError("--take needs the task of the takes: name exactly one with --task. Nothing was written.")
    found = [take for task in tasks or library.list_tasks() for take in library.list_takes(task)]
    if names and tasks:
        found = [library.get_take_info(tasks[0], name) for name in names]
    takes = [take for take in found if is_usable(take) or (include_failed and not take.error)]
    damaged = [take for take in found if take.error]
    if failed := len(found) - len(takes) - len(damaged):
        print_note(f"Left out: {failed} takes that are marked as failed.")
    for take in damaged:
        print_note(f"Left out: {take.error}")
    return takes


def load_calibration(path: Path | None) -> ArmCalibration | None:
    """Return the calibration of a file. Raises CalibrationError."""
    if path is None:
        return None
    from metagui.arms.so101 import calibration

    return calibration.load(path)


def get_picture_size(text: str) -> tuple[int, int]:
    """Return width and height from a text such as 320x240. Raises CommandError."""
    width, _, height = text.partition("x")
    sizes = [int(part) if part.isascii() and part.isdigit() and len(part) < 6 else 0 for part in (width, height)]
    if not all(_MIN_PIXELS <= size <= _MAX_PIXELS and size % 2 == 0 for size in sizes):
        raise CommandError(
            f"--picture-size {text!r} must be two even numbers from {_MIN_PIXELS} to {_MAX_PIXELS}, such as 320x240. "
            "Nothing was written."
        )
    return sizes[0], sizes[1]


def run_exchange(steps: Generator[ExchangeProgress, None, ReportT]) -> ReportT:
    """Run an export or import to its end with a progress bar; return its report."""
    from metagui.generators import run_to_end

    with make_progress_bar() as bar:
        task = bar.add_task("takes", total=None, status="")

        def show(step: ExchangeProgress) -> None:
            bar.update(task, completed=step.done, total=step.total or None, status=step.description)

        return run_to_end(steps, show)


def print_report(report: ExportReport, as_json: bool) -> None:
    """Print the result of an export, and what was left out and why."""
    for left in report.left_out:
        print_note(f"Left out: {left.reason}")
    for note in report.notes:
        print_note(note)
    document = {"file": str(report.files[0]), "files": [str(each) for each in report.files], "samples": report.samples}
    document |= {"tasks": dict(report.takes), "notes": report.notes}
    document |= {"left_out": [{"name": left.name, "reason": left.reason} for left in report.left_out]}
    title = f"{', '.join(map(str, report.files))}: {report.takes.total()} takes, {report.samples} samples"
    print_result(document, ("task", "takes"), report.takes.items(), as_json, title)
