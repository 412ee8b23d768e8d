"""Two processes that change one take at the same time: no change, no sample and no step to undo is lost."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np

from metagui.demonstrations.curation.history import ChangeHistory
from metagui.demonstrations.storage.library import Library
from tests.helpers.takes import record_fake_take

if TYPE_CHECKING:
    from pathlib import Path

CHANGES = 20
_PROGRAM = """
import sys
from pathlib import Path
from metagui.demonstrations.curation.changes import set_fields
from metagui.demonstrations.curation.history import ChangeHistory
from metagui.demonstrations.storage.library import Library
history = ChangeHistory(Library(Path(sys.argv[1])))
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[3])):
    value = {"notes": f"note {number}", "tags": [f"tag {number}"], "success": number % 2 == 0}[sys.argv[2]]
    history.apply(f"{sys.argv[2]} {number}", set_fields("reach red", "001", **{sys.argv[2]: value}))
"""


def test_changes_of_one_take_by_three_processes_are_all_kept(tmp_path: Path) -> None:
    library = Library(tmp_path / "library")
    take = record_fake_take()
    library.add_take(take)
    running = [
        subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, str(library.root), field, str(CHANGES)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for field in ("notes", "tags", "success")
    ]
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in running:  # all begin before the first is waited for
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in running:
        process.communicate(timeout=240)
        assert process.returncode == 0
    info = Library(library.root).get_take_info("reach red", "001")
    assert (info.notes, info.tags, info.success) == (f"note {CHANGES - 1}", (f"tag {CHANGES - 1}",), False)
    np.testing.assert_array_equal(library.load_take("reach red", "001").command_sent, take.command_sent)
    history = ChangeHistory(library)
    assert len(history.list_undo_texts()) == 3 * CHANGES
    for _ in range(3 * CHANGES):
        history.undo()
    info = library.get_take_info("reach red", "001")
    assert (info.notes, info.tags, info.success) == (take.notes, (), take.success)
