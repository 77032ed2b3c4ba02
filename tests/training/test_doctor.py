"""What keeps training from working, what may go wrong, and what is mended."""

from __future__ import annotations

import json

import pytest

from odfreeze.check.pages import all_codes
from odfreeze.training.doctor import diagnose, obstacles
from odfreeze.training.environment import REQUIREMENTS
from tests.support.environments import environment, write_protos

KERAS_3 = {"tensorflow": "2.21.0", "keras": "3.15.1"}
NOT_INSTALLED = "not installed in /env; install"


def errors(env) -> list[str]:
    return [f"{one.code} {one.message}" for one in obstacles(env)]


def warnings(env) -> list[str]:
    return [f"{o.code} {o.message}" for o in diagnose(env).findings if o.severity == "warning"]


@pytest.mark.parametrize(
    ("python", "missing", "command"),
    (
        ((3, 12, 1), ("tensorflow",), "pip install 'odfreeze[train]'"),
        ((3, 13, 0), ("tensorflow",), "pip install tensorflow"),
        ((3, 12, 1), ("tensorflow", "object_detection"), "pip install 'odfreeze[train]'"),
        (
            (3, 13, 0),
            ("tensorflow", "object_detection"),
            "pip install --no-deps tf-models-research-object-detection",
        ),
    ),
    ids=("3.12", "3.13", "3.12 and the OD API", "3.13 and the OD API"),
)
def test_the_extra_is_named_where_pip_can_resolve_it(
    python: tuple[int, int, int], missing: tuple[str, ...], command: str
) -> None:
    *_, last = errors(environment(missing, python))
    assert last.endswith(f" it with: {command}")


def test_a_complete_environment_has_no_obstacles() -> None:
    found = diagnose(environment())
    assert found.ok
    assert found.errors == ()


@pytest.mark.parametrize(
    ("without", "expected"),
    (
        (
            ("tensorflow",),
            [
                f"ODF701 training needs tensorflow, which is {NOT_INSTALLED} it with: pip install"
                f" 'odfreeze[train]'"
            ],
        ),
        (
            ("object_detection",),
            [
                f"ODF702 training needs tf-models-research-object-detection, which is"
                f" {NOT_INSTALLED} it with: pip install --no-deps"
                " tf-models-research-object-detection"
            ],
        ),
        (
            ("tf_slim",),
            [
                f"ODF703 the OD API needs tf-slim, which is {NOT_INSTALLED} it with: pip install"
                f" tf-slim"
            ],
        ),
        (
            ("official", "six", "lvis", "cv2"),
            [
                f"ODF703 the OD API needs tf-models-official, six and lvis, which are"
                f" {NOT_INSTALLED} them with: pip install six lvis && pip install --no-deps"
                " tf-models-official",
                f"ODF703 lvis needs opencv-python-headless, which is {NOT_INSTALLED} it with:"
                f" pip install opencv-python-headless",
            ],
        ),
        (("tensorflow_io", "keras", "tf_keras"), []),
    ),
    ids=("TensorFlow", "the OD API", "one package", "packages of two", "optional ones"),
)
def test_what_is_missing_is_named_with_the_command_that_installs_it(without, expected) -> None:
    assert errors(environment(without=without)) == expected


@pytest.mark.parametrize(
    ("env", "expected"),
    (
        (
            environment(without=("tf_keras",), **KERAS_3),
            "tensorflow 2.21.0 has Keras 3 for tf.keras, which the OD API cannot use, and"
            " tf-keras, the Keras that it can, is not installed; install it with: pip install"
            " 'tf-keras==2.21.*'",
        ),
        (
            environment(without=("tf_keras",), tensorflow="2.16.2"),
            "tensorflow 2.16.2 has Keras 3 for tf.keras, which the OD API cannot use, and tf-keras,"
            " the Keras that it can, is not installed; install it with: pip install"
            " 'tf-keras==2.16.*'",
        ),
        (environment(without=("tf_keras",)), None),
        (
            environment(numpy="2.0.0"),
            "tensorflow 2.15.1 was compiled for NumPy 1 and cannot be imported with numpy 2.0.0;"
            " install it with: pip install 'numpy<2'",
        ),
        (environment(tensorflow="2.18.0", tf_keras="2.18.0", numpy="2.0.0"), None),
        (
            environment(protobuf="3.19.6"),
            "odfreeze makes message classes as protobuf does from 3.20 on, and protobuf 3.19.6"
            " is installed; install it with: pip install 'protobuf>=3.20.3'",
        ),
        (environment(protobuf="3.20.3"), None),
        (
            environment(python=(3, 12, 1), six="1.15.0"),
            "six.moves of six 1.15.0 cannot be imported from Python 3.12 on; install it with:"
            " pip install 'six>=1.16'",
        ),
        (environment(python=(3, 12, 1), six="1.16.0"), None),
        (environment(python=(3, 11, 7), six="1.15.0"), None),
        (
            environment(tensorflow="1.15.5"),
            "the OD API's TF2 path needs TensorFlow 2.5 or later, and tensorflow 1.15.5 is"
            " installed; install it with: pip install 'odfreeze[train]'",
        ),
    ),
    ids=(
        "2.21 without tf_keras",
        "2.16 without tf_keras",
        "2.15 without tf_keras",
        "2.15 with numpy 2",
        "2.18 with numpy 2",
        "protobuf 3.19",
        "protobuf 3.20",
        "six 1.15 on 3.12",
        "six 1.16 on 3.12",
        "six 1.15 on 3.11",
        "TensorFlow 1",
    ),
)
def test_versions_that_do_not_go_together(env, expected) -> None:
    assert errors(env) == ([f"ODF704 {expected}"] if expected else [])


