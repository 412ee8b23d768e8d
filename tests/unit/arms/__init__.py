"""Tests of metagui.arms."""
