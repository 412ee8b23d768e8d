"""The whole chain of a camera over a real arm's table: ``python -m benchmarks.eyes_chain`` prints success rates.

No object is placed by hand. An emulated arm with play, sag and wrong zeros touches the crosses of a mat that lies
somewhere; a rendered camera at a random place sees its table, as JPEG pictures five times a second that arrive a tenth
of a second late. Tasks are taught by clicks in the picture, adapted, and run in fresh layouts; with *displaced*, a
needed object is moved by 5 cm while the arm is on its way. The true scene decides. A layout in which a needed object is
not seen before the run is refused, counted, and replaced. ``--full`` runs 20 layouts of each of the five tasks, both
ways.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from metagui.arms.simulation import opengl

opengl.choose_backend()

from benchmarks.camera_arms import TouchedArm  # noqa: E402
from benchmarks.report import Figure, Report, add_json_option, print_report  # noqa: E402
from metagui.arms.arm import ArmError, Observation  # noqa: E402
from metagui.arms.control.loop import ControlLoop  # noqa: E402
from metagui.arms.kinematics import compute_tool_pose  # noqa: E402
from metagui.arms.simulation.twinned_arm import TwinnedArm  # noqa: E402
from metagui.cameras.camera import Frame  # noqa: E402
from metagui.cameras.capture.rendered import Optics, RenderedCamera  # noqa: E402
from metagui.cameras.mat import A4  # noqa: E402
from metagui.cameras.mat_view import MatNotSeenError, solve_mat_view  # noqa: E402
from metagui.cameras.tags import TagDetector  # noqa: E402
from metagui.demonstrations.demonstration import Instruction  # noqa: E402
from metagui.demonstrations.programs.program import TaskProgram  # noqa: E402
from metagui.demonstrations.programs.program_controller import ProgramController  # noqa: E402
from metagui.demonstrations.programs.success import SuccessMonitor  # noqa: E402
from metagui.demonstrations.recording.take_builder import InMemoryRecorder  # noqa: E402
from metagui.emulated_camera import EmulatedCameraTable, draw_camera_view  # noqa: E402
from metagui.generators import run_to_end  # noqa: E402
from metagui.gui.teaching.click_teacher import ClickTeacher  # noqa: E402
from metagui.learning.adaptation.adaptation import adapt_task  # noqa: E402
from metagui.learning.adaptation.candidates import CandidateSettings  # noqa: E402
from metagui.learning.adaptation.replay_rollout import make_rollout_controller  # noqa: E402
from metagui.learning.prior import load_shipped  # noqa: E402
from metagui.learning.torch_utils.torch_threads import use_single_thread  # noqa: E402
from metagui.vision.setup import CameraSetup  # noqa: E402
from metagui.vision.sighted_twin import SightedTwin  # noqa: E402
from metagui.vision.table_camera import TableCamera, TableSight  # noqa: E402
from metagui.vision.table_picture import TablePicture  # noqa: E402
from metagui.vision.tagged_objects import make_tagged_objects  # noqa: E402

if TYPE_CHECKING:
    from metagui.arms.arm import FloatArray
    from metagui.demonstrations.demonstration import Demonstration
    from metagui.learning.adaptation.rollout import RolloutController
    from metagui.learning.adaptation.task_policy import TaskPolicy

PICTURE_TICKS, DELAY_TICKS = 10, 5
"""Ticks from one picture to the next, and from a picture to its arrival."""
SIZE = (960, 540)
SEEN_TICKS, MAX_TICKS, REST_TICKS = 40, 2500, 25
"""Ticks in which the objects have to be seen, limit of a run, and rest at its end."""
TAKES = 2
"""Number of takes of every task."""
DISPLACEMENT_M, DISPLACED_TICK, MIN_APPROACH_M = 0.05, 10, 0.06
"""Displacement of an object, the tick from which on a hand moves it, and how far the tool is then at least, m."""
TAG_CLEARANCE_M = 0.065
"""Smallest distance of an object from the mat's tags, m."""


@dataclass(frozen=True)
class ClickedTask:
    """A task as clicks: tool and object of every click, and what it has to achieve."""

    name: str
    clicks: tuple[tuple[str, str], ...]
    instructions: tuple[Instruction, ...]

    @property
    def needed(self) -> tuple[str, ...]:
        """Names of the objects that are clicked."""
        return tuple(dict.fromkeys(name for _, name in self.clicks))


