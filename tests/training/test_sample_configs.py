"""The samples: each config builds with the OD API, and all comments on patterns are true.

A comment before every pattern, the commented-out alternatives included, has the form

    # matches 260 variables (156 trainable, 104 statistics): all of the backbone

with "all of the PART" or "part of the PART, in other words", and after the patterns in force,
in a plan those of each stage,

    # together: 156 frozen, 76 trainable, 104 held, 48 updating
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from odfreeze import textproto
from odfreeze.checkpoint import Checkpoint
from odfreeze.pipeline import PipelineConfig
from odfreeze.preview import preview
from odfreeze.selection import Pattern, Selection, select
from odfreeze.stages.staging import StagedConfig, plan_stages, read_plan, write_stages
from odfreeze.variables import Variable
from tests.training.models import (
    CENTERNET,
    CONFIGS,
    EFFICIENTDET,
    FASTER_RCNN,
    SAMPLES,
    SSD,
    built,
)

#: Shares a process with other tests of these models; see tests/conftest.py.
GROUP = "samples"

#: Parts of each model, by the beginnings of their object paths below ``model/``.
PARTS: dict[str, dict[str, tuple[str, ...]]] = {
    SSD: {
        "backbone": ("_feature_extractor/classification_backbone/",),
        "neck": (
            "_feature_extractor/_fpn_features_generator/",
            "_feature_extractor/_coarse_feature_layers/",
        ),
        "heads": ("_box_predictor/",),
    },
    EFFICIENTDET: {
        "backbone": (
            "_feature_extractor/_efficientnet/",
            "_feature_extractor/classification_backbone/",
        ),
        "neck": ("_feature_extractor/_bifpn_stage/",),
        "heads": ("_box_predictor/",),
    },
    FASTER_RCNN: {
        "backbone": ("_feature_extractor_for_proposal_features/",),
        "region features": ("_feature_extractor_for_box_classifier_features/",),
        "proposal network": ("_first_stage_box_predictor",),
        "heads": ("_mask_rcnn_box_predictor/",),
    },
    CENTERNET: {
        "backbone": ("_feature_extractor/_base_model/",),
        "neck": ("_feature_extractor/_feature_extractor_model/",),
        "heads": ("_prediction_head_dict/",),
    },
}

PLANS = (
    "ssd_mobilenet_v2_fpnlite_320x320.plan",
    "efficientdet_d0_512x512.plan",
)

_FIELD = re.compile(
    r"\s*(?P<off># )?(?P<setting>(?P<field>freeze_variables|update_trainable_variables):.*)"
)
_MATCHES = re.compile(
    r"  # matches (\d+) variables \((\d+) trainable, (\d+) statistics\):"
    r" (all|part) of the ([^,]+)(, .+)?"
)
_TOGETHER = re.compile(r"  # together: (\d+) frozen, (\d+) trainable, (\d+) held, (\d+) updating")


@dataclass(frozen=True)
class Claim:
    """A pattern in a sample and what the comment above it says."""

    pattern: Pattern
    in_force: bool
    counts: tuple[int, int, int]
    whole: bool
    parts: tuple[str, ...]


@dataclass(frozen=True)
class Section:
    """A config, or one stage of a plan."""

    file: str
    config: str
    lines: tuple[str, ...]

    @property
    def claims(self) -> list[Claim]:
        found = []
        for above, line in pairwise(self.lines):
            if not (field := _FIELD.fullmatch(line)):
                continue
            comment = _MATCHES.fullmatch(above)
            assert comment, f"{self.file}: no comment of the fixed form above {line.strip()}"
            setting = textproto.parse(field["setting"].encode())
            text = textproto.find(setting, field["field"])[0].value.as_str()
            counts = int(comment[1]), int(comment[2]), int(comment[3])
            parts = tuple(comment[5].split(" and "))
            pattern = Pattern(field["field"], text)
            found.append(Claim(pattern, not field["off"], counts, comment[4] == "all", parts))
        return found

    @property
    def in_force(self) -> list[Pattern]:
        return [claim.pattern for claim in self.claims if claim.in_force]

    @property
    def together(self) -> tuple[int, ...]:
        (found,) = [match for line in self.lines if (match := _TOGETHER.fullmatch(line))]
        return tuple(map(int, found.groups()))

    def select(self, variables: Any) -> Selection:
        """What the patterns in force decide."""
        config = PipelineConfig.read(CONFIGS / self.config)
        return select(variables, self.in_force, config_holds=config.holds_statistic)


def sections(file: str) -> list[Section]:
    lines = (CONFIGS / file).read_text(encoding="utf-8").splitlines()
    if file.endswith(".config"):
        return [Section(file, file, tuple(lines))]
    base = textproto.find(textproto.parse((CONFIGS / file).read_bytes()), "base_config")
    starts = [index for index, line in enumerate(lines) if line == "stage {"]
    return [
        Section(file, base[0].value.as_str(), tuple(lines[start:end]))
        for start, end in pairwise([*starts, len(lines)])
    ]


def part_of(name: str, variable: Variable) -> str:
    """The one part of the model that a variable belongs to."""
    path = variable.object_path.removeprefix("model/")
    (part,) = [part for part, heads in PARTS[name].items() if path.startswith(heads)]
    return part


def parsed(name: str) -> Any:
    from google.protobuf import text_format

    from odfreeze.training import compat

    compat.prepare()
    from object_detection.protos import pipeline_pb2

    text = (CONFIGS / name).read_text(encoding="utf-8")
    return text_format.Parse(text, pipeline_pb2.TrainEvalPipelineConfig())


def short(name: str) -> str:
    return name.partition("_")[0] + Path(name).suffix


def staged(plan: str, directory: Path) -> tuple[StagedConfig, ...]:
    """The stages of a plan, written below a folder, its base config pointing at a checkpoint."""
    base = sections(plan)[0].config
    config = PipelineConfig.read(CONFIGS / base)
    prefix = Path(built(base).prefix).as_posix()
    config.with_value("train_config.fine_tune_checkpoint", prefix).write(directory / base)
    (directory / plan).write_bytes((CONFIGS / plan).read_bytes())
    left_open = ["ODF109"]  # the data's paths
    return write_stages(read_plan(directory / plan), directory / "stages", ignore=left_open)


@pytest.fixture(params=SAMPLES, ids=short)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[*SAMPLES, *PLANS], ids=short)
def file(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class TestText:
    def test_all_samples_are_tested(self) -> None:
        there = {path.name for path in CONFIGS.iterdir() if not path.name.startswith("demo")}
        assert there == {*SAMPLES, *PLANS, "README.md"}

    def test_patterns_in_force_are_those_the_file_sets(self, file: str) -> None:
        document = textproto.parse((CONFIGS / file).read_bytes(), file)
        home = "train_config" if file in SAMPLES else "stage"
        for field in ("freeze_variables", "update_trainable_variables"):
            found = [one.value.as_str() for one in textproto.find(document, f"{home}.{field}")]
            stated = [pattern for section in sections(file) for pattern in section.in_force]
            assert found == [pattern.text for pattern in stated if pattern.field == field]

    def test_a_config_has_patterns_in_force_and_alternatives(self, name: str) -> None:
        (section,) = sections(name)
        in_force = [claim.in_force for claim in section.claims]
        assert True in in_force
        assert in_force.count(False) >= 3

    def test_a_plan_lets_more_learn_from_stage_to_stage(self, file: str) -> None:
        learning = [section.together[1] for section in sections(file)]
        assert len(learning) == (1 if file in SAMPLES else {PLANS[0]: 3, PLANS[1]: 4}[file])
        assert learning == sorted(set(learning))

    @pytest.mark.parametrize("plan", PLANS, ids=short)
    def test_a_plan_can_be_staged(self, plan: str, tmp_path: Path) -> None:
        stages = plan_stages(read_plan(CONFIGS / plan), tmp_path)
        assert len(stages) == len(sections(plan))
        assert (stages[0].starts_from or "").startswith("PATH/TO/")
        assert [stage.starts_from for stage in stages[1:]] == [s.checkpoint for s in stages[:-1]]
        assert [s.starts_from_type for s in stages] == ["detection", *["full"] * (len(stages) - 1)]

    def test_every_path_is_a_placeholder(self, name: str) -> None:
        document = textproto.parse((CONFIGS / name).read_bytes(), name)
        paths = [
            one.value.as_str()
            for field in (
                "train_config.fine_tune_checkpoint",
                "train_input_reader.label_map_path",
                "train_input_reader.tf_record_input_reader.input_path",
                "eval_input_reader.label_map_path",
                "eval_input_reader.tf_record_input_reader.input_path",
            )
            for one in textproto.find(document, field)
        ]
        assert len(paths) == 5
        assert all(path.startswith("PATH/TO/") for path in paths)

    def test_the_readme_has_a_row_for_it(self, file: str) -> None:
        rows = (CONFIGS / "README.md").read_text(encoding="utf-8").splitlines()
        assert [row for row in rows if row.startswith(f"| [`{file}`]({file})")]


@pytest.mark.train
class TestPatterns:
    def test_each_matches_what_its_comment_says(self, file: str) -> None:
        said, seen = [], []
        for section in sections(file):
            records = built(section.config).records
            parts = {record.object_path: part_of(section.config, record) for record in records}
            for claim in section.claims:
                matched = select(records, [claim.pattern]).matches(0)
                learning = sum(record.trainable for record in matched)
                still = sum(record.statistic for record in matched)
                touched = {parts[record.object_path] for record in matched}
                in_touched = sum(part in touched for part in parts.values())
                text = claim.pattern.text
                said.append((text, claim.counts, claim.whole, set(claim.parts)))
                counts = len(matched), learning, still
                seen.append((text, counts, len(matched) == in_touched, touched))
        assert seen == said

    def test_together_they_leave_what_the_comment_says(self, file: str) -> None:
        for section in sections(file):
            totals = section.select(built(section.config).records).totals()
            states = ("frozen", "trainable", "held", "updating")
            assert tuple(totals[state].variables for state in states) == section.together

    def test_a_checkpoint_gives_the_same_decision(self, file: str) -> None:
        def by_path(selection: Selection) -> dict[str, str]:
            pairs = zip(selection.variables, selection.states, strict=True)
            return {variable.object_path: state for variable, state in pairs}

        for section in sections(file):
            with Checkpoint.open(built(section.config).prefix) as checkpoint:
                of_checkpoint = section.select(checkpoint.variables)
            assert by_path(of_checkpoint) == by_path(section.select(built(section.config).records))

    def test_preview_finds_nothing_to_say(self, name: str) -> None:
        result = preview(CONFIGS / name, checkpoint=built(name).prefix)
        (section,) = sections(name)
        assert result.selection.totals() == section.select(built(name).records).totals()
        assert [finding.message for finding in result.findings] == []

    @pytest.mark.parametrize("plan", PLANS, ids=short)
    def test_stages_are_written_for_a_real_checkpoint(self, plan: str, tmp_path: Path) -> None:
        found = []
        for stage in staged(plan, tmp_path):
            assert stage.selection is not None
            totals = stage.selection.totals()
            states = ("frozen", "trainable", "held", "updating")
            found.append(tuple(totals[state].variables for state in states))
        assert found == [section.together for section in sections(plan)]

    @pytest.mark.parametrize("plan", PLANS, ids=short)
    def test_staging_finds_nothing_to_say(self, plan: str, tmp_path: Path) -> None:
        found = [one.message for stage in staged(plan, tmp_path) for one in stage.findings]
        assert found == []

    def test_what_they_freeze_is_restored(self, file: str) -> None:
        import tensorflow as tf

        first = sections(file)[0]  # what a later stage of a plan freezes comes from the first
        sample = built(first.config)
        kind = parsed(first.config).train_config.fine_tune_checkpoint_type
        objects = sample.model.restore_from_objects(fine_tune_checkpoint_type=kind)
        root = tf.train.Checkpoint(**objects)
        restored = {id(one) for one in tf.train.TrackableView(root).descendants()}
        values = {one.record.object_path: id(one.value) for one in sample.live}
        frozen = first.select(sample.records).of("frozen")
        assert frozen
        assert {values[variable.object_path] for variable in frozen} <= restored


@pytest.mark.train
class TestTheRest:
    def test_the_od_api_builds_optimizer_and_augmentation(self, name: str) -> None:
        config = parsed(name)
        from object_detection.builders import optimizer_builder, preprocessor_builder

        optimizer, _ = optimizer_builder.build(config.train_config.optimizer)
        assert optimizer
        options = config.train_config.data_augmentation_options
        assert len([preprocessor_builder.build(option) for option in options]) >= 2

    def test_schedule_ends_with_the_training(self, name: str) -> None:
        config = parsed(name).train_config
        kind = config.optimizer.WhichOneof("optimizer")
        rate = getattr(config.optimizer, kind).learning_rate
        if rate.HasField("cosine_decay_learning_rate"):
            assert rate.cosine_decay_learning_rate.total_steps == config.num_steps
        elif rate.HasField("manual_step_learning_rate"):
            steps = [one.step for one in rate.manual_step_learning_rate.schedule]
            assert steps == sorted(steps)
            assert steps[-1] < config.num_steps
        else:
            decay = rate.exponential_decay_learning_rate
            assert decay.staircase
            assert 2 <= config.num_steps // decay.decay_steps <= 4

    @pytest.mark.parametrize(
        ("name", "original", "fields"),
        [
            (
                SSD,
                "ssd_mobilenet_v2_fpnlite_320x320_coco17_tpu-8.config",
                "feature_extractor box_predictor anchor_generator box_coder image_resizer",
            ),
            (
                EFFICIENTDET,
                "ssd_efficientdet_d0_512x512_coco17_tpu-8.config",
                "feature_extractor box_predictor anchor_generator box_coder image_resizer",
            ),
            (
                FASTER_RCNN,
                "faster_rcnn_resnet50_v1_640x640_coco17_tpu-8.config",
                "first_stage_anchor_generator first_stage_box_predictor_conv_hyperparams"
                " second_stage_box_predictor image_resizer initial_crop_size clip_anchors_to_image",
            ),
            (
                CENTERNET,
                "centernet_resnet50_v1_fpn_512x512_kpts_coco17_tpu-8.config",
                "feature_extractor image_resizer object_center_params object_detection_task",
            ),
        ],
        ids=["ssd", "efficientdet", "faster", "centernet"],
    )
    def test_architecture_is_the_model_zoos(
        self, name: str, original: str, fields: str, corpus: Path
    ) -> None:
        from google.protobuf import text_format

        mine = parsed(name)
        theirs = type(mine)()
        text_format.Parse((corpus / "configs" / "tf2" / original).read_text(), theirs)
        kind = mine.model.WhichOneof("model")
        for field in fields.split():
            ours = getattr(getattr(mine.model, kind), field)
            assert ours == getattr(getattr(theirs.model, kind), field), field
