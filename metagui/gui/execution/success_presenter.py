"""Presenter for success rates: starts measurements, counts while they run, and shows the history of a task."""

from __future__ import annotations

import datetime
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from metagui.gui.core.app_state import LearningActivity
from metagui.gui.execution.success_controller import OTHER_POLICIES, PRESENT, PREVIOUS, WATCHED_SEED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from metagui.gui.core.app_state import AppSnapshot, AppState
    from metagui.gui.execution.success_controller import History, SuccessController
    from metagui.gui.execution.success_view import SuccessView
    from metagui.learning.evaluation.adaptation_history import AdaptationRecord
    from metagui.learning.evaluation.success_check import SceneRun, SuccessCount
    from metagui.learning.evaluation.success_history import SuccessRecord

NO_TASK_TEXT = "Choose a task that was adapted, then measure how often its policy succeeds in fresh scenes."
NO_POLICY_TEXT = "“{task}” has no policy yet. Press Adapt, then measure how often it succeeds in fresh scenes."
NO_HISTORY_TEXT = "The success of “{task}” has not been measured yet. Press Measure success."


class SuccessPresenter(QObject):
    """Connects the view of success rates with its controller."""

    def __init__(self, view: SuccessView, controller: SuccessController, state: AppState) -> None:
        super().__init__(view)
        self._view, self._controller, self._state = view, controller, state
        self._shown: tuple[str | None, bool] = (None, False)
        self._is_busy = False
        self._task = ""
        self._counts: dict[str, list[str]] = {}
        controller.progressed.connect(self._on_progress)
        controller.measured.connect(self._on_measured)
        state.changed.connect(self._on_snapshot_changed)
        view.show_other_policies(OTHER_POLICIES[1:])
        view.show_result("")
        view.show_history([], NO_TASK_TEXT)

    def measure(self) -> None:
        """Measure the selected task as the view says."""
        task = self._state.snapshot.task
        if task is None:
            return
        if self._view.watch_box.isChecked():
            self._controller.watch(task, self._view.scene_box.value())
        else:
            self._controller.measure(task, self._view.scene_box.value(), self._view.other)

    def _on_snapshot_changed(self, snapshot: AppSnapshot) -> None:
        shown = (snapshot.task, snapshot.has_policy)
        was_busy, self._is_busy = self._is_busy, snapshot.learning is not LearningActivity.IDLE
        if shown != self._shown:
            self._shown = shown
            self._view.show_result("")
            self._show_history()
        elif was_busy and not self._is_busy:  # an adaptation may have changed the policies
            self._show_history()

    def follow_adaptation(self, _adapted: object) -> None:
        """Show the history again, to which an adaptation was added."""
        self._show_history()

    def _show_history(self) -> None:
        """Show the history of the selected task, once it has been read."""
        task, has_policy = self._shown
        if task is None or not has_policy:
            self._view.show_history([], NO_TASK_TEXT if task is None else NO_POLICY_TEXT.format(task=task))
            return
        names = [name for name in OTHER_POLICIES if name != PREVIOUS or self._controller.has_previous_policy(task)]
        self._view.show_other_policies(names)
        self._controller.load_history(task, partial(self._on_history, task))

    def _on_history(self, task: str, history: History) -> None:
        if task == self._shown[0]:
            records, adaptations = history
            latest = next((r.policy_id for r in reversed(records) if r.policy == PRESENT), "")
            dated = [(record.when, _make_row(record, latest)) for record in records]
            dated += [(record.when, _make_adaptation_row(record)) for record in adaptations]
            rows = [row for _, row in sorted(dated, key=lambda each: each[0], reverse=True)]
            self._view.show_history(rows, NO_HISTORY_TEXT.format(task=task))

    # While measuring

    def _on_progress(self, task: str, runs: Sequence[SceneRun]) -> None:
        if not runs:
            self._task, self._counts = task, {}
            self._view.show_result(f"Measuring “{task}” …")
            return
        for run in runs:
            self._counts.setdefault(run.policy, []).append(run.failure)
        parts = [f"{name} {sum(not f for f in failures)} of {len(failures)}" for name, failures in self._counts.items()]
        self._view.show_result(f"Measuring “{self._task}”, {runs[-1].scenes} scenes: {', '.join(parts)}")

    def _on_measured(self, task: str, counts: Mapping[str, SuccessCount] | None) -> None:
        self._view.show_result("" if counts is None else describe_counts(task, counts))
        if task == self._shown[0]:
            self._show_history()


def describe_counts(task: str, counts: Mapping[str, SuccessCount]) -> str:
    """Return the result of a measurement as text, with the comparison if there is a second policy."""
    from metagui.learning.evaluation.success_check import compare_paired

    own = counts[PRESENT]
    text = f"“{task}”: {own}."
    for name, count in counts.items():
        if name != PRESENT:
            pair = compare_paired(own, count)
            verdict = "more than chance" if pair.is_significant else "may be chance, more scenes would tell"
            p = "p < 0.01" if pair.p_value < 0.01 else f"p = {pair.p_value:.2f}"
            text += (
                f" In the same scenes, {name}: {count}. Better in {pair.only_first} scenes, worse in "
                f"{pair.only_second}: {verdict} ({p})."
            )
    return text


def _make_row(record: SuccessRecord, latest_id: str) -> tuple[str, ...]:
    """Return the texts of one measurement."""
    from metagui.learning.evaluation.success_check import SuccessCount

    count = SuccessCount(record.failures)
    low, high = count.interval
    policy = record.policy
    if record.policy == PRESENT and record.policy_id != latest_id:
        policy = "an earlier policy"
    if record.seed == WATCHED_SEED:
        policy = f"{policy}, watched"
    rate = f"{100 * count.successes / max(count.runs, 1):.0f} %  ({100 * low:.0f} to {100 * high:.0f} %)"
    return (_format_time(record.when), policy, f"{count.successes} of {count.runs}", rate, count.most_frequent_failure)


def _make_adaptation_row(record: AdaptationRecord) -> tuple[str, ...]:
    """Return the texts of one adaptation: its takes, what was chosen, and its rehearsal."""
    from metagui.learning.evaluation.success_check import SuccessCount

    count = SuccessCount(("",) * record.successes + ("failed",) * (record.runs - record.successes))
    low, high = count.interval
    noun = "take" if len(record.takes) == 1 else "takes"
    policy = f"adapted to {noun} {', '.join(record.takes)}: {record.describe_choice()}"
    if not record.runs:
        return (_format_time(record.when), policy, "not rehearsed", "", "")
    rate = f"{100 * record.successes / record.runs:.0f} %  ({100 * low:.0f} to {100 * high:.0f} %), rehearsed"
    return (_format_time(record.when), policy, f"{record.successes} of {record.runs}", rate, "")


def _format_time(text: str) -> str:
    try:
        return datetime.datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return text
