"""Where the variables of a config's model are listed from: its checkpoint, or the model itself."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from odfreeze.checkpoint import Checkpoint
from odfreeze.errors import CheckpointError, RemotePathError, UsageError
from odfreeze.variables import Variable

if TYPE_CHECKING:
    from odfreeze.pipeline import PipelineConfig

__all__ = ["ModelVariables", "model_variables", "open_checkpoint"]


@dataclass(frozen=True, slots=True)
class ModelVariables:
    """The variables of a model, and where they were listed.

    Attributes:
      variables: All of them.
      source: Prefix of the checkpoint, or "" for the live model.
      resolution: What was taken for a path that is no prefix, and why; or "".
    """

    variables: tuple[Variable, ...]
    source: str
    resolution: str = ""


def model_variables(
    config: PipelineConfig,
    checkpoint: str | os.PathLike[str] | None = None,
    *,
    live: bool = False,
    watch: Callable[[float], None] | None = None,
) -> ModelVariables:
    """Returns the variables of a config's model, from a checkpoint or from the model itself.

    Args:
      config: The config.
      checkpoint: Read instead of its ``fine_tune_checkpoint``.
      live: Whether to build the model from the config alone, without a checkpoint.
      watch: Called about once a second while it is built, with the seconds since.

    Raises:
      UsageError: No checkpoint is known.
      CheckpointError: The checkpoint cannot be read.
      ConfigError: With ``live``: the OD API refuses the model.
      MissingDependencyError: With ``live``: TensorFlow or the OD API is not installed.
    """
    if live:
        from odfreeze.training.live_preview import list_live_variables

        return ModelVariables(list_live_variables(config, watch=watch).variables, "")
    with open_checkpoint(config, checkpoint) as source:
        return ModelVariables(source.variables, source.path, source.resolution)


def open_checkpoint(
    config: PipelineConfig, checkpoint: str | os.PathLike[str] | None = None
) -> Checkpoint:
    """Opens a checkpoint, by default the config's ``fine_tune_checkpoint``.

    Raises:
      UsageError: No checkpoint is known.
      CheckpointError: It cannot be read; with the place where the config names it.
      RemotePathError: It is not on this machine; with that place too.
      TextProtoError: The config's ``fine_tune_checkpoint`` is no string.
    """
    if checkpoint is not None:
        return Checkpoint.open(checkpoint)
    if not config.fine_tune_checkpoint:
        raise UsageError(
            f"{config.file}: train_config.fine_tune_checkpoint is not set, so there is nothing to "
            "list variables from; set it, give a checkpoint (--checkpoint PATH), or have the model "
            "built from the config (--live)"
        )
    try:
        return Checkpoint.open(config.fine_tune_checkpoint)
    except (CheckpointError, RemotePathError) as error:
        from odfreeze.textproto import last

        if error.place is None:
            found = last(config.document, "train_config.fine_tune_checkpoint")
            error.place = None if found is None else found.place
        raise
