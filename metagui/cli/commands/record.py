"""``metagui generate`` and ``metagui record``: demonstrations by a script, as fast as the machine or in real time."""

import time
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from metagui.cli.app import app
from metagui.cli.arm_option import ArmAddress, ObjectPlacements, connect_arm
from metagui.cli.options import AsJson, LibraryFolder, Seed, open_library
from metagui.cli.output import CommandError, make_progress_bar, print_note, print_result

if TYPE_CHECKING:
    from metagui.arms.control.loop import Controller, ControlLoop
    from metagui.demonstrations.demonstration import Demonstration, TeachingMethod
    from metagui.demonstrations.programs.program import TaskProgram
    from metagui.demonstrations.recording.recorder import Recorder

MAX_RECORDING_S = 120.0
"""Seconds after which a recording by a script is ended, whatever it does."""


class RecordingMethod(StrEnum):
    """How a take is shown."""

    PROGRAM = "clicks"
    HAND = "hand"
    LEADER = "leader"


@app.command()
def generate(
    programs: Annotated[Path, typer.Option(help="Click programs (JSON); resources/programs has some.")],
    out: Annotated[Path, typer.Option(help="Folder of the library to make or to add to.")],
    takes: Annotated[int, typer.Option(min=1, help="Takes of each program, each in a scene of its own.")] = 3,
    seed: Seed = 0,
    prefixes: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of takes that start after unrecorded random motion.")
    ] = 0.0,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; one a core if not given.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a library from click programs, as fast as the machine."""
    from metagui.demonstrations.programs.program import load_programs
    from metagui.demonstrations.programs.scripted import GenerationSettings, generate_library

    chosen = load_programs(programs)
    library = open_library(out)
    started = time.perf_counter()
    made: list[dict[str, Any]] = []
    with make_progress_bar() as bar:
        job = bar.add_task("generating", total=len(chosen), says="")
        for program, demonstrations in generate_library(chosen, GenerationSettings(takes, seed, prefixes, workers)):
            names = [library.add_take(demonstration).name for demonstration in demonstrations]
            shown = sum(demonstration.duration for demonstration in demonstrations)
            made.append({"task": program.name, "takes": names, "seconds": round(shown, 2)})
            bar.update(job, advance=1, says=program.name)
    document = {"library": str(out), "tasks": made, "took": round(time.perf_counter() - started, 2)}
    rows = [(row["task"], len(row["takes"]), f"{row['seconds']:.1f} s") for row in made]
    print_result(document, ("task", "takes", "shown"), rows, as_json, f"{out}, made in {document['took']:.1f} s")


@app.command()
def record(
    task: Annotated[str, typer.Argument(help="The task that the take becomes part of; made if it is new.")],
    program: Annotated[
        Path | None,
        typer.Option(help="Click programs (JSON): the one of the task's name, or the only one, is carried out."),
    ] = None,
    arm: ArmAddress = None,
    put: ObjectPlacements = None,
    by: Annotated[
        RecordingMethod, typer.Option(help="How it is shown: by the clicks of a program, by a hand, by a leader arm.")
    ] = RecordingMethod.PROGRAM,
    leader: Annotated[str | None, typer.Option(help="The leader arm, by name or port.")] = None,
    seconds: Annotated[
        float, typer.Option(min=0.1, help="How long at most; Control-C ends it, too.")
    ] = MAX_RECORDING_S,
    seed: Annotated[int | None, typer.Option(help="Which scene; a new one each time if not given.")] = None,
    library: LibraryFolder = None,
    as_json: AsJson = False,
) -> None:
    """Record one take in real time, through the control loop, its safety gate and the recorder."""
    from metagui.arms.control.loop import ControlLoop
    from metagui.cli.realtime import draw_seed
    from metagui.demonstrations.recording.recorder import Recorder
    from metagui.demonstrations.timing import summarise_timing

    shelf = open_library(library)
    scene = draw_seed() if seed is None else seed
    recorder = Recorder(shelf.root)
    with connect_arm(arm, put, scene) as body:
        loop = ControlLoop(body, body)
        show_it = (
            _record_program
            if by is RecordingMethod.PROGRAM
            else _record_hand_guiding
            if by is RecordingMethod.HAND
            else _record_leader
        )
        take = show_it(loop, recorder, RecordingRequest(task, program, leader, seconds))
    kept = shelf.add_take(take)
    recorder.clear_journal()
    timing = summarise_timing(take)
    document: dict[str, Any] = {
        "task": task,
        "take": kept.name,
        "arm": take.arm,
        "led_by": take.teaching_method,
        "scene": scene if arm is None else None,
        "success": take.success,
        "samples": len(take),
        "parts": len(take.segments),
    }
    document |= {"seconds": round(take.duration, 3), "timing": timing.to_dict()}
    verdict = {True: "achieved", False: "not achieved", None: "not said"}[take.success]
    row = (task, kept.name, f"{take.duration:.1f} s", len(take.segments), verdict, timing)
    print_result(document, ("task", "take", "length", "parts", "success", "timing"), [row], as_json)


@dataclass(frozen=True)
class RecordingRequest:
    """What is to be shown, and how."""

    task: str
    program: Path | None
    leader: str | None
    seconds: float


def _record_program(loop: "ControlLoop", recorder: "Recorder", request: RecordingRequest) -> "Demonstration":
    """Let a script carry out a program's clicks."""
    from metagui.cli.realtime import run_controller
    from metagui.demonstrations.primitives.primitive import MotionStyle
    from metagui.demonstrations.programs.program import load_programs
    from metagui.demonstrations.programs.scripted import ScriptedDemonstrator

    if request.program is None:
        raise CommandError("Which clicks? Name the file of their --program, or show the task by hand: --by hand.")
    chosen = choose_program(load_programs(request.program), request.task, request.program)
    execute_setup(loop, chosen)
    demonstrator = ScriptedDemonstrator(chosen, loop.scene, MotionStyle())
    print_note(f"Recording {request.task!r} …")
    recorder.start(request.task, loop.arm, loop.scene)
    last = run_controller(loop, demonstrator, request.seconds, (recorder.on_tick,))
    if demonstrator.instruction_index < 0:
        recorder.abort()
        raise CommandError(f"The first click of {chosen.name!r} cannot be done in this scene: nothing was recorded.")
    return replace(recorder.stop(), success=demonstrator.success_monitor.is_successful(last.observation))


