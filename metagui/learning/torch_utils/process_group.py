"""A group of processes that compute together (torch.distributed): one leads, the others work.

Rank 0 runs the program and sends jobs; the other ranks run ``serve_jobs``. The group is started by ``torchrun``, on one
or more machines, or by ``open_group`` on this one.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import pickle
import signal
import socket
import tempfile
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import distributed
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from metagui.learning.torch_utils.torch_threads import use_single_thread
from metagui.learning.torch_utils.worker_process import WorkerProcessError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.context import SpawnProcess

_PATIENCE = timedelta(days=7)
"""How long a rank waits for its next job. A rank that ends is noticed at once, because its connection closes."""
_EXIT_CHECK_S = 2.0
"""How long ``name_ended_ranks`` waits for a process that is about to end, s."""
_SIZE_TAG, _CONTENT_TAG = 1, 2


@dataclass(frozen=True)
class PendingSend:
    """An object on its way to another rank; holds the memory until it has arrived."""

    works: tuple[Any, ...]
    buffers: tuple[torch.Tensor, ...]

    def wait(self) -> None:
        """Wait until it has arrived."""
        for work in self.works:
            work.wait()


@dataclass
class ProcessGroup:
    """Place of this process in a group."""

    rank: int = 0
    size: int = 1
    store: Any = None
    """The group's key-value store (torch.distributed.Store); None in a group of one."""
    processes: list[SpawnProcess] = field(default_factory=list)
    """Processes of the ranks 1, 2, … that this process started; empty if ``torchrun`` started them."""
    is_open: bool = True
    """False once this process has left it or another rank has ended."""
    job_numbers: Iterator[int] = field(default_factory=itertools.count)
    """Numbers that distinguish the jobs of a run."""
    _sent: int = 0
    """Number of objects sent to rank 0."""
    _received: Counter[int] = field(default_factory=Counter)
    """Numbers of objects received, by rank."""

    def send_job(self, job: Callable[[], None] | None) -> None:
        """Let all other ranks run ``job``, or end them if None. Raises WorkerProcessError."""
        if self.size > 1:
            with self._named_failures():
                distributed.broadcast_object_list([job], src=0)

    def broadcast(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return rank 0's values on all ranks, in place. Raises WorkerProcessError."""
        if self.size > 1:
            with self._named_failures():
                distributed.broadcast(tensor, src=0)
        return tensor

    def gather(self, tensor: torch.Tensor) -> list[torch.Tensor]:
        """Return the tensors of all ranks, of equal shape, by rank; empty on other ranks than 0.

        Raises WorkerProcessError.
        """
        if self.size == 1:
            return [tensor]
        found = [torch.empty_like(tensor) for _ in range(self.size)] if self.rank == 0 else None
        with self._named_failures():
            distributed.gather(tensor, found, dst=0)
        return found or []

    def send(self, message: object, rank: int) -> PendingSend:
        """Send an object to a rank without waiting; it arrives when ``receive`` is called there."""
        content = torch.frombuffer(bytearray(pickle.dumps(message, pickle.HIGHEST_PROTOCOL)), dtype=torch.uint8)
        size = torch.tensor([len(content)])
        with self._named_failures():
            works = (distributed.isend(size, rank, tag=_SIZE_TAG), distributed.isend(content, rank, tag=_CONTENT_TAG))
        if rank == 0:  # only rank 0 asks what has arrived
            self._sent += 1
            self.store.set(f"{self.rank}/{self._sent}", "")
        return PendingSend(works, (size, content))

    def has_sent(self, rank: int) -> bool:
        """Return whether a rank has sent an object that rank 0 has not yet received; never waits."""
        return bool(self.store.check([f"{rank}/{self._received[rank] + 1}"]))

    def receive(self, rank: int) -> Any:
        """Wait for the next object from a rank. Raises WorkerProcessError."""
        size = torch.empty(1, dtype=torch.int64)
        with self._named_failures():
            distributed.recv(size, rank, tag=_SIZE_TAG)
            content = torch.empty(int(size), dtype=torch.uint8)
            distributed.recv(content, rank, tag=_CONTENT_TAG)
        self._received[rank] += 1
        return pickle.loads(content.numpy().tobytes())

    def name_ended_ranks(self) -> str:
        """Return which of the started processes have ended, such as "process 2 of 4 (rank 1)"."""
        for process in self.processes:
            process.join(_EXIT_CHECK_S / len(self.processes))
        ended = [rank for rank, process in enumerate(self.processes, 1) if process.exitcode is not None]
        names = [f"process {rank + 1} of {self.size} (rank {rank})" for rank in ended]
        return " and ".join(names) or f"one of {self.size} processes"

    @contextmanager
    def _named_failures(self) -> Iterator[None]:
        """Turn torch's error about a closed connection into one that names the rank."""
        try:
            yield
        except RuntimeError as error:
            self.is_open = False
            raise WorkerProcessError(
                f"The run ended because {self.name_ended_ranks()} ended, perhaps because memory ran out. The progress "
                "up to the last checkpoint is stored; start the same command again, with fewer processes if it happens "
                "again."
            ) from error


_ALONE = ProcessGroup()
_joined = _ALONE
"""The group that this process has joined; like torch.distributed, a process has one."""


def current_group() -> ProcessGroup:
    """Return the group that this process has joined, or a group of one."""
    return _joined


@contextmanager
def open_group(size: int) -> Iterator[ProcessGroup]:
    """Yield the group that this process has joined, if there is one; otherwise start ``size`` - 1 processes.

    The started processes end with the context. They meet by a file and listen on the loopback interface only.
    """
    if _joined is not _ALONE:
        yield _joined
        return
    if size == 1:
        yield _ALONE
        return
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="metagui-") as folder:
        meeting = (Path(folder) / "meeting").as_uri()
        processes = [
            context.Process(target=_work, args=(meeting, rank, size), name=f"rank {rank}", daemon=True)
            for rank in range(1, size)
        ]
        try:
            for process in processes:
                process.start()
            group = _join_on_loopback(meeting, 0, size)
            group.processes.extend(processes)
            yield group
            if group.is_open:
                group.send_job(None)
                for process in processes:
                    process.join(_EXIT_CHECK_S)
        finally:
            for process in processes:  # after an error, all at once: none must see the connection of another close
                process.terminate()
            for process in processes:
                process.join()
            _leave()


