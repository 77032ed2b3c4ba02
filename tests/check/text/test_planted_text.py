"""Faults of text and schema, planted in the sample configs."""

from __future__ import annotations

from pathlib import Path

import pytest

from odfreeze.check.linter import fix_config
from tests.check.planted import (
    CENTERNET,
    CONFIGS,
    EFFICIENTDET,
    FASTER_RCNN,
    SSD,
    Fault,
    assert_found,
)

V2 = "fine_tune_checkpoint_version: V2"
FROZEN_SSD = 'freeze_variables: "^(bn_)?Conv|^expanded_conv_|^block_[0-9]+_"'
FROZEN_FRCNN = 'freeze_variables: "^conv1_|^conv2_block"'
END_OF_OPTIMIZER = "    use_moving_average: false\n  }\n\n  data_augmentation_options { random_hor"
READER = "train_input_reader {\n"

#: Faults after whose fix the config reads as it did without them.
MENDED = [
    Fault("tutorial-field", EFFICIENTDET, 'freeze_variables: "^top_|^logits/"',
          'freeze_vars: "^top_|^logits/"', "ODF101", ["write 'freeze_variables'"]),
    Fault("misspelt-field", SSD, "  num_steps: 20000", "  num_step: 20000", "ODF101",
          ["train_config has no field 'num_step'", "'num_steps'"]),
    Fault("misspelt-block", FASTER_RCNN, "    image_resizer {", "    image_resize {", "ODF101",
          ["model.faster_rcnn has no field", "'image_resizer'"]),
    Fault("misspelt-top-level", CENTERNET, "eval_input_reader {", "eval_input_readers {", "ODF101",
          ["the top level of a pipeline.config", "'eval_input_reader'"]),
    Fault("enum-lower-case", SSD, V2, "fine_tune_checkpoint_version: v2", "ODF103", ["write V2"]),
    Fault("enum-in-quotes", FASTER_RCNN, V2, 'fine_tune_checkpoint_version: "V2"', "ODF103",
          ["write V2 without quotes"]),
    Fault("enum-deep", SSD, "score_converter: SIGMOID", "score_converter: sigmoid", "ODF103",
          ["model.ssd.post_processing.score_converter"]),
    Fault("integer-with-exponent", SSD, "  num_steps: 20000", "  num_steps: 2e4", "ODF104",
          ["write 20000"]),
    Fault("integer-with-fraction", EFFICIENTDET, "    num_classes: 3 ", "    num_classes: 3.0 ",
          "ODF104", ["model.ssd.num_classes is an integer", "write 3"]),
    Fault("integer-in-quotes", SSD, "  batch_size: 16", '  batch_size: "16"', "ODF104",
          ["write 16"]),
    Fault("bool-in-quotes", FASTER_RCNN, "batch_norm_trainable: false",
          'batch_norm_trainable: "false"', "ODF104", ["write false"]),
    Fault("bool-of-python", SSD, "use_depthwise: true\n      over",
          "use_depthwise: TRUE\n      over", "ODF104", ["write true"]),
    Fault("string-without-quotes", FASTER_RCNN, 'type: "faster_rcnn_resnet50_keras"',
          "type: faster_rcnn_resnet50_keras", "ODF104", ['write "faster_rcnn_resnet50_keras"']),
    Fault("eaten-backslash", FASTER_RCNN, FROZEN_FRCNN, r'freeze_variables: "\bconv1"', "ODF107",
          [r"write \\b"]),
    Fault("regex-without-quotes", SSD, FROZEN_SSD,
          "freeze_variables: ^(bn_)?Conv|^expanded_conv_|^block_[0-9]+_", "ODF100",
          ["write it in quotes"]),
    Fault("smart-quotes", SSD, FROZEN_SSD, FROZEN_SSD.replace(' "', " “").replace('_"', "_”"),
          "ODF100", ["typographic"]),
    Fault("string-not-closed", FASTER_RCNN, f"  {FROZEN_FRCNN}", f"  {FROZEN_FRCNN[:-1]}", "ODF100",
          ["not closed"]),
    Fault("equals", SSD, "  num_steps: 20000", "  num_steps = 20000", "ODF100", ["num_steps:"]),
    Fault("missing-brace", SSD, END_OF_OPTIMIZER,
          END_OF_OPTIMIZER.replace("  }\n\n  data", "@  data"), "ODF100", ["'optimizer'"]),
    Fault("missing-brace-of-a-block", EFFICIENTDET, f"}}\n\n{READER}", f"\n@{READER}", "ODF100",
          ["'train_config'"]),
    Fault("brace-too-many", SSD, END_OF_OPTIMIZER, END_OF_OPTIMIZER.replace("  }\n", "  }\n  @}\n"),
          "ODF100", ["one too many", "'train_config'"]),
    Fault("byte-order-mark", SSD, "# SSD", "\ufeff# SSD", "ODF111", ["byte order mark"]),
]  # fmt: skip

