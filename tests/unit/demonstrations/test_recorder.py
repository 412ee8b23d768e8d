"""Recording: no take is lost after a kill, with a full disk, an unwritable folder or a closed file."""

import itertools
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metagui.arms.arm import CONTROL_PERIOD_S
from metagui.arms.control.loop import ControlLoop
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.demonstrations.demonstration import Instruction, Segment, Timing
from metagui.demonstrations.recording import journal
from metagui.demonstrations.recording.recorder import (
    CUT_OFF_NOTE,
    Recorder,
    delete_journal,
    find_recoverable_takes,
    recover_take,
)
from metagui.demonstrations.recording.take_builder import InMemoryRecorder, RecordingError, split_by_instruction
from tests.helpers.clocks import PATIENCE_S, sleep
from tests.helpers.fakes import FakeArm, ScriptedController, make_motion

INSTRUCTION = Instruction("reach", "red cube", None, {"offset": (0.0, 0.01, 0.06), "shape": "circle"})


def assert_same(one, other, **but):
    """Assert that two demonstrations, or two timings, are exactly equal."""
    for field in fields(one):
        a, b = getattr(one, field.name), but.get(field.name, getattr(other, field.name))
        if isinstance(a, np.ndarray):
            np.testing.assert_array_equal(a, b, err_msg=field.name)
            assert not a.flags.writeable
        elif isinstance(a, Timing):
            assert_same(a, b)
        else:
            assert a == b, field.name


def loop_of(arm, *plans):
    loop = ControlLoop(arm, arm)
    loop.set_controller(ScriptedController(*plans, instruction=INSTRUCTION))
    return loop


def record(loop, recorder, ticks):
    loop.add_sink(recorder.on_tick)
    for _ in range(ticks):
        loop.step_once()
    loop.remove_sink(recorder.on_tick)


@pytest.fixture
def simulated():
    arm = SimulatedArm(3)
    arm.connect()
    return arm


def test_take_contains_all_ticks(simulated):
    loop = loop_of(simulated, *[make_motion(y=0.004)] * 10)
    memory = InMemoryRecorder("sweep", simulated)
    ticks = []
    loop.add_sink(ticks.append)
    record(loop, memory, 30)
    take = memory.stop()
    assert (take.task, take.arm, len(take)) == ("sweep", "simulated SO-101", 30)
    assert take.segments == (Segment(0, 20, INSTRUCTION),)
    assert take.joint_names == tuple(joint.name for joint in simulated.joints)
    assert take.objects == simulated.objects
    assert take.model_xml == simulated.model_xml
    assert take.timing.rate_requested == 50.0
    np.testing.assert_allclose(np.diff(take.time), CONTROL_PERIOD_S)
    np.testing.assert_array_equal(take.command_sent, [tick.sent.positions for tick in ticks])
    np.testing.assert_array_equal(take.joint_positions, [tick.observation.joints.positions for tick in ticks])
    np.testing.assert_array_equal(take.states, [tick.state for tick in ticks])


def test_set_state_of_stored_sample_is_exact(simulated):
    loop = loop_of(simulated, *[make_motion(z=-0.004)] * 20)
    memory = InMemoryRecorder("press", simulated)
    record(loop, memory, 40)
    take = memory.stop()
    assert take.states is not None
    simulated.set_state(take.states[10])
    np.testing.assert_array_equal(simulated.observe().positions, take.joint_positions[10])


def test_take_starts_at_first_decision():
    arm = FakeArm()
    loop = loop_of(arm, *[make_motion()] * 10)
    loop.step_once()
    memory = InMemoryRecorder("late", arm)
    record(loop, memory, 9)
    take = memory.stop()
    assert len(take) == 8
    assert take.time[0] == pytest.approx(2 * CONTROL_PERIOD_S)


