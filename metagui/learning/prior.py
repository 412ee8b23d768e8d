"""The prior: meta-learnt policy and multi-task baseline, in one safetensors file.

The file has a JSON header with the command, seeds and data it was made from, and no pickle. A library may have its own
prior, trained on its tasks; it is stored in a hidden folder of the library. Files of version 0.1 also have an encoder
of similar tasks, which is ignored: the encoder has a file of its own.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch

from metagui.learning.maml.training_state import MetaParameters
from metagui.learning.policy import feature_layout
from metagui.learning.policy.policy import TASK_TENSORS, PolicyModel
from metagui.learning.torch_utils.safetensors_io import (
    DECODING_ERRORS,
    TensorFileError,
    read_tensors,
    save_tensors,
)
from metagui.paths import LIBRARY_MODELS_FOLDER, resources_dir

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from metagui.arms.arm import SceneObject
    from metagui.learning.torch_utils.functional_mlp import Params

PRIOR_FORMAT = 1
"""Version of the file format."""
_MODEL_KEYS = {
    "via_point_end_bias": "ending",
    "attention_repulsion": "apart",
    "heuristic_sharpness": "thumb",
    "pairing_distance": "near",
    "entry_reached_gain": "reached",
    "unconditioned": "blind",
}
"""Key in a file's header by field of PolicyModel, where the two differ."""
_RETRAIN_HINT = "Nothing was changed; run 'metagui train' to make one that fits."


class PriorError(Exception):
    """A prior cannot be read."""


class PriorMismatchError(PriorError):
    """A prior does not fit the arm, the scene or this program."""


@dataclass(frozen=True)
class Prior:
    """The result of meta-training, from which tasks are adapted."""

    model: PolicyModel
    meta: MetaParameters
    """Starting point and learnt inner rates."""
    baseline: Params
    """Multi-task baseline: the same policy trained on all tasks at once without demonstrations, for fine-tuning."""
    metadata: dict[str, Any] = field(default_factory=dict)
    """``joints``, ``kinds``, ``command``, ``seed``, ``date``, ``data``, ``validation`` ..."""

    @property
    def id(self) -> str:
        """Hash of the parameters, 12 hexadecimal digits."""
        digest = hashlib.sha256()
        for group in (self.meta.params, self.meta.log_rates):
            for name in sorted(group):
                digest.update(group[name].detach().numpy().tobytes())
        return digest.hexdigest()[:12]

    def check_compatible(self, joint_names: Sequence[str], objects: Sequence[SceneObject]) -> None:
        """Raise PriorMismatchError if this prior was made for other joints or other kinds of objects."""
        joints = self.metadata.get("joints")
        if joints and list(joint_names) != list(joints):
            raise PriorMismatchError(
                f"The prior was made for an arm with the joints {', '.join(joints)}; this one has "
                f"{', '.join(joint_names)}. Nothing was changed; choose a prior made for this arm."
            )
        unknown = sorted({obj.kind for obj in objects} - set(feature_layout.FEATURE_KINDS))
        if unknown:
            raise PriorMismatchError(
                f"The prior was trained with objects of the kinds {', '.join(feature_layout.FEATURE_KINDS)}, not "
                f"{', '.join(unknown)}. Nothing was changed; use a scene without them."
            )

    def to_half_precision(self) -> Prior:
        """Return the prior with its tensors rounded to half precision; its file is half as large."""
        meta = MetaParameters(_round_to_half(self.meta.params), self.meta.log_rates)
        return replace(self, meta=meta, baseline=_round_to_half(self.baseline))

    def save(self, path: Path) -> None:
        """Write the prior; tensors that half precision represents exactly are stored in it. Raises OSError."""
        tensors = {f"params/{n}": t for n, t in self.meta.params.items()}
        tensors |= {f"rates/{n}": t for n, t in self.meta.log_rates.items()}
        tensors |= {f"rival/{n}": t for n, t in self.baseline.items()}
        tensors = {name: t.half() if torch.equal(t.half().float(), t) else t for name, t in tensors.items()}
        header = {
            "format": PRIOR_FORMAT,
            "features": feature_layout.VERSION,
            "model": {_MODEL_KEYS.get(name, name): value for name, value in asdict(self.model).items()},
            "rates": list(self.meta.log_rates),
            "metadata": self.metadata,
        }
        save_tensors(path, tensors, {"prior": json.dumps(header)})


