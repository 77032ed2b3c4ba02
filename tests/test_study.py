"""The study of docs/study.md: what it runs is what the document says, and its tables are right."""

from __future__ import annotations

import dataclasses
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from odfreeze.check.linter import check_config
from odfreeze.runs.comparison import compared, find_runs
from odfreeze.runs.evaluations import Evaluation
from odfreeze.stages.plan import read_plan
from odfreeze.stages.staging import plan_stages
from tests.conftest import ROOT
from tests.support.bundle_writer import write_checkpoint
from tests.support.compared_runs import LOWER, MEAN_AP, write_evaluation, write_single
from tests.support.tiny_detector import specs

DOCUMENT = (ROOT / "docs" / "study.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def program() -> ModuleType:
    path = ROOT / "studies" / "staged_finetuning.py"
    spec = importlib.util.spec_from_file_location("staged_finetuning", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    before = list(sys.path)
    spec.loader.exec_module(module)
    sys.path[:] = before
    return module


def result(value: float) -> Evaluation:
    return Evaluation("ckpt-1", 1, {MEAN_AP: value}, "", 0.0, "")


def test_its_configs_have_no_fault_but_that_nothing_is_drawn_yet(program, tmp_path):
    program.configured(tmp_path, "base", "base_eval", 1000, 0.05).write(tmp_path / "base.config")
    found = check_config(tmp_path / "base.config", ignore=["ODF5"])
    assert [str(one) for one in found.findings if one.severity == "error"] == []


@pytest.mark.parametrize("name", ["everything", "everything_rated", "head_only"])
def test_its_plans_train_as_many_steps_as_the_drafted_one(program, tmp_path, name):
    config = program.configured(tmp_path, "new_1", "new_eval", program.STEPS, program.RATE)
    write_checkpoint(tmp_path / "ckpt-0", specs(), step=0)
    config.with_changes(fine_tune_checkpoint=str(tmp_path / "ckpt-0")).write(
        tmp_path / "finetune.config"
    )
    text = f'base_config: "finetune.config"\n{program.PLANS[name]}'
    (tmp_path / "a.plan").write_text(text.replace("STEPS", str(program.STEPS)), encoding="utf-8")
    stages = plan_stages(read_plan(tmp_path / "a.plan"), tmp_path / "run")
    assert sum(stage.num_steps for stage in stages) == program.STEPS


def test_the_full_rate_is_all_that_sets_those_stages_apart(program, tmp_path):
    draft = (ROOT / "tests/golden/plan/ssd_mobilenet_v1.plan").read_text(encoding="utf-8")
    full = program.at_full_rate(draft)
    (tmp_path / "draft.plan").write_text(draft, encoding="utf-8")
    (tmp_path / "full.plan").write_text(full, encoding="utf-8")
    drafted, raised = (read_plan(tmp_path / f"{name}.plan").stages for name in ("draft", "full"))
    assert {one.learning_rate_scale for one in raised} == {None}
    assert {one.learning_rate_scale for one in drafted} != {None}
    assert tuple(dataclasses.replace(one, learning_rate_scale=None) for one in drafted) == raised


def test_the_document_says_what_it_runs(program):
    text = " ".join(DOCUMENT.split())
    for said in (
        f"{program.BASE_IMAGES} images, {program.BASE_STEPS} steps of {program.BATCH} images",
        f"{program.NEW_IMAGES} images, for {program.STEPS} steps of {program.BATCH} images",
        f"evaluated on {program.EVALUATION_IMAGES} images",
        f"from {program.BASE_RATE} for the base and {program.RATE} for the fine-tuning",
        f"`odfreeze plan --num_steps {program.STEPS}`",
    ):
        assert said in text, said


def test_the_document_has_a_row_for_each_plan_in_every_table(program):
    rows = re.findall(r"^\| ([^|]+?) \|", DOCUMENT, flags=re.MULTILINE)
    for title in program.TITLES.values():
        assert rows.count(title) == 3, title


def test_the_tables(program, tmp_path):
    found = []
    for seed, values in enumerate(
        ((0.5, 0.75, 0.25, 0.375, 0.125), (0.25, 0.25, 0.25, 0.125, 0.375))
    ):
        runs = []
        for name, value in zip(program.TITLES, values, strict=True):
            run = tmp_path / str(seed) / name
            freeze = () if name.startswith("everything") else (LOWER,)
            write_single(run, *freeze, seconds=60.0 + 10 * seed)
            write_evaluation(run, run.with_name(f"{name}.config"), value)
            runs.append(run)
        found.append(compared(find_runs(runs)))
    assert (
        program.tables(result(0.75), found)
        == """\
The base has mAP 0.750 on the shapes that it was trained on, in 120 images of them that it was \
not trained on.

| fine-tuned | mAP, mean | seed 1 | seed 2 | mAP at IoU 0.5, mean |
| :-- | --: | --: | --: | --: |
| staged, as `odfreeze plan` drafts it | 0.375 | 0.500 | 0.250 | 0.562 |
| the same stages, each at the full rate | 0.500 | 0.750 | 0.250 | 0.750 |
| everything at once | 0.250 | 0.250 | 0.250 | 0.375 |
| everything, the backbone at a tenth of the rate | 0.250 | 0.375 | 0.125 | 0.375 |
| the head only | 0.250 | 0.125 | 0.375 | 0.375 |

| fine-tuned | steps | parameters trained at most | ever | training time, mean | of it before \
first steps | peak memory |
| :-- | --: | --: | --: | --: | --: | --: |
| staged, as `odfreeze plan` drafts it | 10 | 560 | 560 | 65 s | 0 s | 1,024 MiB |
| the same stages, each at the full rate | 10 | 560 | 560 | 65 s | 0 s | 1,024 MiB |
| everything at once | 10 | 1,112 | 1,112 | 65 s | 0 s | 1,024 MiB |
| everything, the backbone at a tenth of the rate | 10 | 1,112 | 1,112 | 65 s | 0 s | 1,024 MiB |
| the head only | 10 | 560 | 560 | 65 s | 0 s | 1,024 MiB |

The model has 1,112 parameters that can learn."""
    )


def test_the_tables_are_written_between_the_marks(program, tmp_path, capsys):
    document = tmp_path / "study.md"
    document.write_text("a\n<!-- written by make study -->\nold\n<!-- end -->\nb\n")
    program.write_document(document, "| 1 |")
    assert document.read_text() == (
        "a\n<!-- written by make study -->\n\n| 1 |\n\n<!-- end -->\nb\n"
    )


def test_it_draws_nothing_twice(program, tmp_path, monkeypatch):
    (tmp_path / "base.pbtxt").touch()
    monkeypatch.setattr(program.subprocess, "run", lambda *_, **__: pytest.fail("it draws"))
    program.draw(Path(tmp_path), "base", ["disc"], 1, 1)
