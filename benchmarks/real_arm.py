"""Grasp and place on an arm as it really is: ``python -m benchmarks.real_arm`` prints success rates and tool errors.

The emulated arm has the stops of a real one, play and sag. It is calibrated by a sweep of the joints by hand, or by a
published calibration, whose arm is emulated. A 25 mm cube is grasped and placed by clicks, by hand guiding and by a
policy that was adapted to two takes; the true scene decides. ``--scenes 100`` runs all scenes; with ``--log FILE`` a
run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.arm import ArmError
from metagui.arms.control.loop import ControlLoop
from metagui.arms.emulator.emulated_arm import EmulatedArm
from metagui.arms.emulator.guided_sweep import sweep_by_hand
from metagui.arms.feetech.control_table import RAD_PER_TICK
from metagui.arms.kinematics import HOME_ANGLES_RAD, JOINTS, forward_kinematics, inverse_kinematics
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.arms.simulation.twinned_arm import TwinnedArm
from metagui.arms.so101.calibration import TickConversion, load
from metagui.arms.so101.calibration_checks import guess_model, import_calibration
from metagui.arms.so101.motors import open_for_setup
from metagui.arms.so101.range_of_motion import run_sweep
from metagui.arms.so101.so101_arm import SO101Arm
from metagui.arms.so101.stops import Stops, find_middle
from metagui.arms.so101.zero_fit import fit_zeros
from metagui.demonstrations.demonstration import Instruction
from metagui.demonstrations.programs.program_controller import ProgramController
from metagui.demonstrations.recording.take_builder import InMemoryRecorder
from metagui.generators import run_to_end
from metagui.learning.adaptation.adaptation import adapt_task
from metagui.learning.adaptation.candidates import CandidateSettings
from metagui.learning.adaptation.replay_rollout import make_rollout_controller
from metagui.learning.prior import load_shipped
from metagui.learning.torch_utils.torch_threads import use_single_thread

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metagui.arms.arm import FloatArray
    from metagui.arms.control.loop import Controller
    from metagui.arms.control.tick import Tick
    from metagui.arms.so101.calibration import ArmCalibration
    from metagui.demonstrations.demonstration import Demonstration
    from metagui.learning.adaptation.task_policy import TaskPolicy

CUBE, ZONE = "red cube", "yellow zone"
INSTRUCTIONS = (Instruction("grasp", CUBE), Instruction("place", ZONE))
WAYS = ("clicks", "hand", "policy")
SWEEP = "sweep"
"""Name of the calibration by our own sweep."""
CALIBRATIONS_DIR = Path(__file__).parents[1] / "tests" / "data" / "calibrations"
PUBLISHED = (
    "follower-a", "follower-b", "follower-wide-gripper", "with-byte-order-mark", "wrist-roll-zeroed-by-eye",
)  # fmt: skip
SO100 = "so100-follower"
"""Published calibration of an SO-100, whose travels are up to 16 degrees longer than those of its CAD parts."""
TOUCHED_SUFFIX = ", touched"
TOUCHED_POINTS_M = ((0.14, -0.10, 0.0), (0.14, 0.10, 0.0), (0.23, -0.10, 0.0), (0.23, 0.10, 0.0))
"""Points that are touched to correct the zeros, m."""
PLACE_TOLERANCE_M = 0.0175
"""Largest distance of the cube's centre from the zone's at which the cube is within the zone, m."""
TAKE_SEEDS = (1003, 1008)
"""Scenes of the takes to which the policy is adapted; they are not among those that are counted."""
BY_EYE_ERROR_RAD = math.radians(4.0)
"""Standard deviation of a wrist roll that was zeroed by eye, rad."""
REST_TICKS, MAX_TICKS = 25, 2500
"""Number of ticks for which the arm rests before and after a task, and limit of a task's ticks."""


@dataclass(frozen=True)
class Episode:
    """Outcome of one task."""

    way: str
    calibration: str
    seed: int
    success: bool
    agreement: float
    """Fraction of samples in which the believed and the true held objects are equal."""
    distance: float
    """Distance of the cube from the zone at the end, m."""
    note: str = ""


