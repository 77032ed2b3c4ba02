"""A plain checkout of the OD API, on which protoc was never run, and programs besides training."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from odfreeze.training.environment import inspect_environment
from tests.conftest import ROOT

pytestmark = pytest.mark.train

COMPAT = ("-m", "odfreeze.training.compat")

EVALUATE = """\
import sys
from object_detection import model_lib_v2
config, model_dir, checkpoints = sys.argv[1:]
model_lib_v2.eval_continuously(
    pipeline_config_path=config,
    model_dir=model_dir,
    checkpoint_dir=checkpoints,
    wait_interval=0,
    timeout=1,
)
print("evaluated with", model_lib_v2.__file__)
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    """The folder ``research`` of a checkout: sources and ``.proto`` files, nothing generated."""
    installed = inspect_environment().packages["object_detection"].location
    research = tmp_path_factory.mktemp("models") / "research"
    ignored = shutil.ignore_patterns("*_pb2.py", "*_test.py", "__pycache__")
    shutil.copytree(installed, research / "object_detection", ignore=ignored)
    source = ROOT / "protos" / "object_detection" / "protos"
    for path in source.glob("*.proto"):
        shutil.copy(path, research / "object_detection" / "protos")
    return research


def run(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        check=False,
        capture_output=True,
        text=True,
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(checkout), str(ROOT)))},
    )


def test_stock_cannot_import_it(checkout) -> None:
    done = run(checkout, "-c", "from object_detection.protos import pipeline_pb2")
    assert done.returncode == 1
    assert "ImportError: cannot import name 'pipeline_pb2' from 'object_detection.protos'" in (
        done.stderr
    )


def test_doctor_finds_it_and_says_what_is_mended(checkout) -> None:
    done = run(checkout, "-m", "odfreeze", "doctor", "--format=json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    api = next(one for one in found["packages"] if one["module"] == "object_detection")
    assert (api["version"], api["location"]) == (None, str(checkout / "object_detection"))
    needed = {one["name"] for one in found["measures"] if one["needed"]}
    assert "absent-proto-modules" in needed
    assert "proto-modules" not in needed
    assert not any(one["code"] == "ODF706" for one in found["findings"])


def test_the_exporter_writes_a_saved_model(checkout, workspace, tmp_path) -> None:
    done = run(
        checkout,
        *(*COMPAT, "-m", "object_detection.exporter_main_v2"),
        "--input_type=image_tensor",
        f"--pipeline_config_path={workspace.config}",
        f"--trained_checkpoint_dir={workspace.checkpoint.parent}",
        f"--output_directory={tmp_path / 'exported'}",
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "exported" / "saved_model" / "saved_model.pb").stat().st_size > 100_000


def test_a_script_evaluates_with_metrics_of_pascal_voc(checkout, workspace, tmp_path) -> None:
    config = workspace.config_with("evaluated.config")
    metrics = 'metrics_set: "pascal_voc_detection_metrics" num_visualizations: 1'
    text = re.sub(r"eval_config \{[^}]*\}", f"eval_config {{ {metrics} }}", config.read_text())
    assert metrics in text
    config.write_text(text)
    script = tmp_path / "evaluate.py"
    script.write_text(EVALUATE)
    done = run(
        checkout,
        *(*COMPAT, str(script), str(config), str(tmp_path), str(workspace.checkpoint.parent)),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(
        f"evaluated with {checkout / 'object_detection' / 'model_lib_v2.py'}\n"
    )
