"""Samples and readers of the files that the program writes for itself: training data, checkpoints, settings."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np

from tests.helpers.datasets import encode_example_takes
from tests.helpers.exchange import export, list_all_takes
from tests.helpers.priors import make_small_prior

if TYPE_CHECKING:
    from pathlib import Path

    from metagui.demonstrations.storage.library import Library
    from metagui.learning.maml.training_state import MetaState


def make_training_data(root: Path) -> None:
    """Write the prepared takes of ``metagui train``."""
    encode_example_takes().save(root / "decisions.npz")


def read_training_data(root: Path, _scratch: Path) -> str | None:
    """Read them as ``metagui train --data`` does."""
    from metagui.learning.training.training_data import TrainingData

    data = TrainingData.load(root).decisions
    assert all(len(data.get_segment(index)) for index in range(len(data.starts)))
    assert np.isfinite(data.segments.actions).all()
    return None


def _make_state() -> MetaState:
    from metagui.learning.maml.training_state import MetaState

    meta = make_small_prior().meta
    state = MetaState(meta, seed=3, step=20, optimiser_steps=20.0)
    state.moments = [(tensor.detach() * 0.1, tensor.detach() ** 2) for tensor in meta.tensors()]
    return state


def make_checkpoint(root: Path) -> None:
    """Write the state of a phase of training."""
    losses = {"before": 0.5, "after": 0.4, "other": 0.6}
    _make_state().save(root / "meta.safetensors", {"curve": [{"phase": "meta", "step": 20, **losses}]})


def read_checkpoint(root: Path, _scratch: Path) -> str | None:
    """Go on with it as a killed run does."""
    from metagui.learning.training.phases import read_curve

    path = root / "meta.safetensors"
    state, notes = _make_state().load_next(path)
    read_curve(path, notes)
    assert state.meta.flatten().isfinite().all()
    return None


def make_settings(root: Path) -> None:
    """Write settings of the window with values of every type."""
    from PySide6.QtCore import QByteArray, QSettings

    settings = QSettings(str(root / "settings.ini"), QSettings.Format.IniFormat)
    values = {"window/colours": "dark", "window/geometry": QByteArray(b"\x01\xd9\xd0\xcb"), "sounds": True}
    values |= {"library/folder": "/home/someone/takes", "library/recent": ["/one", "/two, with a comma"], "count": 3}
    for key, value in values.items():
        settings.setValue(key, value)
    settings.sync()


def read_settings(root: Path, _scratch: Path) -> str | None:
    """Read them as the window does at its start, which nothing may stop."""
    from metagui.gui.core.stored_choices import open_settings, read_flag, read_text, read_texts, read_value
    from metagui.gui.theme.theme import parse_theme_choice

    settings, problem = open_settings(root / "settings.ini")
    for key in ("window/colours", "window/geometry", "sounds", "library/folder", "library/recent", "count"):
        read_text(settings, key), read_flag(settings, key, False), read_texts(settings, key)
        parse_theme_choice(read_value(settings, key))
    return problem or None


def make_video_set(root: Path, library: Library) -> None:
    """Write a LeRobot data set of one take with a video of noise, as an import gets it."""
    from metagui.demonstrations.formats.lerobot.video import VideoWriter

    export(list_all_takes(library)[:1], root / "set", "lerobot")
    shutil.rmtree(library.root)
    path = root / "set" / "videos" / "observation.images.scene" / "chunk-000" / "file-000.mp4"
    with VideoWriter(path, 50, 64, 48) as video:
        for _ in range(20):
            video.write(np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8))
