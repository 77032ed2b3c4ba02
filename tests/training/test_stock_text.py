"""What stock does with a wrong text: what the pages of check say, from its own readers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from odfreeze.check.architecture import TF1_EXTRACTORS, TF2_EXTRACTORS
from odfreeze.check.linter import check_config
from odfreeze.pipeline import PipelineConfig
from odfreeze.training import compat
from tests.check.planted import CENTERNET, CONFIGS, FASTER_RCNN, SSD
from tests.training.tiny import stock_extractors

pytestmark = pytest.mark.train

TRAIN = "object_detection.protos.TrainConfig"
PIPELINE = "object_detection.protos.TrainEvalPipelineConfig"
VERSION = "object_detection.protos.CheckpointVersion"


@pytest.fixture(scope="module")
def config_util() -> Any:
    compat.prepare()
    from object_detection.utils import config_util

    return config_util


def read(config_util: Any, directory: Path, data: bytes) -> Any:
    path = directory / "pipeline.config"
    path.write_bytes(data)
    return config_util.get_configs_from_pipeline_file(str(path))


REFUSED = {
    "ODF100 brace": (b"train_config {\n  num_steps: 1\n", 'Expected "}".'),
    "ODF100 brace before a block": (
        b"train_config {\n  num_steps: 1\ntrain_input_reader {\n}\n",
        f'Message type "{TRAIN}" has no field named "train_input_reader".',
    ),
    "ODF100 brace too many": (b"train_config {\n}\n}\n", "Expected identifier or number, got }."),
    "ODF100 smart quotes": (
        "train_config { freeze_variables: “a” }".encode(), "Expected string but found: '“'",
    ),
    "ODF100 regex": (
        b"train_config { freeze_variables: .*a }", "Expected string but found: '.'",
    ),
    "ODF100 equals": (b"train_config { num_steps = 5 }", 'Expected ":".'),
    "ODF100 comment": (b"// few\n", "Expected identifier or number, got /."),
    "ODF100 open string": (
        b'train_config { fine_tune_checkpoint: "a\n}', "String missing ending quote",
    ),
    "ODF101": (
        b'train_config { freeze_vars: "a" }',
        f'Message type "{TRAIN}" has no field named "freeze_vars".',
    ),
    "ODF102": (
        b"train_config { freeze_batchnorm: true }",
        f'Message type "{TRAIN}" has no field named "freeze_batchnorm".',
    ),
    "ODF103 case": (
        b"train_config { fine_tune_checkpoint_version: v2 }",
        f'Enum type "{VERSION}" has no value named v2.',
    ),
    "ODF103 quotes": (
        b'train_config { fine_tune_checkpoint_version: "V2" }',
        f'Enum type "{VERSION}" has no value named "V2".',
    ),
    "ODF104 exponent": (b"train_config { num_steps: 1e4 }", "Couldn't parse integer: 1e4"),
    "ODF104 quotes": (b'train_config { num_steps: "8" }', "Couldn't parse integer: \"8\""),
    "ODF104 bool": (
        b'model { ssd { freeze_batchnorm: "true" } }', 'Expected "true" or "false".',
    ),
    "ODF104 string": (
        b"train_config { freeze_variables: backbone }", "Expected string but found: 'backbone'",
    ),
    "ODF104 range": (b"train_config { num_steps: -1 }", "Value out of range: -1"),
    "ODF110 label map": (
        b"item { id: 1 }", f'Message type "{PIPELINE}" has no field named "item".',
    ),
    "ODF111 mark": (
        b"\xef\xbb\xbftrain_config { }", "Expected identifier or number, got \ufeff.",
    ),
    "ODF114": (
        b"model { ssd { feature_extractor { use_hardswish: true } } }",
        'Message type "object_detection.protos.SsdFeatureExtractor" has no field named '
        '"use_hardswish".',
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_stock_refuses_is_an_error_of_check(
    config_util: Any, tmp_path: Path, name: str
) -> None:
    from google.protobuf.text_format import ParseError

    data, message = REFUSED[name]
    if name == "ODF114" and _knows_later_fields():
        pytest.skip("a head of tensorflow/models that has the field")
    with pytest.raises(ParseError) as caught:
        read(config_util, tmp_path, data)
    assert message in str(caught.value)
    found = {f.code: f.severity for f in check_config(tmp_path / "pipeline.config").findings}
    assert found[name[:6]] == ("warning" if name == "ODF114" else "error")


def _knows_later_fields() -> bool:
    from object_detection.protos import ssd_pb2

    return "use_hardswish" in ssd_pb2.SsdFeatureExtractor.DESCRIPTOR.fields_by_name


@pytest.mark.parametrize(
    "data",
    ["# é\n".encode("latin-1"), "model { }".encode("utf-16")],
    ids=["latin-1", "utf-16"],
)
def test_another_encoding_cannot_be_read(config_util: Any, tmp_path: Path, data: bytes) -> None:
    with pytest.raises(UnicodeDecodeError, match="'utf-8' codec can't decode byte"):
        read(config_util, tmp_path, data)
    assert "ODF111" in {f.code for f in check_config(tmp_path / "pipeline.config").findings}


class TestSilent:
    def test_of_a_value_written_twice_the_last_counts(
        self, config_util: Any, tmp_path: Path
    ) -> None:
        """ODF105."""
        text = b"train_config { num_steps: 1 batch_size: 3 num_steps: 2 }"
        configs = read(config_util, tmp_path, text + b" train_config { batch_size: 4 }")
        assert configs["train_config"].num_steps == 2
        assert configs["train_config"].batch_size == 4

    def test_of_two_models_the_last_counts(self, config_util: Any, tmp_path: Path) -> None:
        """ODF108."""
        text = b"model { ssd { num_classes: 3 } } model { faster_rcnn { num_classes: 4 } }"
        model = read(config_util, tmp_path, text)["model"]
        assert model.WhichOneof("model") == "faster_rcnn"
        assert not model.HasField("ssd")

    def test_escapes_eat_patterns_and_paths(self, config_util: Any, tmp_path: Path) -> None:
        """ODF107."""
        text = (
            rb'train_config { freeze_variables: ["\bconv", "c\d"] fine_tune_checkpoint: "C:\tf" }'
        )
        config = read(config_util, tmp_path, text)["train_config"]
        assert list(config.freeze_variables) == ["\bconv", "c\\d"]
        assert config.fine_tune_checkpoint == "C:\tf"


MISSING = [
    (SSD, "model.ssd.matcher", "Empty matcher."),
    (SSD, "model.ssd.matcher.argmax_matcher", "Empty matcher."),
    (SSD, "model.ssd.box_coder", "Empty box coder."),
    (SSD, "model.ssd.anchor_generator", "Empty anchor generator."),
    (SSD, "model.ssd.similarity_calculator", "Unknown region similarity calculator."),
    (SSD, "model.ssd.box_predictor", "Unknown box predictor for Keras: None"),
    (SSD, "model.ssd.image_resizer", "Invalid image resizer option: 'None'."),
    (SSD, "model.ssd.loss.classification_loss", "Empty loss config."),
    (SSD, "model.ssd.loss.localization_loss", "Empty loss config."),
    (SSD, "model.ssd.feature_extractor.type", " is not supported for tf version 2."),
    (SSD, "model", "Unknown meta architecture: None"),
    (FASTER_RCNN, "model.faster_rcnn.image_resizer", "Invalid image resizer option: 'None'."),
    (FASTER_RCNN, "model.faster_rcnn.first_stage_anchor_generator", "Empty anchor generator."),
    (FASTER_RCNN, "model.faster_rcnn.second_stage_box_predictor",
     "Unknown box predictor for Keras: None"),
    (CENTERNET, "model.center_net.image_resizer", "Invalid image resizer option: 'None'."),
    (SSD, "train_config.optimizer", "Optimizer None not supported."),
    (SSD, "train_config.optimizer.momentum_optimizer.learning_rate",
     "Learning_rate None not supported."),
    (SSD, "train_input_reader.tf_record_input_reader", "Unsupported input_reader_config."),
]  # fmt: skip


@pytest.mark.parametrize(("sample", "path", "message"), MISSING, ids=lambda value: value)
def test_what_the_builders_miss(
    config_util: Any, tmp_path: Path, sample: str, path: str, message: str
) -> None:
    """ODF106, ODF110."""
    from object_detection.builders import dataset_builder, model_builder, optimizer_builder

    data = PipelineConfig.read(CONFIGS / sample).without(path).data
    configs = read(config_util, tmp_path, data)
    with pytest.raises(ValueError, match="") as caught:
        if path.startswith("model"):
            model_builder.build(configs["model"], is_training=True)
        elif path.startswith("train_config"):
            optimizer_builder.build(configs["train_config"].optimizer)
        else:
            dataset_builder.build(configs["train_input_config"])
    assert str(caught.value).startswith(message)
    codes = {f.code for f in check_config(tmp_path / "pipeline.config").findings}
    assert codes & {"ODF106", "ODF110"}


class TestExtractors:
    def test_the_tables_are_those_of_stock(self, config_util: Any) -> None:
        """ODF112, ODF113."""
        from object_detection.builders import model_builder

        ssds = stock_extractors(model_builder.SSD_KERAS_FEATURE_EXTRACTOR_CLASS_MAP)
        assert set(TF2_EXTRACTORS["ssd"]) == set(ssds)
        regions = stock_extractors(model_builder.FASTER_RCNN_KERAS_FEATURE_EXTRACTOR_CLASS_MAP)
        assert set(TF2_EXTRACTORS["faster_rcnn"]) == set(regions)
        assert set(TF2_EXTRACTORS["center_net"]) == set(
            model_builder.CENTER_NET_EXTRACTOR_FUNCTION_MAP
        )
        source = Path(model_builder.__file__).read_text(encoding="utf-8")
        for kind in TF1_EXTRACTORS:
            assert f"'{kind}'" in source

    @pytest.mark.parametrize(
        ("kind", "code"),
        [("ssd_mobilenet_v2", "ODF112"), ("ssd_mobilenet_v2_kera", "ODF113")],
    )
    def test_one_that_tf2_does_not_have(
        self, config_util: Any, tmp_path: Path, kind: str, code: str
    ) -> None:
        from object_detection.builders import model_builder

        config = PipelineConfig.read(CONFIGS / SSD)
        data = config.with_value("model.ssd.feature_extractor.type", kind).data
        configs = read(config_util, tmp_path, data)
        with pytest.raises(ValueError, match=f"^{kind} is not supported for tf version 2. See "):
            model_builder.build(configs["model"], is_training=True)
        assert code in {f.code for f in check_config(tmp_path / "pipeline.config").findings}

    def test_a_bipartite_matcher(self, config_util: Any, tmp_path: Path) -> None:
        from object_detection.builders import model_builder

        text = (CONFIGS / SSD).read_text(encoding="utf-8")
        config = PipelineConfig.parse(text.encode()).without("model.ssd.matcher.argmax_matcher")
        data = config.data.replace(b"matcher {\n", b"matcher {\n bipartite_matcher { }\n", 1)
        configs = read(config_util, tmp_path, data)
        with pytest.raises(ValueError, match=r"bipartite_matcher is not supported in TF 2\.X"):
            model_builder.build(configs["model"], is_training=True)
        assert "ODF112" in {f.code for f in check_config(tmp_path / "pipeline.config").findings}


def test_a_placeholder_is_opened_as_a_path(config_util: Any, tmp_path: Path) -> None:
    """ODF109."""
    import tensorflow as tf
    from object_detection.builders import dataset_builder

    configs = read(config_util, tmp_path, (CONFIGS / SSD).read_bytes())
    with pytest.raises(tf.errors.NotFoundError, match=r"PATH/TO/label_map\.pbtxt; No such file"):
        dataset_builder.build(configs["train_input_config"])
    configs["train_input_config"].label_map_path = ""
    with pytest.raises(RuntimeError, match="Did not find any input files matching the glob"):
        dataset_builder.build(configs["train_input_config"])
