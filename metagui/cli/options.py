"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]
SceneSeed = Annotated[int | None, typer.Option(help="Seed of the scene; a new one each time if not given.")]
LibraryFolder = Annotated[
    Path | None, typer.Option("--library", help="Folder of the library; the window's own if not given.")
]
PriorFile = Annotated[
    Path | None,
    typer.Option(
        "--prior", help="Prior to adapt, made by metagui train; the library's own or the shipped one if not given."
    ),
]
EncoderFile = Annotated[
    Path | None,
    typer.Option(
        "--encoder",
        help="Encoder of similar tasks, made by metagui train-encoder; the library's own or the shipped one if not "
        "given.",
    ),
]
WorkerCount = Annotated[
    int | None, typer.Option("--workers", min=1, help="Number of processes; one per core if not given.")
]
RandomStartFraction = Annotated[
    float,
    typer.Option(
        "--random-starts",
        "--prefixes",
        min=0.0,
        max=1.0,
        help="Fraction of takes that start after unrecorded random motion.",
    ),
]
TrainingLength = Annotated[
    float, typer.Option("--length", help="Training steps as a fraction of the default; 0.01 for a quick trial.")
]
