"""What preview shows of a checkpoint is what the live model trains, for every architecture.

For each one: every variable of the checkpoint is that of the live model, by object path and by
name; several kinds of patterns give the same states for both; the model trains exactly what was
previewed; and in a step of training no statistic of a held batch norm layer moves by one bit.

docs/architectures.md has a row for each. The tests hold it against what they find;
``make docs`` (ODFREEZE_WRITE_DOCS=1) writes it anew.
"""

from __future__ import annotations

import dataclasses
import gc
import os
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from odfreeze.check.architecture import TF2_EXTRACTORS
from odfreeze.checkpoint import Checkpoint
from odfreeze.pipeline import PipelineConfig
from odfreeze.preview import preview
from odfreeze.selection import Pattern
from odfreeze.training.enforce import (
    Enforcement,
    apply_selection,
    lift_selection,
    select_live,
)
from odfreeze.training.live import LiveVariable, build_model, live_variables, save_checkpoint
from odfreeze.variables import Variable
from tests.conftest import ROOT
from tests.training.architectures import (
    ARCHITECTURES,
    KEYPOINT_LABEL_MAP,
    ZOO_LABEL_MAP,
    Architecture,
)
from tests.training.steps import Step, take_step

DOCUMENT = ROOT / "docs" / "architectures.md"
WRITES = bool(os.environ.get("ODFREEZE_WRITE_DOCS"))


@dataclass
class Seen:
    """A live model, a checkpoint of it, and the config as a file."""

    config: PipelineConfig
    model: Any
    live: tuple[LiveVariable, ...]
    prefix: str
    seconds: float

    @property
    def records(self) -> list[Variable]:
        return [one.record for one in self.live]


@dataclass
class SeenArchitecture(Seen):
    """What is told of it."""

    architecture: Architecture
    names_equal: int = 0
    paths_equal: int = 0
    without_gradient: int | None = None
    moving: set[str] = field(default_factory=set)

    def row(self) -> list[str]:
        """Its row of the table."""
        kinds = Counter(
            "trainable" if one.trainable else "statistic" if one.statistic else "other"
            for one in self.records
        )
        shared = Counter(one.name for one in self.records)
        return [
            self.architecture.name,
            f"`{self.architecture.extractor}`",
            str(len(self.live)),
            str(kinds["trainable"]),
            str(kinds["statistic"]),
            str(kinds["other"]),
            percent(self.names_equal, len(self.live)),
            percent(self.paths_equal, len(self.live)),
            str(sum(count for count in shared.values() if count > 1)),
            str(self.without_gradient),
            f"{self.seconds:.0f}",
        ]


def percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.4g} %"


def watch(config: PipelineConfig, directory: Path) -> Seen:
    """Builds a config's model and saves a checkpoint of it; the seconds are the processor's."""
    started = time.process_time()
    path = directory / "pipeline.config"
    config.write(path)
    model = build_model(path)
    live = live_variables(model)
    prefix = save_checkpoint(model, directory / "checkpoint" / "ckpt-0")
    seconds = time.process_time() - started
    return Seen(PipelineConfig.read(path), model, live, prefix, seconds)


