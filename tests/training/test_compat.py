"""The measures of compatibility: which an environment needs, and what preparing does."""

from __future__ import annotations

import pytest

from odfreeze.errors import MissingDependencyError
from odfreeze.training import compat
from odfreeze.training.compat import MEASURES, Measure, Need, prepare
from odfreeze.training.compat.measure import needed, not_needed
from tests.support.environments import environment

KERAS_3 = {"keras": "3.15.1", "tf_keras": "2.21.0"}
ALWAYS = {"number-types", "control-flow-names", "resnet-builder", "font-size"}
NOTHING = ("tensorflow", "object_detection", "tensorflow_io")
NEWEST = ALWAYS | {"legacy-keras", "estimator-names"}


def names_needed(env) -> set[str]:
    return {measure.name for measure in MEASURES if measure.judge(env).needed}


@pytest.mark.parametrize(
    ("env", "names"),
    (
        (environment(), ALWAYS),
        (environment(tensorflow="2.13.1"), ALWAYS - {"control-flow-names"}),
        (environment(tensorflow="2.14.0"), ALWAYS),
        (environment(keras="2.12.0"), ALWAYS - {"resnet-builder"}),
        (environment(keras="2.13.1"), ALWAYS),
        (environment(numpy="1.23.5"), ALWAYS - {"number-types"}),
        (environment(numpy="1.24.0"), ALWAYS),
        (environment(numpy="2.5.5", tensorflow="2.18.0", **KERAS_3), NEWEST),
        (environment(PIL="9.5.0"), ALWAYS - {"font-size"}),
        (environment(PIL="10.0.0"), ALWAYS),
        (environment(without=("tensorflow_io",)), ALWAYS | {"tensorflow-io"}),
        (environment(tensorflow="2.16.1", **KERAS_3), NEWEST),
        (environment(tensorflow="2.21.0rc1", **KERAS_3), NEWEST),
        (environment(tensorflow="2.22.0.dev20260101", **KERAS_3), NEWEST),
        (environment(tensorflow="unknown"), NEWEST),
        (environment(without=("keras", "numpy", "PIL")), {"control-flow-names"}),
        (environment(without=NOTHING), ALWAYS - {"control-flow-names"}),
    ),
    ids=(
        "2.15",
        "2.13",
        "2.14",
        "keras 2.12",
        "keras 2.13",
        "numpy 1.23",
        "numpy 1.24",
        "numpy 2",
        "pillow 9",
        "pillow 10",
        "no tensorflow_io",
        "2.16",
        "2.21 candidate",
        "nightly",
        "unknown version",
        "no packages of its own",
        "no TensorFlow",
    ),
)
def test_which_measures_an_environment_needs(env, names) -> None:
    assert names_needed(env) == names


def test_every_measure_has_a_name_of_its_own_and_a_symptom() -> None:
    assert len({measure.name for measure in MEASURES}) == len(MEASURES)
    for measure in MEASURES:
        assert "Error: " in measure.symptom


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.name)
def test_every_judgement_names_the_fact_that_decides_it(measure) -> None:
    for env in (environment(), environment(without=tuple(environment().packages))):
        why = measure.judge(env).why
        assert why and not why.endswith(".")


def test_legacy_keras_is_chosen_before_anything_imports_tensorflow() -> None:
    assert MEASURES[0].name == "legacy-keras"


def test_only_what_is_needed_is_applied_in_order(monkeypatch) -> None:
    applied: list[str] = []

    def judge(env, name) -> Need:
        return not_needed("") if name == "b" else needed("")

    measures = tuple(
        Measure(
            name,
            "",
            "",
            lambda env, name=name: judge(env, name),
            lambda name=name: applied.append(name),
        )
        for name in "cab"
    )
    monkeypatch.setattr(compat, "MEASURES", measures)
    assert prepare(environment()) == ("c", "a")
    assert applied == ["c", "a"]


@pytest.mark.parametrize(
    ("env", "message"),
    (
        (
            environment(without=("tensorflow",)),
            "training needs tensorflow, which is not installed in /env; install it with:"
            " pip install 'odfreeze[train]'",
        ),
        (
            environment(without=("lvis", "scipy")),
            "the OD API needs scipy and lvis, which are not installed in /env; install them with:"
            " pip install scipy lvis",
        ),
        (
            environment(without=("tensorboard",), python=(3, 13, 0), tensorflow="2.21.0"),
            "the OD API needs tensorboard, which is not installed in /env; install it with:"
            " pip install tensorboard",
        ),
        (
            environment(numpy="2.0.0"),
            "tensorflow 2.15.1 was compiled for NumPy 1 and cannot be imported with numpy 2.0.0;"
            " install it with: pip install 'numpy<2'",
        ),
    ),
    ids=("TensorFlow missing", "others missing", "no TensorBoard", "do not go together"),
)
def test_what_doctor_would_object_to_ends_it(env, message, monkeypatch) -> None:
    monkeypatch.setattr(compat, "MEASURES", ())
    with pytest.raises(MissingDependencyError) as caught:
        prepare(env)
    assert str(caught.value) == message
    assert caught.value.exit_status == 2
