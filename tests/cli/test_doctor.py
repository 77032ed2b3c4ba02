"""``odfreeze doctor``: what it prints and how it ends."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from odfreeze.cli import main
from odfreeze.training import doctor
from tests.conftest import ROOT
from tests.support.environments import environment


@pytest.fixture
def found(monkeypatch):
    """Sets the environment that is found."""

    def put(env) -> None:
        monkeypatch.setattr(doctor, "inspect_environment", lambda: env)

    return put


@pytest.mark.parametrize(
    ("without", "status", "last"),
    (
        ((), 0, "training will work here"),
        (
            ("tensorflow",),
            1,
            "training cannot work here: 1 problem (ODF701; `odfreeze explain CODE` tells more)",
        ),
        (
            ("object_detection", "six", "cv2"),
            1,
            "training cannot work here: 3 problems (ODF702, ODF703; `odfreeze explain CODE` tells"
            " more)",
        ),
    ),
    ids=("complete", "one is missing", "more are missing"),
)
def test_the_last_line_and_the_status_tell_whether_training_works(
    found, capsys, without, status, last
) -> None:
    found(environment(without=without))
    assert main(["doctor"]) == status
    assert capsys.readouterr().out.splitlines()[-1] == last


@pytest.mark.parametrize(("without", "status"), (((), 0), (("numpy",), 1)))
def test_json_says_the_same(found, capsys, without, status) -> None:
    found(environment(without=without))
    assert main(["doctor", "--format=json"]) == status
    document = json.loads(capsys.readouterr().out)
    assert document["version"] == 1
    assert document["ok"] is (status == 0)
    assert {"python", "packages", "measures", "findings"} <= document.keys()


def test_an_unknown_format_is_wrong_usage(capsys) -> None:
    assert main(["doctor", "--format=yaml"]) == 2
    assert capsys.readouterr().err.startswith("odfreeze: argument --format: invalid choice: 'yaml'")


def test_it_imports_neither_tensorflow_nor_numpy() -> None:
    code = (
        "import sys; from odfreeze.cli import main; main(['doctor']);"
        "heavy = {'tensorflow', 'numpy', 'object_detection', 'keras', 'tf_keras', 'rich'};"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