class RealTable:
    """An emulated arm in the scene of a seed, calibrated, with its twin, in which every object was placed."""

    def __init__(self, seed: int, calibration: str) -> None:
        from tests.helpers.clocks import SteppedClock
        from tests.helpers.in_process_port import InProcessPort

        rng = np.random.default_rng([seed, 7])
        self.emulated, found = make_calibrated_arm(seed, calibration, rng)
        clock = SteppedClock()
        self.port = InProcessPort(self.emulated, clock=clock)
        for joint, angle in enumerate(HOME_ANGLES_RAD.tolist()):
            self.emulated.move_joint_by_hand(joint, angle)
        self.emulated.advance(80)
        with open_for_setup("emulated", lambda _: self.port) as chain:
            chain.write_calibration(found)
        self.emulated.randomise(seed)
        driver = SO101Arm("emulated", found, open_port=lambda _: self.port, clock=clock)
        self.arm = TwinnedArm(driver, lockstep=True)
        self.arm.connect()
        for joint in range(len(JOINTS)):
            self.emulated.move_joint_by_hand(joint, None)
        self._place_objects()
        self.loop = ControlLoop(self.arm, self.arm)
        self._agreed: list[bool] = []
        self.loop.add_sink(self._compare)

    def _place_objects(self) -> None:
        true = self.emulated.observe_scene()
        for each, (x, y, _), yaw in zip(self.arm.objects[:-1], true.positions, true.yaws, strict=False):
            self.arm.place_object(each.name, x, y, yaw)

    def _compare(self, tick: Tick) -> None:
        self._agreed.append(bool((tick.observation.scene.held == self._held_before).all()))

    def step(self) -> Tick:
        """Run one tick."""
        self._held_before = self.emulated.observe_scene().held
        return self.loop.step_once()

    def run(self, controller: Controller | ProgramController) -> str:
        """Let a controller do the task; return its complaint."""
        self.loop.set_controller(controller)
        rest = 0
        for _ in range(MAX_TICKS):
            self.step()
            pending = getattr(controller, "pending_count", 0)
            rest = rest + 1 if getattr(controller, "finished", not pending) else 0
            if rest >= REST_TICKS:
                break
        note = str(getattr(controller, "failure_reason", "") or getattr(controller, "outcome", ""))
        return "" if note == "done" else note

    def guide(self, path: FloatArray) -> None:
        """Guide the arm along true joint angles (N, J), rad, one row per tick, as a person who sees the real cube."""
        self.arm.start_hand_guiding()
        for row in [*path, *[path[-1]] * REST_TICKS]:
            for joint, angle in enumerate(row.tolist()):
                self.emulated.move_joint_by_hand(joint, angle)
            self.emulated.advance()
            self.step()

    def judge(self, way: str, calibration: str, seed: int, note: str = "") -> Episode:
        """Return the outcome, by the true scene; a guided cube must also be believed to be in the zone."""
        names = [each.name for each in self.arm.objects]
        cube, zone = names.index(CUBE), names.index(ZONE)
        scenes = [self.emulated.observe_scene(), *([self.arm.observe_scene()] if way == "hand" else [])]
        distance = max(float(np.linalg.norm((s.positions[cube] - s.positions[zone])[:2])) for s in scenes)
        success = distance <= PLACE_TOLERANCE_M and not any(s.held[cube] for s in scenes)
        return Episode(way, calibration, seed, success, float(np.mean(self._agreed or [False])), distance, note)


def make_calibrated_arm(seed: int, calibration: str, rng: np.random.Generator) -> tuple[EmulatedArm, ArmCalibration]:
    """Return an emulated arm and its calibration, by a sweep or of the published arm."""
    simulated = SimulatedArm(seed)
    if calibration != SWEEP:
        path = CALIBRATIONS_DIR / f"{calibration}.json"
        published = load(path)
        stops, mounts = emulate_published(replace(published, model=guess_model(published)), rng)
        return EmulatedArm(simulated, mounts, stops=stops), import_calibration(path)[0]
    arm = EmulatedArm(simulated, rng.integers(0, 4096, len(JOINTS)).tolist())
    return arm, sweep(arm)


