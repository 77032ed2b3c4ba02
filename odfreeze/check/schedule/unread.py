"""Rules about fields that are written and that nobody reads under TF2.

The tables were made by looking for every field of these messages in what ``model_main_tf2``
runs through: model_lib_v2.py, inputs.py, eval_util.py, utils/config_util.py, the builders and
the Keras models of tf-models-research-object-detection 2.8.0.post1. What is not in them is
read there. ``freeze_variables`` and ``update_trainable_variables`` are the business of the
rules about patterns.
"""

from __future__ import annotations

from collections.abc import Iterator

from odfreeze.check.subject import Subject
from odfreeze.errors import TextProtoError
from odfreeze.findings import Finding
from odfreeze.textproto import Field, Scalar, walk

__all__ = ["RULES", "UNREAD"]

_REPLICAS = "replicas are always in step with one another"
_QUEUES = "tf.data has no such queue"
_SAVED_IMAGES = "evaluation writes its images to TensorBoard only"

#: Fields that nobody reads, by the path of their message, each with what TF2 does instead.
UNREAD: dict[str, dict[str, str]] = {
    "train_config": {
        "sync_replicas": _REPLICAS,
        "replicas_to_aggregate": _REPLICAS,
        "startup_delay_steps": _REPLICAS,
        # CheckpointManager's max_to_keep: model_lib_v2.py:457, 618-623
        "keep_checkpoint_every_n_hours": "the last 7 checkpoints are kept",
        "bias_grad_multiplier": "biases learn as fast as all else",
        "batch_queue_capacity": _QUEUES,
        "num_batch_queue_threads": _QUEUES,
        "prefetch_queue_capacity": f"{_QUEUES}; the reader's num_prefetch_batches is read",
        # inputs.py:895, 1057
        "max_number_of_boxes": "the max_number_of_boxes of each input reader counts",
        "summarize_gradients": "no summaries of gradients are written",
    },
    "eval_config": {
        "num_examples": "all examples of the reader are evaluated",
        # model_main_tf2.py:91
        "eval_interval_secs": "each new checkpoint is evaluated, at most every 300 seconds",
        # tf.train.checkpoints_iterator: model_lib_v2.py:1134
        "max_evals": "evaluation ends when --eval_timeout passes without a new checkpoint",
        "save_graph": "there is no graph to save",
        "visualization_export_dir": _SAVED_IMAGES,
        "keep_image_id_for_visualization_export": _SAVED_IMAGES,
        "eval_master": "evaluation runs on this machine",
        "ignore_groundtruth": "groundtruth is always read",
        "eval_instance_masks": "metrics_set decides what is evaluated",
        "skip_scores": "scores are always drawn",
        "skip_labels": "labels are always drawn",
        "visualize_groundtruth_boxes": "groundtruth is always drawn beside the detections",
        "groundtruth_box_visualization_color": "the colour is fixed",
        "use_dummy_loss_in_eval": "losses are always computed",
    },
    "train_input_reader": {
        "queue_capacity": f"{_QUEUES}; shuffle_buffer_size is read",
        "min_after_dequeue": f"{_QUEUES}; shuffle_buffer_size is read",
        "prefetch_size": "num_prefetch_batches is read",
        "num_parallel_map_calls": "num_parallel_batches is read",
        # data_decoders/tf_example_decoder.py:202
        "use_display_name": "both name and display_name of the label map count",
        # builders/decoder_builder.py:44-60 does not hand it on
        "use_keypoint_label_map": "keypoints are taken in the order of the records",
    },
}
UNREAD["eval_input_reader"] = UNREAD["train_input_reader"]


def unread_field(subject: Subject) -> Iterator[Finding]:
    """ODF410: a field that nobody reads under TF2."""
    if subject.is_tf1:
        return
    for path, fields in UNREAD.items():
        for name, instead in fields.items():
            found = subject.occurrence(f"{path}.{name}")
            if found is not None:
                message = f"{path}.{name} is read by nobody under TF2: {instead}"
                yield Finding("ODF410", "info", message, found.field.place)
    bfloat16 = "train_config.use_bfloat16"
    if subject.flag(bfloat16) and not subject.flags.use_tpu:
        # model_lib_v2.py:508-512 overwrites it
        message = f"{bfloat16} is read on a TPU only: elsewhere all is computed in float32"
        yield Finding("ODF410", "info", message, subject.place(bfloat16))


def quantization_ignored(subject: Subject) -> Iterator[Finding]:
    """ODF418: quantization aware training, which only TF1 has (model_lib.py:585)."""
    found = subject.occurrence("graph_rewriter.quantization")
    if found is not None and not subject.is_tf1:
        message = (
            "graph_rewriter is read by nobody under TF2: the model is not trained for "
            "quantization; take graph_rewriter out, and quantize after training (TFLite)"
        )
        place = subject.place("graph_rewriter") or found.field.place
        yield Finding("ODF418", "warning", message, place)


def batch_norm_trains_anyway(subject: Subject) -> Iterator[Finding]:
    """ODF416: ``train: false`` of a batch norm, which Keras models ignore.

    builders/hyperparams_builder.py:467-472 takes decay, center, scale and epsilon.
    """
    if subject.is_tf1 or subject.flag("model.ssd.freeze_batchnorm"):
        return
    for path, field in walk(subject.config.document):
        scope, _, name = path.rpartition(".")
        if name != "train" or scope.rpartition(".")[2] not in ("batch_norm", "sync_batch_norm"):
            continue
        if path.startswith("model.") and _is_false(field):
            message = (
                "train: false of a batch norm is read by nobody under TF2: it goes on learning; "
                "write freeze_batchnorm: true (ssd), batch_norm_trainable: false (the extractor "
                "of faster_rcnn), or freeze its variables"
            )
            yield Finding("ODF416", "warning", message, field.place)


def _is_false(field: Field) -> bool:
    value = field.values[-1] if field.values else None
    try:
        return isinstance(value, Scalar) and not value.as_bool()
    except TextProtoError:
        return False


RULES = (unread_field, quantization_ignored, batch_norm_trains_anyway)
