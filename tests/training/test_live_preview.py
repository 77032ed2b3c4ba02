"""A model's variables without a checkpoint: listed by a child, then kept."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from odfreeze.errors import ConfigError, MissingDependencyError, OdfreezeError, TrainingFailedError
from odfreeze.pipeline import PipelineConfig
from odfreeze.preview import preview
from odfreeze.training import live_preview
from odfreeze.training.environment import Environment
from odfreeze.training.fingerprint import fingerprint
from odfreeze.training.kept_lists import keep
from odfreeze.training.live_preview import kept_live_variables, list_live_variables
from odfreeze.training.model_part import digest_of_model
from tests.conftest import ROOT
from tests.support.fake_listing import TINY, VERSIONS, fake_listing

#: Shares a process with other tests of these models; see tests/conftest.py.
GROUP = "samples"

posix = pytest.mark.skipif(os.name != "posix", reason="the stand-in is a script with a #! line")

CONFIG = PipelineConfig.parse(b"train_config { }\nmodel { ssd { num_classes: 3 } }", "a.config")


@posix
class TestListing:
    def test_a_second_time_no_child_is_started(self, tmp_path, monkeypatch) -> None:
        runs = fake_listing(tmp_path, monkeypatch)
        assert kept_live_variables(CONFIG) is None
        assert list_live_variables(CONFIG) == TINY
        assert list_live_variables(CONFIG) == kept_live_variables(CONFIG) == TINY
        assert runs.read_text() == "ran\n"

    def test_nor_for_another_config_of_the_same_model(self, tmp_path, monkeypatch) -> None:
        runs = fake_listing(tmp_path, monkeypatch)
        list_live_variables(CONFIG)
        list_live_variables(PipelineConfig.parse(b"model <ssd <num_classes: 3>> # note"))
        assert runs.read_text() == "ran\n"

    @pytest.mark.parametrize(
        ("text", "versions"),
        [("model { ssd { num_classes: 4 } }", VERSIONS),
         ("model { ssd { num_classes: 3 } }", {**VERSIONS, "tensorflow": "2.16.1"})],
        ids=["model", "version"],
    )  # fmt: skip
    def test_for_another_model_or_version_it_is(self, tmp_path, monkeypatch, text, versions):
        runs = fake_listing(tmp_path, monkeypatch)
        list_live_variables(CONFIG)
        monkeypatch.setattr(live_preview, "fingerprint", lambda: versions)
        list_live_variables(PipelineConfig.parse(text.encode()))
        assert runs.read_text() == "ran\nran\n"

    def test_a_damaged_list_is_made_anew(self, tmp_path, monkeypatch) -> None:
        runs = fake_listing(tmp_path, monkeypatch)
        list_live_variables(CONFIG)
        (path,) = (tmp_path / "cache").iterdir()
        path.write_bytes(path.read_bytes()[:-20])
        assert list_live_variables(CONFIG) == TINY
        assert runs.read_text() == "ran\nran\n"

    def test_the_child_sees_the_model_alone(self, tmp_path, monkeypatch) -> None:
        body = 'answer({"error": "ConfigError", "message": CONFIG.read_text()})'
        fake_listing(tmp_path, monkeypatch, body)
        assert refused(CONFIG) == " " * 16 + "\nmodel { ssd { num_classes: 3 } }"

    def test_it_is_told_how_long_it_takes(self, tmp_path, monkeypatch) -> None:
        body = (
            "time.sleep(1.2)\n"
            f"answer(json.loads(pathlib.Path({str(tmp_path / 'tiny.json')!r}).read_text()))"
        )
        fake_listing(tmp_path, monkeypatch, body)
        seconds: list[float] = []
        list_live_variables(CONFIG, watch=seconds.append)
        assert seconds[0] >= 1.0


def refused(config: PipelineConfig, error: type[OdfreezeError] = ConfigError) -> str:
    with pytest.raises(error) as caught:
        list_live_variables(config)
    return str(caught.value)


@posix
class TestErrors:
    def test_a_model_that_the_od_api_refuses(self, tmp_path, monkeypatch) -> None:
        message = 'f"the OD API cannot build the model of {CONFIG}: no such extractor"'
        body = f'answer({{"error": "ConfigError", "message": {message}}})\nsys.exit(1)'
        fake_listing(tmp_path, monkeypatch, body)
        assert refused(CONFIG) == "the OD API cannot build the model of a.config: no such extractor"
        assert not (tmp_path / "cache").exists()

    def test_the_field_that_an_error_is_about_is_named(self, tmp_path, monkeypatch) -> None:
        body = 'answer({"error": "ConfigError", "message": "NotFoundError: a.pbtxt; No such file"})'
        fake_listing(tmp_path, monkeypatch, body)
        text = b"model { center_net { keypoint_label_map_path: 'a.pbtxt' } }"
        assert refused(PipelineConfig.parse(text)) == (
            "NotFoundError: a.pbtxt; No such file"
            " (model.center_net.keypoint_label_map_path is 'a.pbtxt')"
        )

    @pytest.mark.parametrize(
        ("body", "ending"),
        [
            ("print('no memory')\nsys.exit(3)", "ended with 3: no memory"),
            ("sys.exit(3)", "ended with 3: no output"),
            ("os.kill(os.getpid(), 9)", "was ended by signal 9: no output"),
            ("answer({'format': 1})", "ended with 0: no output"),
            ("ANSWER.write_text('{')", "ended with 0: no output"),
        ],
        ids=["status", "silent", "signal", "no-list", "no-json"],
    )
    def test_a_child_that_breaks_down(self, tmp_path, monkeypatch, body, ending) -> None:
        fake_listing(tmp_path, monkeypatch, body)
        found = refused(CONFIG, TrainingFailedError)
        assert found == f"the process that builds the model of a.config {ending}"

    def test_a_config_without_a_model(self) -> None:
        assert refused(PipelineConfig.parse(b"", "a.config")) == (
            "a.config has no model; add the model block of its architecture"
        )


class TestWithoutTensorflow:
    @pytest.fixture(autouse=True)
    def nothing_installed(self, tmp_path, monkeypatch) -> None:
        monkeypatch.setenv("ODFREEZE_CACHE_DIR", str(tmp_path))
        monkeypatch.setattr(live_preview, "fingerprint", dict)
        environment = Environment((3, 11, 0), prefix="/env")
        monkeypatch.setattr(
            "odfreeze.training.environment.inspect_environment", lambda: environment
        )

    def test_what_to_install_is_said(self) -> None:
        assert refused(CONFIG, MissingDependencyError) == (
            "--live builds the model: training needs tensorflow, which is not installed in /env;"
            " install it with: pip install 'odfreeze[train]'"
        )

    def test_a_list_that_another_environment_made_serves(self) -> None:
        keep(digest_of_model(CONFIG), TINY)
        assert list_live_variables(CONFIG) == TINY


_PARENT = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
import pytest, pathlib
from odfreeze.cli import main
from tests.support.fake_listing import fake_listing
folder = pathlib.Path(sys.argv[1])
body = "(HERE / 'pid').write_text(str(os.getpid()))\\nprint('x')\\nos.read(0, 1)"
fake_listing(folder, pytest.MonkeyPatch(), body)
sys.exit(main(["preview", "--live", str(folder / "a.config")]))
"""


