"""Tests of metagui.gui."""
