"""`preview --live` without TensorFlow: a child that only pretends to build a model."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from odfreeze.training import live_preview
from odfreeze.training.kept_lists import VariableList
from tests.support.tiny_detector import variables

#: What the pretended environment has.
VERSIONS = {"tensorflow": "2.15.1", "object_detection": "2.8.0"}
#: What is listed.
TINY = VariableList(tuple(variables()), VERSIONS)

_HEAD = """\
import json, os, pathlib, sys, time

assert sys.argv[1:3] == ["-m", "odfreeze.training.list_child"], sys.argv
CONFIG, ANSWER = map(pathlib.Path, sys.argv[3:])
HERE = pathlib.Path(__file__).parent


def answer(told):
    ANSWER.write_text(json.dumps(told), encoding="utf-8")


"""


def fake_listing(directory: Path, monkeypatch: pytest.MonkeyPatch, body: str = "") -> Path:
    """Makes `preview --live` run ``body`` as its child, in an environment with ``VERSIONS``.

    Args:
      directory: Where the child and the kept lists are.
      monkeypatch: What undoes it.
      body: Python source, see ``_HEAD`` for what it can use; lists the tiny detector by default.

    Returns:
      A file with a line for each time that the child ran.
    """
    runs = directory / "runs"
    listing = directory / "tiny.json"
    listing.write_text(json.dumps(TINY.to_json()), encoding="utf-8")
    body = body or f"answer(json.loads(pathlib.Path({str(listing)!r}).read_text()))\n"
    script = directory / "fake_listing"
    count = f"open({str(runs)!r}, 'a').write('ran\\n')\n"
    script.write_text(f"#!{sys.executable} -IS\n{_HEAD}{count}{body}", encoding="utf-8")
    script.chmod(0o755)
    build = live_preview._build
    monkeypatch.setattr(live_preview, "_check_environment", lambda: None)
    monkeypatch.setattr(live_preview, "fingerprint", lambda: VERSIONS)
    monkeypatch.setattr(
        live_preview, "_build", lambda config, _, watch: build(config, str(script), watch)
    )
    monkeypatch.setenv("ODFREEZE_CACHE_DIR", str(directory / "cache"))
    return runs
