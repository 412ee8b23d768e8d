"""Arrays that are compressed in another thread are what HDF5's own filters would have written."""

import threading

import h5py
import numpy as np
import pytest

from metagui.demonstrations.storage.writing import dataset_writer
from metagui.demonstrations.storage.writing.dataset_writer import DatasetWriter


@pytest.mark.parametrize("rows", [1, 200, 3000, 50_000, 100_001])
def test_stored_numbers_are_those_given(tmp_path, rows):
    rng = np.random.default_rng(rows)
    arrays = {
        "obs/held": np.repeat(rng.integers(0, 2, (rows, 1)), 6, axis=1).astype(np.float32),
        "obs/object_positions": rng.normal(size=(rows, 6, 3)).astype(np.float32),
        "dones": np.arange(rows, dtype=np.int64),
        "actions": rng.normal(size=(rows, 6)),
    }
    with h5py.File(tmp_path / "take.hdf5", "w") as file, DatasetWriter(file) as writer:
        for path, values in arrays.items():
            writer.write(path, values)
    with h5py.File(tmp_path / "take.hdf5") as file:
        for path, values in arrays.items():
            assert file[path].dtype == values.dtype
            np.testing.assert_array_equal(file[path][()], values)
        assert (file["obs/held"].compression == "gzip") is (file["obs/held"].nbytes > 4096)
        assert file["actions"].compression is None


def test_blocks_are_those_of_hdf5(tmp_path):
    values = np.arange(60_000, dtype=np.float32).reshape(-1, 6) // 1000
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file.create_dataset("x", data=values, chunks=(7000, 6), compression="gzip", compression_opts=1, shuffle=True)
        for start in (0, 7000):
            stored = file["x"].id.read_direct_chunk((start, 0))[1]
            assert stored == dataset_writer.compress_block(values, start, 7000)


def test_an_error_ends_the_thread(tmp_path):
    values = np.zeros((200_000, 6), np.float32)
    with h5py.File(tmp_path / "take.hdf5", "w") as file, pytest.raises(ValueError, match="name already exists"):
        _write_twice(file, values)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("compression")]


def _write_twice(file, values):
    with DatasetWriter(file) as writer:
        writer.write("held", values)
        writer.write("held", values)