@pytest.fixture(scope="module")
def label_map(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("labels") / "keypoints.pbtxt"
    path.write_text(KEYPOINT_LABEL_MAP)
    return path.as_posix()


def marked(architecture: Architecture) -> Any:
    marks = [pytest.mark.slow] if architecture.slow else []
    return pytest.param(architecture, id=architecture.name, marks=marks)


@pytest.fixture(scope="module", params=[marked(one) for one in ARCHITECTURES])
def seen(
    request: pytest.FixtureRequest, label_map: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SeenArchitecture]:
    """One model at a time: pytest runs all tests of one before it makes the next."""
    architecture: Architecture = request.param
    config = PipelineConfig.parse(architecture.config(label_map).encode())
    made = watch(config, tmp_path_factory.mktemp("model"))
    found = SeenArchitecture(**vars(made), architecture=architecture)
    del made
    yield found
    found.model, found.live = None, ()
    gc.collect()


# --- patterns -----------------------------------------------------------------


def exactly(texts: Sequence[str | None], *, by_path: bool = False) -> str:
    """A pattern that matches these names or paths and nothing else."""
    either = "|".join(re.escape(text or "") for text in texts)
    return f"{'(?#path)' if by_path else ''}^(?:{either})$"


def pattern_sets(records: Sequence[Variable]) -> dict[str, dict[str, list[str]]]:
    """Patterns of all kinds, as the keyword arguments of `preview`."""
    names = [one.name for one in records]
    paths = [one.object_path for one in records]
    backbone = "(?#path)^model/_feature_extractor"
    heads = "(?#path)(box_predictor|_prediction_head_dict|_mask_net)"
    return {
        "nothing is frozen": {},
        "the backbone by path": {"freeze_variables": [backbone]},
        "only heads learn": {"update_trainable_variables": [heads]},
        "every third by name": {"freeze_variables": [exactly(names[::3])]},
        "every fifth by path learns": {
            "update_trainable_variables": [exactly(paths[::5], by_path=True)]
        },
        "gammas and kernels by name": {"freeze_variables": ["gamma$", "kernel$"]},
        "batch norms by name": {"freeze_variables": ["(?i)(batch_?norm|_bn|bn_|/bn)"]},
        "both fields, both kinds": {
            "update_trainable_variables": [exactly(paths[::2], by_path=True), "beta"],
            "freeze_variables": [exactly(names[1::7]), backbone + ".*[02468]/"],
        },
    }


def as_patterns(fields: dict[str, list[str]]) -> list[Pattern]:
    order = ("freeze_variables", "update_trainable_variables")
    return [Pattern(field, text) for field in order for text in fields.get(field, [])]


def previewed(seen: Seen, fields: dict[str, list[str]]) -> dict[str, str]:
    """State by object path, from the checkpoint alone."""
    found = preview(
        seen.config,
        checkpoint=seen.prefix,
        freeze_variables=fields.get("freeze_variables", []),
        update_trainable_variables=fields.get("update_trainable_variables", []),
    ).selection
    pairs = zip(found.variables, found.states, strict=True)
    return {variable.object_path: state for variable, state in pairs}


def decided(seen: Seen, fields: dict[str, list[str]]) -> Enforcement:
    return select_live(seen.model, as_patterns(fields), config_holds=seen.config.holds_statistic)


@contextmanager
def applied(seen: Seen, enforcement: Enforcement) -> Iterator[None]:
    """A selection on the live model, taken back on leaving."""
    apply_selection(seen.model, enforcement)
    try:
        yield
    finally:
        lift_selection(seen.model)


def is_held(layer: Any) -> bool:
    return getattr(layer.call, "odfreeze_held", None) is not None


# --- what holds for each of them ----------------------------------------------


def assert_checkpoint_equals_model(seen: Seen) -> tuple[int, int]:
    """Returns how many variables have the checkpoint's name, and how many its object path."""
    with Checkpoint.open(seen.prefix) as checkpoint:
        read = {one.object_path: dataclasses.replace(one, order=0) for one in checkpoint.variables}
    mine = {one.object_path: dataclasses.replace(one, order=0) for one in seen.records}
    assert read == mine
    layers = {id(one.value) for one in seen.live if one.record.trainable or one.record.statistic}
    assert layers == {id(one) for one in seen.model.variables}
    return sum(read[path].name == one.name for path, one in mine.items()), len(read)


def assert_training_equals_preview(seen: Seen) -> None:
    for kind, fields in pattern_sets(seen.records).items():
        expected = previewed(seen, fields)
        enforcement = decided(seen, fields)
        states = enforcement.selection.states
        assert expected == {
            one.record.object_path: state for one, state in zip(seen.live, states, strict=True)
        }, kind
        with applied(seen, enforcement):
            trains = {id(variable) for variable in seen.model.trainable_variables}
            for one in seen.live:
                state = expected[one.record.object_path]
                assert (id(one.value) in trains) == (state == "trainable"), kind
                if one.record.statistic:
                    assert is_held(one.owner) == (state == "held"), kind


@pytest.mark.train
class TestEveryArchitecture:
    def test_the_checkpoint_holds_the_models_variables(self, seen: SeenArchitecture) -> None:
        seen.names_equal, seen.paths_equal = assert_checkpoint_equals_model(seen)

    def test_the_model_trains_what_was_previewed(self, seen: SeenArchitecture) -> None:
        assert_training_equals_preview(seen)

    def test_a_step_of_stock_moves_statistics_as_the_config_has_it(
        self, seen: SeenArchitecture
    ) -> None:
        holds = seen.config.holds_statistic or (lambda variable: False)
        step, moved = take_and_compare(seen)
        seen.without_gradient = len(step.without_gradient)
        assert step.read <= {id(one.value) for one in seen.live}
        reached = {one.record.layer for one in seen.live if id(one.value) in step.read}
        norms = {one.layer for one in seen.records if one.statistic and not holds(one)}
        assert moved == norms & reached
        seen.moving = norms & reached

    def test_held_statistics_stand_still_and_others_move(self, seen: SeenArchitecture) -> None:
        norms = list(dict.fromkeys(one.layer for one in seen.records if one.statistic))
        frozen = "|".join(re.escape(layer) for layer in norms[::2])
        enforcement = decided(seen, {"freeze_variables": [f"(?#path)^(?:{frozen})/"]})
        with applied(seen, enforcement):
            step, moved = take_and_compare(seen)
        assert moved == seen.moving - set(norms[::2])
        assert step.read.isdisjoint(map(id, enforcement.values("frozen")))

    def test_the_documentation_has_its_row(self, seen: SeenArchitecture) -> None:
        if WRITES:
            write_row(seen.row())
        row = table().get(seen.architecture.name)
        assert row is not None, "make docs"
        assert row[:-1] == seen.row()[:-1]


def take_and_compare(seen: SeenArchitecture) -> tuple[Step, set[str]]:
    """Takes a step; also returns the layers of which a statistic moved by one bit or more."""
    before = [one.value.numpy().tobytes() for one in seen.live]
    learning = [one.value for one in seen.live if one.record.trainable]
    step = take_step(seen.model, side_of(seen.architecture), learning)
    pairs = zip(seen.live, before, strict=True)
    moved = [one.record for one, value in pairs if one.value.numpy().tobytes() != value]
    assert not any(one.trainable for one in moved)
    return step, {one.layer for one in moved if one.statistic}


def side_of(architecture: Architecture) -> int:
    match = re.search(r"(?:height|min_dimension): (\d+)", architecture.model)
    assert match
    return int(match[1])


# --- the documentation --------------------------------------------------------


HEADER = "| architecture |"


def document() -> tuple[list[str], list[str]]:
    """The document's lines up to the first row of its last table, and the rows."""
    lines = DOCUMENT.read_text(encoding="utf-8").splitlines()
    first = 2 + next(index for index, line in enumerate(lines) if line.startswith(HEADER))
    return lines[:first], lines[first:]


def table() -> dict[str, list[str]]:
    """The rows of the table, by name."""
    rows = [line.strip("| ").split(" | ") for line in document()[1]]
    return {row[0]: row for row in rows}


def write_row(row: list[str]) -> None:
    """Puts a row in its place: the order is that of ARCHITECTURES."""
    rows = {**table(), row[0]: row}
    body = [f"| {' | '.join(rows[one.name])} |" for one in ARCHITECTURES if one.name in rows]
    DOCUMENT.write_text("\n".join([*document()[0], *body, ""]), encoding="utf-8")


def test_the_documentation_lists_them_in_order() -> None:
    """Those of slow ones are there once `make docs` has run."""
    rows = table()
    assert list(rows) == [one.name for one in ARCHITECTURES if one.name in rows]
    assert {one.name for one in ARCHITECTURES if not one.slow} <= set(rows)


def test_all_names_and_paths_are_equal() -> None:
    header = document()[0][-2].strip("| ").split(" | ")
    for row in table().values():
        found = dict(zip(header, row, strict=True))
        assert (found["names equal"], found["paths equal"]) == ("100 %", "100 %"), row


def test_every_feature_extractor_of_tf2_is_among_them() -> None:
    expected = {kind for kinds in TF2_EXTRACTORS.values() for kind in kinds}
    assert {one.extractor for one in ARCHITECTURES} == expected


# --- the model zoo's configs --------------------------------------------------

ZOO = ROOT.parent / "shared" / "corpus" / "configs" / "tf2"


def cut(config: PipelineConfig, label_map: str) -> PipelineConfig:
    """The same model on small images."""
    kind = config.meta_architecture
    for resizer, sides in (
        ("fixed_shape_resizer", ("height", "width")),
        ("keep_aspect_ratio_resizer", ("min_dimension", "max_dimension")),
    ):
        path = f"model.{kind}.image_resizer.{resizer}"
        if config.get(path) is not None:
            for side in sides:
                config = config.with_value(f"{path}.{side}", 256)
    if config.get("model.center_net.keypoint_label_map_path") is not None:
        config = config.with_value("model.center_net.keypoint_label_map_path", label_map)
    return config


def model_text(config: PipelineConfig) -> bytes:
    """What the model is built from, as one text for all ways to write it."""
    from google.protobuf import text_format

    from odfreeze.training import compat

    compat.prepare()
    from object_detection.protos import pipeline_pb2

    message = pipeline_pb2.TrainEvalPipelineConfig()
    text_format.Parse(config.data, message)
    return bytes(message.model.SerializeToString(deterministic=True))


@pytest.fixture(scope="module")
def zoo_label_map(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("labels") / "coco_keypoints.pbtxt"
    path.write_text(ZOO_LABEL_MAP)
    return path.as_posix()


#: Texts of the models that have been compared already: several configs differ in image size only.
_DONE: set[bytes] = set()


@pytest.mark.train
@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(path.name for path in ZOO.glob("*.config")))
def test_a_config_of_the_model_zoo(name: str, zoo_label_map: str, tmp_path: Path) -> None:
    config = cut(PipelineConfig.read(ZOO / name), zoo_label_map)
    model = model_text(config)
    if model in _DONE:
        return
    seen = watch(config, tmp_path)
    names, paths = assert_checkpoint_equals_model(seen)
    assert names == paths == len(seen.live)
    assert_training_equals_preview(seen)
    _DONE.add(model)
    del seen
    gc.collect()
