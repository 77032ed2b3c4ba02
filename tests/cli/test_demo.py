"""`odfreeze demo`: what it runs, and its exit status."""

from __future__ import annotations

import types
from pathlib import Path

import pytest

from odfreeze.cli import main
from odfreeze.errors import TrainingFailedError
from odfreeze.training import demo


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> types.SimpleNamespace:
    """The demo's library function, replaced: what it was called with, and whether it is ok."""
    seen = types.SimpleNamespace(output_dir=None, command=None, ok=True)

    def run_demo(output_dir, *, command, say):
        seen.output_dir, seen.command = output_dir, command
        say("a paragraph")
        return types.SimpleNamespace(ok=seen.ok)

    monkeypatch.setattr(demo, "run_demo", run_demo)
    monkeypatch.setattr(demo, "describe_summary", lambda summary: "the table")
    return seen


def test_it_says_each_paragraph_and_closes_with_the_table(runs, capsys) -> None:
    assert main(["demo"]) == 0
    assert capsys.readouterr() == ("a paragraph\n\nthe table\n", "")
    assert (runs.output_dir, runs.command) == ("demo_output", main)


def test_output_dir(runs) -> None:
    assert main(["demo", "--output-dir=my-demo"]) == 0
    assert runs.output_dir == "my-demo"


def test_a_demo_that_did_not_show_it_is_status_1(runs, capsys) -> None:
    runs.ok = False
    assert main(["demo"]) == 1


def test_a_step_that_failed_is_status_1(monkeypatch, capsys) -> None:
    def run_demo(*args: object, **options: object) -> None:
        raise TrainingFailedError("`odfreeze train` ended with exit status 2", returncode=2)

    monkeypatch.setattr(demo, "run_demo", run_demo)
    assert main(["demo"]) == 1
    assert capsys.readouterr() == (
        "", "odfreeze: `odfreeze train` ended with exit status 2\n",
    )  # fmt: skip


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path, capsys) -> None:
    (tmp_path / "thesis.tex").write_text("years")
    assert main(["demo", "--output_dir", str(tmp_path)]) == 2
    assert capsys.readouterr() == (
        "",
        f"odfreeze: {tmp_path} exists and was not made by the demo; give another --output_dir\n",
    )
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
