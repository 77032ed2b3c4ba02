"""The errors: what they are besides, what they carry, how they read."""

from __future__ import annotations

import builtins
import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odfreeze import errors
from odfreeze.errors import OdfreezeError, Place, TrainingFailedError, nearest, suggest

CLASSES = {
    name: value
    for name, value in vars(errors).items()
    if inspect.isclass(value) and issubclass(value, OdfreezeError)
}


def made(name: str, message: str = "wrong", place: Place | None = None) -> OdfreezeError:
    """Returns an error of a class, with whatever else it takes."""
    given = {"path": "a/b", "field": "a.b", "pattern": "a(", "returncode": -9}
    takes = inspect.signature(CLASSES[name].__init__).parameters
    more = {key: value for key, value in given.items() if key in takes}
    error: OdfreezeError = CLASSES[name](message, place=place, **more)
    assert all(getattr(error, key) == value for key, value in more.items())
    return error


@pytest.mark.parametrize("name", CLASSES)
def test_each_class_is_public_and_says_what_it_was_given(name: str) -> None:
    assert name in errors.__all__
    error = made(name)
    assert (error.message, error.place, str(error)) == ("wrong", None, "wrong")


@pytest.mark.parametrize(
    ("name", "builtin"),
    [
        ("UsageError", "ValueError"),
        ("OutputError", "OSError"),
        ("UnknownFieldError", "LookupError"),
        ("PatternTimeoutError", "TimeoutError"),
        ("CheckpointNotFoundError", "FileNotFoundError"),
        ("CheckpointUnsupportedError", "NotImplementedError"),
        ("MissingDependencyError", "ImportError"),
        ("TrainingFailedError", "RuntimeError"),
    ],
)
def test_what_people_catch_is_what_they_expect(name: str, builtin: str) -> None:
    assert isinstance(made(name), getattr(builtins, builtin))
    assert str(made(name, place=Place("f", 1, 2))) == "f:1:2: wrong"


def test_only_a_run_that_failed_ends_with_status_1() -> None:
    failed = {name for name, one in CLASSES.items() if one.exit_status == 1}
    assert failed == {TrainingFailedError.__name__}
    assert {one.exit_status for one in CLASSES.values()} == {1, 2}


def test_a_place_is_shown_with_its_line_and_a_caret() -> None:
    error = made("ConfigError", place=Place("a.config", 3, 5, "\t  num_step: 5"))
    assert str(error) == "a.config:3:5: wrong\n\t  num_step: 5\n\t   ^"


@pytest.mark.parametrize(
    ("source", "column", "excerpt"),
    [
        ("", 1, ""),
        (" \t ", 2, ""),
        ("ab", 1, "ab\n^"),
        ("ab", 3, "ab\n  ^"),
        ("ü🦊b", 3, "ü🦊b\n  ^"),
        ("\t\ta", 3, "\t\ta\n\t\t^"),
    ],
    ids=["unknown", "blank", "the first", "behind the last", "characters, not bytes", "tabs"],
)
def test_the_caret_stands_below_its_column(source: str, column: int, excerpt: str) -> None:
    assert Place("f", 1, column, source).excerpt() == excerpt


@pytest.mark.parametrize(
    ("word", "known", "near"),
    [
        ("num_step", ["batch_size", "num_steps"], "num_steps"),
        ("num_step", iter(["num_steps"]), "num_steps"),
        ("NUM_STEPS", ["num_steps"], None),
        ("", ["num_steps"], None),
        ("num_steps", [], None),
        ("it's", ["its"], "its"),
    ],
)
def test_a_misspelt_name_has_a_nearest_one(word: str, known: list[str], near: str | None) -> None:
    assert nearest(word, known) == near


@given(st.text(max_size=6), st.lists(st.text(min_size=1, max_size=6), max_size=4))
def test_a_suggestion_is_one_of_the_known_or_nothing(word: str, known: list[str]) -> None:
    near = nearest(word, known)
    assert near is None or near in known
    assert suggest(word, known) == (f"; did you mean {near!r}?" if near is not None else "")
