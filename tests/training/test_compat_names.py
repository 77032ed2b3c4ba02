"""What each measure puts in place, tried on stand-ins for the packages."""

from __future__ import annotations

import os
import sys
import types

import pytest

from odfreeze.training.compat import names


def module(name: str, **attributes) -> types.ModuleType:
    made = types.ModuleType(name)
    vars(made).update(attributes)
    return made


@pytest.fixture
def packages(monkeypatch):
    """Puts modules where an import finds them; a dotted name is an attribute of its parent."""
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    monkeypatch.setattr(sys, "meta_path", sys.meta_path[:])

    def put(*modules: types.ModuleType) -> None:
        for one in modules:
            sys.modules[one.__name__] = one
            parent, _, name = one.__name__.rpartition(".")
            if parent in sys.modules:
                setattr(sys.modules[parent], name, one)

    return put


def test_legacy_keras_is_chosen_by_a_variable(monkeypatch) -> None:
    monkeypatch.setattr(os, "environ", {"TF_USE_LEGACY_KERAS": "0"})
    names.choose_legacy_keras()
    assert os.environ == {"TF_USE_LEGACY_KERAS": "1"}


def test_control_flow_functions_come_back_and_those_there_stay(packages) -> None:
    flow = module("tensorflow.python.ops.control_flow_ops", cond="its own")
    packages(
        module("tensorflow"),
        module("tensorflow.python"),
        module("tensorflow.python.ops"),
        flow,
        module("tensorflow.python.ops.cond", cond="new"),
        module("tensorflow.python.ops.control_flow_case", case="case"),
        module("tensorflow.python.ops.while_loop", while_loop="while"),
    )
    names.restore_control_flow()
    assert (flow.case, flow.cond, flow.while_loop) == ("case", "its own", "while")


@pytest.mark.parametrize("same", (True, False), ids=("one module", "two modules"))
def test_the_estimator_is_found_by_attribute_and_by_import(packages, same) -> None:
    packages(module("tensorflow"), module("tensorflow.compat"), module("tensorflow.compat.v1"))
    import tensorflow as tf

    if not same:
        tf.compat.v1 = module("tensorflow._api.v2.compat.v1")
    names.supply_estimator()
    from tensorflow.compat.v1 import estimator

    assert tf.compat.v1.estimator is tf.estimator is estimator
    assert estimator.ModeKeys.TRAIN == "train"
    assert issubclass(type("A", (estimator.tpu.TPUEstimator,), {}), object)


def test_an_estimator_that_is_there_stays(packages) -> None:
    packages(
        module("tensorflow", estimator="own"),
        module("tensorflow.compat"),
        module("tensorflow.compat.v1", estimator="own"),
    )
    names.supply_estimator()
    assert sys.modules["tensorflow.compat.v1"].estimator == "own"
    assert sys.modules["tensorflow"].estimator == "own"


def test_tensorflow_io_is_made_once(packages) -> None:
    names.supply_tensorflow_io()
    made = sys.modules["tensorflow_io"]
    names.supply_tensorflow_io()
    assert sys.modules["tensorflow_io"] is made


@pytest.mark.train
@pytest.mark.parametrize(
    ("rgb", "lab"),
    [
        ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0)),
        ((1.0, 1.0, 1.0), (100.0, 0.0, 0.0)),
        ((1.0, 0.0, 0.0), (53.24, 80.09, 67.20)),
        ((0.0, 1.0, 0.0), (87.74, -86.18, 83.18)),
        ((0.0, 0.0, 1.0), (32.30, 79.19, -107.86)),
        ((0.02, 0.02, 0.02), (1.4, 0.0, 0.0)),
    ],
    ids=["black", "white", "red", "green", "blue", "nearly black"],
)
def test_a_colour_in_cie_lab(rgb: tuple[float, ...], lab: tuple[float, ...]) -> None:
    """What DeepMAC calls tensorflow_io for; the values are those of any table of colours."""
    import tensorflow as tf

    found = names.rgb_to_lab(tf.constant([[rgb]]))
    assert found.shape == (1, 1, 3)
    assert found[0, 0].numpy().tolist() == pytest.approx(lab, abs=0.06)


class Font:
    """A font of Pillow 10: text begins 1 pixel right and 2 below of where it is put."""

    def getbbox(self, text):
        return (1, 2, 5.6 * len(text), 11.4)


def test_fonts_tell_the_size_from_where_text_is_put(packages) -> None:
    new, old = type("New", (Font,), {}), type("Old", (), {"getsize": lambda self, text: "own"})
    packages(module("PIL"), module("PIL.ImageFont", FreeTypeFont=new, ImageFont=old))
    names.restore_font_size()
    names.restore_font_size()
    assert new().getsize("ab") == (11, 11)
    assert old().getsize("ab") == "own"


def test_number_types_come_back_and_those_there_stay(packages) -> None:
    numpy = module("numpy", bool="numpy's own")
    packages(numpy)
    names.restore_number_types()
    assert (numpy.bool, numpy.int, numpy.float) == ("numpy's own", int, float)
    assert (numpy.complex, numpy.object, numpy.str) == (complex, object, str)


def test_an_alias_that_only_warns_is_not_asked_for(packages) -> None:
    """NumPy 1.20 to 1.23 make ``np.float`` on demand, with a warning."""
    numpy = module("numpy")

    def forbid(name):
        raise AssertionError(name)

    numpy.__getattr__ = forbid
    packages(numpy)
    names.restore_number_types()
    assert numpy.float is float


RESNET = "object_detection.models.keras_models.resnet_v1"


@pytest.mark.parametrize("keras", ("keras", "tf_keras"))
def test_the_resnet_builder_is_that_of_tensorflow_s_keras(packages, keras) -> None:
    builder = module(f"{keras}.src.applications.resnet", ResNet="the builder")
    model = type("Model", (), {"__module__": f"{keras}.src.engine.training"})
    public = module("keras.applications.resnet")
    packages(
        module("tensorflow", keras=types.SimpleNamespace(Model=model)),
        module(keras),
        module(f"{keras}.src"),
        module(f"{keras}.src.applications"),
        builder,
        module(RESNET, resnet=public),
    )
    names.restore_resnet()
    assert sys.modules[RESNET].resnet is builder
    assert not hasattr(public, "ResNet")


def test_a_builder_that_is_shown_stays(packages) -> None:
    shown = module("keras.applications.resnet", ResNet="shown")
    packages(module("tensorflow"), module(RESNET, resnet=shown))
    names.restore_resnet()
    assert sys.modules[RESNET].resnet is shown
