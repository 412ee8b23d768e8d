"""The flow on the real simulated arm, the real library and a small untrained prior, without a window."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.demonstrations.demonstration import Instruction
from metagui.demonstrations.recording.recorder import Recorder, find_recoverable_takes
from metagui.demonstrations.storage.library import Library
from metagui.gui.core.app_state import ArmActivity, LearningActivity
from metagui.gui.teaching.click_teacher import Proposal
from metagui.gui.window.session import Session
from metagui.learning.adaptation.outlier_takes import OutlierTake
from metagui.learning.adaptation.task_policy import Provenance
from tests.helpers.priors import make_small_prior
from tests.helpers.qt import until
from tests.helpers.takes import REACH_ABOVE_TABLE as REACH
from tests.helpers.takes import generate_example_takes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from metagui.learning.prior import Prior


def no_prior() -> Prior:
    from metagui.learning.prior import PriorMismatchError

    raise PriorMismatchError("The prior was made for another arm. Nothing was changed.")


@pytest.fixture
def library(tmp_path: Path) -> Library:
    made = Library(tmp_path / "library")
    for name in ("above red", "press red"):
        for take in generate_example_takes()[name][:2]:
            made.add_take(take)
    return made


@pytest.fixture
def session(qtbot: QtBot, library: Library) -> Iterator[Session]:
    made = Session(SimulatedArm, library, make_small_prior, seed=5)
    made.words = []  # type: ignore[attr-defined]
    made.message_posted.connect(lambda text, kind, action: made.words.append((kind, text)))  # type: ignore[attr-defined]
    made.open()
    yield made
    made.close()


def said(session: Session, words: str) -> bool:
    return any(words in text for _, text in session.words)  # type: ignore[attr-defined]


def ready(qtbot: QtBot, session: Session) -> None:
    until(
        qtbot,
        lambda: session.snapshot.state is ArmActivity.READY and session.snapshot.learning is LearningActivity.IDLE,
    )
    until(qtbot, lambda: session.snapshot.task_count == 2 and len(session.learning.comparison) == 4)


def record(qtbot: QtBot, session: Session, *clicks: Instruction) -> None:
    session.toggle_recording()
    assert session.snapshot.state is ArmActivity.RECORDING
    for click in clicks:
        session.click_dispatcher.dispatch(Proposal("", click))
    until(qtbot, lambda: session.arm_controller.pending_count == 0)
    session.toggle_recording()
    until(qtbot, lambda: said(session, "Saved"))


def test_record_names_the_task_saves_at_once_and_is_undone(qtbot: QtBot, session: Session, library: Library) -> None:
    ready(qtbot, session)
    record(qtbot, session, REACH)
    assert "go to table" in library.list_tasks()
    until(qtbot, lambda: session.snapshot.task_count == 3)
    take = library.load_take("go to table", "001")
    assert [s.instruction for s in take.segments] == [REACH]
    assert take.duration > 0.2
    session.library_model.undo_stack.undo()
    assert library.list_takes("go to table") == []
    session.library_model.undo_stack.redo()
    assert len(library.list_takes("go to table")) == 1


def test_a_take_of_a_chosen_task_joins_it_and_says_how_far_it_is(qtbot: QtBot, session: Session) -> None:
    ready(qtbot, session)
    session.select("above red", None)
    record(qtbot, session, Instruction("reach", "red cube", None, {"offset": (0.0, 0.0, 0.06)}))
    until(qtbot, lambda: said(session, "from your other takes"))
    assert [t.name for t in session.library_model.library.list_takes("above red")] == ["001", "002", "003"]


def test_finish_waits_for_the_last_click_and_stop_saves_at_once(qtbot: QtBot, session: Session) -> None:
    ready(qtbot, session)
    session.recording.new_task_name = "two ways"
    session.toggle_recording()
    session.click_dispatcher.add_instruction(REACH)
    session.toggle_recording()
    assert session.snapshot.state is ArmActivity.RECORDING
    assert said(session, "when the last click is done")
    until(qtbot, lambda: said(session, "Saved “two ways”"))
    session.select("two ways", None)
    session.toggle_recording()
    session.click_dispatcher.add_instruction(REACH)
    until(qtbot, lambda: session.arm_controller.recorder.sample_count > 10)
    session.stop()
    assert session.snapshot.state is ArmActivity.READY
    until(qtbot, lambda: len(session.library_model.library.list_takes("two ways")) == 2)


def test_take_again_replaces_the_newest_and_discard_takes_it_out(qtbot: QtBot, session: Session) -> None:
    ready(qtbot, session)
    session.recording.new_task_name = "again"
    record(qtbot, session, REACH)
    until(qtbot, lambda: session.snapshot.just_saved)
    session.retake()
    assert session.snapshot.state is ArmActivity.RECORDING
    session.discard_newest_take()
    assert session.snapshot.state is ArmActivity.READY
    assert session.library_model.library.list_takes("again") == []


def test_nothing_clicked_is_not_saved(qtbot: QtBot, session: Session) -> None:
    ready(qtbot, session)
    session.toggle_recording()
    qtbot.wait(100)
    session.toggle_recording()
    assert said(session, "Nothing was clicked")
    assert len(session.library_model.library.list_tasks()) == 2


def test_adapt_keeps_the_policy_and_run_drives_the_arm_until_stopped(qtbot: QtBot, session: Session) -> None:
    ready(qtbot, session)
    session.select("above red", None)
    steps: list[object] = []
    session.learning.adaptation_progressed.connect(steps.extend)
    session.adapt()
    assert session.snapshot.learning is LearningActivity.ADAPTING
    until(qtbot, lambda: session.snapshot.has_policy)
    assert len({s.candidate for s in steps}) >= 4  # type: ignore[attr-defined]
    assert session.library_model.adapted_path("above red").is_file()
    session.run_policy()
    assert session.snapshot.state is ArmActivity.RUNNING
    distances: list[object] = []
    session.policy_runner.distance_changed.connect(distances.append)
    until(qtbot, lambda: len(distances) > 3)
    session.stop()
    assert session.snapshot.state is ArmActivity.READY
    assert said(session, "the arm holds")


def test_what_is_begun_in_the_moment_after_a_stop_is_not_lost(qtbot: QtBot, session: Session) -> None:
    ready(qtbot, session)
    session.select("above red", "001")
    until(qtbot, lambda: session.selected_take() is not None)
    session.stop()
    session.replay_on_arm()
    assert session.snapshot.state is ArmActivity.RUNNING
    until(qtbot, lambda: said(session, "Repeated take 001"))
    assert session.snapshot.state is ArmActivity.READY
    session.stop()
    session.click_dispatcher.add_instruction(REACH)
    until(
        qtbot,
        lambda: (
            session.arm_controller.program_controller.instruction_index == 0
            and not session.arm_controller.pending_count
        ),
    )
    assert not session.arm_controller.program_controller.failure_reason


def test_cancelling_an_adaptation_changes_nothing(qtbot: QtBot, session: Session) -> None:
    ready(qtbot, session)
    session.select("press red", None)
    ended: list[str] = []
    session.learning.job_cancelled.connect(ended.append)
    session.adapt()
    session.learning.learning_queue.cancel()
    until(qtbot, lambda: session.snapshot.learning is LearningActivity.IDLE)
    assert ended == ["Adapting"]
    assert not session.library_model.adapted_path("press red").exists()


def test_unreachable_clicks_and_useless_ones_are_explained(qtbot: QtBot, session: Session) -> None:
    ready(qtbot, session)
    session.click_dispatcher.add_instruction(Instruction("reach", "table", None, {"offset": (0.3, 0.3, 0.05)}))
    until(qtbot, lambda: said(session, "cannot reach"))
    session.click_dispatcher.dispatch(Proposal("Out of the arm's reach", is_refused=True))
    assert said(session, "The arm stays where it is")
    session.click_dispatcher.add_instruction(Instruction("place", "yellow zone"))
    until(qtbot, lambda: said(session, "Nothing is held"))
    assert session.snapshot.state is ArmActivity.READY


def test_a_prior_that_does_not_fit_is_said_and_the_rest_works(qtbot: QtBot, library: Library) -> None:
    session = Session(SimulatedArm, library, no_prior, seed=5)
    heard: list[str] = []
    session.message_posted.connect(lambda text, kind, action: heard.append(text))
    session.open()
    until(qtbot, lambda: session.snapshot.state is ArmActivity.READY)
    session.select("above red", None)
    until(qtbot, lambda: session.snapshot.take_count == 2)
    assert "another arm" in (session.snapshot.prior_problem or "")
    assert any("another arm" in text for text in heard)
    session.close()


def test_a_broken_file_is_named_and_left_out(qtbot: QtBot, session: Session, library: Library) -> None:
    ready(qtbot, session)
    (library.get_task_folder("above red") / "009.hdf5").write_bytes(b"no HDF5 at all")
    session.library_model.refresh()
    until(qtbot, lambda: "009" in (session.library_model.find_task("above red") or session).problem)  # type: ignore[union-attr]
    assert len(session.library_model.usable_takes("above red")) == 2


def test_what_a_crash_left_behind_is_offered_back(qtbot: QtBot, library: Library) -> None:
    arm = SimulatedArm(2)
    arm.connect()
    from metagui.arms.control.loop import ControlLoop
    from metagui.demonstrations.programs.program_controller import ProgramController

    loop, controller, recorder = ControlLoop(arm, arm), ProgramController(arm.objects), Recorder(library.root)
    recorder.start("cut short", arm, arm)
    loop.add_sink(recorder.on_tick)
    controller.add_instructions(REACH)
    loop.run_inline(controller, 60)
    recorder.stop()  # and never forgotten, as if the program had died here
    session = Session(SimulatedArm, library, make_small_prior, seed=5)
    offers: list[str] = []
    session.crash_recovery.recording_found.connect(offers.append)
    session.open()
    until(qtbot, lambda: bool(offers))
    assert "cut short" in offers[0]
    session.crash_recovery.keep_recording()
    until(qtbot, lambda: len(offers) == 2)
    assert offers[1] == ""
    assert len(library.list_takes("cut short")) == 1
    session.close()


def test_closing_while_recording_keeps_the_take(qtbot: QtBot, library: Library) -> None:
    session = Session(SimulatedArm, library, make_small_prior, seed=5)
    session.open()
    until(qtbot, lambda: session.snapshot.state is ArmActivity.READY)
    session.recording.new_task_name = "closed early"
    session.toggle_recording()
    session.click_dispatcher.add_instruction(REACH)
    until(qtbot, lambda: session.arm_controller.recorder.sample_count > 20)
    session.close()
    assert len(library.list_takes("closed early")) == 1


def test_closing_right_after_a_take_leaves_nothing_to_offer(qtbot: QtBot, library: Library) -> None:
    session = Session(SimulatedArm, library, make_small_prior, seed=5)
    session.open()
    until(qtbot, lambda: session.snapshot.state is ArmActivity.READY)
    session.recording.new_task_name = "quick"
    session.toggle_recording()
    session.click_dispatcher.add_instruction(REACH)
    until(qtbot, lambda: session.arm_controller.recorder.sample_count > 20)
    session.recording.finish_take()
    session.close()
    assert len(library.list_takes("quick")) == 1
    assert find_recoverable_takes(library.root) == []


def test_recording_again_at_once_waits_for_the_take_before(qtbot: QtBot, session: Session) -> None:
    ready(qtbot, session)
    session.recording.new_task_name = "one after the other"
    session.toggle_recording()
    session.click_dispatcher.add_instruction(REACH)
    until(qtbot, lambda: session.arm_controller.recorder.sample_count > 20)
    session.recording.finish_take()
    session.start_recording()
    until(qtbot, lambda: session.snapshot.state is ArmActivity.RECORDING)
    assert len(session.library_model.library.list_takes("one after the other")) == 1
    session.discard_newest_take()


def test_renaming_deleting_and_marking_can_be_undone(qtbot: QtBot, session: Session, library: Library) -> None:
    from metagui.demonstrations.demonstration import TakeKey

    ready(qtbot, session)
    shelf = session.library_model
    assert shelf.rename_task("above red", "hover")
    shelf.set_success(TakeKey("hover", "001"), False)
    assert library.get_take_info("hover", "001").success is False
    shelf.move_to_trash("hover", "002")
    shelf.move_to_trash("press red", None)
    assert library.list_tasks() == ["hover"]
    for _ in range(4):
        shelf.undo_stack.undo()
    assert library.list_tasks() == ["above red", "press red"]
    assert [t.name for t in library.list_takes("above red")] == ["001", "002"]
    assert library.get_take_info("above red", "001").success is True
    failures: list[object] = []
    shelf.failed.connect(failures.append)
    assert not shelf.rename_task("above red", "press red") or failures
    assert "press red" in library.list_tasks()


def test_disconnecting_and_connecting_again(qtbot: QtBot, session: Session) -> None:
    ready(qtbot, session)
    session.toggle_connection()
    assert session.snapshot.state is ArmActivity.NO_ARM
    assert not session.arm_controller.is_connected
    session.toggle_connection()
    assert session.snapshot.state is ArmActivity.READY


def test_a_controller_that_fails_leaves_a_message_and_a_usable_arm(qtbot: QtBot, session: Session) -> None:
    ready(qtbot, session)

    class Broken:
        finished = False

        def decide(self, observation: object) -> None:
            raise ValueError("odd numbers")

    broken = Broken()
    session.arm_controller.start_run(broken, broken)
    until(qtbot, lambda: said(session, "odd numbers"))
    session.click_dispatcher.add_instruction(REACH)
    until(qtbot, lambda: session.arm_controller.pending_count == 0)
    assert session.snapshot.state is ArmActivity.READY


def test_what_policies_do_is_compared_and_an_odd_take_can_be_left_out(qtbot: QtBot, session: Session) -> None:
    from dataclasses import replace

    ready(qtbot, session)
    session.behaviour_comparison.compare()
    until(qtbot, lambda: len(session.behaviour_comparison.comparison) == 2)
    assert session.behaviour_comparison.comparison.task_matrix.shape == (2, 2)
    assert [other.task for other in session.behaviour_comparison.comparison.rank_tasks("above red")] == ["press red"]
    until(qtbot, lambda: session.snapshot.learning is LearningActivity.IDLE)
    session.select("above red", None)
    offers: list[str] = []
    session.adaptation.outlier_found.connect(offers.append)
    found: list[object] = []
    session.learning.policy_adapted.connect(found.append)
    session.adapt()
    until(qtbot, lambda: bool(found))
    assert said(session, "Adapted “above red”")
    odd = OutlierTake("002", "other", 1, 4.0, "Take 002 shows something else.")
    noted = Provenance(outlier_takes=(odd,), ignores_demonstrations=True)
    session.learning.policy_adapted.emit(replace(found[0], provenance=noted))  # type: ignore[type-var]
    assert said(session, "ignores your demonstrations")
    assert offers[-1] == odd.reason
    session.adaptation.exclude_outlier()
    until(qtbot, lambda: len(found) == 3)
    assert found[-1].provenance.takes == ("001",)  # type: ignore[attr-defined]
    session.library_model.undo_stack.undo()
    assert session.library_model.library.get_take_info("above red", "002").success is True


def test_an_encoder_trained_here_is_there_after_a_restart(qtbot: QtBot, session: Session, library: Library) -> None:
    from metagui.learning.similarity.siamese import SiameseEncoder

    ready(qtbot, session)
    assert session.learning.train_encoder()
    session.learning.learning_queue.stop()
    with qtbot.waitSignal(session.learning.encoder_trained, timeout=60_000):
        pass
    until(qtbot, lambda: not session.background_queue.is_busy)
    assert (library.root / ".metagui" / "encoder.safetensors").is_file()
    assert isinstance(session.learning.prior.siamese_encoder, SiameseEncoder)  # type: ignore[union-attr]
    assert library.list_tasks() == ["above red", "press red"], "it is no task"