TASKS = (
    ClickedTask("reach", (("reach", "red cube"),), (Instruction("reach", "red cube", None, {"offset": (0, 0, 0.05)}),)),
    ClickedTask("press", (("press", "blue cube"),), (Instruction("press", "blue cube"),)),
    ClickedTask(
        "place",
        (("grasp", "red cube"), ("place", "yellow zone")),
        (Instruction("grasp", "red cube"), Instruction("place", "yellow zone")),
    ),
    ClickedTask(
        "stack",
        (("grasp", "green cube"), ("place", "blue cube")),
        (Instruction("grasp", "green cube"), Instruction("place", "blue cube")),
    ),
    ClickedTask(
        "push", (("push", "red cube"), ("push", "violet zone")), (Instruction("push", "red cube", "violet zone"),)
    ),
)


class SeenTable:
    """An emulated arm, touched and calibrated, with a camera over its table; ``begin`` makes a fresh layout."""

    def __init__(self, seed: int, index: int) -> None:
        self.touched = TouchedArm(seed, index)
        self.emulated = self.touched.emulated
        found = self.touched.touch()
        self.calibration = self.touched.make_calibration(np.array(found.fit.corrections))
        self.setup = found.apply(CameraSetup(""))
        self.random = np.random.default_rng([seed, index, 23])
        self.table = EmulatedCameraTable(A4, self.emulated.get_state, self.touched.lie)
        self.camera = self._set_camera(index)
        self.arm: TwinnedArm | None = None
        self.sight: TableSight | None = None
        """The newest picture that has arrived."""

    def _set_camera(self, index: int) -> RenderedCamera:
        """Return a camera at a random place from which the mat is seen behind the arm at home, as a person sets it."""
        self.emulated.randomise(draw_seed(self, index))
        while True:
            view = draw_camera_view(self.random, SIZE)
            camera = RenderedCamera(self.table.render, view, Optics(supersampling=1.0), index)
            with contextlib.suppress(MatNotSeenError):
                solve_mat_view(TagDetector().detect(camera.read().picture), A4, SIZE)
                return camera

    def begin(self, seed: int) -> None:
        """Put the arm home over the layout of a seed, with no knowledge of the objects but from pictures."""
        if self.arm is not None:
            self.arm.disconnect()
        self.emulated.randomise(seed)
        self.arm = arm = TwinnedArm(self.touched.connect(self.calibration), lockstep=True)
        arm.arm.disconnect()  # the twin connects it
        arm.connect()
        self.twin = SightedTwin()
        self.twin.camera, arm.observer, self.sight = self, self.twin, None
        objects = make_tagged_objects(arm.objects)
        self._seer = TableCamera(self.camera, objects, A4, self.setup.mat_pose, self.twin.read_grip)
        self._pictures: list[tuple[int, Frame]] = []
        self._ticks = 0
        self.loop = ControlLoop(arm, arm)

    def step(self) -> Observation:
        """Run one tick; take a picture or receive one if it is time."""
        observation = self.loop.step_once().observation
        if self._ticks % PICTURE_TICKS == 0:
            picture = self.camera.read().picture
            _, encoded = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
            decoded = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
            assert decoded is not None
            received = np.ascontiguousarray(decoded[..., ::-1])
            self._pictures.append((self._ticks + DELAY_TICKS, Frame(observation.joints.time, received)))
        if self._pictures and self._pictures[0][0] <= self._ticks:
            self.sight = self._seer.look(self._pictures.pop(0)[1])
        self._ticks += 1
        return observation

    def look_around(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Let the camera look; return the objects that it does not see."""
        self.loop.set_controller(None)
        for _ in range(SEEN_TICKS):
            self.step()
            if self.sight is not None and not (unseen := self.sight.scene.find_missing(names)):
                return ()
        return tuple(unseen) if self.sight is not None else names

    def click(self, teacher: ClickTeacher, tool: str, name: str, observation: Observation) -> Instruction | None:
        """Click an object in the picture with a tool, where it is seen; return the instruction. Raises ArmError."""
        assert self.arm is not None
        assert self.sight is not None
        index = [each.name for each in self.arm.objects].index(name)
        top = self.emulated.observe_scene().positions[index] + (0.0, 0.0, self.arm.objects[index].support_height)
        pixel = self.camera.view.project(self.touched.lie.to_mat(top))
        assert self.sight.scene.view is not None
        view, scene = self.sight.scene.view.view, self.arm.observe_scene()
        target = TablePicture(view, self.setup.mat_pose, self.arm.objects, scene).pick(pixel)
        if teacher.action != tool:
            teacher.choose_tool(tool)
        if target is None or target.object_name != name:
            raise ArmError(f"the click on the {name} met {target.object_name if target else 'nothing'}")
        proposal = teacher.propose(target.object_name, target.point, observation)
        if proposal.is_refused:
            raise ArmError(proposal.hint)
        teacher.accept(proposal)
        return proposal.instruction

    def observe_truth(self, observation: Observation) -> Observation:
        """Return what is true at the time of an observation."""
        position, yaw = compute_tool_pose(np.array(self.emulated.read_joint_angles()))
        return Observation(observation.time, observation.joints, position, yaw, self.emulated.observe_scene())


def draw_seed(table: SeenTable, first: int) -> int:
    """Return a seed from ``first`` on in whose layout no object stands on a tag of the mat."""
    from metagui.arms.simulation.scene import sample_layout

    tags = table.touched.lie.to_base(A4.tag_centres)
    while True:
        layout = sample_layout(np.random.default_rng(first))
        distances: FloatArray = np.linalg.norm(layout.positions[:-1, None, :2] - tags[None, :, :2], axis=-1)
        if distances.min() > TAG_CLEARANCE_M:
            return first
        first += 1


def record_take(table: SeenTable, task: ClickedTask, name: str) -> Demonstration:
    """Teach a take by clicks in the picture. Raises ArmError if a click is not possible."""
    assert table.arm is not None
    recorder = InMemoryRecorder(task.name, table.arm, name)
    teacher, controller = ClickTeacher(table.arm.objects), ProgramController(table.arm.objects)
    table.loop.set_controller(controller)
    observation = table.step()
    table.loop.add_sink(recorder.on_tick)
    for tool, object_name in task.clicks:
        instruction = table.click(teacher, tool, object_name, observation)
        if instruction is not None:
            controller.add_instructions(instruction)
        rest = 0
        for _ in range(MAX_TICKS):
            observation = table.step()
            rest = 0 if controller.pending_count else rest + 1
            if rest >= REST_TICKS:
                break
    if controller.failure_reason:
        raise ArmError(controller.failure_reason)
    return recorder.stop()


def teach(table: SeenTable, task: ClickedTask, seed: int) -> TaskPolicy:
    """Return the policy that was adapted to takes in fresh layouts; a take that fails is recorded again."""
    takes: list[Demonstration] = []
    while len(takes) < TAKES:
        seed = draw_seed(table, seed)
        table.begin(seed)
        try:
            unseen = table.look_around(task.needed)
            if unseen:
                raise ArmError(f"not seen: {', '.join(unseen)}")
            takes.append(record_take(table, task, str(len(takes))))
        except ArmError as error:
            print(f"{task.name}: take in layout {seed} again: {error}", file=sys.stderr)
        seed += 1
    return run_to_end(adapt_task(load_shipped(), tuple(takes), CandidateSettings(max_adam_steps=20)), lambda _: None)


class TrueJudge:
    """Judges a run by the true scene, segment by segment."""

    def __init__(self, task: ClickedTask, policy: RolloutController, table: SeenTable) -> None:
        assert table.arm is not None
        self.policy, self._table = policy, table
        self._monitor = SuccessMonitor(TaskProgram(task.name, task.instructions), table.arm.objects)
        self._segment = -1

    def watch(self, observation: Observation) -> None:
        """Take in one tick."""
        true = self._table.observe_truth(observation)
        index, ended = self.policy.instruction_index, self.policy.outcome == "done"
        if self._segment >= 0 and (index != self._segment or ended):
            self._monitor.end_instruction(true)
            self._segment = -1
        if index != self._segment and not self.policy.finished:
            self._segment = index
            self._monitor.begin_instruction(true)
        self._monitor.update(true)

    def begin_again(self, observation: Observation) -> None:
        """Judge the present segment from here on, because an object was moved."""
        if self._segment >= 0:
            self._monitor.begin_instruction(self._table.observe_truth(observation))

    def is_successful(self, observation: Observation) -> bool:
        """Return whether everything was achieved, and still is."""
        done = self.policy.outcome == "done"
        return done and self._monitor.is_successful(self._table.observe_truth(observation))


def run(table: SeenTable, task: ClickedTask, policy: TaskPolicy, is_displaced: bool) -> tuple[bool, str] | None:
    """Run a policy on the present layout; return whether it succeeded, and how it ended.

    With ``is_displaced``, None if there was no moment and no room to move an object.
    """
    assert table.arm is not None
    controller = make_rollout_controller(policy, table.arm.objects)
    judge = TrueJudge(task, controller, table)
    table.loop.set_controller(controller)
    must_move, rest = is_displaced, 0
    observation = table.step()
    for tick in range(MAX_TICKS):
        if must_move and tick >= DISPLACED_TICK:
            must_move = not displace(table, task.needed[0], observation)
            if not must_move:
                judge.begin_again(observation)
        observation = table.step()
        judge.watch(observation)
        rest = rest + 1 if controller.finished else 0
        if rest >= REST_TICKS:
            break
    success, outcome = judge.is_successful(observation), controller.outcome
    controller.stop()
    return None if must_move else (success, outcome)


def displace(table: SeenTable, name: str, observation: Observation) -> bool:
    """Move an object by 5 cm, while the tool is not near it; return False if that is not possible."""
    assert table.arm is not None
    index = [each.name for each in table.arm.objects].index(name)
    scene = table.emulated.observe_scene()
    start = scene.positions[index]
    if float(np.linalg.norm(observation.tool_position - start)) < MIN_APPROACH_M:
        return False
    for turn in table.random.permutation(12):
        x, y = start[:2] + DISPLACEMENT_M * np.array([math.cos(turn * math.pi / 6), math.sin(turn * math.pi / 6)])
        radius, angle = math.hypot(x - 0.0388, y), math.atan2(y, x - 0.0388)
        others = np.delete(scene.positions[:-1, :2], index, axis=0)
        is_free = float(np.linalg.norm(others - (x, y), axis=1).min()) > 0.055
        if 0.135 < radius < 0.235 and abs(angle) < math.radians(58) and is_free:
            table.emulated.place_object(name, float(x), float(y))
            return True
    return False


def measure(tasks: tuple[ClickedTask, ...], runs: int, seed: int, report: Report) -> None:
    """Run all tasks, both ways, and report the success rates."""
    counts: dict[bool, list[bool]] = {False: [], True: []}
    refused = 0
    for number, task in enumerate(tasks):
        table = SeenTable(seed, number)
        policy = teach(table, task, 1000 * (seed + 1))
        for is_displaced in (False, True):
            layout, done = 5000 + 100 * seed, 0
            while done < runs:
                layout = draw_seed(table, layout + 1)
                table.begin(layout)
                if table.look_around(task.needed):
                    refused += 1
                    continue
                result = run(table, task, policy, is_displaced)
                if result is None:
                    continue
                success, outcome = result
                counts[is_displaced].append(success)
                done += 1
                way = "displaced" if is_displaced else "as it is"
                print(f"{task.name}, layout {layout}, {way}: {success} ({outcome})", file=sys.stderr, flush=True)
        table.table.close()
    report.settings |= {"layouts refused because a needed object was not seen": refused, "takes of a task": TAKES}
    for is_displaced, bar in ((False, 90.0), (True, 80.0)):
        found = counts[is_displaced]
        name = f"success with an object displaced by {100 * DISPLACEMENT_M:.0f} cm" if is_displaced else "success"
        rate = 100.0 * float(np.mean(found)) if found else math.nan
        report.figures.append(Figure(name, rate, "%", count=len(found), bar=bar, at_least=True))


def main() -> int:
    """Print the success rates; return 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2, help="number of layouts of every task, each way")
    parser.add_argument("--full", action="store_true", help="20 layouts of every task, each way")
    parser.add_argument("--tasks", default=",".join(each.name for each in TASKS), help="names of tasks")
    parser.add_argument("--seed", type=int, default=0)
    add_json_option(parser)
    options = parser.parse_args()
    use_single_thread()
    report = Report("eyes_chain", settings={"seed": options.seed})
    chosen = tuple(each for each in TASKS if each.name in options.tasks.split(","))
    measure(chosen, 20 if options.full else options.runs, options.seed, report)
    print_report(report, options.json)
    return int(any(each.is_met is False for each in report.figures))


if __name__ == "__main__":
    sys.exit(main())
