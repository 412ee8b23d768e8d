"""Try the way out of random legal poses: ``python -m benchmarks.poses`` prints how often Home, clicks, … work.

Every pose is uniform within the joint limits, in a random scene, and touches nothing. From each of them Home is
pressed, a point is clicked, a policy is run and a key is held, on the simulated arm or, with ``--bus``, on the emulated
arm over the servo bus. At every tick all parts of the arm are tested against the table, the cubes and each other.
1,000 poses take about ten minutes on one core.
"""

from __future__ import annotations

import argparse
import collections
import sys
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.report import Figure, Report, add_json_option, print_report, summarise, summarise_rate
from metagui.arms.control.loop import ControlLoop
from metagui.arms.control.tick import ControllerError
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.learning.adaptation.rollout import PolicyController
from tests.helpers import poses
from tests.helpers.emulated_table import EmulatedTable
from tests.helpers.priors import adapt_untrained_prior
from tests.helpers.takes import generate_example_takes

if TYPE_CHECKING:
    from collections.abc import Callable

    from metagui.learning.adaptation.task_policy import TaskPolicy

MAX_SHIFT_M = 0.001
"""Largest distance of an object from its first position that counts as untouched, m."""


def main() -> int:
    """Try every pose; return 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--poses", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0, help="seed of the first pose")
    parser.add_argument("--bus", action="store_true", help="use the emulated arm over the servo bus")
    add_json_option(parser)
    options = parser.parse_args()
    policy = adapt_untrained_prior(generate_example_takes()["put red on violet"][:1])[1]
    counts: collections.Counter[str] = collections.Counter()
    seconds: list[float] = []
    for seed in range(options.seed, options.seed + options.poses):
        for name, attempt in _make_attempts(policy).items():
            loop, audit = _place_arm(seed, options.bus, only_joint_moves=name == "run")
            problem = _try_pose(loop, audit, attempt)
            counts[name] += not problem
            if problem:
                print(f"pose {seed}, {name}: {problem}", file=sys.stderr)
            if name == "home":
                seconds.append(audit.ticks * loop.period)
    figures = [summarise_rate(f"{name}, nothing touched", n, options.poses, bar=100) for name, n in counts.items()]
    figures += [summarise("time to arrive at home", seconds, "s"), Figure("longest way home", max(seconds), "s")]
    print_report(Report("poses", figures, {"seed": options.seed, "bus": options.bus}), options.json)
    return int(any(count < options.poses for count in counts.values()))


def _make_attempts(policy: TaskPolicy) -> dict[str, Callable[[ControlLoop], bool]]:
    """Return the attempts from one pose by name."""
    return {
        "home": poses.go_home,
        "click": poses.begin_click,
        "run": lambda loop: poses.begin_run(loop, PolicyController(policy, loop.scene.objects)),
        "key": poses.press_key,
    }


def _place_arm(seed: int, over_bus: bool, only_joint_moves: bool) -> tuple[ControlLoop, poses.TouchAudit]:
    """Return the loop of an arm in the pose and scene of a seed, and an audit of its ticks."""
    arm = SimulatedArm(seed)
    arm.connect()
    pose = poses.draw_legal_pose(np.random.default_rng(seed), arm)
    if over_bus:
        loop = EmulatedTable(seed, pose=pose).loop
    else:
        poses.set_joint_positions(arm, pose)
        loop = ControlLoop(arm, arm)
    audit = poses.TouchAudit(tuple(loop.scene.objects), only_joint_moves)
    loop.add_sink(audit)
    return loop, audit


def _try_pose(loop: ControlLoop, audit: poses.TouchAudit, attempt: Callable[[ControlLoop], bool]) -> str:
    """Return what went wrong; empty if nothing did."""
    try:
        done = attempt(loop)
    except ControllerError as error:
        return str(error)
    if not done:
        return "did not get there"
    if audit.contacts:
        return f"touched {audit.contacts}"
    return f"moved an object by {audit.max_object_shift:.3f} m" if audit.max_object_shift > MAX_SHIFT_M else ""


if __name__ == "__main__":
    sys.exit(main())
