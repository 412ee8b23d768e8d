"""Per-thread torch settings for the small networks of this package: one thread, denormals flushed to zero."""

from __future__ import annotations

import torch


def use_single_thread() -> None:
    """Limit torch to the calling thread and flush denormal numbers (below 1e-38) to zero in it.

    More threads than free cores spin, and networks this small gain nothing from them. Momenta of weights without
    gradient, and softmax weights of dissimilar situations, decay to denormal numbers, which cost a processor a hundred
    times as much. Flushing is a setting of the calling thread, so every thread that computes has to call this.
    """
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
