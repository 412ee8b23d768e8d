"""Records that every export and import shares: options, progress, reports and errors."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from metagui.demonstrations.storage.errors import LibraryError

if TYPE_CHECKING:
    from pathlib import Path

    from metagui.arms.so101.calibration import ArmCalibration
    from metagui.demonstrations.demonstration import Demonstration
    from metagui.demonstrations.storage.extra_data import ExtraData
    from metagui.demonstrations.storage.hdf5 import TakeInfo

JointUnit = Literal["degrees", "normalized", "radians"]
"""Unit of joint angles in LeRobot data sets; LeRobot calls the second one RANGE_M100_100."""
EqualLength = Literal["pad", "resample"]
"""Way in which takes become equally long: the last sample is repeated, or samples are interpolated."""


def make_sentence(text: str) -> str:
    """Return a text with a full stop at its end."""
    return f"{text.rstrip('.')}."


class ExchangeError(LibraryError):
    """Takes cannot be exported or imported; the message gives the reason."""


class MissingAnswerError(ExchangeError):
    """A file does not say what an import must know; ``question`` is the field of ``ImportOptions`` that answers it."""

    def __init__(self, message: str, question: Literal["unit", "placement", "rate"]) -> None:
        super().__init__(message)
        self.question = question


@dataclass(frozen=True)
class ExportOptions:
    """Choices of an export; each format uses those that concern it."""

    validation_fraction: float = 0.1
    """Fraction of each task's takes for validation, rounded up; robomimic."""
    unit: JointUnit = "degrees"
    """Unit of joint angles; LeRobot."""
    calibration: ArmCalibration | None = None
    """The arm's calibration, to which LeRobot's units refer; None for the model's range of motion."""
    with_camera: bool = False
    """True if pictures of the scene are rendered; LeRobot and MCAP. ACT needs them always."""
    picture_size: tuple[int, int] = (320, 240)
    """Width and height of the pictures, pixels."""
    equal_length: EqualLength = "pad"
    """Way in which takes become equally long; ACT."""


@dataclass(frozen=True)
class PlacedObject:
    """Where an object of the scene stood on the table when a take began."""

    name: str
    x: float
    """m, in the arm's base frame."""
    y: float
    """m."""
    yaw: float = 0.0
    """rad."""


@dataclass(frozen=True)
class ImportOptions:
    """What an import must know where a file does not say it; None for no answer."""

    task: str | None = None
    """Task of all takes; None for the names in the file."""
    unit: JointUnit | None = None
    """Unit of joint angles."""
    calibration: ArmCalibration | None = None
    """The arm's calibration, to which LeRobot's units refer; None for the model's range of motion."""
    placement: tuple[PlacedObject, ...] | None = None
    """What stood on the table; an empty tuple for nothing."""
    rate: float | None = None
    """Samples per second, Hz."""


@dataclass(frozen=True)
class ExchangeProgress:
    """Progress of an export or import, in takes."""

    done: int
    total: int
    description: str = ""
    """The take that is worked on."""


@dataclass(frozen=True)
class LeftOut:
    """Something that was not exported or imported, and the reason."""

    name: str
    """Task and take, or the name in the file."""
    reason: str
    """A complete message."""


@dataclass
class ExportReport:
    """Result of an export."""

    files: list[Path] = field(default_factory=list)
    """The files or folders that were written."""
    samples: int = 0
    takes: Counter[str] = field(default_factory=Counter)
    """Number of takes by task."""
    left_out: list[LeftOut] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What the user must know to use the result, such as the unit."""

    def add(self, other: ExportReport) -> None:
        """Add the report of another file."""
        self.files += other.files
        self.samples += other.samples
        self.takes += other.takes
        self.left_out += other.left_out
        self.notes += [note for note in other.notes if note not in self.notes]


@dataclass(frozen=True)
class ImportedTake:
    """A take that was read from a file of another program, or from metagui's own export."""

    demonstration: Demonstration
    name: str
    """Its name in the file, for messages."""
    extra: ExtraData | None = None
    """Data that metagui does not know."""
    notes: tuple[str, ...] = ()
    """What was assumed, or not carried along."""


@dataclass
class ImportReport:
    """Result of an import."""

    added: list[TakeInfo] = field(default_factory=list)
    new_tasks: set[str] = field(default_factory=set)
    """Tasks of ``added`` that the library did not have before."""
    left_out: list[LeftOut] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What was assumed, or not carried along."""
