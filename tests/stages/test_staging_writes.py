"""Writing staged configs: what is never overwritten, and what a call cut short leaves."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from odfreeze.errors import (
    OutputError,
    TrainingRefusedError,
)
from odfreeze.stages.plan import Plan, Stage
from odfreeze.stages.staging import plan_stages, read_plan, write_stages
from tests.conftest import ROOT
from tests.stages.base_model import ALL, HEAD, snapshot

pytestmark = pytest.mark.usefixtures("unchecked")


class TestWriting:
    def test_one_directory_per_stage(self, base: Path, out: Path) -> None:
        plan = Plan(base, (HEAD, ALL))
        written = write_stages(plan, out)
        assert set(snapshot(out)) == {"01_head/pipeline.config", "02_all/pipeline.config"}
        assert [one.config_path.read_bytes() for one in written] == [
            one.data for one in plan_stages(plan, out)
        ]
        assert [one.is_written for one in written] == [True, True]

    def test_again_changes_nothing(self, base: Path, out: Path) -> None:
        plan = Plan(base, (HEAD, ALL))
        write_stages(plan, out)
        before = snapshot(out)
        again = write_stages(plan, out)
        assert snapshot(out) == before
        assert [one.is_written for one in again] == [False, False]

    def test_other_files_in_the_output_stay(self, base: Path, out: Path) -> None:
        (out / "01_head" / "model").mkdir(parents=True)
        (out / "notes.txt").write_text("mine")
        (out / "01_head" / "notes.txt").write_text("mine too")
        write_stages(Plan(base, (HEAD,)), out, force=True)
        assert (out / "notes.txt").read_text() == "mine"
        assert (out / "01_head" / "notes.txt").read_text() == "mine too"

    def test_a_config_that_differs_stays_without_force(self, base: Path, out: Path) -> None:
        write_stages(Plan(base, (HEAD, ALL)), out)
        (out / "02_all/pipeline.config").write_text("mine")
        before = snapshot(out)
        with pytest.raises(OutputError, match="differs from what the plan gives") as caught:
            write_stages(Plan(base, (Stage("head", 51), ALL)), out)
        assert snapshot(out) == before
        assert "--force" in str(caught.value)

    def test_with_force_only_what_differs_is_written(self, base: Path, out: Path) -> None:
        write_stages(Plan(base, (HEAD, ALL)), out)
        before = snapshot(out)
        (out / "02_all/pipeline.config").write_text("mine")
        written = write_stages(Plan(base, (HEAD, ALL)), out, force=True)
        assert [one.is_written for one in written] == [False, True]
        after = snapshot(out)
        assert after["01_head/pipeline.config"] == before["01_head/pipeline.config"]
        assert after["02_all/pipeline.config"][0] == before["02_all/pipeline.config"][0]

    def test_a_stage_of_another_plan_is_in_the_way(self, base: Path, out: Path) -> None:
        write_stages(Plan(base, (HEAD, ALL)), out)
        with pytest.raises(OutputError, match=r"02_all is a stage that the plan does not have"):
            write_stages(Plan(base, (HEAD,)), out, force=True)

    def test_a_stage_that_was_trained_keeps_its_config(self, base: Path, out: Path) -> None:
        write_stages(Plan(base, (HEAD,)), out)
        (out / "01_head/model").mkdir()
        (out / "01_head/model/checkpoint").write_text('model_checkpoint_path: "ckpt-50"')
        assert not write_stages(Plan(base, (HEAD,)), out)[0].is_written
        changed = Plan(base, (Stage("head", 60),))
        with pytest.raises(TrainingRefusedError, match="--allow_used_model_dir"):
            write_stages(changed, out, force=True)
        assert write_stages(changed, out, force=True, allow=["used_model_dir"])[0].is_written

    def test_output_that_is_a_file(self, base: Path, out: Path) -> None:
        out.write_text("mine")
        with pytest.raises(OutputError, match="is a file; give a directory"):
            write_stages(Plan(base, (HEAD,)), out)

    def test_stage_that_is_a_file(self, base: Path, out: Path) -> None:
        out.mkdir()
        (out / "01_head").write_text("mine")
        with pytest.raises(OutputError, match="cannot be used"):
            write_stages(Plan(base, (HEAD,)), out)
        assert (out / "01_head").read_text() == "mine"

    def test_config_that_is_a_directory(self, base: Path, out: Path) -> None:
        (out / "01_head/pipeline.config").mkdir(parents=True)
        with pytest.raises(OutputError):
            write_stages(Plan(base, (HEAD,)), out, force=True)

    def test_the_base_itself_is_not_overwritten(self, base: Path, out: Path) -> None:
        (out / "01_head").mkdir(parents=True)
        inside = out / "01_head/pipeline.config"
        inside.write_bytes(base.read_bytes())
        with pytest.raises(OutputError, match="is the plan's base config"):
            write_stages(Plan(inside, (HEAD,)), out, force=True)
        assert inside.read_bytes() == base.read_bytes()

    @pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
    @pytest.mark.parametrize("link", ("01_head", "01_head/pipeline.config"))
    def test_link_that_leads_out_of_the_output(
        self, link: str, base: Path, out: Path, tmp_path: Path
    ) -> None:
        outside = tmp_path / "outside"
        outside.mkdir()
        target = outside
        (out / link).parent.mkdir(parents=True)
        if link.endswith(".config"):
            target = outside / "mine.config"
            target.write_text("mine")
        (out / link).symlink_to(target)
        with pytest.raises(OutputError, match="leads out of"):
            write_stages(Plan(base, (HEAD,)), out, force=True)
        assert [path.read_text() for path in outside.iterdir()] == (
            ["mine"] if target.is_file() else []
        )

    def test_the_first_stage_is_written_last(
        self, base: Path, out: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        order: list[str] = []

        def record(path: Path, data: bytes) -> None:
            order.append(Path(path).parent.name)

        monkeypatch.setattr("odfreeze.stages.staging.write_atomically", record)
        write_stages(Plan(base, (HEAD, ALL)), out)
        assert order == ["02_all", "01_head"]


class TestKilled:
    """`kill -9` between any two steps of a write: no half file, and the same call finishes it."""

    SCRIPT = """
