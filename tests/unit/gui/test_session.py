"""The session with the simulated arm, a real library and a small untrained prior, without a window."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from metagui.app import make_session
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.demonstrations.demonstration import Instruction
from metagui.demonstrations.recording.recorder import Recorder, find_recoverable_takes
from metagui.demonstrations.storage.library import Library
from metagui.gui.core.app_state import ArmActivity, LearningActivity
from metagui.gui.teaching.click_teacher import Proposal
from metagui.learning.adaptation.outlier_takes import OutlierTake
from metagui.learning.adaptation.task_policy import Provenance, TaskPolicy
from tests.helpers.priors import make_small_prior
from tests.helpers.qt import replay_selected_take, until
from tests.helpers.takes import REACH_ABOVE_TABLE as REACH
from tests.helpers.takes import generate_example_takes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytestqt.qtbot import QtBot

    from metagui.gui.window.session import Session
    from metagui.learning.prior import Prior

DAMAGED = Path(__file__).parents[2] / "data" / "damaged"


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
    made = make_session(SimulatedArm, library, make_small_prior, seed=5)
    made.posted = []  # type: ignore[attr-defined]
    made.messages.posted.connect(lambda text, kind, action: made.posted.append((kind, text)))  # type: ignore[attr-defined]
    made.open()
    yield made
    made.close()


def was_posted(session: Session, fragment: str) -> bool:
    return any(fragment in text for _, text in session.posted)  # type: ignore[attr-defined]


def ready(qtbot: QtBot, session: Session) -> None:
    until(
        qtbot,
        lambda: (
            session.state.snapshot.state is ArmActivity.READY
            and session.state.snapshot.learning is LearningActivity.IDLE
        ),
    )
    until(qtbot, lambda: session.state.snapshot.task_count == 2 and len(session.learning.similarity.comparison) == 4)


def record(qtbot: QtBot, session: Session, *clicks: Instruction) -> None:
    session.recording.controller.toggle_recording()
    assert session.state.snapshot.state is ArmActivity.RECORDING
    for click in clicks:
        session.teaching.clicks.dispatch(Proposal("", click))
    until(qtbot, lambda: session.arm.controller.pending_count == 0)
    session.recording.controller.toggle_recording()
    until(qtbot, lambda: was_posted(session, "Saved"))


def test_recorded_take_names_task_and_can_be_undone(qtbot: QtBot, session: Session, library: Library) -> None:
    ready(qtbot, session)
    record(qtbot, session, REACH)
    assert "go to table" in library.list_tasks()
    until(qtbot, lambda: session.state.snapshot.task_count == 3)
    take = library.load_take("go to table", "001")
    assert [s.instruction for s in take.segments] == [REACH]
    assert take.duration > 0.2
    session.library.undo_stack.undo()
    assert "go to table" not in library.list_tasks()
    session.library.undo_stack.redo()
    assert len(library.list_takes("go to table")) == 1


def test_saved_take_is_reported_even_if_embedding_fails(
    qtbot: QtBot, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no embedding")

    ready(qtbot, session)
    monkeypatch.setattr("metagui.learning.similarity.siamese.embed", fail)
    record(qtbot, session, REACH)
    assert was_posted(session, "no embedding")


def test_take_of_selected_task_reports_its_distance(qtbot: QtBot, session: Session) -> None:
    ready(qtbot, session)
    session.state.select("above red", None)
    record(qtbot, session, Instruction("reach", "red cube", None, {"offset": (0.0, 0.0, 0.06)}))
    until(qtbot, lambda: was_posted(session, "from your other takes"))
    assert [t.name for t in session.library.library.list_takes("above red")] == ["001", "002", "003"]


def test_finish_waits_for_instructions_and_stop_does_not(qtbot: QtBot, session: Session) -> None:
    ready(qtbot, session)
    session.recording.controller.new_task_name = "two ways"
    session.recording.controller.toggle_recording()
    session.teaching.clicks.add_instruction(REACH)
    session.recording.controller.toggle_recording()
    assert session.state.snapshot.state is ArmActivity.RECORDING
    assert was_posted(session, "when the last click is done")
    until(qtbot, lambda: was_posted(session, "Saved “two ways”"))
    session.state.select("two ways", None)
    session.recording.controller.toggle_recording()
    session.teaching.clicks.add_instruction(REACH)
    until(qtbot, lambda: session.arm.controller.recorder.sample_count > 10)
    session.stop()
    assert session.state.snapshot.state is ArmActivity.READY
    until(qtbot, lambda: len(session.library.library.list_takes("two ways")) == 2)
    whole, half = session.library.library.list_takes("two ways")
    assert (whole.success, half.success) == (None, False), "half a take is not learnt from"
    until(qtbot, lambda: was_posted(session, "marked as failed: “go to table” was not achieved: it was stopped"))


def test_take_with_a_refused_click_is_not_kept_as_good(qtbot: QtBot, session: Session, library: Library) -> None:
    """A click out of reach is refused after it was queued: what was recorded until then is no example."""
    ready(qtbot, session)
    far = Instruction("reach", "table", None, {"offset": (0.5, 0.0, 0.06)})
    session.recording.controller.new_task_name = "too far"
    session.recording.controller.toggle_recording()
    session.teaching.clicks.add_instruction(far)
    until(qtbot, lambda: was_posted(session, "cannot reach"))
    session.recording.controller.toggle_recording()
    until(qtbot, lambda: was_posted(session, "No click was carried out"))
    assert "too far" not in library.list_tasks()
    session.recording.controller.new_task_name = "half way"
    session.recording.controller.toggle_recording()
    session.teaching.clicks.add_instruction(REACH)
    session.teaching.clicks.add_instruction(far)
    until(qtbot, lambda: session.arm.controller.pending_count == 0)
    session.recording.controller.toggle_recording()
    until(qtbot, lambda: "half way" in library.list_tasks() and bool(library.list_takes("half way")))
    assert library.list_takes("half way")[0].success is False


def test_take_cut_off_by_a_failing_disk_is_marked_as_failed(
    qtbot: QtBot, session: Session, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The queued instructions are dropped, and the person learns of it twice."""

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    ready(qtbot, session)
    session.recording.controller.new_task_name = "full disk"
    session.recording.controller.toggle_recording()
    session.teaching.clicks.add_instruction(REACH)
    until(qtbot, lambda: session.arm.controller.recorder.sample_count > 10)
    monkeypatch.setattr("metagui.demonstrations.recording.journal.Journal.append", refuse)
    until(qtbot, lambda: was_posted(session, "Recording stopped: No space left on device"))
    until(qtbot, lambda: was_posted(session, "marked as failed: Cut off: the recording failed"))
    assert session.arm.controller.pending_count == 0
    (info,) = library.list_takes("full disk")
    assert info.success is False


