"""How a diagnosis looks on a terminal."""

from __future__ import annotations

from dataclasses import replace

from odfreeze import __version__
from odfreeze.report.doctor import doctor_lines
from odfreeze.training.doctor import diagnose
from odfreeze.training.environment import Package
from tests.support.environments import OLD_MODULE, environment, generated, write_protos

NEWEST = {
    "tensorflow": "2.21.0",
    "tf_keras": "2.21.0",
    "keras": "3.15.1",
    "numpy": "2.5.5",
    "protobuf": "7.36.2",
}

GOLDEN = """\
odfreeze VERSION, Python 3.11.7 on linux-x86_64, /env

installed
  tensorflow                           2.21.0
  tf-keras                             2.21.0
  tf-models-research-object-detection  2.8.0.post1
  tf-models-official                   2.15.0
  tf-slim                              1.1.0
  protobuf                             7.36.2       implementation: upb
  numpy                                2.5.5
  absl-py                              1.4.0
  six                                  missing      used by the OD API
  scipy                                1.17.1
  matplotlib                           3.10.6
  pillow                               9.5.0
  pycocotools                          2.0.11
  lvis                                 0.5.3
  opencv-python-headless               4.11.0.86
  gin-config                           0.5.0
  pyyaml                               6.0.3
  tensorboard                          2.15.2
  tensorflow-io                        missing      optional
  keras                                3.15.1

stock would break here; odfreeze mends it while it runs
  legacy-keras
    stock: AttributeError: module 'keras._tf_keras.keras.layers' has no attribute 'experimental'
    why: tensorflow 2.21.0 has Keras 3 for tf.keras
    cure: odfreeze sets TF_USE_LEGACY_KERAS=1, so that tf.keras is tf_keras
  proto-modules
    stock: TypeError: Descriptors cannot be created directly.
    why: object_detection/protos/ssd_pb2.py is made by a protoc before 3.19, which protobuf 7.36.2
      refuses
    cure: odfreeze makes the classes from the descriptors in the installed modules
  tensorflow-io
    stock: ModuleNotFoundError: No module named 'tensorflow_io'
    why: tensorflow-io is not installed, and DeepMAC's loss calls one function of it
    cure: odfreeze supplies a module of that name with the one function that is called
  number-types
    stock: AttributeError: module 'numpy' has no attribute 'float'.
    why: numpy 2.5.5 has no np.float; Pascal VOC, LVIS and panoptic metrics use it
    cure: odfreeze restores np.float and its like as the Python types that they were
  estimator-names
    stock: ImportError: cannot import name 'estimator' from 'tensorflow.compat.v1'
    why: tensorflow 2.21.0 has no Estimator any more
    cure: odfreeze supplies the names, which the TF2 path only mentions
  control-flow-names
    stock: AttributeError: module 'tensorflow.python.ops.control_flow_ops' has no attribute 'case'
    why: tensorflow 2.21.0 has moved case, cond and while_loop from where tf_slim looks for them
    cure: odfreeze puts the functions back under their old names
  resnet-builder
    stock: AttributeError: module 'keras.applications.resnet' has no attribute 'ResNet'
    why: keras 3.15.1 does not show its ResNet builder; CenterNet's ResNet-18 and ResNet-34 need
      it
    cure: odfreeze gives the OD API the builder from where Keras keeps it

not needed here
  newer-proto-modules   no generated module is newer than protobuf 7.36.2
  absent-proto-modules  all generated modules are there
  font-size             pillow 9.5.0 has fonts with getsize

error ODF703: the OD API needs six, which is not installed in /env; install it with: pip install
  six

training cannot work here: 1 problem (ODF703; `odfreeze explain CODE` tells more)
"""


def test_it_shows_what_is_there_what_is_mended_and_what_is_amiss(tmp_path) -> None:
    location = write_protos(tmp_path, ssd_pb2=generated(OLD_MODULE, "x", b""))
    env = environment(("six", "tensorflow_io"), location=location, PIL="9.5.0", **NEWEST)
    text = "\n".join(doctor_lines(diagnose(env))) + "\n"
    assert text == GOLDEN.replace("VERSION", __version__)


def test_a_checkout_is_shown_with_its_folder(tmp_path) -> None:
    checkout = Package("object_detection", None, None, tmp_path / "object_detection")
    env = environment()
    env = replace(env, packages={**env.packages, "object_detection": checkout})
    row = next(line for line in doctor_lines(diagnose(env)) if "object-detection" in line)
    assert row.split(maxsplit=2) == [
        "tf-models-research-object-detection",
        "unknown",
        f"not installed, but found in {tmp_path / 'object_detection'}",
    ]


def test_nothing_is_said_of_measures_where_there_is_nothing_to_mend() -> None:
    env = environment(tensorflow="2.11.0", numpy="1.23.5", PIL="9.5.0", keras="2.11.0")
    lines = doctor_lines(diagnose(env))
    assert not any("stock would break" in line for line in lines)
    assert "not needed here" in lines


def test_no_line_is_wider_than_a_page(tmp_path) -> None:
    env = environment(tuple(environment().packages), location=tmp_path)
    assert max(map(len, doctor_lines(diagnose(env)))) <= 98
