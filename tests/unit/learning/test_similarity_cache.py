"""Tests of the stored embeddings: found by content, never stale, shared by processes, without torch."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from metagui.demonstrations.demonstration import TakeKey
from metagui.demonstrations.storage.library import Library
from metagui.generators import run_to_end
from metagui.learning.similarity import siamese
from metagui.learning.similarity.cache import take_cache
from metagui.learning.similarity.cache.encoder_identity import identify_encoder, library_encoder_path
from metagui.learning.similarity.cache.library_values import LibraryValues
from metagui.learning.similarity.encoder_file import CalibratedEncoder, load_encoder_for_library, load_shipped_encoder
from metagui.learning.similarity.motion import compute_path, rank_by_motion, rank_paths
from metagui.learning.similarity.siamese_network import SiameseEncoder
from metagui.paths import cache_dir
from tests.helpers.takes import generate_example_takes

if TYPE_CHECKING:
    from pathlib import Path

SETTLE_S = 0.1


@pytest.fixture
def library(tmp_path: Path) -> Library:
    filled = Library(tmp_path / "library")
    for takes in generate_example_takes(2).values():
        for take in takes:
            filled.add_take(take)
    time.sleep(SETTLE_S)
    return filled


def load(library: Library, path: Path | None = None) -> tuple[dict[TakeKey, Any], int, list[str]]:
    """Return the embeddings, how many were computed, and what was left out."""
    infos = [info for listing in Library(library.root).list_all().values() for info in listing.takes]
    reasons: list[str] = []
    steps: list[object] = []
    values = LibraryValues(library, infos, reasons.append)
    found = run_to_end(values.load_embeddings(path, lambda: load_encoder_for_library(library.root)), steps.append)
    return dict(found.rows), len(steps), reasons


def assert_equal(first: dict[TakeKey, Any], second: dict[TakeKey, Any]) -> None:
    assert first.keys() == second.keys()
    for key, row in first.items():
        other = second[key]
        for name in ("motion", "numbers", "objects"):
            np.testing.assert_array_equal(getattr(row, name), getattr(other, name))


def test_stored_embeddings_equal_those_of_the_network(library):
    first, computed, _ = load(library)
    assert computed == len(first) == 12
    again, computed, _ = load(library)
    assert computed == 0
    assert_equal(first, again)
    encoder = load_shipped_encoder().encoder
    direct = {key: siamese.embed(encoder, [library.load_take(*key)]) for key in first}
    assert_equal(first, direct)


def test_renamed_copied_and_touched_takes_are_found_by_content(library):
    before, _, _ = load(library)
    library.rename_task("circle", "round")
    library.copy_take("round", "001")
    path = library.get_take_info("press red", "001").path
    path.touch()
    time.sleep(SETTLE_S)
    after, computed, _ = load(library)
    assert computed == 0
    np.testing.assert_array_equal(after[TakeKey("round", "003")].motion, before[TakeKey("circle", "001")].motion)


@pytest.mark.parametrize("keep_times", [False, True])
def test_changed_take_is_embedded_again(library, keep_times):
    before, _, _ = load(library)
    path = library.get_take_info("circle", "001").path
    status = path.stat()
    shutil.copyfile(library.get_take_info("press red", "001").path, path)
    if keep_times:
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    time.sleep(SETTLE_S)
    after, _, _ = load(library)
    key = TakeKey("circle", "001")
    assert not np.array_equal(after[key].motion, before[key].motion)
    np.testing.assert_array_equal(after[key].motion, before[TakeKey("press red", "001")].motion)


def test_pipe_among_the_takes_is_not_waited_for(library):
    """``metagui similar`` hung at a named pipe, whose content was to be hashed."""
    before, _, _ = load(library)
    os.mkfifo(library.get_task_folder("circle") / "900.hdf5")
    after, _, reasons = load(library)
    assert after.keys() == before.keys()
    assert any("it is a pipe or a device" in reason for reason in reasons)


def test_trim_changes_the_embedding(library):
    before, _, _ = load(library)
    library.set_trim("circle", "001", (5, 60))
    time.sleep(SETTLE_S)
    after, computed, _ = load(library)
    assert computed == 1
    assert not np.array_equal(after[TakeKey("circle", "001")].numbers, before[TakeKey("circle", "001")].numbers)


def test_each_encoder_has_its_own_embeddings(library):
    shipped, _, _ = load(library)
    CalibratedEncoder(SiameseEncoder(width=8).initialise(1)).save(library_encoder_path(library.root))
    own, computed, _ = load(library)
    assert computed == 12
    key = TakeKey("circle", "001")
    assert own[key].motion.tobytes() != shipped[key].motion.tobytes()
    library_encoder_path(library.root).unlink()
    again, computed, _ = load(library)
    assert computed == 0
    assert_equal(again, shipped)


def test_own_encoder_that_cannot_be_read_gives_those_of_the_shipped_one(library):
    shipped, _, _ = load(library)
    library_encoder_path(library.root).parent.mkdir(exist_ok=True)
    library_encoder_path(library.root).write_bytes(b"no encoder")
    found, computed, _ = load(library)
    assert computed == 0
    assert_equal(found, shipped)


@pytest.mark.parametrize("damage", [b"", b"no database", None])
def test_damaged_store_is_made_again(library, damage):
    before, _, _ = load(library)
    for path in (cache_dir() / "similarity").rglob("*.sqlite"):
        if damage is None:
            with sqlite3.connect(path) as connection:
                connection.execute("UPDATE records SET value = x'00'")
            connection.close()
        else:
            path.write_bytes(damage)
    again, computed, _ = load(library)
    assert computed == 12
    assert_equal(again, before)


def test_damaged_takes_are_named_every_time(library):
    path = library.get_take_info("circle", "001").path
    path.write_bytes(path.read_bytes()[:2000])
    time.sleep(SETTLE_S)
    for _ in range(2):
        rows, _, reasons = load(library)
        assert TakeKey("circle", "001") not in rows
        assert len(reasons) == 1
        assert "'circle', take 001" in reasons[0]


def test_changed_while_it_is_computed_is_not_stored(library, tmp_path):
    path = library.get_take_info("circle", "001").path
    cache = take_cache.TakeCache(library.root, "test")
    with cache.adding(path) as values:
        values.append(b"of the old file")
        shutil.copyfile(library.get_take_info("press red", "001").path, path)
    cache.save([path])
    time.sleep(SETTLE_S)
    assert take_cache.TakeCache(library.root, "test").find(path) is None


def test_processes_share_the_store(library):
    """Eight processes compute and store at once; each gets all values, and the file is sound."""
    code = (
        "import sys; from pathlib import Path; from metagui.learning.similarity.cache.take_cache import TakeCache\n"
        "from metagui.demonstrations.storage.library import Library\n"
        "library = Library(Path(sys.argv[1])); cache = TakeCache(library.root, 'shared')\n"
        "paths = [i.path for each in library.list_all().values() for i in each.takes]\n"
        "for path in paths:\n"
        "    if cache.find(path) is None:\n"
        "        with cache.adding(path) as values: values.append(path.name.encode())\n"
        "    cache.save(paths)\n"
        "print(sum(cache.find(path) == path.name.encode() for path in paths))\n"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(library.root)], stdout=subprocess.PIPE, text=True)
        for _ in range(8)
    ]
    assert [process.communicate(timeout=240)[0].strip() for process in running] == ["12"] * 8
    cache = take_cache.TakeCache(library.root, "shared")
    paths = [info.path for each in library.list_all().values() for info in each.takes]
    assert [cache.find(path) for path in paths] == [path.name.encode() for path in paths]


def test_few_stores_are_kept(library):
    for number in range(take_cache._MAX_STORES + 3):
        cache = take_cache.TakeCache(library.root, f"kind {number}")
        cache.save([])
        time.sleep(0.01)
    kept = {path.name for path in (cache_dir() / "similarity").iterdir()}
    assert kept <= {f"kind {number}" for number in range(3, take_cache._MAX_STORES + 3)}


def test_warm_ranking_does_not_import_torch(library):
    load(library)
    code = (
        "import sys\nfrom metagui.cli.app import app\nimport metagui.cli.commands\n"
        "try: app(['similar', 'circle', '--json', '--library', sys.argv[1]])\n"
        "except SystemExit as end: assert not end.code\n"
        "assert 'torch' not in sys.modules\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(library.root)], capture_output=True, text=True, timeout=240
    )
    assert result.returncode == 0, result.stderr


def test_identity_of_a_file_that_is_no_encoder(tmp_path):
    (tmp_path / "x").write_bytes(b"\x00" * 100)
    assert identify_encoder(tmp_path / "x") is None
    assert identify_encoder(tmp_path / "missing") is None


def test_stored_paths_give_the_same_ranking(library):
    takes = {name: library.load_takes(name) for name in library.list_tasks()}
    infos = [info for listing in library.list_all().values() for info in listing.takes]
    for _ in range(2):
        found = run_to_end(LibraryValues(library, infos, print).load_paths())
        paths: dict[str, dict[str, Any]] = {}
        for key, path in found.items():
            paths.setdefault(key.task, {})[key.take] = path
        assert rank_paths(paths, "circle") == rank_by_motion(takes, "circle")
    unknown = replace(takes["circle"][0], tool_positions=np.full_like(takes["circle"][0].tool_positions, np.nan))
    assert compute_path(unknown) is None
