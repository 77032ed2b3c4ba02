"""What a check says of planned stages before anything is written; see test_staging for the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from odfreeze.check.linter import Checked
from odfreeze.check.subject import RunFlags
from odfreeze.errors import PlanError, TrainingRefusedError
from odfreeze.findings import Finding
from odfreeze.pipeline import PipelineConfig
from odfreeze.stages import judgement
from odfreeze.stages.plan import Plan, Stage
from odfreeze.stages.staging import read_plan, write_stages
from tests.stages.base_model import ALL, HEAD


def finding(code: str, severity: str, message: str = "so it is") -> Finding:
    return Finding(code, severity, message)  # type: ignore[arg-type]


def checking(monkeypatch: pytest.MonkeyPatch, **found: list[Finding]) -> list[tuple]:
    """Makes checks find this: by the name of the file; returns what was asked."""
    asked: list[tuple] = []

    def check(config: PipelineConfig, flags: RunFlags, **options: tuple[str, ...]) -> Checked:
        asked.append((Path(config.file).parent.name, flags, options))
        kind = "base" if "ODF1" in options["select"] else "stage"
        return Checked(config.file, tuple(found.get(kind, ())), 0, b"", b"")

    monkeypatch.setattr("odfreeze.check.gate.check_config", check)
    return asked


def test_the_base_is_checked_once_and_each_stage_for_its_schedule(base, tmp_path, monkeypatch):
    asked = checking(monkeypatch)
    write_stages(Plan(base, (HEAD, ALL)), tmp_path / "out")
    assert [(folder, options["select"]) for folder, _, options in asked] == [
        (tmp_path.name, ("ODF1", "ODF3", "ODF5")),
        ("01_head", ("ODF4",)),
        ("02_all", ("ODF4",)),
    ]
    assert all(flags.is_enforced for _, flags, _ in asked)


def test_warnings_of_the_base_are_said_once_and_hints_not_at_all(base, tmp_path, monkeypatch):
    warning, hint = finding("ODF105", "warning"), finding("ODF410", "info")
    checking(monkeypatch, base=[hint, warning], stage=[hint])
    staged = write_stages(Plan(base, (HEAD, ALL)), tmp_path / "out")
    assert [[f for f in one.findings if f in (warning, hint)] for one in staged] == [[warning], []]


def test_an_error_of_the_base_refuses_and_writes_nothing(base, tmp_path, monkeypatch):
    checking(monkeypatch, base=[finding("ODF101", "error")])
    with pytest.raises(TrainingRefusedError, match=r"^ODF101: so it is "):
        write_stages(Plan(base, (HEAD,)), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("code", ("ODF501", "ODF308", "ODF109"))
def test_files_that_the_training_machine_may_have_do_not_refuse(base, tmp_path, monkeypatch, code):
    checking(monkeypatch, base=[finding(code, "error")])
    (one,) = write_stages(Plan(base, (HEAD,)), tmp_path / "out")
    assert code in [f.code for f in one.findings]


def test_an_error_of_a_schedule_refuses_with_the_stage_and_its_place(base, tmp_path, monkeypatch):
    (tmp_path / "a.plan").write_text(
        'base_config: "base.config"\nstage {\n  name: "head"\n  num_steps: 50\n}\n'
    )
    checking(monkeypatch, stage=[finding("ODF405", "error")])
    with pytest.raises(TrainingRefusedError) as caught:
        write_stages(read_plan(tmp_path / "a.plan"), tmp_path / "out")
    assert caught.value.message.startswith("stage 'head': ODF405: so it is ")
    assert caught.value.place is not None
    assert (Path(caught.value.place.file).name, caught.value.place.line) == ("a.plan", 3)


def test_a_warning_of_a_schedule_is_placed_in_the_plan(base, tmp_path, monkeypatch):
    (tmp_path / "a.plan").write_text('base_config: "base.config"\nstage { name: "a" num_steps: 5 }')
    checking(monkeypatch, stage=[finding("ODF407", "warning")])
    (one,) = write_stages(read_plan(tmp_path / "a.plan"), tmp_path / "out")
    (said,) = [f for f in one.findings if f.code == "ODF407"]
    assert said.place is not None
    assert (Path(said.place.file).name, said.place.line) == ("a.plan", 2)


def test_what_is_ignored_reaches_every_check(base, tmp_path, monkeypatch):
    asked = checking(monkeypatch)
    write_stages(Plan(base, (HEAD,)), tmp_path / "out", ignore=["ODF109"])
    assert all("ODF109" in options["ignore"] for _, _, options in asked)


def test_what_the_preview_says_better_is_left_to_it() -> None:
    assert {"ODF301", "ODF302", "ODF303", "ODF304", "ODF307"} == set(judgement._OF_PREVIEW)


def test_a_true_check_of_a_true_base(base, tmp_path) -> None:
    base.write_text(base.read_text().replace("num_steps: 1000;", "num_step: 1000;"))
    with pytest.raises(TrainingRefusedError) as caught:
        write_stages(
            Plan(base, (Stage("a", 50),)), tmp_path / "out", ignore=["ODF106", "ODF5", "ODF3"]
        )
    assert "num_step" in str(caught.value)
    assert caught.value.place is not None
    assert caught.value.place.line == 5


def test_a_metric_that_there_will_not_be_is_told_where_the_plan_names_it(
    base: Path, tmp_path: Path
) -> None:
    text = base.read_text("utf-8") + 'eval_input_reader { label_map_path: "a" }\n'
    base.write_text(text, "utf-8")
    plan = tmp_path / "a.plan"
    plan.write_text(
        'base_config: "base.config"\n'
        'stage { name: "head" until { max_steps: 50 patience: 9\n  metric: "mAP" } }\n',
        "utf-8",
    )
    with pytest.raises(PlanError) as caught:
        write_stages(read_plan(plan), tmp_path / "out")
    assert caught.value.message.startswith("stage 'head': metric 'mAP' is none that the evaluation")
    place = caught.value.place
    assert place is not None
    assert (place.file, place.line, place.column) == (str(plan), 3, 11)
    assert not (tmp_path / "out").exists()
