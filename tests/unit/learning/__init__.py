"""Tests of metagui.learning."""
