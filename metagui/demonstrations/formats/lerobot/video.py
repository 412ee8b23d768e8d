"""Videos of LeRobot data sets: the only module that uses av (FFmpeg)."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any, Self

from metagui.demonstrations.formats.exchange import ExchangeError
from metagui.demonstrations.formats.lerobot.parquet import INSTALL_HINT

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_KEYFRAME_DISTANCE = 2
"""Distance of key frames, as LeRobot writes them, so that any frame is decoded quickly."""
_QUALITY = "23"
"""Constant rate factor of H.264."""


class VideoWriter:
    """Writes pictures to an MP4 file with H.264, frame k at k / fps seconds; use it as a context manager."""

    def __init__(self, path: Path, fps: int, width: int, height: int) -> None:
        try:
            import av
        except ImportError as error:
            raise ExchangeError(
                "Videos need the package av, which is not installed. Nothing was written; install it "
                f"({INSTALL_HINT}), or export without pictures."
            ) from error
        path.parent.mkdir(parents=True, exist_ok=True)
        self._av: Any = av
        self._container = av.open(str(path), "w")
        options = {"g": str(_KEYFRAME_DISTANCE), "crf": _QUALITY, "preset": "fast"}
        self._stream: Any = self._container.add_stream("libx264", rate=fps, options=options)
        self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, "yuv420p"
        self._stream.codec_context.time_base = Fraction(1, fps)
        self.frame_count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def write(self, picture: NDArray[Any]) -> None:
        """Append one picture (height, width, 3) uint8."""
        frame = self._av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = self.frame_count, self._stream.codec_context.time_base
        self._container.mux(self._stream.encode(frame))
        self.frame_count += 1

    def close(self) -> None:
        """Write the remaining frames and close the file."""
        self._container.mux(self._stream.encode())
        self._container.close()
