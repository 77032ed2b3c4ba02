"""Which batch norm statistics a pipeline.config itself holds, whatever its patterns say.

As the Object Detection API behaves in TF2; references are to
tf-models-research-object-detection 2.8.0.post1:

- ``ssd.freeze_batchnorm`` (default false) reaches backbone, neck and heads: layers
  are built with ``training=False`` (builders/model_builder.py:407, 421;
  models/ssd_mobilenet_v2_fpn_keras_feature_extractor.py:131, 167;
  predictors/convolutional_keras_box_predictor.py:163, 330, 373). It does not reach
  the EfficientNet of EfficientDet, which is built without it and runs in the global
  learning phase (models/ssd_efficientnet_bifpn_feature_extractor.py:162-171;
  model_lib_v2.py:303): there, BiFPN and heads only.
- ``faster_rcnn.feature_extractor.batch_norm_trainable`` (default false) unset or
  false holds the feature extractor's (meta_architectures/faster_rcnn_meta_arch.py:245;
  models/faster_rcnn_resnet_keras_feature_extractor.py:112, 154;
  models/faster_rcnn_resnet_v1_fpn_keras_feature_extractor.py:170, 222, 245, 262, 303).
  Nothing holds those of the RPN and the heads (builders/model_builder.py:678 passes
  ``freeze_batchnorm=False``), which exist only where their hyperparams have
  ``batch_norm`` or ``sync_batch_norm`` (builders/hyperparams_builder.py:68-74), nor those
  of a Context R-CNN's attention, which always exist (context_rcnn_lib_tf2.py:29).
- ``center_net`` has no such field.

``batch_norm.train`` of hyperparams is not read in TF2
(builders/hyperparams_builder.py:467-472).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from odfreeze.textproto import Document, last_scalar, last_set, walk
from odfreeze.variables import Variable

__all__ = ["HeldStatistics", "held_statistics", "statistic_rule"]

#: All of them; all but the backbone's; those of the feature extractor; none.
HeldStatistics = Literal["all", "all_but_backbone", "feature_extractor", "none"]


def held_statistics(document: Document) -> HeldStatistics:
    """Returns which moving means and variances stand still because the config says so.

    Raises:
      TextProtoError: A field that decides it has a value of the wrong kind.

    >>> from odfreeze.textproto import parse
    >>> held_statistics(parse(b"model { ssd { freeze_batchnorm: true } }"))
    'all'
    """
    model = last_set(document, "model")
    if model is not None and model.field.name == "ssd":
        if not _flag(document, "model.ssd.freeze_batchnorm"):
            return "none"
        kind = last_scalar(document, "model.ssd.feature_extractor.type")
        is_efficientnet = kind is not None and "efficientnet" in kind.as_str()
        return "all_but_backbone" if is_efficientnet else "all"
    if model is not None and model.field.name == "faster_rcnn":
        extractor = "model.faster_rcnn.feature_extractor"
        if _flag(document, f"{extractor}.batch_norm_trainable"):
            return "none"
        for path, field in walk(document):
            if path == "model.faster_rcnn.context_config":
                return "feature_extractor"
            if (
                field.name in {"batch_norm", "sync_batch_norm"}
                and path.startswith("model.faster_rcnn.")
                and not path.startswith(f"{extractor}.")
            ):
                return "feature_extractor"
        return "all"
    return "none"


def statistic_rule(held: HeldStatistics) -> Callable[[Variable], bool] | None:
    """Returns what tells of a statistic whether it is among those held; None for ``none``.

    The parts of a model are told by object path: an EfficientNet hangs under
    ``_efficientnet``, its last norm under ``classification_backbone``
    (models/ssd_efficientnet_bifpn_feature_extractor.py:162-199); the feature extractor of a
    Faster R-CNN under ``_feature_extractor_for_…`` (faster_rcnn_meta_arch.py:2887-2903).

    >>> rule = statistic_rule("feature_extractor")
    >>> path = "model/_feature_extractor_for_proposal_features/bn/moving_mean"
    >>> rule(Variable(None, path, (8,), "float32"))
    True
    """
    if held == "none":
        return None
    if held == "all":
        return lambda variable: True
    if held == "feature_extractor":
        return lambda variable: "/_feature_extractor_for_" in variable.object_path
    return lambda variable: not any(part in variable.object_path for part in _EFFICIENTNET)


_EFFICIENTNET = (
    "/_feature_extractor/_efficientnet/",
    "/_feature_extractor/classification_backbone/",
)


def _flag(document: Document, path: str) -> bool:
    value = last_scalar(document, path)
    return value is not None and value.as_bool()
