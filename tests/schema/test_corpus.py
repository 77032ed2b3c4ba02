"""Real configs under the schema: read by protobuf's own parser and by odfreeze's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format

from odfreeze.errors import ConfigError
from odfreeze.schema import PIPELINE, message_descriptor, read_message
from odfreeze.textproto import parse
from tests.conftest import ROOT
from tests.support.protobuf import as_dict, class_of, same

CORPUS = ROOT.parent / "shared" / "corpus" / "configs"
CONFIGS = sorted([*ROOT.glob("sample_configs/*.config"), *CORPUS.glob("*/*.config")])


def expected(data: bytes) -> Any:
    return as_dict(text_format.Merge(data, class_of(message_descriptor(PIPELINE))()))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_config_reads_as_protobuf_reads_it(path: Path) -> None:
    data = path.read_bytes()
    record = read_message(parse(data, path.name), PIPELINE, duplicates="last")
    assert same(record.as_dict(), expected(data))


# One thing at a time that is in no config of the corpus, or in few.
TEXTS = {
    "map": 'eval_config { super_categories { key: "a" value: "b,c" } }',
    "map twice the same key": "eval_config { super_categories { } super_categories { } }",
    "map of messages": "model { faster_rcnn { second_stage_post_processing { calibration_config {"
    " class_id_function_approximations { class_id_xy_pairs_map { key: 3"
    " value { x_y_pair { x: 1 } } } } } } } }",
    "two meta architectures": "model { ssd { num_classes: 1 } center_net { } }",
    "two models": "model { ssd { num_classes: 1 } } model { ssd { freeze_batchnorm: true } }",
    "enum by its number": "train_config { fine_tune_checkpoint_version: 2 }",
    "largest batch": "train_config { batch_size: 4294967295 }",
    "later than 2.8.0": "model { ssd { feature_extractor { use_hardswish: true } } }",
    "empty": "",
}
WRONG = {
    "misspelt field": "train_config { freeze_variable: 'a' }",
    "field of another block": "train_config { freeze_batchnorm: true }",
    "extension": "model { } [fork.settings] { a: 1 }",
    "number of another name": "train_config { 9: 100 }",
    "enum in quotes": 'train_config { fine_tune_checkpoint_version: "V2" }',
    "negative batch": "train_config { batch_size: -1 }",
    "batch too large": "train_config { batch_size: 4294967296 }",
    "fraction for steps": "train_config { num_steps: 1e4 }",
    "regex without quotes": "train_config { freeze_variables: .*conv }",
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_text_reads_as_protobuf_reads_it(text: str) -> None:
    record = read_message(parse(text.encode()), PIPELINE, duplicates="last")
    assert same(record.as_dict(), expected(text.encode()))


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG)
def test_text_that_protobuf_refuses_is_refused(text: str) -> None:
    with pytest.raises(text_format.ParseError):
        expected(text.encode())
    with pytest.raises((ConfigError, ValueError)):
        read_message(parse(text.encode()), PIPELINE)
