"""Tests of metagui.demonstrations."""