#: Faults of which only their owner knows what was meant.
TOLD = [
    Fault("no-such-field", SSD, "    matcher {", "    zzz: 1\n    matcher {", "ODF101",
          ["has no field 'zzz'"]),
    Fault("field-of-the-model", FASTER_RCNN, "  num_steps: 15000",
          "  num_steps: 15000\n  @num_classes: 4", "ODF102",
          ["it belongs in model.faster_rcnn"]),
    Fault("block-of-the-top-level", SSD, "eval_config {\n",
          "train_input_reader {\n  @eval_config { }\n}\neval_config {\n", "ODF102",
          ["of the top level"]),
    Fault("enum-unknown", SSD, V2, "fine_tune_checkpoint_version: V3", "ODF103", ["V2"]),
    Fault("negative", SSD, "  num_steps: 20000", "  num_steps: -1", "ODF104", ["0 to 4294967295"]),
    Fault("value-twice", SSD, "  batch_size: 16", "  batch_size: 16\n  @batch_size: 8", "ODF105",
          ["8 counts, 16 in line"]),
    Fault("second-train-config", FASTER_RCNN, READER,
          f"@train_config {{ num_steps: 7 }}\n{READER}", "ODF105",
          ["merges them", "replace num_steps"]),
    Fault("kept-backslash", FASTER_RCNN, FROZEN_FRCNN, r'freeze_variables: "^conv\d_"', "ODF107",
          [r"write \\d"]),
    Fault("second-optimizer", SSD, "    use_moving_average: false",
          "    @adam_optimizer { learning_rate { constant_learning_rate { } } }\n"
          "    use_moving_average: false", "ODF108", ["drops momentum_optimizer"]),
    Fault("model-of-tf1", SSD, 'type: "ssd_mobilenet_v2_fpn_keras"',
          'type: "ssd_mobilenet_v2_fpn"', "ODF112", ["exists only in TF1"]),
    Fault("no-such-extractor", CENTERNET, 'type: "resnet_v1_50_fpn"', 'type: "resnet50_fpn"',
          "ODF113", ["'resnet_v1_50_fpn'"]),
    Fault("later-field", SSD, "      min_depth: 16\n",
          "      min_depth: 16\n      @use_hardswish: true\n", "ODF114", ["2.8.0.post1"]),
]  # fmt: skip

#: Faults that are told at the line of a block, the second of each pair.
OF_BLOCKS = [
    (
        Fault("no-matcher", SSD, "      argmax_matcher {\n        matched_threshold: 0.5\n"
              "        unmatched_threshold: 0.5\n        negatives_lower_than_unmatched: true\n"
              "        force_match_for_each_row: true\n        use_matmul_gather: true\n      }\n",
              "", "ODF106", ["model.ssd.matcher does not say which one"]),
        "    matcher {",
    ),
    (
        Fault("no-extractor-type", SSD, '      type: "ssd_mobilenet_v2_fpn_keras"\n', "", "ODF106",
              ["model.ssd.feature_extractor has no type"]),
        "    feature_extractor {",
    ),
    (
        Fault("second-model", SSD, "eval_config {\n",
              "model { faster_rcnn { num_classes: 3 } }\neval_config {\n", "ODF108", []),
        "  ssd {",
    ),
]  # fmt: skip


def name(fault: Fault) -> str:
    return fault.name


@pytest.mark.parametrize("fault", [*MENDED, *TOLD], ids=name)
def test_a_planted_fault_is_found_at_its_line(fault: Fault, tmp_path: Path) -> None:
    assert_found(fault, tmp_path)


@pytest.mark.parametrize(("fault", "line"), OF_BLOCKS, ids=[f.name for f, _ in OF_BLOCKS])
def test_a_fault_of_a_block_is_found_at_the_block(fault: Fault, line: str, tmp_path: Path) -> None:
    (found,) = [f for f in fault.check(tmp_path).findings if f.code == fault.code]
    assert found.place and found.place.source == line
    assert all(words in found.message for words in fault.says)


@pytest.mark.parametrize("fault", MENDED, ids=name)
def test_its_fix_gives_the_config_back(fault: Fault, tmp_path: Path) -> None:
    path = tmp_path / fault.config
    path.write_text(fault.text(), encoding="utf-8", newline="")
    fixed = fix_config(path, select=[fault.code])
    want = (CONFIGS / fault.config).read_text(encoding="utf-8")
    if fault.code == "ODF107":
        want = want.replace(FROZEN_FRCNN, r'freeze_variables: "\\bconv1"')
    assert "".join(fixed.data.decode().split()) == "".join(want.split())
    assert not [f for f in fixed.findings if f.code == fault.code]
    assert [f.code for f in fixed.fixed] == [fault.code]


@pytest.mark.parametrize("fault", [*TOLD, *(f for f, _ in OF_BLOCKS)], ids=name)
def test_what_is_not_certain_is_not_mended(fault: Fault, tmp_path: Path) -> None:
    if fault.name == "kept-backslash":
        return  # doubled, it means the same
    path = tmp_path / fault.config
    path.write_text(fault.text(), encoding="utf-8", newline="")
    assert fix_config(path, select=[fault.code]).data.decode() == fault.text()
