"""The plot of joint angles: a stored take, and live data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metagui.gui.recording.joint_plot import JointPlot, shorten_joint_name
from tests.helpers.takes import generate_example_takes

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from metagui.gui.theme.theme import Theme


def test_joint_plot_shows_take_then_live_data(qtbot: QtBot, theme: Theme) -> None:
    take = generate_example_takes()["put red on violet"][0]
    plot = JointPlot(theme, take.joint_names)
    qtbot.addWidget(plot)
    plot.show()
    plot.show_take(take)
    assert len(plot._boundary_lines) == 2
    for index in range(40):
        plot.append_tick(index * 0.02, take.joint_positions[index], None, -1)
    plot.show_live()
    assert plot._boundary_lines == []
    assert len(plot._drawn[0]) == 40
    assert shorten_joint_name("shoulder_pan") == "pan"
    assert shorten_joint_name("wrist_flex") == "wrist"