def load(path: Path) -> Prior:
    """Read a prior. Raises PriorError, and PriorMismatchError if another version of the program made it."""
    try:
        return _decode(path, *read_tensors(path, "prior"))
    except TensorFileError as error:
        raise PriorError(f"{path} is not a prior of this program: {error}. Nothing was changed.") from error
    except DECODING_ERRORS as error:
        raise PriorError(
            f"{path} is not a prior of this program: its description is damaged. Nothing was changed."
        ) from error


def _decode(path: Path, header: dict[str, Any], tensors: Mapping[str, torch.Tensor]) -> Prior:
    """Return the prior of a file's contents. Raises PriorMismatchError, ``DECODING_ERRORS``."""
    groups: dict[str, Params] = {"params": {}, "rates": {}, "rival": {}, "encoder": {}}
    for key, tensor in tensors.items():
        group, _, name = key.partition("/")
        groups[group][name] = tensor.float()
    if header["format"] > PRIOR_FORMAT or header["features"] != feature_layout.VERSION:
        raise PriorMismatchError(
            f"{path} was made for features of version {header['features']} (format {header['format']}); this program "
            f"uses version {feature_layout.VERSION} (format {PRIOR_FORMAT}). {_RETRAIN_HINT}"
        )
    try:
        names = {key: name for name, key in _MODEL_KEYS.items()}
        model = PolicyModel(**{names.get(key, key): value for key, value in header["model"].items()})
    except TypeError as error:
        reason = f"{path} contains another kind of policy than this program's. {_RETRAIN_HINT}"
        raise PriorMismatchError(reason) from error
    _check_shapes(path, model, groups)
    # The inner loop of an earlier version adapted more tensors; those that retrieval uses stay as inferred now.
    adapted = model.initial_inner_rates()
    rates = {name: groups["rates"][name] for name in header["rates"] if name in adapted}
    return Prior(model, MetaParameters(groups["params"], rates), groups["rival"], dict(header["metadata"]))


def shipped_path() -> Path:
    """Return the path of the shipped prior."""
    return resources_dir() / "prior" / "prior.safetensors"


def load_shipped() -> Prior:
    """Read the prior that is installed with the program. Raises PriorError."""
    if not shipped_path().is_file():
        raise PriorError(f"The shipped prior is missing: {shipped_path()}. Reinstall metagui, or run 'metagui train'.")
    return load(shipped_path())


def library_prior_path(library: Path) -> Path:
    """Return the path of the prior trained on a library's tasks; the file need not exist."""
    return library / LIBRARY_MODELS_FOLDER / "prior.safetensors"


def load_for_library(library: Path) -> Prior:
    """Return the prior for a library's tasks: its own if there is one, else the shipped one.

    Raises PriorError. If the own file cannot be read, the shipped one is used, and ``metadata["problem"]`` gives the
    reason.
    """
    path = library_prior_path(library)
    if not path.is_file():
        return load_shipped()
    try:
        return load(path)
    except PriorError as error:
        shipped = load_shipped()
        problem = f"{error} The shipped prior is used instead."
        return replace(shipped, metadata=shipped.metadata | {"problem": problem})


def _round_to_half(params: Params) -> Params:
    return {name: tensor.half().float() for name, tensor in params.items()}


def _check_shapes(path: Path, model: PolicyModel, groups: Mapping[str, Params]) -> None:
    """Raise PriorMismatchError if the stored tensors do not have the shapes of this program's network."""
    unconditioned = replace(model, unconditioned=True)
    for group, wanted in (("params", model.initialise(0)), ("rival", unconditioned.initialise(0))):
        found = groups[group]
        if found and {n: t.shape for n, t in found.items()} != {n: t.shape for n, t in wanted.items()}:
            raise PriorMismatchError(f"{path} was made for another network than this program's. {_RETRAIN_HINT}")
    unknown = set(groups["rates"]) - set(TASK_TENSORS)
    if unknown:
        raise PriorMismatchError(
            f"{path} adapts {', '.join(sorted(unknown))}, unknown to this program. {_RETRAIN_HINT}"
        )
