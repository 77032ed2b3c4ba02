"""What a pipeline.config must have, and models that TF2 does not have."""

from __future__ import annotations

from pathlib import Path

import pytest

from odfreeze.check.linter import check_config
from odfreeze.check.text.blocks import (
    no_pipeline_config,
    nothing_chosen,
    only_in_tf1,
    placeholder,
    unknown_extractor,
)
from tests.check.planted import CENTERNET, CONFIGS, FASTER_RCNN, SAMPLES, SSD, said, subject_of

REFUSED = "and the OD API refuses the config"


class TestNoPipelineConfig:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "ODF110 error -: the file is empty: it holds no model, train_config and "
                 "train_input_reader"),
            ("# only\n", "ODF110 error -: the file is empty: it holds no model, train_config and "
                         "train_input_reader"),
            ('item { id: 1 name: "a" }\nitem { id: 2 }',
             "ODF110 error 1: this is a label map and no pipeline.config; check the config whose "
             "label_map_path names it"),
            ('\nbase_config: "a.config"\nstage { }',
             "ODF110 error 2: this is an odfreeze plan and no pipeline.config; `odfreeze stage` "
             "reads it"),
            ("node { }\nversions { }",
             "ODF110 error 1: this is no pipeline.config: it has node, versions, and neither model "
             "nor train_config; check the file's name"),
            ("model { }\neval_config { }",
             "ODF110 error 1: the config has no train_config and train_input_reader, without which "
             "no training starts; add it"),
            ("train_config { }\nmodel { }",
             "ODF110 error 1: the config has no train_input_reader, without which no training "
             "starts; add it"),
        ],
        ids=["empty", "comments", "label-map", "plan", "graph", "two-blocks", "one-block"],
    )  # fmt: skip
    def test_is_told(self, text: str, message: str) -> None:
        assert said(no_pipeline_config(subject_of(text))) == [message]

    def test_a_block_in_the_wrong_place_is_not_missing(self) -> None:
        text = "model { }\ntrain_config { train_input_reader { } }"
        assert said(no_pipeline_config(subject_of(text))) == []

    def test_of_another_file_nothing_else_is_said(self, tmp_path: Path) -> None:
        path = tmp_path / "label_map.pbtxt"
        path.write_text('item { id: 1 name: "PATH/TO/x" }')
        assert [f.code for f in check_config(path).findings] == ["ODF110"]


class TestNothingChosen:
    @pytest.mark.parametrize(
        ("sample", "path", "message"),
        [
            (SSD, "model.ssd.matcher",
             f"model.ssd has no matcher, {REFUSED}; add it"),
            (SSD, "model.ssd.matcher.argmax_matcher",
             f"model.ssd.matcher does not say which one, {REFUSED}; write for example "
             "argmax_matcher { … }"),
            (SSD, "model.ssd.num_classes",
             "model.ssd has no num_classes, so that nothing can be detected; add it"),
            (SSD, "model.ssd.feature_extractor.type",
             f"model.ssd.feature_extractor has no type, {REFUSED}; add it"),
            (SSD, "model.ssd.loss.localization_loss",
             f"model.ssd.loss has no localization_loss, {REFUSED}; add it"),
            (SSD, "train_config.optimizer", f"train_config has no optimizer, {REFUSED}; add it"),
            (CENTERNET, "train_config.optimizer.adam_optimizer.learning_rate",
             f"train_config.optimizer.adam_optimizer has no learning_rate, {REFUSED}; add it"),
            (FASTER_RCNN, "model.faster_rcnn.second_stage_box_predictor",
             f"model.faster_rcnn has no second_stage_box_predictor, {REFUSED}; add it"),
            (FASTER_RCNN, "train_input_reader.tf_record_input_reader",
             f"train_input_reader does not say which one, {REFUSED}; write for example "
             'tf_record_input_reader { input_path: "…" }'),
            (CENTERNET, "model.center_net",
             f"model does not say which one, {REFUSED}; write for example ssd {{ … }}"),
        ],
        ids=lambda value: value.rpartition(".")[2] if value.startswith(("mod", "tr")) else "",
    )  # fmt: skip
    def test_what_is_taken_out_of_a_sample_is_missed(
        self, sample: str, path: str, message: str
    ) -> None:
        config = subject_of((CONFIGS / sample).read_text(encoding="utf-8")).config.without(path)
        subject = subject_of(config.data.decode())
        block = path.rpartition(".")[0]
        if "which one" not in message or block in {"model", "train_input_reader"}:
            assert block in message
        found = list(nothing_chosen(subject))
        assert [f"{f.message}" for f in found] == [message]
        assert found[0].place == subject.place(block)

    def test_several_are_told_of_at_once(self) -> None:
        text = "model { ssd {\n  loss { }\n} }"
        assert said(nothing_chosen(subject_of(text))) == [
            "ODF106 error 1: model.ssd has no num_classes, image_resizer, feature_extractor, "
            f"box_coder, matcher, similarity_calculator, box_predictor and anchor_generator, "
            f"{REFUSED}; add it",
            "ODF106 error 2: model.ssd.loss has no classification_loss and localization_loss, "
            f"{REFUSED}; add it",
        ]

    def test_what_is_misspelt_is_not_missing(self) -> None:
        assert said(nothing_chosen(subject_of("train_config { optimiser { } }"))) == []

    def test_each_augmentation_must_be_one(self) -> None:
        text = (
            "train_config { optimizer { momentum_optimizer { learning_rate { "
            "constant_learning_rate { } } } }\n data_augmentation_options { "
            "random_horizontal_flip { } }\n data_augmentation_options { } }"
        )
        assert said(nothing_chosen(subject_of(text))) == [
            "ODF106 error 3: train_config.data_augmentation_options[1] does not say which one, "
            f"{REFUSED}; write for example random_horizontal_flip {{ }}"
        ]


