"""The flow on the real simulated arm, the real library and a small untrained prior, without a window."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.demonstrations.demonstration import Click
from metagui.demonstrations.recording.recorder import Recorder, recoverable
from metagui.demonstrations.storage.library import Library
from metagui.gui.core.app_state import Learning, State
from metagui.gui.teaching.click_teacher import Proposal
from metagui.gui.window.session import Session
from tests.helpers.takes import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from metagui.learning.prior import Prior

REACH = Click("reach", "table", None, {"offset": (0.0, 0.03, 0.08)})


def small_prior() -> Prior:
    from metagui.learning.maml import maml
    from metagui.learning.policy.policy import PolicyModel
    from metagui.learning.prior import Prior
    from metagui.learning.similarity.siamese import Encoder

    model = PolicyModel(hidden=16, encoder=16, summary=8, context=4)
    meta = maml.initial(model.initial(0), model.rates(), 5).frozen()
    encoder = Encoder(width=8, per_anchor=4).initial(6, 0)
    return Prior(model, meta, PolicyModel(16, 16, 8, 4, blind=True).initial(1), encoder)


def no_prior() -> Prior:
    from metagui.learning.prior import PriorMismatch

    raise PriorMismatch("The prior was made for another arm. Nothing was changed.")


@pytest.fixture
def library(tmp_path: Path) -> Library:
    made = Library(tmp_path / "library")
    for name in ("above red", "press red"):
        for take in shown()[name][:2]:
            made.add(take)
    return made


@pytest.fixture
def session(qtbot: QtBot, library: Library) -> Iterator[Session]:
    made = Session(SimulatedArm, library, small_prior, seed=5)
    made.words = []  # type: ignore[attr-defined]
    made.said.connect(lambda text, kind, action: made.words.append((kind, text)))  # type: ignore[attr-defined]
    made.open()
    yield made
    made.close()


def said(session: Session, words: str) -> bool:
    return any(words in text for _, text in session.words)  # type: ignore[attr-defined]


def until(qtbot: QtBot, what: Callable[[], bool], timeout: int = 30_000) -> None:
    qtbot.waitUntil(what, timeout=timeout)


def ready(qtbot: QtBot, session: Session) -> None:
    until(qtbot, lambda: session.situation.state is State.READY and session.situation.learning is Learning.IDLE)
    until(qtbot, lambda: session.situation.tasks == 2 and len(session.studies.comparison) == 4)


def record(qtbot: QtBot, session: Session, *clicks: Click) -> None:
    session.toggle_recording()
    assert session.situation.state is State.RECORDING
    for click in clicks:
        session.steering.propose(Proposal("", click))
    until(qtbot, lambda: session.desk.pending == 0)
    session.toggle_recording()
    until(qtbot, lambda: said(session, "Saved"))


def test_record_names_the_task_saves_at_once_and_is_undone(qtbot: QtBot, session: Session, library: Library) -> None:
    ready(qtbot, session)
    record(qtbot, session, REACH)
    assert "go to table" in library.tasks()
    until(qtbot, lambda: session.situation.tasks == 3)
    take = library.load("go to table", "001")
    assert [s.click for s in take.segments] == [REACH]
    assert take.duration > 0.2
    session.shelf.undo_stack.undo()
    assert library.takes("go to table") == []
    session.shelf.undo_stack.redo()
    assert len(library.takes("go to table")) == 1


def test_a_take_of_a_chosen_task_joins_it_and_says_how_far_it_is(qtbot: QtBot, session: Session) -> None:
    ready(qtbot, session)
    session.choose("above red", None)
    record(qtbot, session, Click("reach", "red cube", None, {"offset": (0.0, 0.0, 0.06)}))
    until(qtbot, lambda: said(session, "from your other takes"))
    assert [t.name for t in session.shelf.library.takes("above red")] == ["001", "002", "003"]


def test_finish_waits_for_the_last_click_and_stop_saves_at_once(qtbot: QtBot, session: Session) -> None:
    ready(qtbot, session)
    session.taking.new_name = "two ways"
    session.toggle_recording()
    session.steering.click(REACH)
    session.toggle_recording()
    assert session.situation.state is State.RECORDING
    assert said(session, "when the last click is done")
    until(qtbot, lambda: said(session, "Saved “two ways”"))
    session.choose("two ways", None)
    session.toggle_recording()
    session.steering.click(REACH)
    until(qtbot, lambda: session.desk.recorder.samples > 10)
    session.stop()
    assert session.situation.state is State.READY
    until(qtbot, lambda: len(session.shelf.library.takes("two ways")) == 2)


def test_take_again_replaces_the_newest_and_discard_takes_it_out(qtbot: QtBot, session: Session) -> None:
    ready(qtbot, session)
    session.taking.new_name = "again"
    record(qtbot, session, REACH)
    until(qtbot, lambda: session.situation.just_saved)
    session.take_again()
    assert session.situation.state is State.RECORDING
    session.discard_newest()
    assert session.situation.state is State.READY
    assert session.shelf.library.takes("again") == []


def test_nothing_clicked_is_not_saved(qtbot: QtBot, session: Session) -> None:
    ready(qtbot, session)
    session.toggle_recording()
    qtbot.wait(100)
    session.toggle_recording()
    assert said(session, "Nothing was clicked")
    assert len(session.shelf.library.tasks()) == 2


def test_adapt_keeps_the_policy_and_run_drives_the_arm_until_stopped(qtbot: QtBot, session: Session) -> None:
    ready(qtbot, session)
    session.choose("above red", None)
    steps: list[object] = []
    session.studies.steps.connect(steps.extend)
    session.adapt()
    assert session.situation.learning is Learning.ADAPTING
    until(qtbot, lambda: session.situation.adapted)
    assert len({s.candidate for s in steps}) >= 4  # type: ignore[attr-defined]
    assert session.shelf.adapted_path("above red").is_file()
    session.run()
    assert session.situation.state is State.RUNNING
    distances: list[object] = []
    session.running.distance_changed.connect(distances.append)
    until(qtbot, lambda: len(distances) > 3)
    session.stop()
    assert session.situation.state is State.READY
    assert said(session, "the arm holds")


def test_what_is_begun_in_the_moment_after_a_stop_is_not_lost(qtbot: QtBot, session: Session) -> None:
    ready(qtbot, session)
    session.choose("above red", "001")
    until(qtbot, lambda: session.chosen_take() is not None)
    session.stop()
    session.replay_on_arm()
    assert session.situation.state is State.RUNNING
    until(qtbot, lambda: said(session, "Repeated take 001"))
    assert session.situation.state is State.READY
    session.stop()
    session.steering.click(REACH)
    until(qtbot, lambda: session.desk.clicks.click_index == 0 and not session.desk.pending)
    assert not session.desk.clicks.problem


def test_cancelling_an_adaptation_changes_nothing(qtbot: QtBot, session: Session) -> None:
    ready(qtbot, session)
    session.choose("press red", None)
    ended: list[str] = []
    session.studies.ended.connect(ended.append)
    session.adapt()
    session.studies.learner.cancel()
    until(qtbot, lambda: session.situation.learning is Learning.IDLE)
    assert ended == ["Adapting"]
    assert not session.shelf.adapted_path("press red").exists()


def test_unreachable_clicks_and_useless_ones_are_explained(qtbot: QtBot, session: Session) -> None:
    ready(qtbot, session)
    session.steering.click(Click("reach", "table", None, {"offset": (0.3, 0.3, 0.05)}))
    until(qtbot, lambda: said(session, "cannot get to"))
    session.steering.propose(Proposal("Out of the arm's reach", refused=True))
    assert said(session, "The arm stays where it is")
    session.steering.click(Click("place", "yellow zone"))
    until(qtbot, lambda: said(session, "Nothing is held"))
    assert session.situation.state is State.READY


def test_a_prior_that_does_not_fit_is_said_and_the_rest_works(qtbot: QtBot, library: Library) -> None:
    session = Session(SimulatedArm, library, no_prior, seed=5)
    heard: list[str] = []
    session.said.connect(lambda text, kind, action: heard.append(text))
    session.open()
    until(qtbot, lambda: session.situation.state is State.READY)
    session.choose("above red", None)
    until(qtbot, lambda: session.situation.takes == 2)
    assert "another arm" in (session.situation.prior_problem or "")
    assert any("another arm" in text for text in heard)
    session.close()


def test_a_broken_file_is_named_and_left_out(qtbot: QtBot, session: Session, library: Library) -> None:
    ready(qtbot, session)
    (library.path("above red") / "009.hdf5").write_bytes(b"no HDF5 at all")
    session.shelf.refresh()
    until(qtbot, lambda: "009" in (session.shelf.task("above red") or session).problem)  # type: ignore[union-attr]
    assert len(session.shelf.usable("above red")) == 2


def test_what_a_crash_left_behind_is_offered_back(qtbot: QtBot, library: Library) -> None:
    arm = SimulatedArm(2)
    arm.connect()
    from metagui.arms.control.loop import ControlLoop
    from metagui.demonstrations.programs.program import ProgramController

    loop, controller, recorder = ControlLoop(arm, arm), ProgramController(arm.anchors), Recorder(library.root)
    recorder.start("cut short", arm, arm)
    loop.add_sink(recorder.on_tick)
    controller.add(REACH)
    loop.run_inline(controller, 60)
    recorder.stop()  # and never forgotten, as if the program had died here
    session = Session(SimulatedArm, library, small_prior, seed=5)
    offers: list[str] = []
    session.leftovers.offered.connect(offers.append)
    session.open()
    until(qtbot, lambda: bool(offers))
    assert "cut short" in offers[0]
    session.leftovers.keep()
    until(qtbot, lambda: len(offers) == 2)
    assert offers[1] == ""
    assert len(library.takes("cut short")) == 1
    session.close()


def test_closing_while_recording_keeps_the_take(qtbot: QtBot, library: Library) -> None:
    session = Session(SimulatedArm, library, small_prior, seed=5)
    session.open()
    until(qtbot, lambda: session.situation.state is State.READY)
    session.taking.new_name = "closed early"
    session.toggle_recording()
    session.steering.click(REACH)
    until(qtbot, lambda: session.desk.recorder.samples > 20)
    session.close()
    assert len(library.takes("closed early")) == 1


def test_closing_right_after_a_take_leaves_nothing_to_offer(qtbot: QtBot, library: Library) -> None:
    session = Session(SimulatedArm, library, small_prior, seed=5)
    session.open()
    until(qtbot, lambda: session.situation.state is State.READY)
    session.taking.new_name = "quick"
    session.toggle_recording()
    session.steering.click(REACH)
    until(qtbot, lambda: session.desk.recorder.samples > 20)
    session.taking.finish()
    session.close()
    assert len(library.takes("quick")) == 1
    assert recoverable(library.root) == []


def test_recording_again_at_once_waits_for_the_take_before(qtbot: QtBot, session: Session) -> None:
    ready(qtbot, session)
    session.taking.new_name = "one after the other"
    session.toggle_recording()
    session.steering.click(REACH)
    until(qtbot, lambda: session.desk.recorder.samples > 20)
    session.taking.finish()
    session.record()
    until(qtbot, lambda: session.situation.state is State.RECORDING)
    assert len(session.shelf.library.takes("one after the other")) == 1
    session.discard_newest()


def test_renaming_deleting_and_marking_can_be_undone(qtbot: QtBot, session: Session, library: Library) -> None:
    from metagui.gui.similarity.comparison import TakeKey

    ready(qtbot, session)
    shelf = session.shelf
    assert shelf.rename("above red", "hover")
    shelf.set_success(TakeKey("hover", "001"), False)
    assert library.info("hover", "001").success is False
    shelf.remove("hover", "002")
    shelf.remove("press red", None)
    assert library.tasks() == ["hover"]
    for _ in range(4):
        shelf.undo_stack.undo()
    assert library.tasks() == ["above red", "press red"]
    assert [t.name for t in library.takes("above red")] == ["001", "002"]
    assert library.info("above red", "001").success is True
    failures: list[object] = []
    shelf.failed.connect(failures.append)
    assert not shelf.rename("above red", "press red") or failures
    assert "press red" in library.tasks()


def test_disconnecting_and_connecting_again(qtbot: QtBot, session: Session) -> None:
    ready(qtbot, session)
    session.toggle_connection()
    assert session.situation.state is State.NO_ARM
    assert not session.desk.connected
    session.toggle_connection()
    assert session.situation.state is State.READY


def test_a_controller_that_fails_leaves_a_message_and_a_usable_arm(qtbot: QtBot, session: Session) -> None:
    ready(qtbot, session)

    class Broken:
        finished = False

        def decide(self, observation: object) -> None:
            raise ValueError("odd numbers")

    broken = Broken()
    session.desk.drive(broken, broken)
    until(qtbot, lambda: said(session, "odd numbers"))
    session.steering.click(REACH)
    until(qtbot, lambda: session.desk.pending == 0)
    assert session.situation.state is State.READY


def test_what_policies_do_is_compared_and_an_odd_take_can_be_left_out(qtbot: QtBot, session: Session) -> None:
    from dataclasses import replace

    ready(qtbot, session)
    session.acting.compare()
    until(qtbot, lambda: len(session.acting.acts) == 2)
    assert session.acting.acts.task_matrix.shape == (2, 2)
    assert [other.task for other in session.acting.acts.ranked("above red")] == ["press red"]
    until(qtbot, lambda: session.situation.learning is Learning.IDLE)
    session.choose("above red", None)
    offers: list[str] = []
    session.lessons.offered.connect(offers.append)
    found: list[object] = []
    session.studies.adapted.connect(found.append)
    session.adapt()
    until(qtbot, lambda: bool(found))
    assert said(session, "Adapted “above red”")
    odd = {"take": "002", "reason": "Take 002 shows something else."}
    noted = {"odd_takes": [odd], "ignores demonstrations": True}
    session.studies.adapted.emit(replace(found[0], provenance=noted))  # type: ignore[type-var]
    assert said(session, "ignores your demonstrations")
    assert offers[-1] == odd["reason"]
    session.lessons.leave_odd_out()
    until(qtbot, lambda: len(found) == 3)
    assert found[-1].provenance["takes"] == ["001"]  # type: ignore[attr-defined]
    session.shelf.undo_stack.undo()
    assert session.shelf.library.info("above red", "002").success is True


def test_an_encoder_trained_here_is_there_after_a_restart(qtbot: QtBot, session: Session, library: Library) -> None:
    from metagui.learning.similarity.siamese import Encoder

    ready(qtbot, session)
    assert session.studies.train()
    session.studies.learner.stop()
    with qtbot.waitSignal(session.studies.trained, timeout=60_000):
        pass
    until(qtbot, lambda: not session.errands.busy)
    assert (library.root / ".metagui" / "encoder.safetensors").is_file()
    assert isinstance(session.studies.prior.encoder, Encoder)  # type: ignore[union-attr]
    assert library.tasks() == ["above red", "press red"], "it is no task"