def test_damaged_take_does_not_stop_the_comparison(qtbot: QtBot, session: Session, library: Library) -> None:
    """It is left out with its task and reason, and listed as unreadable from then on."""
    ready(qtbot, session)
    library.create_task("damaged")
    shutil.copy(DAMAGED / "bad_gzip.hdf5", library.get_task_folder("damaged") / "001.hdf5")
    session.library.refresh()
    until(qtbot, lambda: session.library.find_task("damaged") is not None)
    until(qtbot, session.learning.similarity.compare_takes)
    until(qtbot, lambda: was_posted(session, "Left out: Task 'damaged', take 001: 001.hdf5 cannot be read as a take"))
    assert set(session.learning.similarity.comparison.tasks) == {"above red", "press red"}
    session.library.refresh()
    until(qtbot, lambda: session.library.usable_takes("damaged") == [])


def test_retake_and_discard_remove_the_newest_take(qtbot: QtBot, session: Session) -> None:
    ready(qtbot, session)
    session.recording.controller.new_task_name = "again"
    record(qtbot, session, REACH)
    until(qtbot, lambda: session.state.snapshot.just_saved)
    session.recording.controller.retake()
    assert session.state.snapshot.state is ArmActivity.RECORDING
    session.recording.controller.discard_newest_take()
    assert session.state.snapshot.state is ArmActivity.READY
    assert "again" not in session.library.library.list_tasks()


def test_take_without_clicks_is_not_saved(qtbot: QtBot, session: Session) -> None:
    ready(qtbot, session)
    session.recording.controller.toggle_recording()
    until(qtbot, lambda: session.arm.controller.recorder.sample_count > 3)
    session.recording.controller.toggle_recording()
    assert was_posted(session, "Nothing was clicked")
    assert len(session.library.library.list_tasks()) == 2