class TestPlaceholder:
    def test_is_told(self) -> None:
        text = (
            'train_config {\n  fine_tune_checkpoint: "PATH_TO_BE_CONFIGURED/ckpt-0"\n}\n'
            'train_input_reader {\n  label_map_path: "a.pbtxt"\n'
            '  tf_record_input_reader {\n    input_path: ["a", "PATH/TO/b"]\n  }\n}\n'
            "eval_input_reader {\n  label_map_path: '<path>/a'\n}\n"
        )
        assert said(placeholder(subject_of(text))) == [
            "ODF109 error 2: train_config.fine_tune_checkpoint is still to be filled in: "
            '"PATH_TO_BE_CONFIGURED/ckpt-0"; write the checkpoint\'s prefix '
            "(…/checkpoint/ckpt-0), or remove the field to start from random weights",
            "ODF109 error 7: train_input_reader.tf_record_input_reader.input_path is still to be "
            'filled in: "PATH/TO/b"; write the path of the TFRecord files',
            "ODF109 warning 11: eval_input_reader.label_map_path is still to be filled in: "
            "'<path>/a'; write the path of the label map (.pbtxt)",
        ]

    def test_filled_in(self) -> None:
        assert said(placeholder(subject_of('train_config { fine_tune_checkpoint: "a" }'))) == []


class TestExtractors:
    @pytest.mark.parametrize(
        ("kind", "message"),
        [
            (
                "ssd_mobilenet_v2",
                "ODF112 error 1: the feature extractor 'ssd_mobilenet_v2' exists only in TF1, and "
                "TF2 refuses the config; start from a config and a checkpoint of the TF2 model zoo "
                "(TF2 has this network as 'ssd_mobilenet_v2_keras', with other variables)",
            ),
            (
                "ssd_inception_v2",
                "ODF112 error 1: the feature extractor 'ssd_inception_v2' exists only in TF1, and "
                "TF2 refuses the config; start from a config and a checkpoint of the TF2 model zoo",
            ),
            (
                "ssd_mobilenet_v2_kera",
                f"ODF113 error 1: ssd has no feature extractor 'ssd_mobilenet_v2_kera', {REFUSED}; "
                "did you mean 'ssd_mobilenet_v2_keras'?",
            ),
            (
                "mobilenet_v2_fpn",
                "ODF113 error 1: 'mobilenet_v2_fpn' is a feature extractor of center_net, not of "
                f"ssd, {REFUSED}; write one of ssd",
            ),
            ("ssd_mobilenet_v2_keras", None),
        ],
    )
    def test_types(self, kind: str, message: str | None) -> None:
        subject = subject_of(f'model {{ ssd {{ feature_extractor {{ type: "{kind}" }} }} }}')
        found = said([*only_in_tf1(subject), *unknown_extractor(subject)])
        assert found == ([message] if message else [])

    def test_of_a_tf1_model_nothing_is_missed_and_nothing_to_be_filled_in(self) -> None:
        subject = subject_of(
            'model { ssd { feature_extractor { type: "ssd_mobilenet_v2" } } }\n'
            'train_config { fine_tune_checkpoint: "PATH_TO_BE_CONFIGURED" }'
        )
        assert [*nothing_chosen(subject), *placeholder(subject)] == []

    def test_a_bipartite_matcher(self) -> None:
        text = "model { ssd { matcher {\n  bipartite_matcher { } } } }"
        assert said(only_in_tf1(subject_of(text))) == [
            "ODF112 error 2: bipartite_matcher exists only in TF1, and TF2 refuses the config; "
            "write argmax_matcher { … }"
        ]


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_sample_only_has_placeholders(sample: str) -> None:
    codes = {f.code for f in check_config(CONFIGS / sample).findings if f.code < "ODF200"}
    assert codes == {"ODF109"}


def test_real_configs_only_have_placeholders_or_are_of_tf1(corpus: Path) -> None:
    """63 of the 64 configs for TF1 name an extractor of TF1; model_builder refuses just those."""
    tf1 = set()
    for path in sorted((corpus / "configs").glob("*/*.config")):
        findings = [f for f in check_config(path).findings if f.code < "ODF200"]
        codes = {f.code for f in findings}
        assert codes <= {"ODF109"} or codes == {"ODF112"}, path
        if codes == {"ODF112"}:
            tf1.add(path)
    assert len(tf1) == 63
    assert {path.parent.name for path in tf1} == {"tf1"}