def sweep(arm: EmulatedArm) -> ArmCalibration:
    """Return the calibration by a sweep of an arm by hand."""
    from tests.helpers.in_process_port import InProcessPort

    arm.follow_hand_path(sweep_by_hand(arm.stops))
    with open_for_setup("emulated", lambda _: InProcessPort(arm)) as chain:
        return run_to_end(run_sweep(chain, sleep=lambda _: arm.advance()), lambda _: None)


def emulate_published(published: ArmCalibration, rng: np.random.Generator) -> tuple[tuple[Stops, ...], list[int]]:
    """Return stops and mount offsets of an arm with a calibration.

    A travel that differs by less than three degrees from that of the stops is the arm's own: both its stops are a
    little elsewhere, at random. A shorter one was not moved to the stop that is farther from the pose in which the
    calibration began, as in LeRobot's instructions.
    """
    stops, mounts = [], []
    usual = published.stops
    for values, usual_stops, joint in zip(published.joints, usual, JOINTS, strict=True):
        travel, extra = values.travel * RAD_PER_TICK, values.travel * RAD_PER_TICK
        extra -= usual_stops.upper - usual_stops.lower
        shift = 0.0
        if values.is_unlimited or extra < -math.radians(3):
            stops.append(usual_stops)
            shift = rng.normal(0.0, BY_EYE_ERROR_RAD) if values.is_unlimited else 0.0
            zero_angle = 0.0 if values.is_unlimited else (usual_stops.lower + usual_stops.upper) / 2
            zero = find_middle(values, usual_stops) - (zero_angle + shift) / RAD_PER_TICK
        else:
            lower = usual_stops.lower - (0.0 if joint.name == "gripper" else extra * rng.uniform(0.0, 1.0))
            stops.append(Stops(lower, lower + travel))
            zero = values.range_min - lower / RAD_PER_TICK
        mounts.append(round(zero + values.homing_offset))
    return tuple(stops), mounts


def measure_tool_errors(seed: int, calibration: str, touches: bool = False) -> FloatArray:
    """Return the distances (N,) of the believed from the true tool over the workspace, from calibration alone, m.

    With ``touches``, the zeros are fitted to touches of four measured points first.
    """
    from tests.helpers.poses import find_touch

    arm, found = make_calibrated_arm(seed, calibration, np.random.default_rng([seed, 7]))
    conversion = TickConversion(found)
    poses = np.array([inverse_kinematics(point, 0.0) for point in list_workspace()])
    angles = np.column_stack([poses, np.full(len(poses), 0.1)])
    offsets = np.array([values.homing_offset for values in found.joints])

    def believe(true: FloatArray) -> FloatArray:
        encoders = arm.mount_offsets + true / RAD_PER_TICK
        return conversion.to_angles(np.mod(encoders - offsets + 0.5, 4096) - 0.5)

    believed_angles = believe(angles)
    if touches:
        touched = believe(np.array([find_touch(point) for point in TOUCHED_POINTS_M]))
        believed_angles = believed_angles + fit_zeros(touched, np.array(TOUCHED_POINTS_M)).corrections
    believed = forward_kinematics(believed_angles).position
    errors: FloatArray = np.linalg.norm(believed - forward_kinematics(angles).position, axis=1)
    return errors


def list_workspace() -> list[FloatArray]:
    """Return points of the workspace, m."""
    radii, angles, heights = np.linspace(0.14, 0.23, 6), np.radians(np.linspace(-60, 60, 9)), (0.015, 0.06, 0.1)
    return [np.array([0.0388 + r * np.cos(a), r * np.sin(a), z]) for r in radii for a in angles for z in heights]


