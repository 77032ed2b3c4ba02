"""What a stage has beside its config: written, replaced and removed with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from odfreeze.errors import (
    OutputError,
    TrainingRefusedError,
)
from odfreeze.stages.conduct import Conduct, Rate, Until, read_conduct
from odfreeze.stages.plan import Plan
from odfreeze.stages.staging import plan_stages, write_stages
from tests.stages.base_model import ALL, HEAD, config_of, snapshot

pytestmark = pytest.mark.usefixtures("unchecked")

UNTIL = Conduct(until=Until(patience=20, max_steps=50), handover="best")


class TestConduct:
    def test_what_a_config_has_no_field_for_is_beside_it(self, base: Path, out: Path) -> None:
        plan = Plan(base, (replace(HEAD, conduct=UNTIL), ALL))
        head, everything = write_stages(plan, out)
        assert read_conduct(head.directory) == UNTIL
        assert not everything.conduct_path.exists()

    def test_the_next_stage_starts_from_what_is_handed_on(self, base: Path, out: Path) -> None:
        head, everything = plan_stages(Plan(base, (replace(HEAD, conduct=UNTIL), ALL)), out)
        expected = (Path.cwd() / head.directory / "model/handover").as_posix()
        assert head.checkpoint == everything.starts_from == expected
        assert config_of(everything).fine_tune_checkpoint == expected

    def test_rates_alone_leave_the_last_step_s_checkpoint(self, base: Path, out: Path) -> None:
        rated = replace(HEAD, conduct=Conduct((Rate("^Head/", 0.5),)))
        (head,) = plan_stages(Plan(base, (rated,)), out)
        assert head.checkpoint.endswith("model/ckpt-50")
        assert head.conduct_data is not None

    def test_again_leaves_it_alone(self, base: Path, out: Path) -> None:
        plan = Plan(base, (replace(HEAD, conduct=UNTIL),))
        write_stages(plan, out)
        before = snapshot(out)
        assert [one.is_written for one in write_stages(plan, out)] == [False]
        assert snapshot(out) == before

    @pytest.mark.parametrize(
        ("old", "new", "says"),
        (
            (UNTIL, replace(UNTIL, handover="last"), "is there and differs"),
            (UNTIL, Conduct(), "is there and differs"),
            (Conduct(), Conduct(carry_optimizer=True), "is gone"),
        ),
        ids=("another", "none any more", "none yet"),
    )
    def test_another_one_needs_force(
        self, old: Conduct, new: Conduct, says: str, base: Path, out: Path
    ) -> None:
        write_stages(Plan(base, (replace(HEAD, conduct=old),)), out)
        before = snapshot(out)
        changed = Plan(base, (replace(HEAD, conduct=new),))
        with pytest.raises(OutputError, match=f"stage.json {says}.*--force"):
            write_stages(changed, out)
        assert snapshot(out) == before
        (head,) = write_stages(changed, out, force=True)
        assert head.is_written
        assert read_conduct(head.directory) == new
        assert head.conduct_path.exists() != new.is_plain
        assert head.config_path.read_bytes() == head.data

    def test_not_of_a_stage_that_was_trained(self, base: Path, out: Path) -> None:
        (head,) = write_stages(Plan(base, (HEAD,)), out)
        head.model_dir.mkdir()
        (head.model_dir / "checkpoint").touch()
        with pytest.raises(TrainingRefusedError, match="holds a checkpoint of a run"):
            write_stages(Plan(base, (replace(HEAD, conduct=UNTIL),)), out, force=True)

    @pytest.mark.parametrize("survivor", ("stage.json", ".stage.json.0f.tmp"))
    def test_what_a_cut_off_call_left_is_no_obstacle(
        self, survivor: str, base: Path, out: Path
    ) -> None:
        (out / "01_head").mkdir(parents=True)
        (out / "01_head" / survivor).write_text("of another plan")
        (head,) = write_stages(Plan(base, (HEAD,)), out)
        assert {path.name for path in head.directory.iterdir()} == {"pipeline.config"}

    @pytest.mark.parametrize("failing", ("stage.json", "pipeline.config"))
    @pytest.mark.parametrize("old", (Conduct(), Conduct(carry_optimizer=True)))
    def test_cut_off_it_is_never_run_with_another(
        self,
        failing: str,
        old: Conduct,
        base: Path,
        out: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        write_stages(Plan(base, (replace(HEAD, conduct=old),)), out)

        def cut_off(path: Path, data: bytes) -> None:
            if path.name == failing:
                raise KeyboardInterrupt
            path.write_bytes(data)

        with monkeypatch.context() as patch:
            patch.setattr("odfreeze.stages.staging.write_atomically", cut_off)
            changed = Plan(base, (replace(HEAD, conduct=UNTIL),))
            with pytest.raises(KeyboardInterrupt):
                write_stages(changed, out, force=True)
        assert not (out / "01_head/pipeline.config").exists()
        write_stages(changed, out)
        assert read_conduct(out / "01_head") == UNTIL

    def test_no_directory_is_written_over(self, base: Path, out: Path) -> None:
        (out / "01_head/stage.json").mkdir(parents=True)
        with pytest.raises(OutputError, match=r"stage\.json is there and differs"):
            write_stages(Plan(base, (HEAD,)), out, force=True)
