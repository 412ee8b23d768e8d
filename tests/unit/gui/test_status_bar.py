"""The status bar: state and progress as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metagui.gui.window.status_bar import StatusBar

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from metagui.gui.theme.theme import Theme


def test_status_bar_shows_state_and_progress(qtbot: QtBot, theme: Theme) -> None:
    from metagui.gui.core.actions import Actions
    from metagui.gui.core.app_state import AppSnapshot, ArmActivity, LearningActivity
    from metagui.gui.widgets.panel import Panel

    window = Panel("window")
    bar = StatusBar(theme, Actions(window, theme))
    window.body.addWidget(bar)
    qtbot.addWidget(window)
    window.show()
    assert bar.state_label.text() == "Starting", "the simulated arm connects by itself"
    bar.show_snapshot(AppSnapshot(prior_problem=None))
    assert bar.state_label.text() == "No arm"
    assert "Connect an arm" in bar.rate_label.text()
    bar.show_snapshot(AppSnapshot(ArmActivity.READY, LearningActivity.ADAPTING))
    assert bar.state_label.text() == "Ready · adapting"
    bar.show_progress(0.5, "about 3 s")
    assert bar.progress_bar.isVisible()
    bar.show_progress(None)
    assert not bar.progress_bar.isVisible()


def test_status_bar_shows_an_alarm_instead_of_messages(qtbot: QtBot, theme: Theme) -> None:
    from metagui.gui.core.actions import Actions
    from metagui.gui.core.app_state import AppSnapshot, ArmActivity
    from metagui.gui.widgets.panel import Panel

    window = Panel("window")
    bar = StatusBar(theme, Actions(window, theme))
    window.body.addWidget(bar)
    qtbot.addWidget(window)
    window.show()
    assert bar.alarm_label.isHidden()
    bar.show_snapshot(AppSnapshot(ArmActivity.RUNNING, alarm="The gripper is overloaded."))
    assert bar.alarm_label.isVisible()
    assert bar.alarm_label.accessibleName() == "Alarm: The gripper is overloaded."
    assert bar.message_label.isHidden()
    bar.show_snapshot(AppSnapshot(ArmActivity.RUNNING))
    assert bar.alarm_label.isHidden()
    assert bar.message_label.isVisible()


def test_status_bar_tells_limp_from_soft_guiding(qtbot: QtBot, theme: Theme) -> None:
    from metagui.gui.core.actions import Actions
    from metagui.gui.core.app_state import AppSnapshot, ArmActivity
    from metagui.gui.widgets.panel import Panel

    window = Panel("window")
    bar = StatusBar(theme, Actions(window, theme))
    window.body.addWidget(bar)
    qtbot.addWidget(window)
    bar.show_snapshot(AppSnapshot(ArmActivity.READY, torque_off=True, limp=True))
    assert "torque off" in bar.state_label.text()
    bar.show_snapshot(AppSnapshot(ArmActivity.READY, torque_off=True))
    assert bar.state_label.text() == "Ready · follows your hand"


def test_rate_explains_why_there_is_no_realtime_priority(qtbot: QtBot, theme: Theme) -> None:
    from metagui.gui.core.actions import Actions
    from metagui.gui.widgets.panel import Panel

    window = Panel("window")
    qtbot.addWidget(window)
    bar = StatusBar(theme, Actions(window, theme))
    bar.show_rate("50.0 / 50 Hz, 0 missed", "the system refused it (Operation not permitted)")
    assert "a busy computer can delay the arm" in bar.rate_label.toolTip()
    bar.show_rate("50.0 / 50 Hz, 0 missed")
    assert "real-time" not in bar.rate_label.toolTip()