@pytest.mark.parametrize("ticks", [1, 4, 5, 6, 255, 256, 257, 600])
def test_journal_memory_and_recovery_agree(tmp_path, ticks):
    arm = FakeArm()
    loop = loop_of(arm, *[make_motion(y=0.0001)] * 100)
    memory, recorder = InMemoryRecorder("same", arm), Recorder(tmp_path)
    recorder.start("same", arm, arm)
    loop.add_sink(memory.on_tick)
    record(loop, recorder, ticks)
    assert recorder.sample_count == ticks
    take = recorder.stop()
    assert_same(take, memory.stop())
    (left,) = find_recoverable_takes(tmp_path)
    assert (left.task, left.sample_count, left.error) == ("same", ticks, "")
    assert_same(take, recover_take(left.path))
    recorder.clear_journal()
    assert find_recoverable_takes(tmp_path) == []
    assert list((tmp_path / journal.JOURNAL_FOLDER).iterdir()) == []


@given(st.lists(st.integers(-1, 3), max_size=40))
def test_split_by_instruction_returns_last_run_of_each(column):
    """An instruction that was started a second time has two runs, of which the first one was abandoned."""
    runs = [list(run) for _, run in itertools.groupby(column)]
    indices = [run[0] for run in runs]
    kept = [run if run[0] not in indices[i + 1 :] else [-1] * len(run) for i, run in enumerate(runs)]
    instructions = [replace(INSTRUCTION, object_name=str(i)) for i in range(4)]
    segments = split_by_instruction(np.array(column, dtype=np.int64), instructions)
    covered = [-1] * len(column)
    for segment in segments:
        assert segment.start < segment.stop
        covered[segment.start : segment.stop] = [int(segment.instruction.object_name)] * (segment.stop - segment.start)
    assert covered == list(itertools.chain(*kept))
    for one, other in itertools.pairwise(segments):
        assert one.stop < other.start or one.instruction is not other.instruction


def test_equal_instructions_make_two_segments():
    arm = FakeArm()
    loop = ControlLoop(arm, arm)
    memory = InMemoryRecorder("twice", arm)
    loop.add_sink(memory.on_tick)
    for _ in range(2):
        loop.run_inline(ScriptedController(*[make_motion()] * 3, instruction=replace(INSTRUCTION)), 6)
    assert [(s.start, s.stop) for s in memory.stop().segments] == [(0, 6), (6, 12)]


def test_stop_without_samples_raises_and_leaves_no_file(tmp_path):
    arm, recorder = FakeArm(), Recorder(tmp_path)
    with pytest.raises(RecordingError, match="No take is being recorded"):
        recorder.stop()
    recorder.start("none", arm, arm)
    with pytest.raises(RecordingError, match="being recorded already"):
        recorder.start("again", arm, arm)
    with pytest.raises(RecordingError, match="Nothing was recorded"):
        recorder.stop()
    assert list((tmp_path / journal.JOURNAL_FOLDER).iterdir()) == []
    recorder.start("works", arm, arm)
    recorder.abort()


def test_abort_discards_take_before_next(tmp_path):
    arm, recorder = FakeArm(), Recorder(tmp_path)
    for ticks in (20, 10):
        recorder.start("again", arm, arm)
        record(loop_of(arm, *[make_motion()] * 99), recorder, ticks)
        if ticks == 20:
            recorder.abort()
    assert len(recorder.stop()) == 10
    assert len(find_recoverable_takes(tmp_path)) == 1


# Failures during recording

RECORDING = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[2:]
import numpy as np
from tests.helpers.clocks import sleep
from tests.helpers.fakes import ScriptedController, make_motion
from metagui.arms.control.loop import ControlLoop
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.demonstrations.demonstration import Instruction
from metagui.demonstrations.recording.recorder import Recorder

arm = SimulatedArm(5)
arm.connect()
loop = ControlLoop(arm, arm)
recorder = Recorder(Path(sys.argv[1]))
recorder.start("killed", arm, arm)

def print_tick(tick):
    if recorder.sample_count:
        sys.stdout.write(f"{tick.time.hex()} {float(tick.observation.joints.positions.sum()).hex()}\\n")
        sys.stdout.flush()

