"""All servers listen on the loopback only: the sockets of running servers, and no other place that opens one."""

from __future__ import annotations

import multiprocessing
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from metagui.arms.emulator.emulated_arm import EmulatedArm
from metagui.arms.emulator.table_server import TableServer
from metagui.cameras.capture.stream_server import StreamServer
from metagui.learning.torch_utils.process_group import open_group

if TYPE_CHECKING:
    from collections.abc import Iterable

PACKAGE = Path(__file__).parents[2] / "metagui"
SERVERS = {
    "arms/emulator/table_server.py",
    "cameras/capture/stream_server.py",
    "learning/torch_utils/process_group.py",
}
"""Modules that may open a listening socket; each is started by a test below."""
LISTENING, LOOPBACK_V4 = "0A", "0100007F"
LOOPBACK_V6 = ("00000000000000000000000001000000", "0000000000000000FFFF00000100007F")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="sockets are listed in /proc")


def find_listening_addresses(pids: Iterable[int]) -> dict[str, str]:
    """Return the local address of every socket on which a process listens, by its inode."""
    inodes = set()
    for pid in pids:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            found = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(entry)) if entry.is_symlink() else None
            inodes |= {found[1]} if found else set()
    addresses = {}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENING and fields[9] in inodes:
                addresses[fields[9]] = fields[1].partition(":")[0]
    return addresses


def is_loopback(address: str) -> bool:
    return address == LOOPBACK_V4 or address in LOOPBACK_V6


@on_linux
def test_servers_of_emulated_arm_and_camera_listen_on_the_loopback_only() -> None:
    before = find_listening_addresses([os.getpid()])
    with TableServer(EmulatedArm()), StreamServer():
        found = find_listening_addresses([os.getpid()])
    opened = [address for inode, address in found.items() if inode not in before]
    assert len(opened) == 2
    assert all(map(is_loopback, opened))


@on_linux
def test_processes_of_training_listen_on_the_loopback_only() -> None:
    with open_group(2):
        pids = [os.getpid(), *(child.pid for child in multiprocessing.active_children() if child.pid)]
        found = find_listening_addresses(pids)
    assert found, "the processes meet by sockets"
    assert all(map(is_loopback, found.values()))


def test_no_other_module_opens_a_socket_that_listens() -> None:
    pattern = re.compile(
        r"http\.server|socketserver|\.listen\(|\.bind\(|create_server|QTcpServer|QLocalServer|init_process_group"
    )
    found = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if pattern.search(path.read_text(encoding="utf-8"))
    }
    assert found == SERVERS
