"""``metagui record``: record one take in real time, by a program, by hand or with a leader arm."""

import contextlib
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from metagui.arms.guiding import GuidingStiffness
from metagui.cli.aliases import CommandWithAliases
from metagui.cli.app import app
from metagui.cli.arm_option import ArmAddress, ObjectPlacements, TableName, connect_arm
from metagui.cli.cameras.watching import CameraAddress, require_seen, watch_table
from metagui.cli.library import open_library
from metagui.cli.options import AsJson, LibraryFolder, SceneSeed
from metagui.cli.output import CommandError, print_note, print_result
from metagui.cli.programs import choose_program, execute_setup

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metagui.arms.control.loop import ControlLoop
    from metagui.arms.control.tick import Controller
    from metagui.demonstrations.demonstration import Demonstration, TeachingMethod
    from metagui.demonstrations.recording.recorder import Recorder

MAX_RECORDING_S = 120.0
"""Longest recording unless ``--seconds`` is given, s."""


class RecordingMethod(StrEnum):
    """How a take is demonstrated."""

    PROGRAM = "program"
    HAND = "hand"
    LEADER = "leader"


def _parse_method(text: str) -> RecordingMethod:
    """Parse the value of ``--by``; version 0.1 called ``program`` ``clicks``."""
    try:
        return RecordingMethod("program" if text == "clicks" else text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not one of {', '.join(RecordingMethod)}.") from None


ProgramFile = Annotated[
    Path | None,
    typer.Option(help="File of task programs (JSON); the one named like the task, or the only one, is executed."),
]
MethodOption = Annotated[
    RecordingMethod,
    typer.Option(
        "--by",
        parser=_parse_method,
        metavar=f"[{'|'.join(RecordingMethod)}]",
        help="How to demonstrate: by a task program, by hand, or with a leader arm.",
    ),
]


@dataclass(frozen=True)
class RecordingRequest:
    """Options that determine what is demonstrated and how."""

    task: str
    program: Path | None
    leader: str | None
    seconds: float
    stiffness: GuidingStiffness = GuidingStiffness.LIMP


@app.command(cls=CommandWithAliases)
def record(
    task: Annotated[str, typer.Argument(help="The task that the take is added to; created if it is new.")],
    program: ProgramFile = None,
    arm: ArmAddress = None,
    objects: ObjectPlacements = None,
    table: TableName = None,
    camera: CameraAddress = None,
    method: MethodOption = RecordingMethod.PROGRAM,
    leader: Annotated[str | None, typer.Option(help="Name or port of the leader arm.")] = None,
    stiffness: Annotated[
        GuidingStiffness, typer.Option(help="By hand: limp, or how firmly the arm stays where it is let go.")
    ] = GuidingStiffness.LIMP,
    seconds: Annotated[float, typer.Option(min=0.1, help="Longest duration, s; Ctrl+C ends it earlier.")] = (
        MAX_RECORDING_S
    ),
    seed: SceneSeed = None,
    library: LibraryFolder = None,
    as_json: AsJson = False,
) -> None:
    """Record one take in real time, through the control loop, its safety gate and the recorder."""
    from metagui.arms.control.loop import ControlLoop
    from metagui.cli.realtime import draw_seed
    from metagui.demonstrations.recording.recorder import Recorder

    opened = open_library(library)
    scene = draw_seed() if seed is None else seed
    recorder = Recorder(opened.root)
    request = RecordingRequest(task, program, leader, seconds, stiffness)
    with _explain_recovery(recorder):
        with connect_arm(arm, objects, scene, table) as connected, watch_table(connected, camera) as watch:
            require_seen(watch, _list_needed(request))
            take = _RECORD_FUNCTIONS[method](ControlLoop(connected, connected), recorder, request)
        name = opened.add_take(take).name
    recorder.clear_journal()
    _print_take(take, name, scene if arm is None else None, as_json)
    _require_success(recorder, take, name)


def _require_success(recorder: "Recorder", take: "Demonstration", name: str) -> None:
    """Raise CommandError if the recording or the task failed; the take is in the library."""
    if recorder.failure_reason is not None:
        raise CommandError(
            f"{recorder.failure_reason} They are stored as {take.task} {name}, marked as failed: the task was not done."
        )
    if take.success is False:
        raise CommandError(f"{take.notes} The take is stored as {take.task} {name}, marked as failed.")


def _list_needed(request: RecordingRequest) -> set[str]:
    """Return the objects that the request's program names; none if the task is demonstrated otherwise."""
    from metagui.demonstrations.programs.program import load_programs

    if request.program is None:
        return set()
    chosen = choose_program(load_programs(request.program), request.task, request.program)
    named = {name for each in chosen.instructions for name in (each.object_name, each.target_name) if name}
    return named - {"table"}


@contextlib.contextmanager
def _explain_recovery(recorder: "Recorder") -> "Iterator[None]":
    """Add how to get the take back to errors after which a part of it is on the disk; discard an empty take."""
    from metagui.arms.arm import ArmError
    from metagui.demonstrations.storage.errors import LibraryError

    try:
        yield
    except (CommandError, ArmError, LibraryError) as error:
        if recorder.is_recording and not recorder.sample_count:
            recorder.abort()
        if recorder.journal_path is None:
            raise
        raise CommandError(
            f"{error} The take is not in the library; what reached the disk is safe. Remove the cause, then add it "
            f"with: metagui recover --restore --library '{recorder.library}'"
        ) from error


def _print_take(take: "Demonstration", name: str, scene: int | None, as_json: bool) -> None:
    """Print a recorded take; ``led_by`` and ``parts`` are the keys of version 0.1."""
    from metagui.demonstrations.timing import summarise_timing

    timing = summarise_timing(take)
    count = len(take.segments)
    document: dict[str, Any] = {
        "task": take.task, "take": name, "arm": take.arm, "scene": scene, "success": take.success,
        "teaching_method": take.teaching_method, "led_by": take.teaching_method, "samples": len(take),
        "segments": count, "parts": count, "seconds": round(take.duration, 3), "timing": timing.to_dict(),
    }  # fmt: skip
    verdict = {True: "achieved", False: "not achieved", None: "not judged"}[take.success]
    row = (take.task, name, f"{take.duration:.1f} s", count, verdict, timing)
    print_result(document, ("task", "take", "duration", "segments", "success", "timing"), [row], as_json)


def _has_failed(recorder: "Recorder") -> bool:
    """Return whether a failure, such as a full disk, ended the recording."""
    return recorder.failure_reason is not None


def _record_program(loop: "ControlLoop", recorder: "Recorder", request: RecordingRequest) -> "Demonstration":
    """Record a take in which the scripted demonstrator executes a task program."""
    from metagui.cli.realtime import run_controller
    from metagui.demonstrations.primitives.primitive import MotionStyle
    from metagui.demonstrations.programs.program import load_programs
    from metagui.demonstrations.programs.scripted import ScriptedDemonstrator

    if request.program is None:
        raise CommandError("Which program? Name its file with --program, or demonstrate the task by hand: --by hand.")
    chosen = choose_program(load_programs(request.program), request.task, request.program)
    execute_setup(loop, chosen)
    demonstrator = ScriptedDemonstrator(chosen, loop.scene, MotionStyle())
    print_note(f"Recording {request.task!r} …")
    recorder.start(request.task, loop.arm, loop.scene)
    last = run_controller(loop, demonstrator, request.seconds, (recorder.on_tick,), lambda: _has_failed(recorder))
    if _has_failed(recorder):
        return recorder.stop()
    if demonstrator.instruction_index < 0:
        recorder.abort()
        raise CommandError(
            f"The first instruction of {chosen.name!r} cannot be done in this scene: {demonstrator.failure_reason} "
            "Nothing was recorded; choose another scene with --seed, or move the object with --object."
        )
    success = demonstrator.is_successful(last.observation)
    return replace(recorder.stop(), success=success, notes="" if success else demonstrator.describe_failure())


def _record_hand_guiding(loop: "ControlLoop", recorder: "Recorder", request: RecordingRequest) -> "Demonstration":
    """Record a take in which a person guides the arm by hand."""
    from metagui.arms.arm import HandGuidable

    if not isinstance(loop.arm, HandGuidable):
        raise CommandError("Only a real arm can be guided by hand. Name it with --arm; `metagui arms` lists them.")
    is_limp = request.stiffness is GuidingStiffness.LIMP
    start = "The torque is switched off now: hold the arm." if is_limp else "The arm follows your hand now."
    print_note(f"{start} Do the task; Ctrl+C ends the take, and the arm holds.")
    loop.arm.start_hand_guiding(request.stiffness)
    return _record_until_interrupted(loop, recorder, request, None, "hand")


def _record_leader(loop: "ControlLoop", recorder: "Recorder", request: RecordingRequest) -> "Demonstration":
    """Record a take in which the arm follows a hand-guided leader arm."""
    from metagui.arms.so101.arm_registry import make_usb_arm
    from metagui.arms.teleoperation.leader import LeaderController

    if request.leader is None:
        raise CommandError("Which arm is the leader? Name it with --leader; `metagui arms` lists them.")
    leader = make_usb_arm(request.leader)
    print_note("The leader's torque is switched off now: hold it. The other arm follows slowly; Ctrl+C ends the take.")
    leader.connect()
    try:
        leader.start_hand_guiding()
        return _record_until_interrupted(loop, recorder, request, LeaderController(leader), "leader")
    finally:
        leader.disconnect(disable_torque=True)


_RECORD_FUNCTIONS = {
    RecordingMethod.PROGRAM: _record_program,
    RecordingMethod.HAND: _record_hand_guiding,
    RecordingMethod.LEADER: _record_leader,
}


def _record_until_interrupted(
    loop: "ControlLoop",
    recorder: "Recorder",
    request: RecordingRequest,
    controller: "Controller | None",
    method: "TeachingMethod",
) -> "Demonstration":
    """Record until Ctrl+C or the time limit; segment the take by its motion, as it has no instructions."""
    from metagui.cli.realtime import run_controller
    from metagui.cli.signals import interruptible
    from metagui.demonstrations.recording.segmentation import ensure_segmented

    recorder.start(request.task, loop.arm, loop.scene, method)
    failure = ""
    try:
        with interruptible():
            run_controller(loop, controller, request.seconds, (recorder.on_tick,), lambda: _has_failed(recorder))
    except KeyboardInterrupt:
        print_note("Stopped; the arm holds.")
    except CommandError as error:
        failure = str(error)
    take = ensure_segmented(recorder.stop())
    return replace(take, success=False, notes=failure) if failure else take