plans = [make_motion(y=0.004 * (-1) ** (i // 25)) for i in range(1000)]
loop.set_controller(ScriptedController(*plans, instruction=Instruction("trace", "red cube", None, {"shape": "line"})))
loop.add_sink(recorder.on_tick)
loop.add_sink(print_tick)
loop.start()
"""
KILLED = (
    RECORDING
    + """
sleep(600)
"""
)


def paths():
    return [str(Path(path).resolve()) for path in sys.path if path]


def begin(tmp_path, program=KILLED):
    return subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path), *paths()],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
@pytest.mark.parametrize("seed", range(4))
def test_recover_take_after_kill_has_all_samples(tmp_path, seed):
    with begin(tmp_path) as process:
        printed = [process.stdout.readline()]
        assert find_recoverable_takes(tmp_path) == [], "a take that is being recorded must not be listed"
        rng = random.Random(seed)
        printed += [process.stdout.readline() for _ in range(rng.randint(0, 50))]
        sleep(rng.uniform(0.0, CONTROL_PERIOD_S))  # somewhere within a tick
        process.send_signal(signal.SIGKILL)
        printed += process.stdout.read().splitlines()
    printed = [line.split() for line in printed if len(line.split()) == 2]
    (left,) = find_recoverable_takes(tmp_path)
    take = recover_take(left.path)
    assert take.task == "killed"
    assert take.segments == (Segment(0, len(take), Instruction("trace", "red cube", None, {"shape": "line"})),)
    assert len(take) >= len(printed), "a sample was lost that the recorder had received"
    for (when, where), time_kept, joints in zip(printed, take.time, take.joint_positions, strict=False):
        assert float.fromhex(when) == time_kept
        assert float.fromhex(where) == float(joints.sum())
    delete_journal(left.path)
    assert find_recoverable_takes(tmp_path) == []


FULL = (
    """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))
"""
    + RECORDING.replace('"killed"', '"full"')
    + """
while recorder.failure_reason is None:
    sleep(0.01)
sleep(0.1)
assert loop.running and loop.error is None, loop.error
samples = recorder.sample_count
take = recorder.stop()
loop.stop()
assert len(take) == samples
sys.stderr.write(f"{samples} {recorder.failure_reason}")
"""
)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows limits no file sizes")
def test_full_disk_ends_take_and_keeps_samples(tmp_path):
    with begin(tmp_path, FULL) as process:
        _, output = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, output
    samples, _, reason = output.partition(" ")
    assert reason.startswith("Recording stopped: ")
    assert "are safe in memory" in reason
    (left,) = find_recoverable_takes(tmp_path)
    assert left.sample_count == int(samples) - 1


def test_start_in_unwritable_folder_raises(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    recorder = Recorder(tmp_path / "file" / "library")
    with pytest.raises(RecordingError, match=r"Cannot record into .*choose another folder"):
        recorder.start("nowhere", FakeArm(), FakeArm())
    assert not recorder.is_recording


def test_closed_journal_ends_take_and_keeps_samples(tmp_path):
    arm, reasons = FakeArm(), []
    recorder = Recorder(tmp_path, on_failure=reasons.append)
    recorder.start("closed", arm, arm)
    loop = loop_of(arm, *[make_motion()] * 99)
    record(loop, recorder, 10)
    recorder._journal.close()
    record(loop, recorder, 10)
    assert reasons == [recorder.failure_reason]
    assert not recorder.is_recording
    take = recorder.stop()
    assert (len(take), take.success, take.notes) == (11, False, CUT_OFF_NOTE), "never stored as a success"
    assert find_recoverable_takes(tmp_path)[0].sample_count == 10


def test_find_recoverable_takes_lists_unreadable_journals(tmp_path):
    folder = tmp_path / journal.JOURNAL_FOLDER
    folder.mkdir()
    (folder / "a.journal").write_bytes(b"no HDF5 at all")
    (folder / "b.journal").write_bytes(b'{"task": "t"}\n')
    (folder / "c.journal").write_bytes(b'{"task": "t", "state_size": 1e99}\n')
    (folder / "d.journal").mkdir()
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "e.journal")
    listed = find_recoverable_takes(tmp_path)
    assert [(left.path.name, left.sample_count) for left in listed] == [(f"{c}.journal", 0) for c in "abc"]
    assert all("cannot be read back: its header is damaged" in left.error for left in listed)
    with pytest.raises(RecordingError):
        recover_take(listed[0].path)


def test_find_recoverable_takes_offers_nothing_without_samples(tmp_path):
    """Journals that end before the first sample are deleted, but only old ones: another program may have begun it."""
    folder = tmp_path / journal.JOURNAL_FOLDER
    arm, recorder = FakeArm(), Recorder(tmp_path)
    recorder.start("empty", arm, arm)
    recorder._journal.close()
    (header,) = folder.iterdir()
    (folder / "part.journal").write_bytes(header.read_bytes()[:99])
    (folder / "empty.journal").touch()
    assert find_recoverable_takes(tmp_path) == []
    assert len(list(folder.iterdir())) == 3
    for path in folder.iterdir():
        os.utime(path, (0, 0))
    assert find_recoverable_takes(tmp_path) == []
    assert list(folder.iterdir()) == []


def test_start_that_fails_leaves_no_journal(tmp_path, monkeypatch):
    def refuse(_journal, _data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(journal.Journal, "_write", refuse)
    with pytest.raises(RecordingError, match=r"Cannot record into .*: No space left on device\. Nothing was recorded"):
        Recorder(tmp_path).start("full", FakeArm(), FakeArm())
    assert list((tmp_path / journal.JOURNAL_FOLDER).iterdir()) == []


def test_damaged_journal_header_is_refused(tmp_path):
    """The checksum of the header finds what JSON accepts; a header of version 0.1 has none."""
    arm, recorder = FakeArm(), Recorder(tmp_path)
    recorder.start("header", arm, arm)
    record(loop_of(arm, *[make_motion()] * 99), recorder, 10)
    take = recorder.stop()
    path = find_recoverable_takes(tmp_path)[0].path
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"header"', b'"heater"', 1))
    assert "its header is damaged" in find_recoverable_takes(tmp_path)[0].error
    first, _, rest = content.partition(b"\n")
    path.write_bytes(first.partition(b"\t")[0] + b"\n" + rest)
    assert_same(take, recover_take(path))


def test_truncated_journal_never_gives_wrong_rows(tmp_path):
    """A journal cut off at any byte gives its complete rows or an error."""
    arm, recorder = FakeArm(), Recorder(tmp_path)
    recorder.start("cut", arm, arm)
    record(loop_of(arm, *[make_motion(y=0.0001)] * 99), recorder, 60)
    take = recorder.stop()
    path = find_recoverable_takes(tmp_path)[0].path
    whole = path.read_bytes()
    for length in np.linspace(0, len(whole), 60, dtype=int):
        path.write_bytes(whole[:length])
        for left in find_recoverable_takes(tmp_path):
            if not left.error:
                back = recover_take(left.path)
                np.testing.assert_array_equal(back.joint_positions, take.joint_positions[: len(back)])


def test_randomly_damaged_journal_gives_recorded_rows_or_an_error(tmp_path):
    """Whatever bytes are changed, removed or inserted, no sample is invented."""
    arm, recorder = FakeArm(), Recorder(tmp_path)
    recorder.start("spoilt", arm, arm)
    record(loop_of(arm, *[make_motion(y=0.0001)] * 99), recorder, 40)
    take, rng = recorder.stop(), np.random.default_rng(1)
    path = find_recoverable_takes(tmp_path)[0].path
    good, refused = path.read_bytes(), 0
    for _ in range(300):
        content, place = bytearray(good), int(rng.integers(len(good)))
        if rng.integers(3) == 0:
            content[place : place + int(rng.integers(9))] = rng.bytes(int(rng.integers(9)))
        else:
            for where in rng.integers(0, len(good) if rng.integers(2) else 700, 3):
                content[where] = int(rng.integers(256))
        path.write_bytes(content)
        listed = find_recoverable_takes(tmp_path)
        refused += any("cannot be read back" in found.error for found in listed)
        for found in listed:
            if not found.error:
                back = recover_take(found.path)
                np.testing.assert_array_equal(back.joint_positions, take.joint_positions[: len(back)])
    assert refused > 50


def test_on_tick_takes_small_part_of_period(tmp_path, simulated):
    recorder = Recorder(tmp_path)
    recorder.start("speed", simulated, simulated)
    loop = loop_of(simulated, *[make_motion()] * 200)
    costs = []

    def timed(tick):
        before = time.thread_time()  # independent of the load of the machine
        recorder.on_tick(tick)
        costs.append(time.thread_time() - before)

    loop.add_sink(timed)
    for _ in range(200):
        loop.step_once()
    assert np.median(costs) < CONTROL_PERIOD_S / 10
    recorder.abort()