def _record_hand_guiding(loop: "ControlLoop", recorder: "Recorder", request: RecordingRequest) -> "Demonstration":
    """Let a person lead the limp arm."""
    from metagui.arms.arm import HandGuidable

    if not isinstance(loop.arm, HandGuidable):
        raise CommandError("Only an arm on a cable can be led by hand. Name it with --arm; `metagui arms` lists them.")
    print_note("The arm goes limp now: hold it. Show the task; Control-C ends the take, and the arm holds.")
    loop.arm.start_hand_guiding()
    return _record_until_interrupted(loop, recorder, request, None, "hand")


def _record_leader(loop: "ControlLoop", recorder: "Recorder", request: RecordingRequest) -> "Demonstration":
    """Let the arm follow a limp leader."""
    from metagui.arms.so101.arm_registry import make_usb_arm
    from metagui.arms.teleoperation.leader import LeaderController

    if request.leader is None:
        raise CommandError("Which arm leads? Name it with --leader; `metagui arms` lists them.")
    leader = make_usb_arm(request.leader)
    print_note("The leader goes limp now: hold it. The other arm comes slowly; Control-C ends the take.")
    leader.connect()
    try:
        leader.start_hand_guiding()
        return _record_until_interrupted(loop, recorder, request, LeaderController(leader), "leader")
    finally:
        leader.disconnect(disable_torque=True)


def _record_until_interrupted(
    loop: "ControlLoop",
    recorder: "Recorder",
    request: RecordingRequest,
    controller: "Controller | None",
    led_by: "TeachingMethod",
) -> "Demonstration":
    """Record until Control-C, or until the time is over; cut where no clicks say how."""
    from metagui.cli.realtime import run_controller
    from metagui.cli.signals import interruptible
    from metagui.demonstrations.recording.segmentation import ensure_segmented

    recorder.start(request.task, loop.arm, loop.scene, led_by)
    try:
        with interruptible():
            run_controller(loop, controller, request.seconds, (recorder.on_tick,))
    except KeyboardInterrupt:
        print_note("Stopped; the arm holds.")
    except CommandError as error:
        print_note(f"{error} What was recorded up to there is kept.")
    return ensure_segmented(recorder.stop())


def execute_setup(loop: "ControlLoop", program: "TaskProgram") -> None:
    """Carry out the unrecorded clicks that a program begins with: on the simulated arm as fast as the machine."""
    from metagui.arms.simulation.simulated_arm import SimulatedArm
    from metagui.cli.realtime import run_controller
    from metagui.demonstrations.primitives.primitive import MotionStyle
    from metagui.demonstrations.programs.scripted import ScriptedDemonstrator, execute

    if not program.setup:
        return
    demonstrator = ScriptedDemonstrator(replace(program, instructions=program.setup), loop.scene, MotionStyle())
    if isinstance(loop.arm, SimulatedArm):
        execute(loop, demonstrator)
    else:
        run_controller(loop, demonstrator, MAX_RECORDING_S)


def choose_program(programs: "tuple[TaskProgram, ...]", task: str, path: Path) -> "TaskProgram":
    """Return the program of a task's name, or the only one there is. Raises VerbError."""
    named = [program for program in programs if program.name == task]
    if named or len(programs) == 1:
        return (named or list(programs))[0]
    names = ", ".join(repr(program.name) for program in programs)
    raise CommandError(f"{path} has no program called {task!r}. Nothing was recorded; it has {names}.")