def test_adapt_saves_policy_and_run_moves_arm_until_stop(qtbot: QtBot, session: Session) -> None:
    ready(qtbot, session)
    session.state.select("above red", None)
    steps: list[object] = []
    session.learning.adaptation.adaptation_progressed.connect(steps.extend)
    session.learning.adaptation.adapt_selected_task()
    assert session.state.snapshot.learning is LearningActivity.ADAPTING
    until(qtbot, lambda: session.state.snapshot.has_policy)
    assert len({s.candidate for s in steps}) >= 4  # type: ignore[attr-defined]
    assert session.library.adapted_path("above red").is_file()
    session.execution.controller.run_selected_task()
    assert session.state.snapshot.state is ArmActivity.RUNNING
    distances: list[object] = []
    session.execution.runner.distance_changed.connect(distances.append)
    until(qtbot, lambda: len(distances) > 3)
    session.stop()
    assert session.state.snapshot.state is ArmActivity.READY
    assert was_posted(session, "the arm holds")


def test_run_with_a_policy_that_is_older_than_its_takes_says_so(qtbot: QtBot, session: Session) -> None:
    ready(qtbot, session)
    session.state.select("above red", None)
    session.learning.adaptation.adapt_selected_task()
    until(qtbot, lambda: session.state.snapshot.has_policy and session.state.snapshot.learning is LearningActivity.IDLE)
    record(qtbot, session, Instruction("reach", "red cube", None, {"offset": (0.0, 0.0, 0.06)}))
    session.execution.controller.run_selected_task()
    until(qtbot, lambda: was_posted(session, "is older than its takes: take 003 is newer"))
    session.stop()


def test_single_take_next_to_a_cube_is_said_to_have_two_readings(qtbot: QtBot, session: Session) -> None:
    ready(qtbot, session)
    beside = Instruction("reach", "red cube", None, {"offset": (0.03, 0.0, 0.06)})
    session.recording.controller.new_task_name = "beside red"
    record(qtbot, session, beside)
    until(qtbot, lambda: was_posted(session, "“beside red” is read as: the gripper ends"))
    until(qtbot, lambda: was_posted(session, "It could also be"))


def test_replay_and_instruction_right_after_stop_are_done(qtbot: QtBot, session: Session) -> None:
    ready(qtbot, session)
    session.state.select("above red", "001")
    until(qtbot, lambda: session.selected_take() is not None)
    session.stop()
    replay_selected_take(session)
    assert session.state.snapshot.state is ArmActivity.RUNNING
    until(qtbot, lambda: was_posted(session, "Repeated take 001"))
    assert session.state.snapshot.state is ArmActivity.READY
    session.stop()
    session.teaching.clicks.add_instruction(REACH)
    until(
        qtbot,
        lambda: (
            session.arm.controller.program_controller.instruction_index == 0
            and not session.arm.controller.pending_count
        ),
    )
    assert not session.arm.controller.program_controller.failure_reason


def test_cancelled_adaptation_changes_nothing(qtbot: QtBot, session: Session) -> None:
    ready(qtbot, session)
    session.state.select("press red", None)
    ended: list[LearningActivity] = []
    session.learning.queue.job_cancelled.connect(ended.append)
    session.learning.adaptation.adapt_selected_task()
    session.learning.queue.cancel()
    until(qtbot, lambda: session.state.snapshot.learning is LearningActivity.IDLE)
    assert ended == [LearningActivity.ADAPTING]
    assert not session.library.adapted_path("press red").exists()


def test_cancelled_rehearsal_keeps_the_policy(qtbot: QtBot, session: Session) -> None:
    ready(qtbot, session)
    session.state.select("press red", None)
    ended: list[LearningActivity] = []
    session.learning.queue.job_cancelled.connect(ended.append)
    session.learning.adaptation.adapt_selected_task()
    until(qtbot, lambda: session.learning.adaptation.is_rehearsing)
    session.learning.queue.cancel()
    until(qtbot, lambda: session.state.snapshot.learning is LearningActivity.IDLE)
    assert ended == [LearningActivity.ADAPTING]
    until(qtbot, lambda: session.state.snapshot.has_policy)
    assert was_posted(session, "The rehearsal was cancelled")
    assert TaskPolicy.load(session.library.adapted_path("press red")).provenance.rehearsal is None
    assert not session.learning.adaptation.is_rehearsing


