"""``odfreeze preview --live``: exact output and exit status, the child only pretended."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from odfreeze.cli import main
from tests.support.fake_listing import VERSIONS, fake_listing
from tests.support.tiny_detector import write_detector

GOLDEN = Path(__file__).parent / "golden"

pytestmark = pytest.mark.skipif(
    os.name != "posix", reason="the stand-in is a script with a #! line"
)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    fake_listing(tmp_path, monkeypatch)
    return tmp_path


def write(*patterns: str, checkpoint: str = "", **options) -> None:
    """Writes a.config of the tiny detector, by default without a checkpoint."""
    path = write_detector(Path(), *patterns, **options)
    text = path.read_text().replace('"ckpt-0"', f'"{checkpoint}"')
    Path("a.config").write_text(text)


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    status = main(["preview", "a.config", *argv])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_the_page_without_a_checkpoint(here: Path, capsys) -> None:
    write("^block_1_")
    status, out, err = run(capsys, "--live")
    assert out == (GOLDEN / "preview_live.txt").read_text(encoding="utf-8")
    assert (status, err) == (0, "")


def test_without_live_it_is_suggested(here: Path, capsys) -> None:
    write()
    assert run(capsys) == (
        2,
        "",
        "odfreeze: a.config: train_config.fine_tune_checkpoint is not set, so there is nothing to"
        " list variables from; set it, give a checkpoint (--checkpoint PATH), or have the model"
        " built from the config (--live)\n",
    )


def test_the_checkpoint_tells_what_is_restored(here: Path, capsys) -> None:
    write("^block_1_", checkpoint="ckpt-0")
    _, out, _ = run(capsys, "--live")
    assert out.splitlines()[:4] == [
        "config      a.config",
        "model       built from the config by TensorFlow 2.15.1 and the OD API 2.8.0",
        "checkpoint  ckpt-0",
        'restores    26 of 33 variables (fine_tune_checkpoint_type "detection")',
    ]
    _, without, _ = run(capsys)
    assert out.splitlines()[4:] == without.splitlines()[3:]


def test_one_given_on_the_command_line_does_too(here: Path, capsys) -> None:
    write()
    _, out, _ = run(capsys, "--live", "--checkpoint", "ckpt-0")
    assert out.splitlines()[2] == "checkpoint  ckpt-0"


def test_one_that_is_elsewhere_is_taken_to_fit(here: Path, capsys) -> None:
    write(checkpoint="gs://bucket/ckpt-0")
    _, out, _ = run(capsys, "--live")
    assert out.splitlines()[2:5] == [
        "checkpoint  gs://bucket/ckpt-0",
        "            taken to be of this very model, since it is not on this machine",
        'restores    26 of 33 variables (fine_tune_checkpoint_type "detection")',
    ]


def test_list_and_json_are_as_of_a_checkpoint(here: Path, capsys) -> None:
    write("^block_1_", checkpoint="ckpt-0")
    lists = [run(capsys, "--format=list", *flag)[1] for flag in ([], ["--live"])]
    assert lists[0] == lists[1]
    found, live = (json.loads(run(capsys, "--format=json", *flag)[1]) for flag in ([], ["--live"]))
    assert (found.pop("live"), live.pop("live")) == (None, VERSIONS)
    assert found == live


def test_a_bad_pattern_is_an_error_before_anything_is_built(here: Path, capsys) -> None:
    write("block_(")
    assert run(capsys, "--live")[0] == 2
    assert not (here / "runs").exists()


def test_an_error_of_the_od_api_is_one_line(here: Path, capsys, monkeypatch) -> None:
    body = 'answer({"error": "ConfigError", "message": f"cannot build {CONFIG}"})\nsys.exit(1)'
    fake_listing(here, monkeypatch, body)
    write()
    assert run(capsys, "--live") == (2, "", "odfreeze: cannot build a.config\n")


def test_on_a_terminal_it_says_what_takes_its_time(here: Path, capsys, monkeypatch) -> None:
    listing = here / "tiny.json"
    body = f"time.sleep(1.2)\nanswer(json.loads(pathlib.Path({str(listing)!r}).read_text()))"
    fake_listing(here, monkeypatch, body)
    write()
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    _, _, err = run(capsys, "--live")
    assert err.startswith("\rbuilding the model, nothing is computed: 1 s\x1b[K")
    assert err.endswith("\r\x1b[K")
