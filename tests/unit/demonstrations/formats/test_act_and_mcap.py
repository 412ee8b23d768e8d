"""Export for ACT and for MCAP viewers, read back as their readers do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pytest
from mcap.reader import make_reader

from metagui.demonstrations.formats.act import equalise, equalise_pictures
from metagui.demonstrations.formats.exchange import EqualLength, ExchangeError
from metagui.demonstrations.storage.library import Library
from tests.helpers.exchange import export, list_all_takes
from tests.helpers.takes import generate_example_takes, record_fake_take

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def library(tmp_path: Path) -> Library:
    made = Library(tmp_path / "library")
    for take in generate_example_takes()["above red"][:2]:
        made.add_take(take)
    return made


@pytest.mark.parametrize("how", ["pad", "resample"])
def test_episodes_are_equally_long(library: Library, tmp_path: Path, how: EqualLength) -> None:
    """Reads them as ACT's EpisodicDataset does."""
    takes = list_all_takes(library)
    try:
        report = export(takes, tmp_path / "act", "act", equal_length=how, picture_size=(32, 24))
    except ExchangeError as error:
        pytest.skip(f"nothing can be rendered here: {error}")
    length = max(info.sample_count for info in takes)
    for index, info in enumerate(takes):
        with h5py.File(tmp_path / f"act/episode_{index}.hdf5") as file:
            assert file.attrs["sim"]
            assert file["action"].shape == file["observations/qpos"].shape == (length, 6)
            assert file["observations/qvel"].shape == (length, 6)
            assert file["observations/images/scene"].shape == (length, 24, 32, 3)
            assert file["observations/images/scene"].dtype == np.uint8
            assert file["observations/images/scene"][0].std() > 5
            take = library.load_take(info.task, info.name)
            np.testing.assert_allclose(file["observations/qpos"][-1], take.joint_positions[-1], atol=1e-6)
            if how == "pad":
                assert not file["observations/qvel"][info.sample_count :].any()
    assert f"All 2 episodes have {length} samples" in report.notes[0]
    assert {"pad": "padded", "resample": "resampled"}[how] in report.notes[0]


def test_take_without_states_is_refused_for_act(tmp_path: Path) -> None:
    library = Library(tmp_path / "library")
    library.add_take(record_fake_take())
    with pytest.raises(ExchangeError, match=r"no simulator states, so no pictures|cannot be drawn"):
        export(list_all_takes(library), tmp_path / "act", "act")
    assert not (tmp_path / "act").exists()


def test_equal_length_repeats_or_interpolates() -> None:
    values = np.array([[0.0], [1.0], [2.0]])
    assert equalise(values, 5, "pad").ravel().tolist() == [0, 1, 2, 2, 2]
    assert equalise(values, 5, "resample").ravel().tolist() == [0, 0.5, 1, 1.5, 2]
    pictures = np.arange(3, dtype=np.uint8)[:, None, None, None]
    assert equalise_pictures(pictures, 5, "pad").ravel().tolist() == [0, 1, 2, 2, 2]
    assert equalise_pictures(pictures, 5, "resample").ravel().tolist() == [0, 0, 1, 2, 2]


def test_take_is_an_mcap_file(library: Library, tmp_path: Path) -> None:
    report = export(list_all_takes(library), tmp_path / "take.mcap", "mcap")
    assert [path.name for path in report.files] == ["take.mcap", "take-2.mcap"]
    take = library.load_take("above red", "001")
    messages: dict[str, list[tuple[int, dict]]] = {}
    with (tmp_path / "take.mcap").open("rb") as stream:
        reader = make_reader(stream)
        for schema, channel, message in reader.iter_messages():
            assert schema is not None
            assert schema.encoding == "jsonschema"
            assert json.loads(schema.data)["type"] == "object"
            messages.setdefault(channel.topic, []).append((message.log_time, json.loads(message.data)))
        (metadata,) = reader.iter_metadata()
    assert metadata.metadata["task"] == "above red"
    times = np.array([time for time, _ in messages["/joint_states"]]) / 1e9
    np.testing.assert_allclose(times, take.time - take.time[0], atol=1e-8)
    positions = [values["position"] for _, values in messages["/joint_states"]]
    np.testing.assert_array_equal(positions, take.joint_positions)
    assert len(messages["/objects"][0][1]["entities"]) == len(take.objects)
    assert messages["/instruction"][0][1]["verb"] == "reach"
    assert messages["/tool"][0][1]["pose"]["orientation"].keys() == set("xyzw")
