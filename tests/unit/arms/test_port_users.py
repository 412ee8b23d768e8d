"""Tests of finding other programs on a port, on the true system and on a folder of made-up processes."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from metagui.arms.emulator.emulated_port import EmulatedPort
from metagui.arms.feetech.port_users import PROCESS_FOLDER, PortUser, describe_users, find_port_users
from metagui.arms.feetech.serial_port import PortError, SerialPort
from tests.helpers.emulated_bench import make_emulated_arm

if TYPE_CHECKING:
    from pathlib import Path

HOLD_PORT = "import os, sys; os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY); print('open', flush=True); sys.stdin.read()"


@pytest.mark.pty
@pytest.mark.skipif(not PROCESS_FOLDER.is_dir(), reason="the system does not tell who has a port open")
def test_other_program_on_the_port_is_named() -> None:
    """It does not lock the port, as most programs do not."""
    with EmulatedPort(make_emulated_arm(), physics=False) as port:
        command = [sys.executable, "-c", HOLD_PORT, port.name]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
            assert other.stdout is not None
            other.stdout.readline()
            with pytest.raises(PortError, match=rf"Another program uses {port.name}: .*\(process {other.pid}\)"):
                SerialPort(port.name)
            other.communicate()
        SerialPort(port.name).close()


def test_users_are_found_by_their_links(tmp_path: Path) -> None:
    device = tmp_path / "ttyACM0"
    device.touch()
    processes: tuple[tuple[int, list[str], list[Path | str]], ...] = (
        (900001, ["/usr/bin/python3", "-u", "/opt/teleoperate.py"], [device]),
        (900002, ["/usr/bin/screen", str(device)], [device, "/dev/null"]),
        (900003, ["python3", "metagui"], [device, "/dev/ptmx"]),
        (900004, ["idle"], ["/dev/null"]),
        (os.getpid(), ["self"], [device]),
    )
    for number, words, targets in processes:
        links = tmp_path / "proc" / str(number) / "fd"
        links.mkdir(parents=True)
        for index, target in enumerate(targets):
            (links / str(index)).symlink_to(target)
        (links.parent / "cmdline").write_bytes(b"\0".join(word.encode() for word in words) + b"\0")
    found = find_port_users(str(device), tmp_path / "proc")
    assert [str(user) for user in found] == ["teleoperate.py (process 900001)", "screen (process 900002)"]
    assert find_port_users(str(device), tmp_path / "nowhere") == []


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (1, "program0 (process 0)"),
        (3, "program0 (process 0), program1 (process 1), program2 (process 2)"),
        (40, "program0 (process 0), program1 (process 1), program2 (process 2) and 37 more"),
    ],
)
def test_describe_users_names_the_first_of_many(count: int, text: str) -> None:
    """A device such as /dev/null is open in most programs."""
    assert describe_users([PortUser(f"program{i}", i) for i in range(count)]) == text
