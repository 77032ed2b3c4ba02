"""The command line of ``odfreeze set``: exact text and exit status."""

from __future__ import annotations

from pathlib import Path

import pytest

from odfreeze.cli import main

TEXT = b"""\
model {
  ssd {
    num_classes: 90
    freeze_batchnorm: false
    feature_extractor { type: 'ssd' }
    anchors: [1.0, 2.0]
    hue { }  # a fork's
  }
}
train_config: {
  fine_tune_checkpoint: "zoo/ckpt-0"  # of the zoo
  num_steps: 5000\t\r
  optimizer { adam_optimizer { learning_rate { constant_learning_rate { learning_rate: .1 } } } }
}
"""


FORK = "(a field of a fork can be set where it stands in the file already: write it there once)"
SEE = "(see `odfreeze set --help`)"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = Path("pipeline.config")
    path.write_bytes(TEXT)
    return path


def run(capfdbinary: pytest.CaptureFixture[bytes], *arguments: str) -> tuple[int, bytes, str]:
    status = main(["set", *arguments])
    out, err = capfdbinary.readouterr()
    return status, out, err.decode()


def test_the_new_config_goes_to_standard_output(
    file: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    status, out, err = run(capfdbinary, "pipeline.config", "--num_steps", "250")
    assert (status, err) == (0, "")
    assert out == TEXT.replace(b"num_steps: 5000\t\r", b"num_steps: 250\t\r")
    assert file.read_bytes() == TEXT


def test_a_diff_writes_nothing(file: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    status, out, err = run(
        capfdbinary,
        "pipeline.config",
        "--freeze_variables",
        r"/conv_\d+\.",
        "--freeze-variables=^b",
        "--diff",
    )
    assert (status, err) == (0, "")
    assert out == (
        b"--- pipeline.config\n"
        b"+++ pipeline.config\n"
        b"@@ -9,6 +9,8 @@\n"
        b" }\n"
        b" train_config: {\n"
        b'   fine_tune_checkpoint: "zoo/ckpt-0"  # of the zoo\n'
        b'+  freeze_variables: "/conv_\\\\d+\\\\."\n'
        b'+  freeze_variables: "^b"\n'
        b"   num_steps: 5000\t\r\n"
        b"   optimizer { adam_optimizer { learning_rate { constant_learning_rate "
        b"{ learning_rate: .1 } } } }\n"
        b" }\n"
    )
    assert file.read_bytes() == TEXT


def test_in_place(file: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert run(capfdbinary, "pipeline.config", "--batch_size=4", "--in_place") == (0, b"", "")
    assert file.read_bytes() == TEXT.replace(b" } } } }\n", b" } } } }\n  batch_size: 4\n")


def test_output_with_a_diff(file: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    arguments = ("pipeline.config", "--num_steps=1", "--output=new.config", "--diff")
    status, out, err = run(capfdbinary, *arguments)
    assert (status, err) == (0, "")
    assert b"\n-  num_steps: 5000\t\r\n+  num_steps: 1\t\r\n" in out
    assert Path("new.config").read_bytes() == TEXT.replace(b"5000", b"1")
    assert file.read_bytes() == TEXT


def test_output_does_not_overwrite_another_file(
    file: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    Path("new.config").write_bytes(b"mine")
    arguments = ("pipeline.config", "--num_steps=1", "--output=new.config")
    assert run(capfdbinary, *arguments) == (
        2,
        b"",
        "odfreeze: new.config exists and is not the config that was read; give another name, or "
        "--force to overwrite it\n",
    )
    assert Path("new.config").read_bytes() == b"mine"
    assert run(capfdbinary, *arguments, "--force")[0] == 0
    assert Path("new.config").read_bytes() == TEXT.replace(b"5000", b"1")


@pytest.mark.parametrize(
    ("arguments", "old", "new"),
    [
        (["--fine_tune_checkpoint=a/ckpt"], b'"zoo/ckpt-0"', b'"a/ckpt"'),
        (["--learning_rate=1e-4"], b"learning_rate: .1 ", b"learning_rate: 0.0001 "),
        (["--field=model.ssd.num_classes=7"], b"num_classes: 90", b"num_classes: 7"),
        (["--field", "model.ssd.freeze_batchnorm=true"], b"norm: false", b"norm: true"),
        (["--field", "model.ssd.feature_extractor.type=a.b"], b"'ssd'", b"'a.b'"),
        (["--field", 'model.ssd.feature_extractor.type="5"'], b"'ssd'", b"'5'"),
        (["--field", "model.ssd.feature_extractor.type=true"], b"'ssd'", b"'true'"),
        (["--field", "model.ssd.anchors=[1.0, 3, .5]"], b"[1.0, 2.0]", b"[1.0, 3, .5]"),
        (["--field", "model.ssd.anchors[1]=3"], b"[1.0, 2.0]", b"[1.0, 3]"),
        (["--field", "num_steps=8"], b"num_steps: 5000", b"num_steps: 8"),
        (["--field", "model.ssd.hue.x=-1.5e3"], b"}  # a fork's", b"x: -1.5e3 }  # a fork's"),
        (["--field", "model.ssd.hue.x=V2"], b"}  # a fork's", b"x: V2 }  # a fork's"),
        (["--field", "model.ssd.hue.x=a/b c"], b"}  # a fork's", b"x: 'a/b c' }  # a fork's"),
        (["--field", "model.ssd.hue.x={ y: 1 }"], b"}  # a fork's", b"x { y: 1 } }  # a fork's"),
        (
            ["--field", "model.ssd.negative_class_weight=-1.5e3"],
            b"# a fork's\n", b"# a fork's\n    negative_class_weight: -1.5e3\n",
        ),
        (
            ["--field", "model.ssd.matcher={ argmax_matcher { } }"],
            b"# a fork's\n", b"# a fork's\n    matcher { argmax_matcher { } }\n",
        ),
        (
            ["--field", "fine_tune_checkpoint_version=V2"],
            b"of the zoo\n", b"of the zoo\n  fine_tune_checkpoint_version: V2\n",
        ),
        (
            ["--field", "train_input_reader.label_map_path=5"],
            b" } } } }\n}\n", b' } } } }\n}\ntrain_input_reader: {\n  label_map_path: \'5\'\n}\n',
        ),
        (["--field", "model.ssd.feature_extractor=< >"], b"{ type: 'ssd' }", b"< >"),
        (
            ["--field", "freeze_variables=V2"],
            b"of the zoo\n",
            b'of the zoo\n  freeze_variables: "V2"\n',
        ),
        (["--clear=model.ssd.anchors"], b"    anchors: [1.0, 2.0]\n", b""),
        (["--clear=num_steps"], b"  num_steps: 5000\t\r\n", b""),
        (["--clear=freeze_variables"], b"", b""),
        (
            ["--add_freeze_variables=a", "--add_freeze_variables=b"], b"of the zoo\n",
            b'of the zoo\n  freeze_variables: "a"\n  freeze_variables: "b"\n',
        ),
        (
            ["--update_trainable_variables=a"], b"of the zoo\n",
            b'of the zoo\n  update_trainable_variables: "a"\n',
        ),
        (
            ["--fine_tune_checkpoint_type=full", "--fine_tune_checkpoint_version=V2"],
            b"of the zoo\n",
            b'of the zoo\n  fine_tune_checkpoint_type: "full"\n'
            b"  fine_tune_checkpoint_version: V2\n",
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)  # fmt: skip
def test_fields(
    file: Path,
    capfdbinary: pytest.CaptureFixture[bytes],
    arguments: list[str],
    old: bytes,
    new: bytes,
) -> None:
    assert run(capfdbinary, "pipeline.config", *arguments) == (0, TEXT.replace(old, new, 1), "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to set; give a field, such as --num_steps 2000 (see --help)"),
        (["--diff"], "nothing to set; give a field, such as --num_steps 2000 (see --help)"),
        (
            ["--num_step=5"],
            f"unrecognized arguments: --num_step=5; did you mean --num_steps? {SEE}",
        ),
        (["--num_steps=x"], f"argument --num_steps: invalid int value: 'x' {SEE}"),
        (["--num_steps=-1"], "num_steps must be a number from 0 to 4294967295, not -1"),
        (
            ["--field=model.ssd.num_classes"],
            "'model.ssd.num_classes' is no PATH=VALUE; write for example model.ssd.num_classes=7, "
            "or --clear PATH to remove a field",
        ),
        (
            ["--field=model.ssd.num_classes=many"],
            "model.ssd.num_classes is 90; write a number, not 'many' (in quotes it is a string)",
        ),
        (
            ["--field=model.ssd.freeze_batchnorm=1x"],
            "model.ssd.freeze_batchnorm is false; write a name such as true or V2, not '1x' (in "
            "quotes it is a string)",
        ),
        (
            ["--field=model.ssd=5"],
            "model.ssd is a message; write it in braces, such as '{ name: 1 }'",
        ),
        (
            ["--field=model.ssd.x='a"],
            "model.ssd.x: malformed value 'a: the string opened here is not closed on its line; "
            "add the closing ', and write \\n for a line break in it",
        ),
        (
            ["--field=model.ssd.x='a' b: 1"],
            "model.ssd.x: 'a' b: 1 is more than one value; quote it as one",
        ),
        (
            ["--field=model.ssd.anchors=3"],
            "model.ssd.anchors has several values; give all of them, as model.ssd.anchors='[3]', "
            "or pick one by its index, as model.ssd.anchors[0]",
        ),
        (
            ["--field=model.sd[3].x=1"],
            "pipeline.config has no model.sd[3].x; count from 0, or add the value first",
        ),
        (
            ["--clear=model.ssd.num_class"],
            "pipeline.config has no field model.ssd.num_class; did you mean "
            "'model.ssd.num_classes'?",
        ),
        (
            ["--clear=train_config.sync_replica"],
            "pipeline.config has no field train_config.sync_replica; did you mean "
            "'train_config.sync_replicas'?",
        ),
        (
            ["--field=model.ssd.freeze_batchnorms=true"],
            f"Ssd has no field 'freeze_batchnorms'; did you mean 'freeze_batchnorm'? {FORK}",
        ),
        (
            ["--field=train_confg.num_steps=5"],
            "TrainEvalPipelineConfig has no field 'train_confg'; did you mean 'train_config'? "
            f"{FORK}",
        ),
        (
            ["--field=train_config.fine_tune_checkpoint_version=v2"],
            "train_config.fine_tune_checkpoint_version: CheckpointVersion has no value v2; did you "
            "mean 'V2'?",
        ),
        (
            ["--field=num_steps=1e4"],
            "train_config.num_steps: expected an integer, found a float: 1e4; write an integer "
            "here",
        ),
        (
            ["--field=train_config.batch_size=many"],
            "train_config.batch_size: expected an integer, found an identifier: many; write an "
            "integer here",
        ),
        (
            ["--field=train_config.batch_size=-1"],
            "train_config.batch_size is -1, outside 0 to 4294967295; give a number in that range",
        ),
        (
            ["--field=model.ssd.matcher={ argmax_macher { } }"],
            "model.ssd.matcher.argmax_macher: Matcher has no field 'argmax_macher'; did you mean "
            "'argmax_matcher'?",
        ),
        (
            ["--clear=num_steps", "--num_steps=1"],
            "num_steps is both set and cleared; give one of the two",
        ),
        (
            ["--freeze_variables=a", "--add_freeze_variables=b"],
            "--freeze_variables replaces the patterns and --add_freeze_variables adds to them; "
            "give one of the two",
        ),
        (
            ["--num_steps=1", "--in_place", "--output=x"],
            f"argument --output: not allowed with argument --in_place {SEE}",
        ),
        (
            ["--field=model.ssd.num_classes.x=1"],
            "pipeline.config:3:18: model.ssd.num_classes.x goes through num_classes, which is 90 "
            "and no message; shorten the path\n    num_classes: 90\n                 ^",
        ),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)  # fmt: skip
def test_what_is_refused_writes_nothing(
    file: Path, capfdbinary: pytest.CaptureFixture[bytes], arguments: list[str], message: str
) -> None:
    assert run(capfdbinary, "pipeline.config", *arguments) == (2, b"", f"odfreeze: {message}\n")
    assert file.read_bytes() == TEXT
    assert [path.name for path in Path().iterdir()] == ["pipeline.config"]


def test_a_bad_pattern_is_refused(file: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    status, out, err = run(capfdbinary, "pipeline.config", "--freeze_variables=(a", "--in_place")
    assert (status, out) == (2, b"")
    assert "'(a' is no regular expression" in err
    assert file.read_bytes() == TEXT


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("none.config", "there is no file none.config; check the path"),
        (".", ". is a directory; give the file in it"),
        ("gs://b/x.config", "gs://b/x.config is not on this machine; copy it here first"),
    ],
)
def test_a_config_that_cannot_be_read(
    file: Path, capfdbinary: pytest.CaptureFixture[bytes], path: str, message: str
) -> None:
    assert run(capfdbinary, path, "--num_steps=1") == (2, b"", f"odfreeze: {message}\n")


def test_a_broken_config_is_shown_where_it_breaks(
    file: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    file.write_bytes(b"train_config {\n  num_steps 5\n}\n")
    assert run(capfdbinary, "pipeline.config", "--num_steps=1", "--in_place") == (
        2,
        b"",
        "odfreeze: pipeline.config:2:13: expected ':' or '{' after the field name 'num_steps', "
        "found '5'\n  num_steps 5\n            ^\n",
    )


def test_setting_what_is_there_changes_nothing(
    file: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert run(capfdbinary, "pipeline.config", "--num_steps=5000", "--diff") == (0, b"", "")
