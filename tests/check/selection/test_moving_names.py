"""Names that Keras made up: told with how that is known, and with the paths to match instead."""

from __future__ import annotations

import pytest

from odfreeze.check.selection import patterns
from odfreeze.check.selection.moving_names import (
    classes_named,
    moved_away,
    names_not_dependable,
    path_patterns,
)
from odfreeze.selection import Pattern, match_columns
from odfreeze.variables import Variable
from tests.check.cases import case_of, told


def centernet(first: int = 0) -> list[Variable]:
    """A backbone with names, a neck of three convolutions and two heads; numbers from a first."""
    names = {"model/_base_model/layer-0/kernel": "conv1_conv/kernel"}
    for number in range(3):
        names[f"model/_neck/layer-{number + 1}/kernel"] = f"{_conv(first + number)}/kernel"
    names["model/_neck/layer-4/gamma"] = "batch_normalization/gamma"
    for number, head in enumerate(("center", "box.Sscale"), start=3):
        names[f"model/_heads/{head}/0/kernel"] = f"{_conv(first + number)}/kernel"
    return [
        Variable(name, path, (1,), "float32", layer=path.rpartition("/")[0], order=order)
        for order, (path, name) in enumerate(names.items())
    ]


def _conv(number: int) -> str:
    return f"conv2d_{number}" if number else "conv2d"


def names_of(variables: list[Variable]) -> dict[str, str]:
    return {v.object_path: v.name or "" for v in variables}


def elsewhere(first: int, *freeze: str, here: int = 0, **options):
    """A case whose other side numbers from ``first``."""
    return case_of(
        *freeze,
        variables=centernet(here),
        meta_architecture="center_net",
        names_elsewhere=lambda: names_of(centernet(first)),
        **options,
    )


class TestTold:
    def test_by_the_numbers_where_nothing_else_is_known(self) -> None:
        case = case_of("zzz", "^conv2d(_[12])?/", variables=centernet())
        assert told(names_not_dependable, case) == [
            "ODF211 info 2: freeze_variables: '^conv2d(_[12])?/' matches names that Keras numbers "
            "as it goes (conv2d/kernel, conv2d_1/kernel, …); no object is called so; the numbers "
            "run from conv2d to conv2d_4 and are others in another process; match object paths "
            "instead: '(?#path)^model/_neck/layer-[1-3]/' matches the same 3 variables"
        ]

    def test_numbers_that_do_not_begin_at_the_first_tell_of_what_was_built_before(self) -> None:
        (found,) = told(names_not_dependable, case_of("conv2d", variables=centernet(13)))
        assert (
            "the numbers run from conv2d_13 to conv2d_17, others having been built before, and are"
        ) in found

    def test_by_the_live_model_where_the_pattern_matches_something_else_there(self) -> None:
        assert told(names_not_dependable, elsewhere(0, "^conv2d_[34]/", here=3)) == [
            "ODF211 warning 1: freeze_variables: '^conv2d_[34]/' matches names that Keras numbers "
            "as it goes (conv2d_3/kernel, conv2d_4/kernel); in the model that `--live` lists, "
            "where conv2d_3/kernel is conv2d/kernel, it matches 2, not the same; match object "
            "paths instead: '(?#path)^model/_neck/layer-[12]/' matches the same 2 variables"
        ]

    def test_or_nothing(self) -> None:
        (found,) = told(names_not_dependable, elsewhere(0, "^conv2d_13/", here=13))
        assert "warning 1: " in found
        assert "where conv2d_13/kernel is conv2d/kernel, it matches nothing; match" in found

    def test_that_it_matches_the_same_there_is_good_to_know(self) -> None:
        (found,) = told(names_not_dependable, elsewhere(0, "^conv2d", here=13))
        assert found.startswith("ODF211 info 1: ")
        assert (
            "in the model that `--live` lists, where conv2d_13/kernel is conv2d/kernel, it "
            "matches the same, but no object is called so;"
        ) in found

    def test_of_a_live_model_the_other_side_is_the_checkpoint(self) -> None:
        (found,) = told(names_not_dependable, elsewhere(7, "conv2d_1/", is_live=True))
        assert "in the checkpoint, where conv2d_1/kernel is conv2d_8/kernel, it matches" in found

    @pytest.mark.parametrize(
        "text", ["conv1_", "(?#path)_neck", "zzz"], ids=["own-name", "path", "nothing"]
    )
    def test_only_where_a_pattern_relies_on_such_names(self, text: str) -> None:
        assert told(names_not_dependable, elsewhere(0, text, here=13)) == []

    def test_names_that_objects_have_are_dependable(self) -> None:
        own = [Variable("conv2d_1/kernel", "model/conv2d_1/kernel", (1,), "float32")]
        assert told(names_not_dependable, case_of("conv2d", variables=own)) == []

    def test_patterns_too_long_to_be_read_are_not_offered(self) -> None:
        some = [
            Variable(f"conv2d_{n}/kernel", f"model/{chr(97 + n % 26) * (n + 1)}/k", (1,), "float32")
            for n in range(60)
        ]
        (found,) = told(names_not_dependable, case_of("conv2d_[0-9]*[13579]/", variables=some))
        assert found.endswith("match object paths instead, with (?#path) at the beginning")


