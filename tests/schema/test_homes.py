"""Where a field of a given name belongs."""

from __future__ import annotations

from pathlib import Path

import pytest

from odfreeze.schema import PIPELINE, field_at, homes_of, message_descriptor, written_messages
from odfreeze.schema.homes import names_beside
from odfreeze.textproto import Message, parse, walk


@pytest.mark.parametrize(
    ("name", "paths"),
    [
        ("freeze_variables", ["train_config"]),
        ("freeze_batchnorm", ["model.ssd"]),
        ("model", [""]),
        ("no_such_field", []),
    ],
)
def test_homes(name: str, paths: list[str]) -> None:
    assert [path for path, _ in homes_of(name)] == paths


def test_every_home_has_the_field_under_its_path() -> None:
    for name in ("type", "weight", "num_classes", "learning_rate", "batch_norm"):
        for path, descriptor in homes_of(name):
            assert field_at(f"{path}.{name}" if path else name).containing_type == descriptor


def test_names_beside_are_those_of_the_same_message() -> None:
    names = [
        f"train_config.{field.name}"
        for field in message_descriptor(PIPELINE).fields_by_name["train_config"].message_type.fields
    ]
    assert list(names_beside("train_config.whatever")) == names
    assert names_beside("train_confg.num_steps") == ()
    assert names_beside("train_config.num_steps.x") == ()
    assert "model" in names_beside("modle")


def test_written_messages_of_real_configs_are_all_their_messages(corpus: Path) -> None:
    for file in sorted((corpus / "configs").glob("tf2/*.config")):
        document = parse(file.read_bytes())
        blocks = sum(
            isinstance(value, Message) for _, field in walk(document) for value in field.values
        )
        assert len(written_messages(document)) == blocks + 1
