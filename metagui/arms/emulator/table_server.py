"""Serves the state of an emulated arm's table on the loopback, for the process of its camera, and moves objects.

A request is one line: ``state`` is answered by the number of bytes and the physics state as float64; ``place X Y NAME``
puts an object on the table at x and y, m, as a hand would, and is answered by a line.
"""

from __future__ import annotations

import socket
import socketserver
import struct
import threading
from typing import TYPE_CHECKING, Self

import numpy as np

from metagui.arms.arm import ArmError, ConnectionLostError

if TYPE_CHECKING:
    from collections.abc import Callable

    from metagui.arms.arm import FloatArray
    from metagui.arms.emulator.emulated_arm import EmulatedArm

_LOOPBACK = "127.0.0.1"
_TIMEOUT_S = 5.0
_MAX_LINE_BYTES = 200
_SIZE = struct.Struct("<I")


class TableServer:
    """Serves the table of ``arm`` at ``port`` of the loopback; a context manager. Raises OSError for a used port."""

    def __init__(self, arm: EmulatedArm, port: int = 0) -> None:
        class Handler(_TableHandler):
            table = arm

        self._server = socketserver.ThreadingTCPServer((_LOOPBACK, port), Handler)
        self._server.daemon_threads = True  # a camera may stay connected
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="emulated table")
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        """Return the server."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop serving."""
        self.close()


class _TableHandler(socketserver.StreamRequestHandler):
    """Answers one client."""

    table: EmulatedArm

    def handle(self) -> None:
        """Answer requests until the client goes."""
        while line := self.rfile.readline(_MAX_LINE_BYTES):
            words = line.decode("utf-8", "replace").split(maxsplit=3)
            if words == ["state"]:
                data = self.table.get_state().astype("<f8").tobytes()
                self.wfile.write(_SIZE.pack(len(data)) + data)
            elif len(words) == 4 and words[0] == "place":
                self.wfile.write(f"{self._place(*words[1:])}\n".encode())
            else:
                self.wfile.write(b"unknown request\n")

    def _place(self, x: str, y: str, name: str) -> str:
        """Place an object; return the reply."""
        try:
            self.table.place_object(name.strip(), float(x), float(y))
        except (ValueError, ArmError) as error:
            return str(error)
        return "placed"


class TableClient:
    """The table of an emulated arm in another process; use one client in one thread."""

    def __init__(self, port: int) -> None:
        try:
            self._socket = socket.create_connection((_LOOPBACK, port), _TIMEOUT_S)
        except OSError as error:
            raise ConnectionLostError(
                f"There is no emulated table at port {port} ({error.strerror or error}). Nothing was changed; start "
                f"`metagui emulate-arm --table-port {port}` first."
            ) from error
        self._stream = self._socket.makefile("rb")

    def read_state(self) -> FloatArray:
        """Return the present physics state (D,). Raises ConnectionLostError if the arm has ended."""
        data = self._request("state", lambda: self._stream.read(_SIZE.unpack(self._stream.read(_SIZE.size))[0]))
        return np.frombuffer(data, dtype="<f8").astype(np.float64)

    def place_object(self, name: str, x: float, y: float) -> None:
        """Put an object on the table at x and y, m. Raises ArmError, ConnectionLostError."""
        reply = self._request(f"place {x:.6f} {y:.6f} {name}", self._stream.readline).decode().strip()
        if reply != "placed":
            raise ArmError(reply)

    def close(self) -> None:
        """Leave the table."""
        self._stream.close()
        self._socket.close()

    def _request(self, line: str, read: Callable[[], bytes]) -> bytes:
        """Send a line and return the reply."""
        try:
            self._socket.sendall(f"{line}\n".encode())
            return read()
        except (OSError, struct.error) as error:
            raise ConnectionLostError(
                "The emulated arm has ended, and with it the table. Nothing was changed; start it again."
            ) from error