class TestAPatternThatMatchesNothing:
    def test_is_for_the_other_sides_numbers(self) -> None:
        (found,) = told(patterns.matches_nothing, elsewhere(0, "^conv2d_[12]/", here=13))
        assert found == (
            "ODF201 warning 1: freeze_variables: '^conv2d_[12]/' matches none of 7 variables; in "
            "the model that `--live` lists it matches 2 (conv2d_1/kernel, …), since Keras numbers "
            "such names as it goes; match object paths instead: '(?#path)^model/_neck/layer-[23]/' "
            "matches the same 2 variables"
        )

    def test_may_be_for_other_numbers_where_no_other_side_is_known(self) -> None:
        (found,) = told(patterns.matches_nothing, case_of("^conv2d_1/", variables=centernet(13)))
        assert found.endswith(
            "; names that Keras numbers as it goes run from conv2d_13 to conv2d_17 here, and are "
            "others in another process; match object paths instead, with (?#path) at the beginning"
        )

    @pytest.mark.parametrize("text", ["^blok_1", "(?#path)conv2d_1/"], ids=["other", "path"])
    def test_or_is_for_something_else(self, text: str) -> None:
        case = elsewhere(0, text, here=13)
        assert moved_away(case, case.selection.patterns[0]) == ""


@pytest.mark.parametrize(
    ("text", "named"),
    [("^conv2d_[0-7]/", ["conv2d"]), ("conv2d(_1)?/|dense", ["conv2d", "dense"]), ("conv", []),
     ("conv2d_transpose_1", []), ("my_conv2d", []), ("Conv2D", [])],
    ids=["numbers", "two", "part", "other-class", "own-name", "case"],
)  # fmt: skip
def test_classes_that_a_pattern_names(text: str, named: list[str]) -> None:
    assert classes_named(text, ["conv2d", "dense"]) == named


@pytest.mark.parametrize(
    "text",
    ["^conv2d", "kernel$", "^conv2d_[135]/", "normalization", "^conv1_", "conv2d_4|gamma"],
)
def test_offered_patterns_select_the_same_on_any_side(text: str) -> None:
    variables = centernet()
    (column,) = match_columns(variables, [Pattern("freeze_variables", text)])
    wanted = {v.object_path for v, is_match in zip(variables, column, strict=True) if is_match}
    offered = [Pattern("freeze_variables", one) for one in path_patterns(wanted, variables)]
    assert offered
    for side in (variables, centernet(13)):
        rows = zip(side, *match_columns(side, offered), strict=True)
        assert {v.object_path for v, *matches in rows if any(matches)} == wanted


def test_nothing_is_offered_for_nothing() -> None:
    assert path_patterns((), centernet()) == ()
