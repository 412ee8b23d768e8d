"""``python -m metagui`` and the ``metagui`` command: the window, or a verb without it."""

from __future__ import annotations

from metagui.cli import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
