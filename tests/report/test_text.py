"""Lines of styled text on their way to a file or a terminal."""

from __future__ import annotations

import io

import pytest

from odfreeze.report.text import (
    ASCII,
    UNICODE,
    Span,
    duration_text,
    glyphs_for,
    plain,
    printable,
    size_text,
    wants_color,
    wrapped,
    write_lines,
)

LINES = [[Span("a  "), Span("frozen", "frozen"), Span("   ")], [], [Span("[bold]b", "heading")]]


def test_plain_text_has_no_styles_and_no_trailing_blanks() -> None:
    assert plain(LINES) == "a  frozen\n\n[bold]b\n"


def test_without_color_nothing_but_the_text_is_written() -> None:
    stream = io.StringIO()
    write_lines(LINES, stream, color=False)
    assert stream.getvalue() == plain(LINES)


def test_with_color_the_same_text_has_escape_sequences(monkeypatch: pytest.MonkeyPatch) -> None:
    import re

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    stream = io.StringIO()
    write_lines(LINES, stream, color=True)
    assert "\x1b[36mfrozen" in stream.getvalue()
    assert re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue()) == plain(LINES)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("choice", "terminal", "environment", "expected"),
    [
        ("auto", True, {}, True),
        ("auto", False, {}, False),
        ("auto", True, {"NO_COLOR": "1"}, False),
        ("auto", True, {"TERM": "dumb"}, False),
        ("always", False, {"NO_COLOR": "1"}, True),
        ("never", True, {}, False),
    ],
    ids=["terminal", "pipe", "no-color", "dumb", "always", "never"],
)
def test_when_there_is_color(
    choice: str, terminal: bool, environment: dict, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    stream = Terminal() if terminal else io.StringIO()
    assert wants_color(choice, stream) is expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("encoding", "glyphs"),
    [("utf-8", UNICODE), ("utf-16", UNICODE), ("ascii", ASCII), ("cp1252", ASCII), (None, ASCII),
     ("no-such", ASCII)],
)  # fmt: skip
def test_the_tree_is_drawn_with_what_the_encoding_has(encoding: str | None, glyphs: object) -> None:
    assert glyphs_for(encoding) is glyphs


def test_names_of_strangers_cannot_steer_the_terminal() -> None:
    assert printable("a\x1b]0;title\x07\r\nb") == "a\\x1b]0;title\\x07\\r\\nb"
    assert printable("päth/κernel") == "päth/κernel"


@pytest.mark.parametrize(
    ("count", "text"),
    [(1, "1 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1048525, "1.0 MiB"), (1048524, "1023.9 KiB"),
     (2**30, "1.0 GiB"), (2**50, "1024.0 TiB")],
)  # fmt: skip
def test_sizes(count: int, text: str) -> None:
    assert size_text(count) == text


def test_wrapped_keeps_words_whole() -> None:
    assert wrapped("aa bbbbbbbbbbbb cc dd", 8, "> ") == ["> aa", "> bbbbbbbbbbbb", "> cc dd"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    (
        (0, "0 s"),
        (0.04, "0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (3599.4, "59 min 59 s"),
        (3599.6, "1 h 00 min"),
        (90061, "25 h 01 min"),
    ),
)
def test_durations(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text
