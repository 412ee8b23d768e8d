"""Scripted demonstrators: real loop and gate, reproducible by seed, an error for impossible programs."""

import numpy as np
import pytest

from metagui.arms.control.loop import ControlLoop
from metagui.arms.kinematics import MAX_DISPLACEMENT_M, forward_kinematics
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.arms.tables.table import SCENE_OBJECTS
from metagui.demonstrations.demonstration import Demonstration, Instruction
from metagui.demonstrations.primitives.primitive import MotionStyle
from metagui.demonstrations.programs import scripted as module
from metagui.demonstrations.programs.program import TaskProgram
from metagui.demonstrations.programs.program_controller import ProgramController
from metagui.demonstrations.programs.scripted import (
    GenerationSettings,
    ImpossibleProgramError,
    ScriptedDemonstrator,
    demonstrate,
    execute,
    generate_library,
    generate_takes,
)
from metagui.demonstrations.programs.task_distribution import draw_prefix, draw_programs
from metagui.demonstrations.recording.take_builder import InMemoryRecorder

PUT = TaskProgram("put", (Instruction("grasp", "red cube"), Instruction("place", "yellow zone")))


def test_generate_takes_have_segments_and_succeed() -> None:
    takes = generate_takes(PUT, GenerationSettings(takes=3, seed=4, prefix_fraction=0.5))
    assert [take.name for take in takes] == ["001", "002", "003"]
    for take in takes:
        assert take.success
        assert [s.instruction and s.instruction.action for s in take.segments] == ["grasp", "place"]
        assert take.held[take.segments[1].start + 2, 0]
        end = take.object_positions[-1]
        assert np.linalg.norm(end[0, :2] - end[3, :2]) < 0.015
    assert not np.array_equal(takes[0].object_positions[0], takes[1].object_positions[0]), "scenes must differ"


def test_generate_takes_respects_max_displacement() -> None:
    (take,) = generate_takes(PUT, GenerationSettings(takes=1, seed=3))
    requested = forward_kinematics(take.command_requested).position
    assert np.linalg.norm(requested[2:] - requested[:-2], axis=1).max() < MAX_DISPLACEMENT_M * 1.05


def test_generate_library_is_independent_of_workers() -> None:
    programs = draw_programs(5, 3)
    settings = GenerationSettings(takes=1, seed=9, prefix_fraction=0.65)
    alone = list(generate_library(programs, GenerationSettings(takes=1, seed=9, prefix_fraction=0.65, workers=1)))
    together = list(generate_library(programs, settings))
    for (_, first), (_, second) in zip(alone, together, strict=True):
        np.testing.assert_array_equal(first[0].joint_positions, second[0].joint_positions)


def test_generated_take_replays_from_states() -> None:
    (take,) = generate_takes(PUT, GenerationSettings(takes=1, seed=2))
    assert take.states is not None
    arm = SimulatedArm(0)
    arm.connect()
    arm.set_state(take.states[40])
    np.testing.assert_allclose(arm.observe().positions, take.joint_positions[40], atol=1e-12)
    np.testing.assert_allclose(arm.observe_scene().positions, take.object_positions[40], atol=1e-9)


def test_generate_takes_impossible_program_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SCENE_ATTEMPTS", 2)
    far = TaskProgram("far", (Instruction("reach", "table", None, {"offset": (0.5, 0.0, 0.05)}),))
    with pytest.raises(ImpossibleProgramError, match="'far'"):
        generate_takes(far, GenerationSettings(takes=1))


def test_demonstrate_rejects_ambiguous_scenes() -> None:
    point = TaskProgram("point", (Instruction("reach", "table", None, {"offset": (0.0, 0.02, 0.06)}),))
    shown = [demonstrate(point, seed, MotionStyle(), (), "x", reject) for reject in (False, True) for seed in range(12)]
    assert all(take is not None for take in shown[:12]), "the program is possible in every scene"

    def nearest(take: Demonstration) -> int:
        return int(np.linalg.norm((take.object_positions[-1] - take.tool_positions[-1])[:, :2], axis=1).argmin())

    table = len(SCENE_OBJECTS) - 1
    assert {nearest(take) for take in shown[:12] if take} != {table}
    chosen = [take for take in shown[12:] if take]
    assert chosen
    assert {nearest(take) for take in chosen} == {table}


def test_demonstrator_after_its_end_is_tested_once() -> None:
    arm = SimulatedArm(4)
    arm.connect()
    demonstrator = ScriptedDemonstrator(PUT, arm, MotionStyle())
    loop = ControlLoop(arm, arm)
    assert execute(loop, demonstrator)
    loop.run_inline(demonstrator, 10)
    assert demonstrator.success_monitor.achieved == [True, True]


def test_demonstrator_out_of_reach_gives_up_without_a_restart() -> None:
    """A restart from the home pose would leave a half segment; given up near its goal, a push is not achieved."""
    push = Instruction("push", "red cube", "green cube", {"offset": (-0.0022, -0.054, 0.0)})
    arm = SimulatedArm(25)
    arm.connect()
    demonstrator = ScriptedDemonstrator(TaskProgram("push next to", (push,)), arm, MotionStyle())
    assert not execute(ControlLoop(arm, arm), demonstrator)
    assert demonstrator.instruction_index == 0
    assert len(demonstrator.success_monitor.achieved) == 1
    assert "got no further" in demonstrator.failure_reason


def test_instruction_that_starts_again_from_home_is_one_segment() -> None:
    """The first attempt led out of reach; in the take only the second one belongs to the instruction."""
    push = Instruction("push", "red cube", "green cube", {"offset": (-0.0022, -0.054, 0.0)})
    arm = SimulatedArm(25)
    arm.connect()
    loop, recorder = ControlLoop(arm, arm), InMemoryRecorder("push next to", arm)
    started: list[float] = []
    loop.add_sink(recorder.on_tick)
    loop.add_sink(lambda tick: started.append(tick.time) if tick.joint_move is not None else None)
    controller = ProgramController(arm.objects)
    controller.add_instructions(push)
    loop.set_controller(controller)
    for _ in range(3000):
        loop.step_once()
        if not controller.pending_count:
            break
    take = recorder.stop()
    assert started, "the instruction has not started again"
    assert controller.instruction_index == 0
    (segment,) = take.segments
    assert segment.instruction == push
    assert take.time[segment.start] > started[-1]


def test_draw_prefix_sometimes_ends_above_object() -> None:
    rng, first = np.random.default_rng(0), Instruction("press", "red cube")
    ends = [draw_prefix(rng, first)[-1] for _ in range(1000)]
    assert {each.action for each in ends} == {"reach"}
    near = sum(each.object_name == "red cube" for each in ends) / len(ends)
    assert 0.15 < near < 0.25
    assert {each.object_name for each in ends} == {"red cube", "table"}
