"""Both looks are finished: readable, complete, and followed when the desktop changes its mind."""

from __future__ import annotations

import pytest
from PySide6.QtGui import QColor, QPalette

from metagui.gui.core.actions import ACTION_INFOS
from metagui.gui.teaching.click_teacher import CLICK_TOOLS
from metagui.gui.theme.colours import DARK_COLOURS, LIGHT_COLOURS, Colours
from metagui.gui.theme.icons import make_icon, make_pixmap
from metagui.gui.theme.stylesheet import make_stylesheet
from metagui.gui.theme.theme import Theme, make_palette
from metagui.paths import resources_dir

BOTH = pytest.mark.parametrize("colours", [LIGHT_COLOURS, DARK_COLOURS], ids=["light", "dark"])


def _luminance(colour: str) -> float:
    shown = QColor(colour)
    rgb = (shown.redF(), shown.greenF(), shown.blueF())
    parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def contrast(first: str, second: str) -> float:
    high, low = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@BOTH
def test_text_can_be_read_and_curves_can_be_seen(colours: Colours) -> None:
    for ground in (colours.panel, colours.window, colours.raised, colours.selection):
        assert contrast(colours.text, ground) >= 7
    assert contrast(colours.muted, colours.panel) >= 4.5
    assert contrast(colours.on_accent, colours.accent) >= 4.5
    for colour in (colours.success, colours.warning, colours.danger):
        assert contrast(colour, colours.panel) >= 3
    for colour in colours.series:
        assert contrast(colour, colours.panel) >= 3 - 0.15


@BOTH
def test_the_palette_and_the_sheet_carry_the_colours(colours: Colours, qapp: object) -> None:
    made = make_palette(colours)
    assert made.color(QPalette.ColorRole.Base).name() == colours.panel
    disabled = made.color(QPalette.ColorGroup.Disabled, QPalette.ColorRole.Text)
    assert disabled != made.color(QPalette.ColorRole.Text)
    assert colours.accent in make_stylesheet(colours)
    assert "$" not in make_stylesheet(colours)


def test_every_icon_is_there_and_is_tinted(qapp: object) -> None:
    for name in {a.icon for a in ACTION_INFOS} | {t.icon for t in CLICK_TOOLS}:
        assert (resources_dir() / "icons" / f"{name}.svg").is_file(), name
        image = make_pixmap(name, "#ff0000", 32).toImage()
        seen = [image.pixelColor(x, y) for x in range(32) for y in range(32) if image.pixelColor(x, y).alpha() > 200]
        assert seen, name
        assert all(c.red() > 200 and c.green() < 60 for c in seen), name
    assert not make_icon("record", "#000000").isNull()


def test_choosing_a_look_tells_everyone(qtbot: object) -> None:
    theme = Theme("light")
    with qtbot.waitSignal(theme.changed, timeout=2000):  # type: ignore[attr-defined]
        theme.choose("dark")
    assert theme.is_dark
    theme.choose("light")
    assert not theme.is_dark
