"""The light and the dark theme: contrast, palette, style sheet, icons, and switching."""

from __future__ import annotations

import pytest
from PySide6.QtGui import QPalette

from metagui.gui.core.actions import ACTION_INFOS
from metagui.gui.teaching.click_teacher import CLICK_TOOLS
from metagui.gui.theme.colours import DARK_COLOURS, LIGHT_COLOURS, Colours, unit_rgb
from metagui.gui.theme.icons import make_icon, make_pixmap
from metagui.gui.theme.stylesheet import make_stylesheet
from metagui.gui.theme.theme import Theme, make_palette
from metagui.paths import resources_dir
from tests.helpers.clocks import PATIENCE_MS

BOTH_THEMES = pytest.mark.parametrize("colours", [LIGHT_COLOURS, DARK_COLOURS], ids=["light", "dark"])


def _luminance(colour: str) -> float:
    """Return the relative luminance of a colour by WCAG 2."""
    parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in unit_rgb(colour)]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def compute_contrast(first: str, second: str) -> float:
    """Return the contrast ratio of two colours by WCAG 2."""
    high, low = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@BOTH_THEMES
def test_colours_have_sufficient_contrast(colours: Colours) -> None:
    for background in (colours.panel, colours.window, colours.raised, colours.selection):
        assert compute_contrast(colours.text, background) >= 7
    assert compute_contrast(colours.muted, colours.panel) >= 4.5
    assert compute_contrast(colours.on_accent, colours.accent) >= 4.5
    assert compute_contrast(colours.on_danger, colours.danger) >= 4.5
    for colour in (colours.success, colours.warning, colours.danger):
        assert compute_contrast(colour, colours.panel) >= 4.5
    for colour in colours.series:
        assert compute_contrast(colour, colours.panel) >= 3 - 0.15


@BOTH_THEMES
def test_palette_and_stylesheet_use_the_colours(colours: Colours, qapp: object) -> None:
    palette = make_palette(colours)
    assert palette.color(QPalette.ColorRole.Base).name() == colours.panel
    disabled = palette.color(QPalette.ColorGroup.Disabled, QPalette.ColorRole.Text)
    assert disabled != palette.color(QPalette.ColorRole.Text)
    assert colours.accent in make_stylesheet(colours)
    assert "$" not in make_stylesheet(colours)


def test_icons_exist_and_take_the_colour(qapp: object) -> None:
    for name in {a.icon for a in ACTION_INFOS} | {t.icon for t in CLICK_TOOLS}:
        assert (resources_dir() / "icons" / f"{name}.svg").is_file(), name
        image = make_pixmap(name, "#ff0000", 32).toImage()
        opaque = [image.pixelColor(x, y) for x in range(32) for y in range(32) if image.pixelColor(x, y).alpha() > 200]
        assert opaque, name
        assert all(c.red() > 200 and c.green() < 60 for c in opaque), name
    assert not make_icon("record", "#000000").isNull()


def test_theme_chosen_emits_changed(qtbot: object) -> None:
    theme = Theme("light")
    with qtbot.waitSignal(theme.changed, timeout=PATIENCE_MS):  # type: ignore[attr-defined]
        theme.choose("dark")
    assert theme.is_dark
    theme.choose("light")
    assert not theme.is_dark
