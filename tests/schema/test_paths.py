"""Fields by their dotted path."""

from __future__ import annotations

import pytest

from odfreeze.errors import UnknownFieldError, UsageError
from odfreeze.schema import field_at, message_descriptor

FIELDS = {
    "train_config.num_steps": ("TrainConfig", 9),
    "train_config": ("TrainEvalPipelineConfig", 2),
    "eval_input_reader[1].tf_record_input_reader.input_path[0]": ("TFRecordInputReader", 1),
    "train_config.data_augmentation_options.random_crop_image.min_area": ("RandomCropImage", 4),
    "model.center_net.keypoint_estimation_task[0].keypoint_label_to_std[2].value": (
        "KeypointLabelToStdEntry",
        2,
    ),
    "model.center_net.deepmac_mask_estimation.jitter_mode": ("DeepMACMaskEstimation", 15),
}
ERRORS = {
    "misspelt": (
        "train_config.freeze_vars",
        "TrainConfig has no field 'freeze_vars'; did you mean 'freeze_variables'?",
    ),
    "nothing like it": (
        "model.zzz",
        "DetectionModel has no field 'zzz'; it has faster_rcnn, ssd, experimental_model,"
        " center_net",
    ),
    "message without fields": (
        "model.ssd.similarity_calculator.iou_similarity.x",
        "IouSimilarity has no field 'x'; it has no fields",
    ),
    "behind a single value": (
        "train_config.num_steps.x",
        "num_steps of TrainConfig holds single values, there is no 'x' in it; end the path"
        " 'train_config.num_steps.x' at num_steps",
    ),
    "index where one value stands": (
        "train_config[0].num_steps",
        "train_config of TrainEvalPipelineConfig is not repeated; drop the index in"
        " 'train_config[0].num_steps'",
    ),
    "extension": (
        "[fork.settings].x",
        "no schema has the extension [fork.settings] of TrainEvalPipelineConfig; a fork of the"
        " Object Detection API may",
    ),
}


@pytest.mark.parametrize(("path", "expected"), FIELDS.items(), ids=FIELDS)
def test_field_is_found(path: str, expected: tuple[str, int]) -> None:
    field = field_at(path)
    assert (field.containing_type.name, field.number) == expected


def test_path_can_begin_in_any_message() -> None:
    by_name = field_at("item[0].id", "object_detection.protos.StringIntLabelMap")
    by_descriptor = field_at(
        "item.id", message_descriptor("object_detection.protos.StringIntLabelMap")
    )
    assert by_name is by_descriptor or by_name.full_name == by_descriptor.full_name


@pytest.mark.parametrize(("path", "message"), ERRORS.values(), ids=ERRORS)
def test_says_where_a_path_goes_wrong(path: str, message: str) -> None:
    with pytest.raises(UnknownFieldError) as caught:
        field_at(path)
    assert (str(caught.value), caught.value.field) == (message, path)


@pytest.mark.parametrize("path", ("", ".", "train_config.", "a..b", "a[x]"))
def test_malformed_path_is_refused(path: str) -> None:
    with pytest.raises(UsageError, match="malformed field path"):
        field_at(path)
