"""Lines of styled text, and how they reach a file or a terminal."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, TextIO

__all__ = ["ASCII", "UNICODE", "ColorChoice", "Glyphs", "Line", "Span", "duration_text",
           "glyphs_for", "plain", "printable", "size_text", "wants_color", "wrapped",
           "write_lines"]  # fmt: skip

ColorChoice = Literal["auto", "always", "never"]
Style = Literal[
    "", "heading", "dim", "frozen", "trainable", "held", "updating", "mixed", "error", "warning",
    "info",
]  # fmt: skip

_RICH_STYLES: dict[str, str] = {
    "heading": "bold", "dim": "dim", "frozen": "cyan", "held": "blue", "trainable": "green",
    "updating": "yellow", "mixed": "magenta", "error": "bold red", "warning": "bold yellow",
    "info": "bold",
}  # fmt: skip


class Span(NamedTuple):
    """A piece of a line in one style."""

    text: str
    style: Style = ""


Line = Sequence[Span]


class Glyphs(NamedTuple):
    """The characters that a tree is drawn with."""

    tee: str
    elbow: str
    bar: str
    blank: str
    ellipsis: str


UNICODE = Glyphs("├─ ", "└─ ", "│  ", "   ", "…")
ASCII = Glyphs("|- ", "`- ", "|  ", "   ", "...")


def glyphs_for(encoding: str | None) -> Glyphs:
    """Returns line-drawing characters, or plain ASCII where the encoding has none of them.

    >>> glyphs_for("cp1252") is ASCII
    True
    """
    try:
        "".join(UNICODE).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return UNICODE


def printable(text: str) -> str:
    r"""Returns text that does nothing to a terminal: control characters as escapes.

    Names and patterns may come from strangers.

    >>> printable("a\x1b[2Jb\tc")
    'a\\x1b[2Jb\\tc'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def size_text(count: int) -> str:
    """Returns a number of bytes as people say it.

    >>> [size_text(n) for n in (0, 1023, 1024, 9_031_936, 5 * 2**40)]
    ['0 B', '1023 B', '1.0 KiB', '8.6 MiB', '5.0 TiB']
    """
    if count < 1024:
        return f"{count} B"
    value = float(count)
    for unit in ("KiB", "MiB", "GiB"):
        value /= 1024
        if value < 1023.95:
            return f"{value:.1f} {unit}"
    return f"{value / 1024:.1f} TiB"


def duration_text(seconds: float) -> str:
    """Returns a duration as people say it; below ten seconds with tenths, if there are any.

    >>> [duration_text(n) for n in (0.42, 5, 42.3, 200, 7300)]
    ['0.4 s', '5 s', '42 s', '3 min 20 s', '2 h 01 min']
    """
    if seconds < 9.95:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def wrapped(text: str, width: int, indent: str) -> list[str]:
    """Returns the text in lines of at most ``width``, each indented; a long word stands over.

    >>> wrapped("one two three", 10, "  ")
    ['  one two', '  three']
    """
    lines: list[str] = []
    line = ""
    for word in text.split(" "):
        if line and len(indent) + len(line) + 1 + len(word) > width:
            lines.append(indent + line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return [*lines, indent + line]


def plain(lines: Iterable[Line]) -> str:
    """Returns the lines as text without styles or trailing blanks."""
    return "".join("".join(span.text for span in line).rstrip() + "\n" for line in lines)


def wants_color(choice: ColorChoice, stream: TextIO) -> bool:
    """Whether to write styles: as asked, else on a terminal that does not refuse them."""
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream.isatty()


def write_lines(lines: Iterable[Line], stream: TextIO, *, color: bool) -> None:
    """Writes the lines; rich is imported only when there are styles to show."""
    if not color:
        stream.write(plain(lines))
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(file=stream, force_terminal=True, highlight=False, soft_wrap=True)
    for line in lines:
        text = Text()
        for span in line:
            text.append(span.text, style=_RICH_STYLES.get(span.style, ""))
        text.rstrip()
        console.print(text)
