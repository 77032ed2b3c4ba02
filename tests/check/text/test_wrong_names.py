"""What is said of the config's text."""

from __future__ import annotations

import pytest

from odfreeze.check.text import wrong_names as text
from odfreeze.textproto import parse
from tests.check.cases import case_of


@pytest.mark.parametrize(
    ("source", "place", "message"),
    [
        ('train_config {\n  freeze_vars: "a"\n}', "a.config:2:3",
         "there is no field 'freeze_vars': the OD API refuses the config, and nothing is frozen by "
         "it; write 'freeze_variables' in train_config"),
        ('freeze_vars: "a"', "a.config:1:1",
         "there is no field 'freeze_vars': the OD API refuses the config, and nothing is frozen by "
         "it; write 'freeze_variables' in train_config"),
        ('train_config { trainable_variables: ["a"] }', "a.config:1:16",
         "there is no field 'trainable_variables': the OD API refuses the config, and nothing is "
         "frozen by it; write 'update_trainable_variables' in train_config"),
        ('model { ssd { freeze_variables: "a" } }', "a.config:1:15",
         "'freeze_variables' has no effect as model.ssd.freeze_variables; it belongs in "
         "train_config (elsewhere the OD API refuses it)"),
        ('train_config { freeze_variables: "a" update_trainable_variables: ["b"] }', None, ""),
    ],
    ids=["tutorial", "outside", "update", "right-name-wrong-place", "right"],
)  # fmt: skip
def test_field_names_that_do_not_exist(source: str, place: str | None, message: str) -> None:
    case = case_of(document=parse(source.encode(), "a.config"))
    found = [(f.code, str(f.place), f.message) for f in text.wrong_field_name(case)]
    code = "ODF102" if "belongs" in message else "ODF101"
    assert found == ([] if place is None else [(code, place, message)])


def test_without_a_document_there_is_no_text_to_check() -> None:
    assert list(text.wrong_field_name(case_of())) == []
