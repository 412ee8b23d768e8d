"""Entry point of ``python -m metagui`` and of the ``metagui`` command, which opens the window or runs a command."""

from __future__ import annotations

from metagui.cli import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
