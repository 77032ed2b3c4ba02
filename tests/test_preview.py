"""Preview: a config, its checkpoint, and what the patterns do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from odfreeze.errors import (
    CheckpointNotFoundError,
    PatternError,
    RemotePathError,
    UsageError,
)
from odfreeze.pipeline import PipelineConfig
from odfreeze.preview import preview
from tests.support.bundle_writer import write_checkpoint
from tests.support.tiny_detector import BACKBONE, write_detector


def test_states_matches_and_restored_of_the_configs_checkpoint(tmp_path: Path) -> None:
    seen = preview(write_detector(tmp_path, "^block_1_", "Conv1"))
    totals = {state: total.variables for state, total in seen.selection.totals().items()}
    assert totals == {"frozen": 6, "trainable": 15, "held": 4, "updating": 8}
    assert [len(seen.selection.matches(i)) for i in (0, 1)] == [5, 5]
    assert sum(seen.restored) == 26
    assert (seen.config, seen.checkpoint) == (
        str(tmp_path / "pipeline.config"), (tmp_path / "ckpt-0").as_posix(),
    )  # fmt: skip
    assert [finding.code for finding in seen.findings] == ["ODF207"]


def test_a_config_may_be_given_as_path_or_as_object(tmp_path: Path) -> None:
    path = write_detector(tmp_path, "Conv1")
    assert preview(str(path)) == preview(path) == preview(PipelineConfig.read(path))


def test_given_patterns_replace_those_of_the_config(tmp_path: Path) -> None:
    path = write_detector(tmp_path, "Conv1")
    before = path.read_bytes()
    seen = preview(path, freeze_variables=["Tower"], update_trainable_variables=["Predictor"])
    assert [(p.field, p.text) for p in seen.selection.patterns] == [
        ("freeze_variables", "Tower"), ("update_trainable_variables", "Predictor"),
    ]  # fmt: skip
    assert [v.name for v in seen.selection.of("trainable")] == [
        "Predictor/BoxHead/kernel", "Predictor/BoxHead/bias",
    ]  # fmt: skip
    assert path.read_bytes() == before


def test_no_given_patterns_stand_for_no_pattern(tmp_path: Path) -> None:
    seen = preview(write_detector(tmp_path, "Conv1"), freeze_variables=[])
    assert (seen.selection.patterns, seen.selection.of("frozen")) == ((), ())


def test_one_field_given_leaves_the_other_as_the_config_has_it(tmp_path: Path) -> None:
    path = write_detector(tmp_path, "Predictor", field="update_trainable_variables")
    seen = preview(path, freeze_variables=["BoxHead"])
    assert [p.text for p in seen.selection.patterns] == ["BoxHead", "Predictor"]


def test_a_given_checkpoint_replaces_that_of_the_config(tmp_path: Path) -> None:
    other = write_checkpoint(
        tmp_path / "other-1", {"model/_feature_extractor/w": ("w", "float32", (2,), None)}
    )
    path = write_detector(tmp_path, "w")
    seen = preview(path, checkpoint=other)
    assert [v.name for v in seen.selection.variables] == ["w"]


@pytest.mark.parametrize(("mode", "state"), [("hold", "held"), ("update", "updating")])
def test_frozen_batch_norm(tmp_path: Path, mode: str, state: str) -> None:
    seen = preview(write_detector(tmp_path, "bn_Conv1"), frozen_batch_norm=mode)  # type: ignore[arg-type]
    states = {v.name: s for v, s in zip(seen.selection.variables, seen.selection.states)}  # noqa: B905
    assert states["bn_Conv1/moving_mean"] == state


def test_freeze_batchnorm_of_the_config_holds_all_statistics(tmp_path: Path) -> None:
    seen = preview(
        write_detector(tmp_path, **{"num_classes: 3": "num_classes: 3 freeze_batchnorm: true"})
    )
    assert (len(seen.selection.of("held")), len(seen.selection.of("updating"))) == (12, 0)


def test_the_type_that_is_not_set_counts_as_classification(tmp_path: Path) -> None:
    seen = preview(write_detector(tmp_path, **{'  fine_tune_checkpoint_type: "detection"\n': ""}))
    assert (seen.checkpoint_type, any(seen.restored)) == ("classification", False)
    (finding,) = seen.findings
    assert (finding.code, finding.place and finding.place.line) == ("ODF302", 8)


def test_findings_stand_at_their_places(tmp_path: Path) -> None:
    seen = preview(write_detector(tmp_path, "BoxHead", "nothing", freeze_vars="x"))
    places = {f.code: f.place and (f.place.line, f.place.column) for f in seen.findings}
    assert places == {"ODF301": (9, 30), "ODF201": (11, 21), "ODF207": (10, 21)}


def test_the_wrong_field_name_of_tutorials_is_pointed_out(tmp_path: Path) -> None:
    seen = preview(write_detector(tmp_path, "Conv1", field="freeze_vars"))
    (finding,) = seen.findings
    assert (finding.code, str(finding.place)) == (
        "ODF101", f"{tmp_path / 'pipeline.config'}:10:3",
    )  # fmt: skip


def test_json_is_plain_and_complete(tmp_path: Path) -> None:
    path = write_detector(tmp_path, "Conv1/kernel", "Tower")
    found = json.loads(json.dumps(preview(path).to_json()))
    assert found["version"] == 1
    assert found["patterns"] == [
        {"field": "freeze_variables", "pattern": "Conv1/kernel", "matches": 1},
        {"field": "freeze_variables", "pattern": "Tower", "matches": 5},
    ]
    assert found["variables"][0] == {
        "name": "Conv1/kernel",
        "object_path": f"{BACKBONE}/layer_with_weights-0/kernel",
        "shape": [3, 3, 3, 8],
        "dtype": "float32",
        "state": "frozen",
        "matched_by": [0],
        "restored": True,
    }
    assert found["totals"]["frozen"] == {"variables": 4, "parameters": 368, "bytes": 1472}
    assert set(found["totals"]) == {"frozen", "trainable", "held", "updating"}
    assert [sorted(finding) for finding in found["findings"]] == [
        ["code", "column", "line", "message", "severity"]
    ] * len(found["findings"])


def test_without_a_checkpoint_there_is_nothing_to_list(tmp_path: Path) -> None:
    path = tmp_path / "a.config"
    path.write_text("train_config { }")
    with pytest.raises(UsageError, match=r"a.config: train_config.fine_tune_checkpoint is not set"):
        preview(path)


def test_a_checkpoint_that_is_not_there_is_an_error_at_its_place(tmp_path: Path) -> None:
    path = write_detector(tmp_path, **{"ckpt-0": "ckpt-9"})
    with pytest.raises(CheckpointNotFoundError) as caught:
        preview(path)
    assert caught.value.place is not None
    assert (caught.value.place.line, caught.value.place.column) == (8, 25)


def test_a_remote_checkpoint_is_a_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "a.config"
    path.write_text('train_config { fine_tune_checkpoint: "gs://bucket/ckpt-0" }')
    with pytest.raises(RemotePathError, match="gs://bucket/ckpt-0"):
        preview(path)


def test_a_bad_pattern_is_an_error_at_the_character(tmp_path: Path) -> None:
    path = write_detector(tmp_path, "Conv1", "block_(1|2")
    with pytest.raises(PatternError) as caught:
        preview(path)
    assert str(caught.value).splitlines()[1:] == [
        '  freeze_variables: "block_(1|2"', " " * 27 + "^",
    ]  # fmt: skip


def test_a_real_checkpoint_without_its_weights(tmp_path: Path, corpus: Path) -> None:
    checkpoint = corpus / "checkpoints" / "efficientdet_d0_names_only"
    path = tmp_path / "a.config"
    path.write_text(
        'model { ssd { } }\ntrain_config { fine_tune_checkpoint_type: "detection"'
        ' freeze_variables: "^stem_|^stack_[0-9]+/" }'
    )
    seen = preview(path, checkpoint=checkpoint)
    assert len(seen.selection.variables) == 683
    assert len(seen.selection.matches(0)) == 304
    assert sum(seen.restored) == 539
    assert seen.findings == ()
