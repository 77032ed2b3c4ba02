"""Freezing for a training loop of one's own: the same selection, on a detection model in hand."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from odfreeze.errors import UsageError
from odfreeze.pipeline import PipelineConfig
from odfreeze.refusal import check_allowances, refuse
from odfreeze.selection import FrozenBatchNorm, Pattern
from odfreeze.training.enforce import (
    Enforcement,
    apply_selection,
    lift_selection,
    select_live,
)
from odfreeze.training.progress import describe_selection

if TYPE_CHECKING:
    from odfreeze.variables import Variable

__all__ = ["freeze"]

_LOG = logging.getLogger("odfreeze")

#: Under this name a model keeps the selection that `freeze` applied to it last.
_FROZEN = "_odfreeze_frozen"


def freeze(
    detection_model: Any,
    train_config: Any,
    *,
    frozen_batch_norm: FrozenBatchNorm = "hold",
    allow: Collection[str] = (),
) -> list[Any]:
    """Applies ``freeze_variables`` and ``update_trainable_variables`` to a built detection model.

    From then on ``detection_model.trainable_variables`` gives what learns, gradient tapes do
    not watch the rest, and batch norm layers that are held run in inference mode, with
    ``training=True`` too. Another call with other patterns takes the place of this one, and one
    with a config without patterns takes it back. A ``tf.function`` that was traced before
    keeps what was true then: freeze first, trace afterwards.

    Args:
      detection_model: An OD API ``DetectionModel`` (of ``model_builder.build``) that has run
        once, since layers make their variables on their first call. Under a strategy, call
        this in its scope.
      train_config: Where the patterns are: the OD API's ``TrainConfig``, the whole
        ``TrainEvalPipelineConfig``, the dict of ``config_util.get_configs_from_pipeline_file``,
        a `PipelineConfig`, or the path of a pipeline.config.
      frozen_batch_norm: ``hold`` keeps the statistics of frozen batch norm layers as they are,
        ``update`` lets them follow the new data.
      allow: ``unmatched_patterns`` and ``all_frozen`` let through what is refused without.

    Returns:
      The ``tf.Variable`` objects that learn, in the order of ``trainable_variables``: for the
      tape and the optimizer.

    Raises:
      UsageError: The model was not built, or no config was given.
      TrainingRefusedError: A pattern matches no variable, or all is frozen; the model stays as
        it was.
      PatternError, ConfigError: The config cannot be used.
    """
    check_allowances(allow)
    patterns, config_holds = _rules_of(train_config)
    before: Enforcement | None = getattr(detection_model, _FROZEN, None)
    lift_selection(detection_model)
    try:
        _check_built(detection_model)
        enforcement = select_live(
            detection_model,
            patterns,
            frozen_batch_norm=frozen_batch_norm,
            config_holds=config_holds,
        )
        refuse(enforcement.selection, None, allow, flag="allow=[{!r}]")
    except Exception:
        if before is not None:
            apply_selection(detection_model, before)
        raise
    apply_selection(detection_model, enforcement)
    object.__setattr__(detection_model, _FROZEN, enforcement)
    totals = enforcement.selection.totals()
    _LOG.info(
        "%s",
        describe_selection(
            {s: {"variables": t.variables, "parameters": t.parameters} for s, t in totals.items()}
        ),
    )
    return list(detection_model.trainable_variables)


def _rules_of(
    config: Any,
) -> tuple[Sequence[Pattern], Callable[[Variable], bool] | None]:
    """Returns the patterns of any form of a config, and which statistics its model part holds."""
    if isinstance(config, (str, os.PathLike)):
        config = PipelineConfig.read(config)
    if isinstance(config, PipelineConfig):
        return config.patterns(), config.holds_statistic
    train, model = config, None
    if isinstance(config, Mapping):
        train, model = config.get("train_config"), config.get("model")
    elif hasattr(config, "train_config"):
        train, model = config.train_config, config.model
    try:
        patterns = [
            *(Pattern("freeze_variables", text) for text in train.freeze_variables),
            *(
                Pattern("update_trainable_variables", text)
                for text in train.update_trainable_variables
            ),
        ]
    except AttributeError:
        raise UsageError(
            f"a {type(config).__name__} is no config that holds freeze_variables: give the OD"
            " API's TrainConfig or TrainEvalPipelineConfig, the dict of"
            " get_configs_from_pipeline_file, or the path of a pipeline.config"
        ) from None
    return patterns, None if model is None else _held_by(model)


def _held_by(model: Any) -> Callable[[Variable], bool] | None:
    """Returns which statistics a ``DetectionModel`` proto holds, whatever the patterns say."""
    from google.protobuf import text_format

    text = f"model {{\n{text_format.MessageToString(model)}}}\n"
    return PipelineConfig.parse(text.encode("utf-8")).holds_statistic


def _check_built(detection_model: Any) -> None:
    """Raises for a model some of whose variables do not exist yet."""
    if not hasattr(type(detection_model), "trainable_variables"):
        raise UsageError(
            f"a {type(detection_model).__name__} is no detection model; give what the OD API's"
            " model_builder.build returns"
        )
    try:
        built = bool(detection_model.trainable_variables)
    except ValueError:  # so Keras calls a model whose layers were not called yet
        built = False
    # Of a Faster R-CNN with one stage, what is behind the region proposals never runs.
    one_stage = getattr(detection_model, "_number_of_stages", 2) == 1
    waits = not one_stage and any(_never_called(part) for part in _parts_of(detection_model))
    if waits or not built:
        raise UsageError(
            "the detection model has no variables yet, or not all: its layers make them when they"
            " are called for the first time. Run it once before freeze():"
            " images, shapes = detection_model.preprocess(tf.zeros([1, 320, 320, 3]));"
            " detection_model.predict(images, shapes)"
        )


def _parts_of(detection_model: Any) -> list[Any]:
    """Returns the layers right below the model: feature extractor, heads."""
    import tensorflow as tf

    return list(tf.train.TrackableView.children(detection_model).values())


def _never_called(part: Any) -> bool:
    """Whether this is a layer that waits for its first call."""
    return getattr(part, "built", True) is False