def test_impossible_instructions_are_explained(qtbot: QtBot, session: Session) -> None:
    ready(qtbot, session)
    session.teaching.clicks.add_instruction(Instruction("reach", "table", None, {"offset": (0.3, 0.3, 0.05)}))
    until(qtbot, lambda: was_posted(session, "cannot reach"))
    session.teaching.clicks.dispatch(Proposal("Out of the arm's reach", is_refused=True))
    assert was_posted(session, "The arm stays where it is")
    session.teaching.clicks.add_instruction(Instruction("place", "yellow zone"))
    until(qtbot, lambda: was_posted(session, "Nothing is held"))
    assert session.state.snapshot.state is ArmActivity.READY


def test_prior_that_does_not_fit_is_reported(qtbot: QtBot, library: Library) -> None:
    session = make_session(SimulatedArm, library, no_prior, seed=5)
    heard: list[str] = []
    session.messages.posted.connect(lambda text, kind, action: heard.append(text))
    session.open()
    until(qtbot, lambda: session.state.snapshot.state is ArmActivity.READY)
    session.state.select("above red", None)
    until(qtbot, lambda: session.state.snapshot.take_count == 2)
    assert "another arm" in (session.state.snapshot.prior_problem or "")
    assert any("another arm" in text for text in heard)
    session.close()


def test_broken_file_is_named_and_skipped(qtbot: QtBot, session: Session, library: Library) -> None:
    ready(qtbot, session)
    (library.get_task_folder("above red") / "009.hdf5").write_bytes(b"no HDF5 at all")
    session.library.refresh()
    until(qtbot, lambda: "009" in (session.library.find_task("above red") or session).problem)  # type: ignore[union-attr]
    assert len(session.library.usable_takes("above red")) == 2


def test_unsaved_take_of_a_crash_is_offered(qtbot: QtBot, library: Library) -> None:
    arm = SimulatedArm(2)
    arm.connect()
    from metagui.arms.control.loop import ControlLoop
    from metagui.demonstrations.programs.program_controller import ProgramController

    loop, controller, recorder = ControlLoop(arm, arm), ProgramController(arm.objects), Recorder(library.root)
    recorder.start("cut short", arm, arm)
    loop.add_sink(recorder.on_tick)
    controller.add_instructions(REACH)
    loop.run_inline(controller, 60)
    recorder.stop()  # its journal is not deleted, as after a crash
    session = make_session(SimulatedArm, library, make_small_prior, seed=5)
    offers: list[str] = []
    session.recording.recovery.recording_found.connect(offers.append)
    session.open()
    until(qtbot, lambda: bool(offers))
    assert "cut short" in offers[0]
    session.recording.recovery.keep_recording()
    until(qtbot, lambda: len(offers) == 2)
    assert offers[1] == ""
    assert len(library.list_takes("cut short")) == 1
    session.close()


def test_close_while_recording_saves_the_take(qtbot: QtBot, library: Library) -> None:
    session = make_session(SimulatedArm, library, make_small_prior, seed=5)
    session.open()
    until(qtbot, lambda: session.state.snapshot.state is ArmActivity.READY)
    session.recording.controller.new_task_name = "closed early"
    session.recording.controller.toggle_recording()
    session.teaching.clicks.add_instruction(REACH)
    until(qtbot, lambda: session.arm.controller.recorder.sample_count > 20)
    session.close()
    assert len(library.list_takes("closed early")) == 1


def test_close_right_after_a_take_leaves_no_journal(qtbot: QtBot, library: Library) -> None:
    session = make_session(SimulatedArm, library, make_small_prior, seed=5)
    session.open()
    until(qtbot, lambda: session.state.snapshot.state is ArmActivity.READY)
    session.recording.controller.new_task_name = "quick"
    session.recording.controller.toggle_recording()
    session.teaching.clicks.add_instruction(REACH)
    until(qtbot, lambda: session.arm.controller.recorder.sample_count > 20)
    session.recording.controller.finish_take()
    session.close()
    assert len(library.list_takes("quick")) == 1
    assert find_recoverable_takes(library.root) == []


