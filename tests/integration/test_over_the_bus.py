"""From the first click to a policy that does it, over the servo bus; judged by the virtual arm's own table."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from metagui.arms.control.loop import ControlLoop
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.demonstrations.demonstration import Instruction
from metagui.demonstrations.programs.program import TaskProgram
from metagui.demonstrations.programs.program_controller import ProgramController
from metagui.demonstrations.programs.success import SuccessMonitor
from metagui.demonstrations.recording.replay import ReplayController
from metagui.demonstrations.recording.segmentation import align_segmentation
from metagui.demonstrations.recording.take_builder import InMemoryRecorder
from metagui.demonstrations.storage.library import Library
from metagui.learning.adaptation.adaptation import adapt_task
from metagui.learning.adaptation.candidates import CandidateSettings
from metagui.learning.adaptation.rollout import PolicyController
from metagui.learning.evaluation.episodes import EvaluatedPolicyController
from metagui.learning.prior import load_shipped
from tests.helpers.emulated_table import EmulatedTable as Table

if TYPE_CHECKING:
    from metagui.arms.arm import Observation
    from metagui.arms.control.tick import Tick
    from metagui.demonstrations.demonstration import Demonstration
    from metagui.learning.adaptation.adapted_task import TaskPolicy

PROGRAM = TaskProgram("put red on yellow", (Instruction("grasp", "red cube"), Instruction("place", "yellow zone")))
SHOWN, UNSEEN = (3, 8), 5


class Witness(SuccessMonitor):
    """A judge who stands beside the virtual arm, and sees what really happened there."""

    def __init__(self, table: Table) -> None:
        super().__init__(PROGRAM, table.arm.objects)
        self.table = table

    def really(self, now: Observation) -> Observation:
        return replace(now, scene=self.table.real())

    def begin(self, now: Observation) -> None:
        super().begin_instruction(self.really(now))

    def watch(self, now: Observation) -> None:
        super().update(self.really(now))

    def end(self, now: Observation) -> bool:
        return super().end_instruction(self.really(now))

    def success(self, now: Observation) -> bool:
        return super().is_successful(self.really(now))


def show(seed: int) -> Demonstration:
    """Record one take by clicks."""
    table = Table(seed)
    recorder = InMemoryRecorder(PROGRAM.name, table.arm, f"{seed:03}")
    table.loop.add_sink(recorder.on_tick)
    table.do(*PROGRAM.instructions)
    table.arm.disconnect()
    return recorder.stop()


@pytest.fixture(scope="module")
def takes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Demonstration, ...]:
    """Two takes, through files."""
    library = Library(tmp_path_factory.mktemp("library"))
    return tuple(library.load_take(PROGRAM.name, library.add_take(show(seed)).name) for seed in SHOWN)


def adapt(takes: tuple[Demonstration, ...]) -> TaskPolicy:
    steps = adapt_task(load_shipped(), takes, CandidateSettings(max_adam_steps=20))
    while True:
        try:
            next(steps)
        except StopIteration as finished:
            return finished.value


def test_what_was_shown_over_the_bus_is_learnt_and_done_over_the_bus(takes: tuple[Demonstration, ...]) -> None:
    assert all(take.states is not None and take.arm == "SO-101" for take in takes)
    assert [segment.instruction.action for segment in takes[0].segments if segment.instruction] == ["grasp", "place"]
    table = Table(UNSEEN)
    before = table.real().positions[0]
    witness = Witness(table)
    chain = EvaluatedPolicyController(PolicyController(adapt(takes), table.arm.objects), witness)
    over: list[bool] = []
    end, witness.end = witness.end, lambda now: over.append(chain.finished) or end(now)  # type: ignore[func-returns-value, method-assign]
    last = table.loop.run_inline(chain, 3000)
    assert last is not None
    assert chain.policy.outcome == "done"
    assert over == [False, False], "it is over once it is judged, not before"
    assert chain.finished
    assert chain.decide(last.observation) is None, "who polls later lets the loop ask once more"
    assert chain.success_monitor.achieved == [True, True]
    assert chain.success_monitor.is_successful(last.observation)
    assert np.linalg.norm(table.real().positions[0] - before) > 0.05


def led_by_hand(seed: int) -> Demonstration:
    """Record one take in which hands lead the limp arm along the way that the script goes in the simulator."""
    simulated = SimulatedArm(seed)
    simulated.connect()
    loop, script = ControlLoop(simulated, simulated), ProgramController(simulated.objects)
    script.add_instructions(*PROGRAM.instructions)
    way: list[Tick] = []
    loop.add_sink(way.append)
    loop.run_inline(script, 1000)
    loop.run_inline(None, 30)
    table = Table(seed)
    table.arm.start_hand_guiding()
    recorder = InMemoryRecorder(PROGRAM.name, table.arm, f"{seed:03}", teaching_method="hand")
    table.loop.add_sink(recorder.on_tick)
    for tick in way:
        for joint, angle in enumerate(tick.sent.positions.tolist()):
            table.emulated_arm.move_joint_by_hand(joint, angle)
        table.emulated_arm.advance()
        table.loop.step_once()
    assert not any(servo.torque_enabled for servo in table.emulated_arm.servos)
    table.arm.disconnect()
    return recorder.stop()


def test_what_hands_showed_is_cut_learnt_and_done_over_the_bus() -> None:
    takes = align_segmentation([led_by_hand(seed) for seed in SHOWN])
    assert [len(take.segments) for take in takes] == [2, 2]
    table = Table(UNSEEN)
    chain = EvaluatedPolicyController(PolicyController(adapt(takes), table.arm.objects), Witness(table))
    last = table.loop.run_inline(chain, 3000)
    assert last is not None
    assert chain.policy.outcome == "done"
    assert chain.success_monitor.is_successful(last.observation)


def test_a_take_is_done_again_on_the_same_table(takes: tuple[Demonstration, ...]) -> None:
    table = Table(SHOWN[0])
    replay = ReplayController(takes[0])
    table.loop.run_inline(replay, 3000)
    assert replay.finished
    assert replay.progress == 1.0
    assert np.linalg.norm(table.real().positions[0, :2] - table.real().positions[3, :2]) < 0.012