@posix
@pytest.mark.parametrize(("signal_name", "status"), [("SIGINT", 130), ("SIGKILL", -9)])
def test_the_child_ends_with_the_parent(tmp_path: Path, signal_name: str, status: int) -> None:
    import signal
    import time

    (tmp_path / "a.config").write_bytes(CONFIG.data)
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT, str(tmp_path)], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    guard = threading.Timer(60, parent.kill)
    guard.start()
    try:
        pid = tmp_path / "pid"
        while not (pid.exists() and pid.read_text()):
            assert parent.poll() is None
            time.sleep(0.02)
        parent.send_signal(getattr(signal, signal_name))
        _, told = parent.communicate()
        assert parent.returncode == status
        assert told == ("odfreeze: interrupted\n" if status == 130 else "")
        for _ in range(500):
            if not _runs(int(pid.read_text())):
                return
            time.sleep(0.02)
        pytest.fail("the child outlives its parent")
    finally:
        guard.cancel()


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:  # what nobody has waited for yet has ended all the same
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True


@pytest.mark.train
class TestTheRealModel:
    def test_is_listed_as_a_checkpoint_of_it_is(self, tmp_path, monkeypatch) -> None:
        """CenterNet: its names are those of a process that builds nothing else."""
        from tests.training.models import CENTERNET, CONFIGS, built

        monkeypatch.setenv("ODFREEZE_CACHE_DIR", str(tmp_path))
        sample = CONFIGS / CENTERNET
        seen = [preview(sample, live=True), preview(sample, checkpoint=built(CENTERNET).prefix)]
        assert seen[0].selection == seen[1].selection
        assert seen[0].restored == seen[1].restored
        assert seen[0].live == fingerprint()
        monkeypatch.setattr(live_preview, "_build", None)  # a second time nothing is built
        assert preview(sample, live=True) == seen[0]

    def test_what_goes_wrong_below_the_builders_is_a_config_error(self, tmp_path) -> None:
        from odfreeze.training.list_child import list_model
        from tests.training.models import CENTERNET, CONFIGS

        config = PipelineConfig.read(CONFIGS / CENTERNET)
        path = tmp_path / "a.config"
        path.write_bytes(
            config.data.replace(
                b"center_net {", b"center_net { keypoint_label_map_path: 'nowhere' "
                b"keypoint_estimation_task { keypoint_class_name: 'x' }", 1
            )
        )  # fmt: skip
        with pytest.raises(ConfigError, match=r"cannot build the model of .*a\.config: .*nowhere"):
            list_model(path)
