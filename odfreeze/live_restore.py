"""What a checkpoint gives a model whose variables are known from the model itself."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from odfreeze.checkpoint import Checkpoint
from odfreeze.errors import CheckpointError, CheckpointNotFoundError, RemotePathError
from odfreeze.restore import BACKBONE_ROOT, Restore, restore
from odfreeze.variables import Variable

__all__ = ["Given", "backbone_root", "given_to"]

_Shapes = dict[str, tuple[int, ...]]

#: Attributes that a feature extractor gives as its ``classification_backbone``, beside that one:
#: models/center_net_*_feature_extractor.py, models/ssd_efficientnet_bifpn_feature_extractor.py.
_BACKBONES = frozenset({"classification_backbone", "_base_model", "_network", "_efficientnet"})


@dataclass(frozen=True, slots=True)
class Given:
    """What a live model gets.

    Attributes:
      restore: For each of its variables, whether it gets a value.
      path: Prefix of the checkpoint; "" where there is none, its path where it cannot be read.
      note: What was taken for the path, or for the checkpoint; or "".
      missing: Why there is no checkpoint, or "".
      names: Name by object path in the checkpoint, as far as it has them.
    """

    restore: Restore
    path: str = ""
    note: str = ""
    missing: str = ""
    names: dict[str, str] = field(default_factory=dict)


def given_to(
    live: Sequence[Variable],
    checkpoint: str | os.PathLike[str] | None,
    checkpoint_type: str,
    meta_architecture: str | None,
) -> Given:
    """Returns what a checkpoint, restored as a type, gives a live model.

    A checkpoint that cannot be read here, on a remote file system for one, is taken to be of this
    very model.

    Args:
      live: The model's variables.
      checkpoint: Its path, or None.
      checkpoint_type: ``fine_tune_checkpoint_type`` as it takes effect.
      meta_architecture: Name of the field set under ``model``, or None.
    """
    if not checkpoint:
        nothing = Restore((False,) * len(live))
        return Given(nothing, missing="train_config.fine_tune_checkpoint is not set")
    try:
        with Checkpoint.open(checkpoint) as source:
            given = restore(
                source.variables,
                checkpoint_type,
                meta_architecture,
                object_based=source.format == "object",
            )
            pairs = zip(source.variables, given.restored, strict=True)
            values = {v.object_path: v.shape for v, is_given in pairs if is_given}
            names = {v.object_path: v.name for v in source.variables if v.name is not None}
            path, note = source.path, source.resolution
    except (CheckpointError, RemotePathError) as error:
        why = error.message
        if isinstance(error, (CheckpointNotFoundError, RemotePathError)):
            why = "it is not on this machine"
        note = f"taken to be of this very model, since {why}"
        return Given(_from_its_own(live, checkpoint_type, meta_architecture), str(checkpoint), note)
    if checkpoint_type == "classification":
        values = _moved_to_backbone(live, values)
    restored = tuple(values.get(v.object_path) == v.shape for v in live)
    return Given(Restore(restored, given.problem), path, note, names=names)


def _from_its_own(
    live: Sequence[Variable], checkpoint_type: str, meta_architecture: str | None
) -> Restore:
    """Returns what a model gets from a checkpoint of itself, or of its backbone."""
    if checkpoint_type != "classification":
        return restore(live, checkpoint_type, meta_architecture)
    return Restore(tuple(not _BACKBONES.isdisjoint(v.object_path.split("/")) for v in live))


def _moved_to_backbone(live: Sequence[Variable], values: _Shapes) -> _Shapes:
    """Returns shapes below the backbone's root by where the backbone hangs in the model."""
    inside = {path.removeprefix(BACKBONE_ROOT): shape for path, shape in values.items()}
    root = backbone_root(live, inside)
    return {} if root is None else {f"{root}/{path}": shape for path, shape in inside.items()}


def backbone_root(live: Sequence[Variable], inside: Mapping[str, tuple[int, ...]]) -> str | None:
    """Returns where a backbone hangs in a model: where most of its variables are found.

    Args:
      live: The model's variables.
      inside: Shapes by path below the backbone's own root.
    """
    roots: Counter[str] = Counter()
    for variable in live:
        parts = variable.object_path.split("/")
        for cut in range(1, len(parts)):
            if inside.get("/".join(parts[cut:])) == variable.shape:
                roots["/".join(parts[:cut])] += 1
    return next((root for root, _ in roots.most_common(1)), None)
