"""The network of the Siamese encoder: from a take with any number of objects to three embeddings.

One convolution over the path is shared by all objects; each object's summary then sees the mean and the maximum of all
summaries. Objects are a set: no result depends on their order, and nothing the network sees tells their names.

    motion   f_m = MLP(mean, max)              what is done, whatever it is done to
    numbers  f_n = MLP(mean, max)              the same, with the numbers: where exactly, how large
    objects  f_o = Σᵢ roleᵢ ⊗ codeᵢ            which object has which role

codeᵢ are 64 signs that depend on the name alone, so that different names are nearly orthogonal (tensor product binding,
Smolensky 1990). In training, every batch has codes of its own: the roles hold for names that no training had. The task
embedding is (f_n, f_o) / √2, so that its squared distance is the mean of those of numbers and objects.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch

from metagui.learning.policy.feature_layout import COARSE_SCALE_M
from metagui.learning.similarity.trajectory import (
    ABSENT_OBJECT,
    GLOBAL_CHANNELS,
    NEAREST_CHANNELS,
    OBJECT_CHANNELS,
    OFFSET_CHANNELS,
)
from metagui.learning.torch_utils.functional_mlp import Params, init_mlp, linear, mlp

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from metagui.learning.policy.feature_layout import Array

CODE_SIZE = 64
"""Number of signs of an object's code."""
RECEPTIVE_CENTRE, RECEPTIVE_STRIDE = 6, 4
"""Point at the centre of the first window of the two convolutions, and the distance to the next window's."""
WAVELENGTHS_M = (0.06, 0.025)
"""Wavelengths of the waves that lengths are turned into, m."""


@dataclass(frozen=True)
class SiameseEncoder:
    """The network f: sizes and parameters."""

    params: Params = field(default_factory=dict)
    """Parameters by name; empty if untrained."""
    width: int = 48
    """Number of channels of the convolutions."""
    events: int = 4
    """Number of points of the path that attention selects, per object."""
    summary_size: int = 48
    """Size of the summary of one object."""
    subjects: int = 2
    """Number of objects that attention selects."""
    roles: int = 4
    """Size of a role."""
    embedding_size: int = 24
    """Size of the embeddings of motion and of numbers."""

    def initialise(self, seed: int) -> SiameseEncoder:
        """Return an untrained network."""
        generator = torch.Generator().manual_seed(seed)
        channels, w, s = OBJECT_CHANNELS + GLOBAL_CHANNELS, self.width, self.summary_size
        params = init_mlp("conv", (5 * channels, w), generator) | init_mlp("deep", (5 * w, w), generator)
        params |= init_mlp("events", (w, self.events), generator)
        params |= init_mlp("object", ((2 + self.events) * w + 2 * channels, 2 * w, s), generator)
        params |= init_mlp("context", (3 * s, 2 * w, s), generator)
        params |= init_mlp("role", (s, self.roles), generator)
        params |= init_mlp("subject", (s, self.subjects), generator)
        pooled = (2 + self.subjects) * s
        params |= init_mlp("motion", (pooled, 2 * w, self.embedding_size), generator)
        state = channels + 2 * len(WAVELENGTHS_M) * 6
        selected = self.subjects * (self.events + 1) * state
        params |= init_mlp("numbers", (pooled + selected, 4 * w, 2 * w, self.embedding_size), generator)
        return SiameseEncoder(params, *self.sizes)

    @property
    def sizes(self) -> tuple[int, int, int, int, int, int]:
        """All sizes, in the order of the fields after ``params``."""
        return self.width, self.events, self.summary_size, self.subjects, self.roles, self.embedding_size

    @property
    def is_trained(self) -> bool:
        """True if there are parameters."""
        return bool(self.params)


