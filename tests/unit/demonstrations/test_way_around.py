"""An arm that is sent to a point where a line gets stuck at the limit of its reach goes around."""

from __future__ import annotations

import numpy as np
import pytest

from metagui.arms.control.loop import ControlLoop
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.arms.tables.table import TABLE_CENTRE_M
from metagui.demonstrations.demonstration import Instruction
from metagui.demonstrations.programs.program_controller import AROUND_REASON, ProgramController

MAX_TICKS = 1500


def go_to(*points: tuple[float, float, float]) -> tuple[ProgramController, set[str]]:
    """Let an arm go to points, m, one after the other; return the controller and the reasons of planned moves."""
    arm = SimulatedArm(80)
    arm.connect()
    loop, program = ControlLoop(arm, arm), ProgramController(arm.objects)
    for point in points:
        offset = tuple((np.array(point) - TABLE_CENTRE_M * (1, 1, 0)).tolist())
        program.add_instructions(Instruction("reach", "table", None, {"offset": offset}))
    loop.set_controller(program)
    reasons = set()
    for _ in range(MAX_TICKS):
        tick = loop.step_once()
        if tick.joint_move is not None:
            reasons.add(tick.joint_move.reason)
        if not program.pending_count:
            break
    return program, reasons


@pytest.mark.parametrize(
    "points",
    [
        ((0.052, 0.114, 0.10),),
        ((0.173, 0.170, 0.05), (0.0064, -0.1089, 0.10)),
        ((0.0738, 0.109, 0.10), (0.069, -0.150, 0.05)),
    ],
)
def test_reach_goes_around_where_a_line_gets_stuck(points: tuple[tuple[float, float, float], ...]) -> None:
    program, reasons = go_to(*points)
    assert [result.achieved for result in program.results] == [True] * len(points), program.failure_reason
    assert reasons == {AROUND_REASON}


def test_reach_that_a_line_achieves_is_not_planned() -> None:
    """Straight over the base: the gripper slides along the limit of the reach by itself."""
    program, reasons = go_to((0.04, 0.20, 0.05), (0.04, -0.20, 0.05))
    assert [result.achieved for result in program.results] == [True, True]
    assert reasons == set()
