"""Data in a take's file that metagui does not know, carried along by export and import in its own format.

They are read only for that, never for listing or learning.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from metagui.demonstrations.health import HEALTH_TYPES
from metagui.demonstrations.storage import robomimic_layout
from metagui.demonstrations.storage.errors import ContentError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from metagui.demonstrations.storage.checked_file import CheckedGroup

METAGUI_GROUP = "metagui"
"""Group of a demonstration of an exported file for the attributes that robomimic does not have."""
_KNOWN_DATASETS = frozenset(
    {f"{group}/{key}" for group in ("obs", "next_obs") for key in robomimic_layout.OBSERVATION_KEYS}
    | {f"timing/{key}" for key in ("time", "lateness", "latency", "retries")}
    | {f"health/{key}" for key in HEALTH_TYPES}
    | {"actions", "dones", "rewards", "states", "segments", *robomimic_layout.COMMAND_FIELDS}
)
_KNOWN_ATTRIBUTES = frozenset(
    {
        "format_version", "task", "arm", "notes", "led_by", "joint_names", "units", "anchors", "rate_asked",
        "rate_reached", "missed_ticks", "success", "samples", "duration", "timing", "recut", "trim", "faults",
        "digest", "num_samples", "model_file",
    }
)  # fmt: skip


@dataclass(frozen=True)
class ExtraData:
    """Data sets and attributes of a take that metagui does not know."""

    datasets: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """Arrays by their path in the demonstration."""
    dataset_attributes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Attributes of those data sets."""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """Attributes of the take."""
    demo_attributes: Mapping[str, Any] = field(default_factory=dict)
    """Attributes of the demonstration's group."""
    left_out: tuple[str, ...] = ()
    """Names of data that cannot be carried along: texts, links, and what is too large."""

    @property
    def tags(self) -> tuple[str, ...]:
        """Tags that come with the take."""
        found = self.attributes.get("tags", ())
        return tuple(str(tag) for tag in found) if isinstance(found, np.ndarray) and found.ndim == 1 else ()

    @property
    def recorded(self) -> float | None:
        """Time of the recording, s since 1970; None if it is not known."""
        found = self.attributes.get("recorded")
        return float(found) if isinstance(found, int | float | np.number) else None

    def trim(self, start: int, stop: int, samples: int) -> ExtraData:
        """Return the data with only the samples [start, stop) of arrays that have one entry per sample."""
        cut = {
            path: values[start:stop] if values.shape[:1] == (samples,) else values
            for path, values in self.datasets.items()
        }
        return ExtraData(cut, self.dataset_attributes, self.attributes, self.demo_attributes, self.left_out)


def read_extra_data(demo: CheckedGroup, attributes: CheckedGroup) -> ExtraData:
    """Return what a demonstration and the group with its take's attributes hold beyond metagui's format.

    Raises ContentError for damaged data.
    """
    datasets, inner, left_out = {}, {}, []
    for path in demo.list_paths():
        if path in _KNOWN_DATASETS or path.split("/")[0] == METAGUI_GROUP:
            continue
        try:
            datasets[path] = demo.read_any_array(path)
        except ContentError:
            left_out.append(path)
            continue
        inner[path] = demo.read_attributes(path)
    known = _KNOWN_ATTRIBUTES
    own, of_demo = attributes.read_attributes(), demo.read_attributes()
    return ExtraData(
        datasets,
        inner,
        {key: value for key, value in own.items() if key not in known},
        {key: value for key, value in of_demo.items() if key not in known},
        tuple(left_out),
    )


def write_extra_data(demo: Any, attributes: Any, extra: ExtraData) -> None:
    """Write the data to a new demonstration's group and to the attributes of its take; nothing is replaced."""
    for path, values in extra.datasets.items():
        if path not in demo:
            demo.create_dataset(path, data=values).attrs.update(extra.dataset_attributes.get(path, {}))
    for target, found in ((attributes, extra.attributes), (demo.attrs, extra.demo_attributes)):
        target.update({key: value for key, value in found.items() if key not in target})