def test_a_checkout_s_own_fields_need_protoc(tmp_path) -> None:
    location = write_protos(tmp_path, ssd="optional int32 of_a_fork = 900;")
    (found,) = warnings(environment(location=location))
    assert found.startswith(
        "ODF706 this OD API's schema has what odfreeze's own has not (ssd.proto: of_a_fork)"
    )
    assert found.endswith(
        f"run in {tmp_path}: protoc object_detection/protos/*.proto --python_out=."
    )


@pytest.mark.parametrize(("count", "shown"), ((4, "f3)"), (6, "f3 and 2 more)")))
def test_a_long_list_of_fields_is_cut(tmp_path, count, shown) -> None:
    fields = "".join(f"optional int32 f{i} = {900 + i};" for i in range(count))
    (found,) = warnings(environment(location=write_protos(tmp_path, ssd=fields)))
    assert shown in found


@pytest.mark.parametrize(
    ("env", "expected"),
    (
        (
            environment(tf_keras="2.20.1", **KERAS_3),
            [
                "ODF707 tf-keras 2.20.1 is made for another TensorFlow than tensorflow 2.21.0;"
                " install the one that belongs to it with: pip install 'tf-keras==2.21.*'"
            ],
        ),
        (environment(tf_keras="2.21.0", **KERAS_3), []),
        (environment(tf_keras="2.20.1"), []),
        (
            environment(tensorflow="2.11.1"),
            [
                "ODF707 tensorflow 2.11.1 is older than what odfreeze is tried on (2.12 to 2.21);"
                " it may well train, but nobody has looked"
            ],
        ),
        (environment(tensorflow="2.12.0"), []),
    ),
    ids=("another tf_keras", "its tf_keras", "not used", "older", "oldest"),
)
def test_versions_that_may_not_go_together(env, expected) -> None:
    assert warnings(env) == expected


PURE = {"PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python"}


@pytest.mark.parametrize(
    ("variables", "protobuf", "codes"),
    (
        (PURE, "4.25.9", ["ODF708"]),
        (PURE, "3.20.3", []),
        ({"PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "upb"}, "4.25.9", []),
        ({}, "4.25.9", []),
    ),
    ids=("python", "python, 3.20", "upb", "unset"),
)
def test_the_usual_way_out_is_not_needed(variables, protobuf, codes) -> None:
    found = warnings(environment(variables=variables, protobuf=protobuf))
    assert [text[:6] for text in found] == codes


def test_what_would_break_is_told_with_its_cure() -> None:
    found = [o for o in diagnose(environment()).findings if o.code == "ODF705"]
    assert {one.severity for one in found} == {"info"}
    assert found[1].message == (
        "stock would end in `AttributeError: module"
        " 'tensorflow.python.ops.control_flow_ops' has no attribute 'case'` (tensorflow 2.15.1 has"
        " moved case, cond and while_loop from where tf_slim looks for them); odfreeze puts the"
        " functions back under their old names (control-flow-names)"
    )


def test_errors_come_first() -> None:
    severities = [one.severity for one in diagnose(environment(without=("six",))).findings]
    assert severities == sorted(severities)  # as it happens: error, info, warning
    assert severities[0] == "error"


def test_the_json_holds_all_of_it() -> None:
    found = json.loads(json.dumps(diagnose(environment(without=("six",))).to_json()))
    assert (found["version"], found["ok"]) == (1, False)
    assert found["python"] == {"version": "3.11.7", "prefix": "/env", "platform": "linux-x86_64"}
    assert found["protobuf_implementation"] == "upb"
    assert len(found["packages"]) == len(REQUIREMENTS)
    assert found["packages"][0] == {
        "module": "tensorflow",
        "installed": True,
        "distribution": "tensorflow",
        "version": "2.15.1",
        "location": "/env/tensorflow",
    }
    assert {
        "module": "six",
        "installed": False,
        "distribution": None,
        "version": None,
        "location": None,
    } in found["packages"]
    assert found["measures"][0] == {
        "name": "legacy-keras",
        "symptom": "AttributeError: module 'keras._tf_keras.keras.layers' has no attribute"
        " 'experimental'",
        "cure": "sets TF_USE_LEGACY_KERAS=1, so that tf.keras is tf_keras",
        "needed": False,
        "why": "tensorflow 2.15.1 has Keras 2 for tf.keras",
    }
    assert found["findings"][0]["code"] == "ODF703"


def test_every_code_has_a_page() -> None:
    assert {f"ODF70{i}" for i in range(1, 9)} <= set(all_codes())
