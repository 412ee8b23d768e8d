"""Fixtures for tests of the window's parts."""

from __future__ import annotations

import pytest

from metagui.gui.theme.theme import Theme


@pytest.fixture
def theme(qapp: object) -> Theme:
    """Return the light theme, applied to the application."""
    out = Theme("light")
    out.apply()
    return out
