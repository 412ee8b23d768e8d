"""Serves pictures as a Motion JPEG stream, on the loopback only: no picture leaves the machine.

Any program that opens network cameras opens it, such as ``Webcam`` with the server's address.
"""

from __future__ import annotations

import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

import cv2

if TYPE_CHECKING:
    from collections.abc import Callable

    from metagui.cameras.camera import Frame

LOOPBACK = "127.0.0.1"
"""The only address that is served."""
_BOUNDARY = "picture"
_WAIT_S = 0.5
_QUALITY = 92


class StreamServer:
    """Serves published frames at ``url``; a context manager, which ends the streams.

    A client that is slow misses pictures. A POST to ``/faults/NAME`` calls ``on_fault`` with the name.
    """

    def __init__(self, port: int = 0, on_fault: Callable[[str], bool] | None = None) -> None:
        self._on_fault = on_fault
        self._news = threading.Condition()
        self._picture = b""
        self._count = 0
        self._closing = False
        self._generation = 0
        server = self

        class Handler(_StreamHandler):
            stream = server

        self._http = ThreadingHTTPServer((LOOPBACK, port), Handler)
        self._http.daemon_threads = False
        self.port = int(self._http.server_address[1])
        self.url = f"http://{LOOPBACK}:{self.port}/stream.mjpg"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.1,), name="stream server")
        self._thread.start()

    def publish(self, frame: Frame) -> None:
        """Send a frame to all clients."""
        _, encoded = cv2.imencode(".jpg", frame.picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
        with self._news:
            self._picture, self._count = encoded.tobytes(), self._count + 1
            self._news.notify_all()

    def wait_for_picture(self, after: int) -> tuple[int, bytes] | None:
        """Return the number and the JPEG of the next picture after number ``after``; None if the stream ends."""
        with self._news:
            generation = self._generation
            while self._count <= after and not self._closing and generation == self._generation:
                self._news.wait(_WAIT_S)
            return (self._count, self._picture) if self._count > after and not self._closing else None

    def drop_clients(self) -> None:
        """End the streams of all clients, as a camera that is unplugged; new clients wait for the next picture."""
        with self._news:
            self._generation += 1
            self._news.notify_all()

    def switch_fault(self, name: str) -> bool:
        """Switch a fault on or off; return False if there is none with the name."""
        return self._on_fault is not None and self._on_fault(name)

    def close(self) -> None:
        """End all streams."""
        if self._closing:
            return
        with self._news:
            self._closing = True
            self._news.notify_all()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def __enter__(self) -> Self:
        """Return the server."""
        return self

    def __exit__(self, *exception: object) -> None:
        """End all streams."""
        self.close()


class _StreamHandler(BaseHTTPRequestHandler):
    """Answers one client."""

    stream: StreamServer
    timeout = 10.0

    def do_GET(self) -> None:
        """Send pictures until the client or the server closes."""
        if not self.path.startswith("/stream"):
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={_BOUNDARY}")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        number = 0
        try:
            while (found := self.stream.wait_for_picture(number)) is not None:
                number, picture = found
                head = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
                self.wfile.write(head.encode() + picture + b"\r\n")
        except OSError:  # the client has gone
            return

    def do_POST(self) -> None:
        """Switch a fault."""
        name = self.path.rpartition("/")[2]
        found = self.path.startswith("/faults/") and self.stream.switch_fault(name)
        self.send_response(HTTPStatus.NO_CONTENT if found else HTTPStatus.NOT_FOUND)
        self.end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Write no log of requests."""
