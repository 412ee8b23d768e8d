"""How a thread computes here: alone, and without numbers too small to matter."""

from __future__ import annotations

import torch


def use_single_thread() -> None:
    """Let torch use this thread only, and let it take for zero what is below 1e-38.

    More threads than free cores spin, and networks this small gain nothing from them. The momenta of weights that
    nothing asks to change fade to such denormal numbers, and so do weights of what is not alike at all; a processor
    takes a hundred times as long for them. Zero is set for the calling thread alone, so every thread has to ask.
    """
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