def record_take(seed: int) -> Demonstration:
    """Record one take by clicks on an arm with our own calibration."""
    table = RealTable(seed, SWEEP)
    recorder = InMemoryRecorder("place", table.arm, str(seed))
    table.loop.add_sink(recorder.on_tick)
    controller = ProgramController(table.arm.objects)
    controller.add_instructions(*INSTRUCTIONS)
    table.run(controller)
    return recorder.stop()


def adapt_policy() -> TaskPolicy:
    """Return a policy that was adapted to two takes."""
    use_single_thread()
    takes = tuple(record_take(seed) for seed in TAKE_SEEDS)
    return run_to_end(adapt_task(load_shipped(), takes, CandidateSettings(max_adam_steps=20)), lambda _: None)


def run_episode(way: str, calibration: str, seed: int, policy: TaskPolicy | None) -> Episode:
    """Do the task once."""
    table = RealTable(seed, calibration)
    note = ""
    try:
        if way == "hand":
            from benchmarks.hands import compute_guided_path

            table.guide(compute_guided_path(seed))
        elif way == "policy" and policy is not None:
            note = table.run(make_rollout_controller(policy, table.arm.objects))
        else:
            controller = ProgramController(table.arm.objects)
            controller.add_instructions(*INSTRUCTIONS)
            note = table.run(controller)
    except ArmError as error:
        note = str(error)
    return table.judge(way, calibration, seed, note)


def run_all(ways: list[str], calibrations: list[str], seed: int, scenes: int, log: Path | None) -> list[Episode]:
    """Run every scene in every way, except those that the log has already; append each to the log."""
    logged = log.read_text(encoding="utf-8").splitlines() if log is not None and log.exists() else []
    done = {(each.way, each.calibration, each.seed): each for each in (Episode(**json.loads(line)) for line in logged)}
    jobs = [(way, calibrations[i % len(calibrations)], seed + i) for way in ways for i in range(scenes)]
    missing = [job for job in jobs if job not in done]
    policy = adapt_policy() if any(way == "policy" for way, _, _ in missing) else None
    for way, calibration, scene in missing:
        episode = done[way, calibration, scene] = run_episode(way, calibration, scene, policy)
        if not episode.success:
            print("missed:", episode, flush=True)
        if log is not None:
            with log.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(episode)) + "\n")
    return [done[job] for job in jobs]


def print_summary(episodes: Iterable[Episode], errors: dict[str, FloatArray]) -> None:
    """Print success and agreement by way and by calibration, and the tool errors."""
    episodes = list(episodes)
    groups = {way: [e for e in episodes if e.way == way] for way in WAYS}
    groups |= {name: [e for e in episodes if e.calibration == name] for name in (SWEEP, *PUBLISHED, SO100)}
    print(f"{'':28}{'success':>12}{'agreement':>12}")
    for name, group in groups.items():
        if group:
            rate = f"{sum(e.success for e in group)} of {len(group)}"
            print(f"{name:28}{rate:>12}{np.mean([e.agreement for e in group]):>12.2%}")
    print("\nTool error from calibration alone over the workspace, mm: median, 95 %, largest")
    for name, each in errors.items():
        print(f"{name:34}{np.median(each) * 1000:8.1f}{np.percentile(each, 95) * 1000:8.1f}{each.max() * 1000:8.1f}")


def main() -> None:
    """Run all episodes and print the rates."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=12, help="number of scenes for every way")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--calibrations", nargs="+", choices=(SWEEP, *PUBLISHED, SO100), default=[SWEEP, *PUBLISHED])
    parser.add_argument("--seed", type=int, default=0, help="seed of the first scene")
    parser.add_argument("--log", type=Path, help="append one JSON object per episode; those in it are not repeated")
    options = parser.parse_args()
    episodes = run_all(options.ways, options.calibrations, options.seed, options.scenes, options.log)
    errors = {
        name + TOUCHED_SUFFIX * touches: np.concatenate([measure_tool_errors(seed, name, touches) for seed in range(4)])
        for touches in (False, True)
        for name in (*options.calibrations, *(() if SO100 in options.calibrations else (SO100,)))
    }
    print_summary(episodes, errors)


if __name__ == "__main__":
    main()