@contextmanager
def join_torchrun() -> Iterator[bool]:
    """Yield whether this process leads: without ``torchrun``, or as its rank 0. Other ranks work, then yield False."""
    if "TORCHELASTIC_RUN_ID" not in os.environ or int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield True
        return
    group = _join("env://")
    try:
        if group.rank != 0:
            serve_jobs()
        yield group.rank == 0
        if group.rank == 0:
            group.send_job(None)
    finally:
        _leave()


def serve_jobs() -> None:
    """Run the jobs of rank 0 until it sends None; Ctrl+C is handled by rank 0."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    use_single_thread()
    while True:
        received: list[Any] = [None]
        distributed.broadcast_object_list(received, src=0)
        if received[0] is None:
            return
        received[0]()


def _join_on_loopback(meeting: str, rank: int, size: int) -> ProcessGroup:
    """Join the group of this machine."""
    os.environ["GLOO_SOCKET_IFNAME"] = _loopback_interface()
    return _join(meeting, rank, size)


def _join(meeting: str, rank: int = -1, size: int = -1) -> ProcessGroup:
    """Join the group that meets at a URL, as the environment says if rank and size are negative."""
    # The functions of this module have the world's group as the default of a parameter. Imported later (torch.optim
    # does it), they would refer to our group and keep it after it was destroyed; a thread of gloo that frees a tensor
    # while the interpreter ends aborts the process (https://github.com/pytorch/pytorch/issues/190489).
    import torch.distributed.nn.functional  # noqa: F401

    global _joined
    store, rank, size = next(rendezvous(meeting, rank, size, timeout=_PATIENCE))
    store.set_timeout(_PATIENCE)
    distributed.init_process_group(
        "gloo", store=PrefixStore("group", store), rank=rank, world_size=size, timeout=_PATIENCE
    )
    _joined = ProcessGroup(rank, size, PrefixStore("messages", store))
    return _joined


def _leave() -> None:
    """End the connections and threads of the group; does nothing without one."""
    global _joined
    if _joined is not _ALONE:
        _joined.is_open = False
    _joined = _ALONE
    if distributed.is_initialized():
        distributed.destroy_process_group()


def _work(meeting: str, rank: int, size: int) -> None:
    """Run one of the started processes."""
    _join_on_loopback(meeting, rank, size)
    serve_jobs()
    _leave()


def _loopback_interface() -> str:
    """Return the name of the loopback interface: ``lo`` on Linux, ``lo0`` on macOS."""
    return next((name for _, name in socket.if_nameindex() if name.startswith("lo")), "lo")
