"""Findings about a text that is no text proto: what was probably meant, and where."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from odfreeze.check.text.braces import Guess, extra_brace, missing_brace
from odfreeze.errors import TextProtoError
from odfreeze.findings import Finding
from odfreeze.schema import PIPELINE, find_faults
from odfreeze.schema.homes import homes_of
from odfreeze.textproto import Edit, apply_edits, parse
from odfreeze.textproto.strings import eaten_escapes, quote, undefined_escapes
from odfreeze.textproto.tokens import tokenize
from odfreeze.textproto.tree import Source

__all__ = ["findings_of_text"]

_DOUBLE, _SINGLE = "“”„‟″«»", "‘’‚‛′"
#: What looks like a space, or like nothing, and is neither to the grammar.
_SPACES = "\u00a0\u2002\u2003\u2007\u2009\u202f\u3000"
_NOTHING = "\u200b\u200c\u200d\u2060\ufeff"
_STRING_TYPE = 9  # google.protobuf.FieldDescriptor.TYPE_STRING


def findings_of_text(data: bytes, file: str, error: TextProtoError) -> tuple[Finding, ...]:
    """Returns what is wrong with a text that the parser refused: one finding.

    Args:
      data: The text.
      file: Its name for places.
      error: What the parser said.
    """
    source = Source(data, file)
    whole = _other_file(source)
    if whole is not None:
        return (whole,)
    broken = _Broken(source, error)
    for repair in _REPAIRS:
        found = repair(broken)
        if found is None:
            continue
        at = broken.offset if found.offset is None else found.offset
        edits = found.edits if found.edits and broken.helps(found.edits) else ()
        return (Finding("ODF100", "error", found.message, source.place(at), edits),)
    return (Finding("ODF100", "error", error.message, error.place),)


@dataclass(frozen=True, slots=True)
class _Repair:
    """What is probably meant: a message, where, and the edits that would make it so."""

    message: str
    edits: tuple[Edit, ...] = ()
    offset: int | None = None


class _Broken:
    """A text that the parser refused.

    Attributes:
      source: The text.
      message: What the parser said.
      offset: Where.
      start: Where that line begins.
      line: That line.
    """

    def __init__(self, source: Source, error: TextProtoError) -> None:
        self.source = source
        self.message = error.message
        assert error.place is not None
        self.offset = source.offset(error.place)
        self.start = source.data.rfind(b"\n", 0, self.offset) + 1
        stop = source.data.find(b"\n", self.offset)
        end = len(source.data) if stop < 0 else stop
        self.line = source.data[self.start : end].rstrip(b"\r")

    def helps(self, edits: tuple[Edit, ...]) -> bool:
        """Whether with these edits the parser gets further; all the way with braces."""
        data = apply_edits(self.source.data, edits)
        try:
            parse(data)
        except TextProtoError as error:
            assert error.place is not None
            gained = Source(data, "").offset(error.place) - (len(data) - len(self.source.data))
            return gained > self.offset
        return True

    def strays(self, letters: str) -> list[tuple[int, str]]:
        """Returns where some of these characters stand outside of strings and comments."""
        found = []
        data = self.source.data
        for token in tokenize(data):
            if token.kind == "bad" and data[token.start] >= 0xC2:
                letter = data[token.start : token.start + 3].decode("utf-8", "ignore")[:1]
                if letter and letter in letters:
                    found.append((token.start, letter))
        return found


# --- what is no config at all ---------------------------------------------------------


def _other_file(source: Source) -> Finding | None:
    data, head = source.data, source.data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    start = source.place(0)
    if data[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        message = "the file is UTF-16, and the OD API cannot read it; save it as UTF-8"
        try:
            text = data.decode("utf-16").encode()
        except UnicodeError:
            return Finding("ODF111", "error", message, start)
        return Finding("ODF111", "error", message, start, (Edit(0, len(data), text),))
    if head.startswith((b"<!doctype", b"<html", b"<?xml")):
        message = (
            "this is a web page and no pipeline.config; download the file itself (on GitHub: Raw)"
        )
        return Finding("ODF110", "error", message, start)
    control = sum(byte < 32 and byte not in b"\t\n\r\f\v" for byte in data[:512])
    if data.startswith((b"PK\x03\x04", b"\x1f\x8b")) or control > len(data[:512]) // 16:
        message = (
            "this is a binary file and no pipeline.config (a model, a checkpoint or an archive?); "
            "give the text file"
        )
        return Finding("ODF110", "error", message, start)
    if head.startswith((b"{", b"[")) and b'"' in head[:64]:
        message = (
            "this is JSON; a pipeline.config is a text proto: no outer braces, no quotes around "
            "names, no commas between fields"
        )
        return Finding("ODF100", "error", message, start)
    conflict = re.search(rb"^(?:<{7}|>{7}|={7}(?=\r?$))", data, re.MULTILINE)
    if conflict is not None:
        message = "this line marks a merge conflict; keep one of the two sides and remove the marks"
        return Finding("ODF100", "error", message, source.place(conflict.start()))
    return None


# --- repairs ---------------------------------------------------------------------------


def _smart_quotes(broken: _Broken) -> _Repair | None:
    found = broken.strays(_DOUBLE + _SINGLE)
    if not found or found[0][0] < broken.start:
        return None
    edits = tuple(
        Edit(at, at + len(letter.encode()), b'"' if letter in _DOUBLE else b"'")
        for at, letter in found
    )
    letter = found[0][1]
    return _Repair(
        f"{letter} is a typographic quotation mark (word processors and web pages make them); "
        'write " on both sides of the string',
        edits,
        found[0][0],
    )


def _odd_spaces(broken: _Broken) -> _Repair | None:
    found = broken.strays(_SPACES + _NOTHING)
    if not found or found[0][0] != broken.offset:
        return None
    edits = tuple(
        Edit(at, at + len(letter.encode()), b" " if letter in _SPACES else b"")
        for at, letter in found
    )
    return _Repair(
        f"U+{ord(found[0][1]):04X} stands here, which looks like a space or like nothing and comes "
        "from a web page or a document; write a plain space",
        edits,
    )


def _slashes(broken: _Broken) -> _Repair | None:
    match = re.match(rb"[^\"'#]*?(//|/\*)", broken.line)
    if match is None or broken.start + match.start(1) != broken.offset:
        return None
    at = broken.offset
    if match[1] == b"/*":
        return _Repair("/* begins no comment here; put # before each line of it")
    return _Repair("// begins no comment here; write #", (Edit(at, at + 2, b"#"),))


def _equals(broken: _Broken) -> _Repair | None:
    match = re.match(rb"[\t ]*([A-Za-z_]\w*)[\t ]*(=)", broken.line)
    if match is None or broken.start + match.start(2) != broken.offset:
        return None
    name = match[1].decode()
    start, stop = broken.start + match.end(1), broken.offset + 1
    return _Repair(f"write {name}: and not {name} =", (Edit(start, stop, b":"),))


def _no_colon(broken: _Broken) -> _Repair | None:
    match = re.match(rb"[\t ]*([A-Za-z_]\w*)[\t ]+(?=[\"'0-9A-Za-z.\-])", broken.line)
    if match is None or broken.start + match.end() != broken.offset:
        return None
    name, at = match[1].decode(), broken.start + match.end(1)
    return _Repair(f"a colon is missing behind {name}", (Edit(at, at, b":"),))


def _open_string(broken: _Broken) -> _Repair | None:
    if "is not closed on its line" not in broken.message:
        return None
    mark = broken.source.data[broken.offset : broken.offset + 1]
    rest = broken.line[broken.offset - broken.start + 1 :]
    text = re.split(rb"\s+#", rest)[0].rstrip()
    other = b"'" if mark == b'"' else b'"'
    end = broken.offset + 1 + len(text)
    edits: tuple[Edit, ...] = ()
    if text.endswith(other) and text.count(other) == 1:
        edits = (Edit(end - 1, end, mark),)
    elif not re.search(rb"[\"'{}#]", text):
        edits = (Edit(end, end, mark),)
    return _Repair(broken.message, edits)


def _bad_escape(broken: _Broken) -> _Repair | None:
    if "escape" not in broken.message:
        return None
    data = broken.source.data
    for token in tokenize(data):
        if token.kind == "string" and token.start <= broken.offset < token.end:
            literal = data[token.start : token.end]
            offsets = {broken.offset - token.start, *eaten_escapes(literal)}
            offsets |= set(undefined_escapes(literal))
            offsets |= {m.start() for m in re.finditer(rb"(?<!\\)\\[xuU]", literal)}
            edits = tuple(
                Edit(token.start + offset, token.start + offset, b"\\")
                for offset in sorted(offsets)
            )
            is_path = re.match(rb".[A-Za-z]:\\", literal) is not None
            hint = "; in a path write / or \\\\" if is_path else ""
            return _Repair(broken.message + hint, edits)
    return None


def _number(broken: _Broken) -> _Repair | None:
    at = broken.offset - broken.start
    whole = re.match(rb"[0-9]+(?:_[0-9]+)+(?![\w.])", broken.line[at:])
    if whole is not None:
        plain = whole[0].replace(b"_", b"")
        edit = Edit(broken.offset, broken.offset + len(whole[0]), plain)
        return _Repair(f"write {plain.decode()}, without underscores", (edit,))
    before = re.search(rb"[0-9]+[\t ]*,[\t ]*$", broken.line[:at])
    if before is not None and re.match(rb"[0-9]", broken.line[at:]):
        return _Repair(
            "a comma ends a value; write a number with a decimal point, and without marks between "
            "thousands"
        )
    return None


def _unquoted(broken: _Broken) -> _Repair | None:
    match = re.match(rb"[\t ]*([A-Za-z_]\w*)[\t ]*:[\t ]*([^\s\"'{<\[][^\n]*)", broken.line)
    if match is None or not broken.start + match.start(2) <= broken.offset:
        return None
    name = match[1].decode()
    if not any(d.fields_by_name[name].type == _STRING_TYPE for _, d in homes_of(name)):
        return None
    text = re.split(rb"\s+#", match[2])[0].rstrip(b" \t;,")
    start = broken.start + match.start(2)
    written = quote(text.decode("utf-8", "replace"))
    edits = () if re.search(rb"[\"'{}]", text) else (Edit(start, start + len(text), written),)
    return _Repair(f"{name} is a string: write it in quotes, {written.decode()}", edits, start)


def _braces(broken: _Broken) -> _Repair | None:
    is_open = "is never closed" in broken.message
    is_extra = "closes nothing" in broken.message
    if not (is_open or is_extra):
        return None
    guess = missing_brace(broken.source) if is_open else extra_brace(broken.source)
    if guess is None:
        return None
    at = _line_start(broken.source.data, guess.line)
    if is_open:
        if at >= len(broken.source.data):
            message = f"the block {guess.block!r} is never closed; add a '}}' at the end"
        else:
            message = (
                f"a '}}' is probably missing before this line, where the block {guess.block!r} "
                "seems to end; add it"
            )
    else:
        closed = f": it closes {guess.block!r} though more of it follows" if guess.block else ""
        message = f"this '}}' is probably one too many{closed}; remove it"
    return _Repair(message, _checked(broken, guess), at + _indent(broken.source.data, at))


_REPAIRS: tuple[Callable[[_Broken], _Repair | None], ...] = (
    _smart_quotes,
    _odd_spaces,
    _slashes,
    _equals,
    _number,
    _unquoted,
    _no_colon,
    _open_string,
    _bad_escape,
    _braces,
)


def _checked(broken: _Broken, guess: Guess) -> tuple[Edit, ...]:
    """Returns the edit of a guess where it makes a config in which every field has its place."""
    try:
        document = parse(apply_edits(broken.source.data, [guess.edit]))
    except TextProtoError:
        return ()
    faults: Iterator[bool] = (
        fault.kind in {"unknown_field", "duplicate"} for fault in find_faults(document, PIPELINE)
    )
    return () if any(faults) else (guess.edit,)


def _line_start(data: bytes, line: int) -> int:
    """Returns where a line begins, counted from 1; the end where there are not so many."""
    start = 0
    for _ in range(line - 1):
        start = data.find(b"\n", start) + 1
        if not start:
            return len(data)
    return start


def _indent(data: bytes, start: int) -> int:
    """Returns how many bytes of white space a line begins with."""
    rest = data[start:].partition(b"\n")[0]
    return len(rest) - len(rest.lstrip())