def test_next_recording_waits_until_the_take_is_saved(qtbot: QtBot, session: Session) -> None:
    ready(qtbot, session)
    session.recording.controller.new_task_name = "one after the other"
    session.recording.controller.toggle_recording()
    session.teaching.clicks.add_instruction(REACH)
    until(qtbot, lambda: session.arm.controller.recorder.sample_count > 20)
    session.recording.controller.finish_take()
    session.recording.controller.start_recording()
    until(qtbot, lambda: session.state.snapshot.state is ArmActivity.RECORDING)
    assert len(session.library.library.list_takes("one after the other")) == 1
    session.recording.controller.discard_newest_take()


def test_rename_delete_and_mark_can_be_undone(qtbot: QtBot, session: Session, library: Library) -> None:
    from metagui.demonstrations.demonstration import TakeKey

    ready(qtbot, session)
    model = session.library
    assert model.rename_task("above red", "hover")
    model.set_success(TakeKey("hover", "001"), False)
    assert library.get_take_info("hover", "001").success is False
    model.move_to_trash("hover", "002")
    model.move_to_trash("press red", None)
    assert library.list_tasks() == ["hover"]
    for _ in range(4):
        model.undo_stack.undo()
    assert library.list_tasks() == ["above red", "press red"]
    assert [t.name for t in library.list_takes("above red")] == ["001", "002"]
    assert library.get_take_info("above red", "001").success is True
    failures: list[object] = []
    session.messages.posted.connect(lambda text, kind, action: failures.append(text))
    assert not model.rename_task("above red", "press red") or failures
    assert "press red" in library.list_tasks()


def test_simulated_arm_is_disconnected_and_reconnected(qtbot: QtBot, session: Session) -> None:
    ready(qtbot, session)
    session.arm.flow.toggle_connection()
    assert session.state.snapshot.state is ArmActivity.NO_ARM
    assert not session.arm.controller.is_connected
    session.arm.flow.toggle_connection()
    assert session.state.snapshot.state is ArmActivity.READY


def test_failing_controller_is_reported_and_arm_stays_usable(qtbot: QtBot, session: Session) -> None:
    ready(qtbot, session)

    class Broken:
        finished = False

        def decide(self, observation: object) -> None:
            raise ValueError("bad numbers")

    broken = Broken()
    session.arm.controller.start_run(broken, broken)
    until(qtbot, lambda: was_posted(session, "bad numbers"))
    session.teaching.clicks.add_instruction(REACH)
    until(qtbot, lambda: session.arm.controller.pending_count == 0)
    assert session.state.snapshot.state is ArmActivity.READY


def test_behaviours_are_compared_and_outlier_take_is_excluded(qtbot: QtBot, session: Session) -> None:
    from dataclasses import replace

    ready(qtbot, session)
    session.learning.behaviours.compare()
    until(qtbot, lambda: len(session.learning.behaviours.comparison) == 2)
    assert session.learning.behaviours.comparison.task_matrix.shape == (2, 2)
    assert [task for task, _ in session.learning.behaviours.comparison.rank_tasks("above red")] == ["press red"]
    until(qtbot, lambda: session.state.snapshot.learning is LearningActivity.IDLE)
    session.state.select("above red", None)
    offers: list[str] = []
    session.learning.adaptation.outlier_found.connect(offers.append)
    found: list[object] = []
    session.learning.adaptation.policy_adapted.connect(found.append)
    session.learning.adaptation.adapt_selected_task()
    until(qtbot, lambda: bool(found))
    assert was_posted(session, "Adapted “above red”")
    outlier = OutlierTake("002", "other", 1, 4.0, "Take 002 shows something else.")
    noted = Provenance(outlier_takes=(outlier,), ignores_demonstrations=True)
    session.learning.adaptation.policy_adapted.emit(replace(found[0], provenance=noted))  # type: ignore[type-var]
    assert was_posted(session, "ignores your demonstrations")
    assert offers[-1] == outlier.reason
    session.learning.adaptation.exclude_outlier()
    until(qtbot, lambda: len(found) == 3)
    assert found[-1].provenance.takes == ("001",)  # type: ignore[attr-defined]
    session.library.undo_stack.undo()
    assert session.library.library.get_take_info("above red", "002").success is True
