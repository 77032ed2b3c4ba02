"""The model part of a config: what counts for the variables, and what does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings

from odfreeze.pipeline import PipelineConfig
from odfreeze.textproto import parse
from odfreeze.training.model_part import digest_of_model, model_text
from tests.conftest import ROOT
from tests.textproto.strategies import weird

ONE = 'model { ssd { num_classes: 3 feature_extractor { type: "a" pad: 0.5 } } }'


def digest(text: str) -> str:
    return digest_of_model(PipelineConfig.parse(text.encode()))


@pytest.mark.parametrize(
    "text",
    [
        "model\n{ # a note\n  ssd {\r\n num_classes : 3\n feature_extractor{type:'a' pad:0.5}}}",
        'model < ssd: < num_classes: 3; feature_extractor: < type: "a", pad: 0.5 > > >',
        'train_config { batch_size: 8 } model { ssd { num_classes: 3 feature_extractor { type: "a" '
        "pad: 0.5 } } } eval_config { }",
        'model { ssd { num_classes: 3 feature_extractor { type: "\\141" "" pad: 0.5 } } }',
    ],
    ids=["white-space", "brackets", "other-parts", "quotes"],
)
def test_what_does_not_count(text: str) -> None:
    assert digest(text) == digest(ONE)


@pytest.mark.parametrize(
    "text",
    [
        ONE.replace("3", "4"),
        ONE.replace('"a"', '"b"'),
        ONE.replace('"a"', "a"),
        ONE.replace("pad", "of_a_fork"),
        ONE.replace("ssd", "center_net"),
        ONE.replace("pad: 0.5", ""),
        ONE.replace('type: "a" pad: 0.5 }', 'type: "a" } pad: 0.5'),
        "",
    ],
    ids=["number", "text", "kind", "field", "message", "fewer", "nesting", "none"],
)
def test_what_counts(text: str) -> None:
    assert digest(text) != digest(ONE)


def test_two_values_are_not_one() -> None:
    assert digest('model { a: "x" b: "y" }') != digest('model { a: "xstring 1:y" }')


def test_a_list_is_the_field_several_times() -> None:
    assert digest("model { a: [1, 2] }") == digest("model { a: 1 a: 2 }")


def test_the_content_of_a_file_that_the_model_names_counts(tmp_path: Path) -> None:
    label_map = tmp_path / "keypoints.pbtxt"
    text = f'model {{ center_net {{ keypoint_label_map_path: "{label_map.as_posix()}" }} }}'
    seen = [digest(text)]
    for content in ("item { id: 1 }", "item { id: 2 }"):
        label_map.write_text(content)
        seen.append(digest(text))
    assert len(set(seen)) == 3


def test_what_is_no_file_to_read_does_not() -> None:
    assert len(digest('model { a: "/dev/zero" b: "\\000" }')) == 64


def test_the_text_is_the_model_alone_at_its_place() -> None:
    text = 'train_config { }  # é\r\n  model { a: "ü" }, eval_config { }\nmodel { b: 2 }'
    found = model_text(PipelineConfig.parse(text.encode())).decode()
    assert found == " " * 21 + '\r\n  model { a: "ü" },' + " " * 16 + "\nmodel { b: 2 }"


@settings(max_examples=30)
@given(weird(1), weird(1))
def test_the_text_of_any_config_has_the_same_model(inside: str, beside: str) -> None:
    text = f"model {{ {inside}\n}} train_config {{ {beside}\n}}"
    config = PipelineConfig(parse(text.encode()))
    alone = PipelineConfig(parse(model_text(config)))
    assert digest_of_model(alone) == digest_of_model(config)
    assert {field.name for field in alone.document.root.fields} == {"model"}


@pytest.mark.parametrize("path", sorted((ROOT / "sample_configs").glob("*.config")), ids=str)
def test_of_a_real_config(path: Path) -> None:
    config = PipelineConfig.read(path)
    alone = PipelineConfig.parse(model_text(config))
    assert len(alone.data.splitlines()) == len(config.data.splitlines())
    assert alone.meta_architecture == config.meta_architecture
    assert digest_of_model(alone) == digest_of_model(config)
