"""``metagui export``, ``metagui import`` and ``metagui recover``: takes in other formats, and from journals."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from metagui.cli.aliases import CommandWithAliases
from metagui.cli.app import app
from metagui.cli.arm_option import ObjectPlacements, parse_placement
from metagui.cli.exchange import choose_takes, get_picture_size, load_calibration, print_report, run_exchange
from metagui.cli.library import open_library
from metagui.cli.options import AsJson, LibraryFolder
from metagui.cli.output import CommandError, print_note, print_result

if TYPE_CHECKING:
    from metagui.demonstrations.formats.exchange import ImportOptions, ImportReport, PlacedObject
    from metagui.demonstrations.storage.library import Library

Calibration = Annotated[
    Path | None,
    typer.Option(help="Calibration file of the arm, to which LeRobot's units refer; the model's range if not given."),
]
Unit = Annotated[str | None, typer.Option(help="Unit of joint angles: degrees, normalized (-100 to 100) or radians.")]
Format = Annotated[str, typer.Option("--format", help="robomimic, lerobot, act or mcap.")]
Tasks = Annotated[list[str] | None, typer.Option("--task", help="A task to export; repeat for more. Default: all.")]
TakeNames = Annotated[list[str] | None, typer.Option("--take", help="A take to export; repeat for more. Default: all.")]
IncludeFailed = Annotated[
    bool, typer.Option("--include-failed", "--failed", help="Also export takes that are marked as failed.")
]
ValidationFraction = Annotated[
    float,
    typer.Option(
        "--validation-fraction",
        "--valid",
        min=0.0,
        max=0.9,
        help="Fraction of each task's takes for validation (robomimic).",
    ),
]
Camera = Annotated[bool, typer.Option("--camera", help="Render pictures of the scene (lerobot; act always does).")]
PictureSize = Annotated[str, typer.Option(help="Width and height of pictures, pixels.")]
Resample = Annotated[
    bool, typer.Option("--resample", help="Make takes equally long by resampling instead of padding (act).")
]


@app.command("export", cls=CommandWithAliases)
def export_takes(
    out: Annotated[Path, typer.Argument(help="The new file or folder, such as takes.hdf5.")],
    format_key: Format = "robomimic",
    task: Tasks = None,
    take: TakeNames = None,
    include_failed: IncludeFailed = False,
    validation_fraction: ValidationFraction = 0.1,
    unit: Unit = None,
    calibration: Calibration = None,
    camera: Camera = False,
    picture_size: PictureSize = "320x240",
    resample: Resample = False,
    library: LibraryFolder = None,
    as_json: AsJson = False,
) -> None:
    """Write takes in the format of another program: robomimic, LeRobot, ACT or MCAP."""
    from metagui.arms.simulation.opengl import choose_backend

    choose_backend()  # before MuJoCo is imported
    from metagui.demonstrations.formats import registry
    from metagui.demonstrations.formats.exchange import ExportOptions
    from metagui.demonstrations.formats.joint_units import parse_unit

    registry.get_export_format(format_key)
    options = ExportOptions(
        validation_fraction=validation_fraction,
        unit=parse_unit(unit or "degrees"),
        calibration=load_calibration(calibration),
        with_camera=camera,
        picture_size=get_picture_size(picture_size),
        equal_length="resample" if resample else "pad",
    )
    takes = choose_takes(open_library(library), task, take, include_failed)
    print_report(run_exchange(registry.export_takes(takes, out, format_key, options)), as_json)


@app.command("import", cls=CommandWithAliases)
def import_takes(
    file: Annotated[
        Path,
        typer.Argument(help="A file of metagui, robomimic, robosuite or Isaac Lab, or a LeRobot folder."),
    ],
    task: Annotated[str | None, typer.Option(help="Add all takes to this task.")] = None,
    unit: Unit = None,
    calibration: Calibration = None,
    objects: ObjectPlacements = None,
    no_objects: Annotated[bool, typer.Option("--no-objects", help="There is nothing on the table.")] = False,
    rate: Annotated[
        float | None, typer.Option(min=0.1, max=100_000.0, help="Samples per second, if the file does not say it.")
    ] = None,
    library: LibraryFolder = None,
    as_json: AsJson = False,
) -> None:
    """Add the takes of a file or data set to the library; those that it has already are left out."""
    from metagui.demonstrations.formats.exchange import ImportOptions
    from metagui.demonstrations.formats.joint_units import parse_unit

    options = ImportOptions(
        task=task,
        unit=None if unit is None else parse_unit(unit),
        calibration=load_calibration(calibration),
        placement=_parse_placements(objects, no_objects),
        rate=rate,
    )
    report = _import_undoably(file, open_library(library), options)
    for left in report.left_out:
        print_note(f"Left out: {left.reason}")
    for note in report.notes:
        print_note(note)
    rows = [{"task": info.task, "take": info.name, "samples": info.sample_count} for info in report.added]
    left_out = [{"name": left.name, "reason": left.reason} for left in report.left_out]
    document = {"takes": rows, "notes": report.notes, "left_out": left_out}
    print_result(document, ("task", "take", "samples"), [tuple(row.values()) for row in rows], as_json)


def _import_undoably(path: Path, library: "Library", options: "ImportOptions") -> "ImportReport":
    """Import takes as one step to undo, also those that were added before an interruption."""
    from metagui.demonstrations.curation.history import ChangeHistory
    from metagui.demonstrations.formats import registry
    from metagui.demonstrations.formats.exchange import ImportReport

    report = ImportReport()
    try:
        run_exchange(registry.import_takes(path, library, options, report))
    finally:
        if report.added:
            ChangeHistory(library).add(*registry.describe_import(path.name, report))
    return report


def _parse_placements(texts: list[str] | None, no_objects: bool) -> "tuple[PlacedObject, ...] | None":
    """Return what stands on the table; None if nothing was said. Raises CommandError."""
    from metagui.demonstrations.formats.exchange import PlacedObject

    if no_objects and texts:
        raise CommandError("--object and --no-objects contradict each other. Nothing was imported; leave one out.")
    if no_objects:
        return ()
    return tuple(PlacedObject(*parse_placement(text)) for text in texts) if texts else None


@app.command("recover", cls=CommandWithAliases)
def recover_takes(
    restore: Annotated[bool, typer.Option("--restore", help="Add the recordings to the library.")] = False,
    task: Annotated[str | None, typer.Option(help="Add all of them to this task.")] = None,
    library: LibraryFolder = None,
    as_json: AsJson = False,
) -> None:
    """List the recordings that a crash or a full disk cut off, or add them to the library."""
    from metagui.demonstrations.recording.recorder import find_recoverable_takes
    from metagui.demonstrations.recording.take_builder import RecordingError
    from metagui.demonstrations.storage.errors import LibraryError

    opened, rows = open_library(library), []
    failures = 0
    for found in find_recoverable_takes(opened.root):
        row = {"recording": found.path.name, "task": found.task, "samples": found.sample_count}
        row |= {"seconds": round(found.duration, 3), "take": None, "error": found.error}
        if restore and not found.error:
            try:
                row["take"] = _restore(opened, found.path, task)
            except (LibraryError, RecordingError) as error:
                row["error"] = str(error)
        failures += bool(restore and row["error"])
        rows.append(row)
    if rows and not restore:
        print_note("metagui recover --restore adds them to the library, marked as cut off.")
    columns = ("recording", "task", "samples", "seconds", "take", "error")
    title = "Recordings that were cut off" if rows else "No recording was cut off"
    print_result({"recordings": rows}, columns, [[row[key] or "" for key in columns] for row in rows], as_json, title)
    if failures:
        raise typer.Exit(1)


def _restore(library: "Library", path: Path, task: str | None) -> str:
    """Store the take of a journal, unless it is stored already, and delete the journal; return the take's name."""
    from dataclasses import replace

    from metagui.demonstrations.recording.recorder import delete_journal, recover_take
    from metagui.demonstrations.recording.segmentation import ensure_segmented
    from metagui.demonstrations.storage.index.equal_takes import find_equal_take

    take = ensure_segmented(recover_take(path))
    info = find_equal_take(library, take)
    if info is None:
        info = library.add_take(replace(take, task=task or take.task, notes="Cut off: recovered after a crash."))
    delete_journal(path)
    return f"{info.task} {info.name}"
