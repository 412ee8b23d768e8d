"""``metagui generate``: make a library from task programs in simulation, faster than real time."""

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from metagui.cli.aliases import CommandWithAliases
from metagui.cli.app import app
from metagui.cli.library import open_library
from metagui.cli.options import AsJson, RandomStartFraction, Seed, WorkerCount
from metagui.cli.output import make_progress_bar, print_result


@app.command(cls=CommandWithAliases)
def generate(
    programs: Annotated[Path, typer.Option(help="File of task programs (JSON); resources/programs has some.")],
    out: Annotated[Path, typer.Option(help="Folder of the library to make or to add to.")],
    takes: Annotated[int, typer.Option(min=1, help="Number of takes of each program, each in its own scene.")] = 3,
    seed: Seed = 0,
    random_starts: RandomStartFraction = 0.0,
    workers: WorkerCount = None,
    as_json: AsJson = False,
) -> None:
    """Make a library from task programs in simulation, faster than real time."""
    from metagui.demonstrations.programs.program import load_programs
    from metagui.demonstrations.programs.scripted import GenerationSettings, generate_library

    chosen = load_programs(programs)
    library = open_library(out)
    started = time.perf_counter()
    made: list[dict[str, Any]] = []
    with make_progress_bar() as bar:
        job = bar.add_task("generating", total=len(chosen), status="")
        settings = GenerationSettings(takes, seed, random_starts, workers)
        for program, demonstrations in generate_library(chosen, settings):
            names = [library.add_take(demonstration).name for demonstration in demonstrations]
            duration = sum(demonstration.duration for demonstration in demonstrations)
            made.append({"task": program.name, "takes": names, "seconds": round(duration, 2)})
            bar.update(job, advance=1, status=program.name)
    document = {"library": str(out), "tasks": made, "took": round(time.perf_counter() - started, 2)}
    rows = [(row["task"], len(row["takes"]), f"{row['seconds']:.1f} s") for row in made]
    print_result(document, ("task", "takes", "duration"), rows, as_json, f"{out}, made in {document['took']:.1f} s")