import os, sys
from pathlib import Path
from odfreeze.stages.staging import read_plan, write_stages
left = int(sys.argv[3])
def dying(function):
    def call(*args, **kwargs):
        global left
        left -= 1
        if left < 0:
            os._exit(9)
        return function(*args, **kwargs)
    return call
os.urandom, os.fsync, os.replace, Path.mkdir = map(
    dying, (os.urandom, os.fsync, os.replace, Path.mkdir))
write_stages(read_plan(sys.argv[1]), sys.argv[2], ignore=["ODF"])
"""

    def test_no_config_is_half_written_and_the_next_call_finishes(
        self, base: Path, tmp_path: Path
    ) -> None:
        plan_file = tmp_path / "a.plan"
        plan_file.write_text(
            'base_config: "base.config"\nstage { name: "head" num_steps: 50 }\n'
            'stage { name: "all" num_steps: 9 }\n'
        )
        plan = read_plan(plan_file)
        kills = 0
        while True:
            out = tmp_path / f"out{kills}"
            whole = {one.config_path: one.data for one in plan_stages(plan, out)}
            command = [sys.executable, "-c", self.SCRIPT, str(plan_file), str(out), str(kills)]
            status = subprocess.run(command, check=False, cwd=ROOT).returncode
            there = set(out.rglob("pipeline.config"))
            assert all(path.read_bytes() == whole[path] for path in there)
            if status == 0:
                break
            assert status == 9
            assert out / "01_head/pipeline.config" not in there
            write_stages(plan, out)
            assert {path for path in out.rglob("*") if path.is_file()} == set(whole)
            kills += 1
        assert there == set(whole)
        assert kills >= 8  # each stage makes a directory, and names, syncs and replaces a file
