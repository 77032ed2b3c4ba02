"""Questions to a field that every protobuf runtime answers."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from odfreeze.schema import field_at, is_map, is_repeated, is_required

OPTIONAL, REQUIRED, REPEATED = 1, 2, 3


@pytest.mark.parametrize(
    ("path", "repeated", "a_map"),
    (
        ("train_config.num_steps", False, False),
        ("train_config.optimizer", False, False),
        ("train_config.freeze_variables", True, False),
        ("train_config.data_augmentation_options", True, False),
        ("eval_config.super_categories", True, True),
    ),
)
def test_kind_of_a_field(path: str, repeated: bool, a_map: bool) -> None:
    field = field_at(path)
    assert (is_repeated(field), is_map(field), is_required(field)) == (repeated, a_map, False)


def test_required_field() -> None:
    assert is_required(field_at("base_config", "odfreeze.Plan"))


@pytest.mark.parametrize("label", (OPTIONAL, REQUIRED, REPEATED))
def test_runtime_that_knows_labels_only(label: int) -> None:
    field = SimpleNamespace(label=label)
    assert is_repeated(field) == (label == REPEATED)
    assert is_required(field) == (label == REQUIRED)
