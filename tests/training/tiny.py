"""Detectors of a few convolutions, so that a real ``train_loop`` takes seconds.

Their feature extractors are registered with the OD API as ``ssd_tiny_keras`` and
``faster_rcnn_tiny_keras``; all else of them, predictor, losses, anchors, optimizer, input, is the
OD API's own.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from odfreeze.runs.verify import Verification, verify
from odfreeze.training import compat
from odfreeze.training.hooks import EnforcingHooks
from odfreeze.training.live import build_model, save_checkpoint
from odfreeze.training.loop import RunState, train_loop_with_hooks
from odfreeze.training.request import TrainingRequest
from odfreeze.training.shapes import write_shapes

#: Both convolutions with their norms: what the tests freeze.
BACKBONE = "^tiny_extractor/"

SSD = """\
model {
  ssd {
    num_classes: 3
    FREEZE_BATCHNORM
    image_resizer { fixed_shape_resizer { height: 32 width: 32 } }
    feature_extractor {
      type: "ssd_tiny_keras"
      conv_hyperparams {
        regularizer { l2_regularizer { weight: 0.01 } }
        initializer { random_normal_initializer { mean: 0.0 stddev: 0.1 } }
        batch_norm { scale: true decay: 0.9 epsilon: 0.001 }
      }
    }
    anchor_generator {
      multiscale_anchor_generator { min_level: 3 max_level: 4 aspect_ratios: 1.0 }
    }
    box_predictor {
      weight_shared_convolutional_box_predictor {
        depth: 8
        num_layers_before_predictor: 1
        kernel_size: 1
        class_prediction_bias_init: -2.0
        conv_hyperparams {
          regularizer { l2_regularizer { weight: 0.01 } }
          initializer { random_normal_initializer { mean: 0.0 stddev: 0.1 } }
          batch_norm { scale: true decay: 0.9 epsilon: 0.001 }
        }
      }
    }
    box_coder { faster_rcnn_box_coder {} }
    matcher { argmax_matcher { unmatched_threshold: 0.5 force_match_for_each_row: true } }
    similarity_calculator { iou_similarity {} }
    encode_background_as_zeros: true
    normalize_loss_by_num_matches: true
    loss {
      classification_loss { weighted_sigmoid_focal {} }
      localization_loss { weighted_smooth_l1 {} }
      classification_weight: 1.0
      localization_weight: 1.0
    }
    post_processing {
      score_converter: SIGMOID
      batch_non_max_suppression { max_detections_per_class: 9 max_total_detections: 9 }
    }
  }
}
"""

#: As SSD, in two stages. Its extractor's statistics are held or not as the config says.
FASTER_RCNN = """\
model {
  faster_rcnn {
    num_classes: 3
    image_resizer { fixed_shape_resizer { height: 32 width: 32 } }
    feature_extractor {
      type: "faster_rcnn_tiny_keras"
      batch_norm_trainable: BATCH_NORM
    }
    first_stage_anchor_generator {
      grid_anchor_generator {
        height: 16 width: 16 height_stride: 8 width_stride: 8 scales: 1.0 aspect_ratios: 1.0
      }
    }
    first_stage_box_predictor_conv_hyperparams { op: CONV PLAIN }
    first_stage_box_predictor_depth: 8
    first_stage_max_proposals: 8
    initial_crop_size: 4
    maxpool_kernel_size: 2
    maxpool_stride: 2
    second_stage_batch_size: 8
    second_stage_box_predictor {
      mask_rcnn_box_predictor { fc_hyperparams { op: FC PLAIN } }
    }
    second_stage_post_processing {
      score_converter: SOFTMAX
      batch_non_max_suppression { max_detections_per_class: 8 max_total_detections: 8 }
    }
  }
}
""".replace(
    "PLAIN",
    "regularizer { l2_regularizer { weight: 0.0 } }"
    " initializer { truncated_normal_initializer { stddev: 0.01 } }",
)

_REST = """\
train_config {
  batch_size: 2
  num_steps: 3
  FINE_TUNE
  unpad_groundtruth_tensors: false
  optimizer { OPTIMIZER }
  EXTRA
}
train_input_reader {
  label_map_path: "LABELS"
  tf_record_input_reader { input_path: "RECORDS" }
}
eval_config { batch_size: 1 use_moving_averages: true }
eval_input_reader {
  label_map_path: "LABELS"
  num_epochs: 1
  tf_record_input_reader { input_path: "RECORDS" }
}
"""

_FINE_TUNE = (
    'fine_tune_checkpoint: "CHECKPOINT" fine_tune_checkpoint_type: "full"'
    " fine_tune_checkpoint_version: V2"
)

MOMENTUM = (
    "momentum_optimizer { learning_rate { constant_learning_rate { learning_rate: 0.1 } }"
    " momentum_optimizer_value: 0.9 }"
)
RMS_PROP = (
    "rms_prop_optimizer { learning_rate { constant_learning_rate { learning_rate: 0.01 } }"
    " momentum_optimizer_value: 0.9 decay: 0.9 epsilon: 1.0 }"
)
ADAM = "adam_optimizer { learning_rate { constant_learning_rate { learning_rate: 0.01 } } }"


def register() -> Any:
    """Makes the tiny extractors known to the OD API; returns TensorFlow."""
    compat.prepare()
    import tensorflow as tf
    from object_detection.builders import model_builder
    from object_detection.core.freezable_batch_norm import FreezableBatchNorm
    from object_detection.meta_architectures import faster_rcnn_meta_arch, ssd_meta_arch

    def preprocess(self: Any, resized_inputs: Any) -> Any:
        return resized_inputs / 127.5 - 1.0

    class TinyExtractor(ssd_meta_arch.SSDKerasFeatureExtractor):
        def build(self, input_shape: Any) -> None:
            params = self._conv_hyperparams.params()
            training = self._is_training and not self._freeze_batchnorm
            self.convolutions = []
            for number in (1, 2):
                convolution = tf.keras.layers.Conv2D(
                    8, 3, strides=2 * number, padding="same", name=f"tiny_conv{number}", **params
                )
                norm = self._conv_hyperparams.build_batch_norm(
                    training=training, name=f"tiny_bn{number}"
                )
                self.convolutions.append((convolution, norm))
            self.pool = tf.keras.layers.MaxPool2D()
            self.built = True

        def _extract_features(self, preprocessed_inputs: Any) -> Any:
            features = preprocessed_inputs
            for convolution, norm in self.convolutions:
                features = tf.nn.relu6(norm(convolution(features)))
            return [features, self.pool(features)]

    class TinyRegions(faster_rcnn_meta_arch.FasterRCNNKerasFeatureExtractor):
        def get_proposal_feature_extractor_model(self, name: Any = None) -> Any:
            return self._model("stage1", strides=8, channels=3)

        def get_box_classifier_feature_extractor_model(self, name: Any = None) -> Any:
            return self._model("stage2", strides=1, channels=8)

        def _model(self, name: str, strides: int, channels: int) -> Any:
            image = tf.keras.Input([None, None, channels])
            convolution = tf.keras.layers.Conv2D(
                8, 3, strides=strides, padding="same", name=f"tiny_{name}"
            )
            norm = FreezableBatchNorm(training=self._train_batch_norm, name=f"tiny_{name}_bn")
            features = tf.keras.layers.ReLU()(norm(convolution(image)))
            return tf.keras.Model(image, features)

    TinyExtractor.preprocess = TinyRegions.preprocess = preprocess
    ssds = model_builder.SSD_KERAS_FEATURE_EXTRACTOR_CLASS_MAP
    ssds["ssd_tiny_keras"] = TinyExtractor
    regions = model_builder.FASTER_RCNN_KERAS_FEATURE_EXTRACTOR_CLASS_MAP
    regions["faster_rcnn_tiny_keras"] = TinyRegions
    return tf


def stock_extractors(table: Mapping[str, type]) -> dict[str, type]:
    """Returns the extractors of a table of the OD API that are not ours."""
    return {name: kind for name, kind in table.items() if kind.__module__ != __name__}


@dataclass(frozen=True)
class Tiny:
    """A folder with data and a checkpoint of the tiny detector."""

    root: Path
    labels: Path
    records: Path
    checkpoint: Path

    def config(
        self,
        name: str,
        *,
        optimizer: str = MOMENTUM,
        average: bool = False,
        freeze: str = BACKBONE,
        extra: str = "",
        freeze_batchnorm: bool = False,
        batch_norm_trainable: bool | None = None,
    ) -> Path:
        """Writes a config and returns its path.

        With ``batch_norm_trainable`` it is of a Faster R-CNN that starts at random.
        """
        model, fine_tune = SSD, _FINE_TUNE.replace("CHECKPOINT", self.checkpoint.as_posix())
        if batch_norm_trainable is not None:
            model, fine_tune = FASTER_RCNN, ""
        if freeze:
            extra += f"\n  freeze_variables: {freeze!r}"
        text = model + _REST
        for what, value in (
            ("FREEZE_BATCHNORM", "freeze_batchnorm: true" if freeze_batchnorm else ""),
            ("BATCH_NORM", str(bool(batch_norm_trainable)).lower()),
            ("FINE_TUNE", fine_tune),
            ("OPTIMIZER", f"{optimizer} use_moving_average: {str(average).lower()}"),
            ("EXTRA", extra),
            ("LABELS", self.labels.as_posix()),
            ("RECORDS", self.records.as_posix()),
        ):
            text = text.replace(what, value)
        path = self.root / f"{name}.config"
        path.write_text(text, encoding="utf-8")
        return path


def make_tiny(root: Path) -> Tiny:
    """Draws 8 images and saves the tiny detector as a model zoo checkpoint is saved."""
    register()
    data = write_shapes(root / "data", "train", images=8, size=32)
    tiny = Tiny(root, data.label_map, data.records, root / "base" / "ckpt-0")
    save_checkpoint(build_model(tiny.config("base", freeze="")), tiny.checkpoint)
    return tiny


@dataclass(frozen=True)
class Trained:
    """A run that ended, with what it told and what verification says of it."""

    run: RunState
    events: list[dict[str, Any]]
    model_dir: Path

    def event(self, kind: str) -> dict[str, Any]:
        return next(event for event in self.events if event["kind"] == kind)

    @property
    def verification(self) -> Verification:
        return verify(self.model_dir)


def train_tiny(
    config: Path,
    model_dir: Path,
    steps: int = 3,
    *,
    traced: bool = False,
    use_tpu: bool = False,
    checkpoint_every_n: int = 1000,
    **options: Any,
) -> Trained:
    """Trains in this process as the child does, through the OD API's own ``train_loop``.

    Args:
      config: The pipeline.config.
      model_dir: Directory of the run.
      steps: To end at.
      traced: Whether steps are compiled to graphs, as they are for users. Eagerly, the same
        code takes a fifth of the time for a few steps.
      **options: More fields of the request.
    """
    tf = register()
    tf.keras.backend.clear_session()
    events: list[dict[str, Any]] = []
    request = TrainingRequest(str(config), str(model_dir), steps, **options)
    hooks = EnforcingHooks(request, (), lambda kind, **data: events.append({"kind": kind, **data}))
    with eagerly(not traced):
        arguments = {**_arguments(config, model_dir), "checkpoint_every_n": checkpoint_every_n}
        run = train_loop_with_hooks(hooks, steps, use_tpu=use_tpu, **arguments)
    return Trained(run, events, model_dir)


def train_stock(config: Path, model_dir: Path, steps: int = 3, **arguments: Any) -> Path:
    """Trains with the stock ``train_loop``, eagerly; returns the prefix of its last checkpoint."""
    tf = register()
    from object_detection import model_lib_v2

    tf.keras.backend.clear_session()
    with eagerly(True):
        model_lib_v2.train_loop(
            train_steps=steps,
            num_steps_per_iteration=steps,
            **{**_arguments(config, model_dir), "checkpoint_every_n": steps, **arguments},
        )
    return Path(tf.train.latest_checkpoint(str(model_dir)))


def _arguments(config: Path, model_dir: Path) -> dict[str, Any]:
    return {
        "pipeline_config_path": str(config),
        "model_dir": str(model_dir),
        "checkpoint_every_n": 1000,
        "record_summaries": False,
    }


@contextlib.contextmanager
def eagerly(eager: bool) -> Iterator[None]:
    """Runs what is under ``tf.function`` as plain code, or as it is."""
    import tensorflow as tf

    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(eager)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


def variables_of(prefix: Path | str) -> dict[str, Any]:
    """Returns everything numeric in a checkpoint by key without its ending, as arrays."""
    import tensorflow as tf

    reader = tf.train.load_checkpoint(str(prefix))
    return {
        key.removesuffix("/.ATTRIBUTES/VARIABLE_VALUE"): reader.get_tensor(key)
        for key in reader.get_variable_to_shape_map()
        if key.endswith("/.ATTRIBUTES/VARIABLE_VALUE")
    }