def forward(
    params: Params, object_channels: torch.Tensor, global_channels: torch.Tensor, codes: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return embeddings of length one: motion (n, E), numbers (n, E), objects (n, roles * CODE_SIZE).

    Channels as in ``Trajectories``; ``codes`` (n, A, CODE_SIZE) are 0 where there is no object.
    """
    present = codes.abs().amax(-1, keepdim=True).sign()  # (n, A, 1)
    summaries, states = _summarise_objects(params, object_channels, global_channels)
    context = _pool(summaries, present).unsqueeze(1).expand(-1, summaries.shape[1], -1)
    summaries = torch.relu(mlp(params, "context", torch.cat([summaries, context], -1), 2))
    logits = linear(summaries, params["subject.0.weight"], params["subject.0.bias"])
    weights = torch.softmax(logits - 1e4 * (1.0 - present), dim=1)
    pooled = torch.cat([_pool(summaries, present), torch.einsum("nah,nas->nhs", weights, summaries).flatten(1)], -1)
    selected = torch.einsum("nah,nas->nhs", weights, states).flatten(1)
    roles = linear(summaries, params["role.0.weight"], params["role.0.bias"])
    bound = torch.einsum("nar,nac->nrc", roles, codes).flatten(1)
    motion, numbers = mlp(params, "motion", pooled, 2), mlp(params, "numbers", torch.cat([pooled, selected], -1), 3)
    return _normalise(motion), _normalise(numbers), _normalise(bound)


def make_codes(identities: NDArray[np.uint64], rng: np.random.Generator | None = None) -> Array:
    """Return the codes (n, A, CODE_SIZE) of objects (n, A): the bits of their identities, or new ones from ``rng``."""
    known, index = np.unique(identities, return_inverse=True)
    bits = np.unpackbits(known.astype(">u8").view(np.uint8).reshape(-1, 8), axis=1).astype(np.float32)
    if rng is not None:
        bits = rng.integers(2, size=bits.shape).astype(np.float32)
    codes = (2.0 * bits - 1.0) / np.sqrt(CODE_SIZE)
    codes[known == ABSENT_OBJECT] = 0.0
    return np.asarray(codes[index.reshape(identities.shape)], dtype=np.float32)


def _summarise_objects(
    params: Params, object_channels: torch.Tensor, global_channels: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the summary of every object by itself, (n, A, summary_size), and its states, (n, A, S).

    The states are the channels at the events and at the end, with waves of the lengths, which resolve millimetres.
    """
    takes, points, count, _ = object_channels.shape
    shared = global_channels.unsqueeze(2).expand(-1, -1, count, -1)
    x = torch.cat([object_channels, shared], -1).permute(0, 2, 1, 3).reshape(takes * count, points, -1)
    hidden = torch.relu(_convolve(params, "conv", x))
    hidden = torch.relu(_convolve(params, "deep", hidden))
    weights = torch.softmax(linear(hidden, params["events.0.weight"], params["events.0.bias"]), dim=1)
    events = torch.einsum("npe,npw->new", weights, hidden).flatten(1)
    centres = x[:, RECEPTIVE_CENTRE::RECEPTIVE_STRIDE][:, : hidden.shape[1]]
    states = torch.cat([torch.einsum("npe,npc->nec", weights, centres), x[:, -1:]], 1)
    ends = torch.cat([x[:, 0], x[:, -1]], -1)
    out = torch.relu(mlp(params, "object", torch.cat([hidden.mean(1), hidden.amax(1), events, ends], -1), 2))
    lengths = torch.cat([states[..., OFFSET_CHANNELS], states[..., NEAREST_CHANNELS]], -1)
    waves = [
        wave(2 * math.pi * COARSE_SCALE_M / each * lengths) for each in WAVELENGTHS_M for wave in (torch.sin, torch.cos)
    ]
    return out.reshape(takes, count, -1), torch.cat([states, *waves], -1).reshape(takes, count, -1)


def _pool(summaries: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
    """Return sum and maximum over the objects that are present, (n, 2 * size); summaries are not negative."""
    kept = summaries * present
    return torch.cat([kept.sum(1) / present.sum(1).clamp_min(1.0), kept.amax(1)], -1)


def _convolve(params: Params, name: str, x: torch.Tensor) -> torch.Tensor:
    """Convolve (n, T, channels) over windows of five points with stride two."""
    windows = x.unfold(1, 5, 2).flatten(2)
    return linear(windows, params[f"{name}.0.weight"], params[f"{name}.0.bias"])


def _normalise(x: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.normalize(x, dim=-1)
