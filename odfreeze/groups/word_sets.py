r"""Regular expressions that match exactly some words of a list, written as a person would.

Words are cut into tokens: numbers, what is between them, and each separator. A tree of the tokens
is walked from one end of the words; where nothing but wanted words begins so, it is left.
Branches that differ in a number only are written once, with ``[0-9]+`` where all numbers are
wanted and ranges such as ``([3-9]|1[0-6])`` where some are. Every expression ends behind a whole
token, so that ``block_1_`` never means ``block_10_``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TypeVar

__all__ = ["expressions_for", "numbers_between"]

_Word = tuple[str, ...]
#: A set that keeps its order: that in which the words were given.
_Words = dict[_Word, None]
_SIGNS = re.compile(r"[A-Za-z]+|[0-9]+|[^A-Za-z0-9]")
_COMPONENTS = re.compile(r"[^/.0-9]+|[0-9]+|/|\.S?")  # ".S" is a "/" in a tracked name
#: An alternation longer than this is written as several expressions.
_LONGEST = 100
#: Rows of numbers with different endings are compared up to this many.
_MOST_CLASSES = 64


def expressions_for(
    inside: Iterable[str], outside: Iterable[str], *, stops: str = "/_", backwards: bool = False
) -> tuple[str, ...]:
    """Returns expressions, one of which is found in each word inside and none in a word outside.

    Args:
      inside: Words to match; alternatives are in their order.
      outside: Words not to match; none of them is inside.
      stops: Separators, behind which an expression may leave the rest of a word open: ``/`` or
        both ``/`` and ``_``.
      backwards: Anchor at the words' ends instead of their beginnings.

    >>> expressions_for(["block_1_a", "block_10_a", "block_2_b"], ["conv/a", "block"])
    ('^block_[0-9]+_',)
    >>> expressions_for(["a/kernel", "b/kernel"], ["a/bias"], backwards=True)
    ('/kernel$',)
    """
    words, others = dict.fromkeys(inside), dict.fromkeys(outside)
    newlines = any("\n" in word for word in (*words, *others))
    writer = _Writer(stops, backwards, newlines)
    branches = writer.branches(
        dict.fromkeys(map(writer.tokens, words)), dict.fromkeys(map(writer.tokens, others))
    )
    together = writer.anchored(writer.alternation(branches))
    return (together,) if len(together) <= _LONGEST else tuple(map(writer.anchored, branches))


class _Writer:
    """Writes expressions from one end of the words."""

    def __init__(self, stops: str, backwards: bool, newlines: bool) -> None:
        self._stops = stops
        self._backwards = backwards
        last = r"\Z" if newlines else "$"  # "$" is found before a newline at the end, too
        self._start, self._end = (last, "^") if backwards else ("^", last)

    def tokens(self, word: str) -> _Word:
        found = _signs(word) if "_" in self._stops else _components(word)
        return found[::-1] if self._backwards else found

    def anchored(self, text: str) -> str:
        return self._join(self._start, text)

    def branches(self, inside: _Words, outside: _Words, before: str = "") -> list[str]:
        """Returns alternatives for the rests of words.

        Args:
          inside: Rests of the words to match.
          outside: Rests of those not to match that begin alike.
          before: The token before them.
        """
        chain = _common([*inside, *outside]) if outside else ()
        if len(chain) > 1:  # nothing to decide on the way
            rest = self._branches_behind(inside, outside, chain)
            return [self._join(self._literal(chain), rest)]
        wanted = _by_head(inside)
        heads_outside = {word[0] for word in outside if word}
        unwanted = _by_head(word for word in outside if word and word[0] in wanted)
        numbers = [head for head in wanted if _is_number(head)]
        existing = [head for head in {*wanted, *heads_outside} if _is_number(head)]
        rows: dict[tuple[tuple[str, ...], bool], list[str]] = {}  # rests to the tokens before
        for head, rests in wanted.items():
            if not _is_number(head):
                ends = self._rest(rests, unwanted.get(head, {}), head, before)
                rows.setdefault((tuple(ends), False), []).append(_escaped(head))
            elif head == numbers[0]:
                for row, some, none in _merged(numbers, wanted, unwanted):
                    ends = self._rest(some, none, head, before)
                    rows.setdefault((tuple(ends), True), []).extend(row)
        written = [self._end] if () in inside else []
        for (behind, numbered), heads in rows.items():
            text = self.alternation(behind)
            if numbered:
                others = [head for head in existing if head not in heads]
                written.append(self._join(_numbers(heads, others), text))
            elif len(heads) == 1:
                together = self._join(heads[0], text)
                apart = [self._join(heads[0], end) for end in behind]
                short = heads[0] not in self._stops and len("|".join(apart)) <= len(together) + 2
                written += apart if short else [together]
            elif (len(heads) - 1) * len(text) <= 4:  # parentheses would save nothing
                written += [self._join(head, text) for head in heads]
            else:
                written.append(self._join(f"({'|'.join(heads)})", text))
        return written

    def _branches_behind(self, inside: _Words, outside: _Words, chain: Sequence[str]) -> str:
        some, none = (
            dict.fromkeys(word[len(chain) :] for word in words) for words in (inside, outside)
        )
        return self.alternation(self.branches(some, none, before=chain[-1]))

    def alternation(self, branches: Sequence[str]) -> str:
        """Writes ``(a|b)``, without the parentheses of an alternation that is all of a branch."""
        if len(branches) == 1:
            return branches[0]
        shared = self._shared_end(branches)
        if not shared:
            return self._choice(branches)
        cut = len(shared)
        ends = [text[cut:] if self._backwards else text[:-cut] for text in branches]
        return self._join(self._choice(ends), shared)

    def _choice(self, texts: Sequence[str]) -> str:
        some = "|".join(_unwrapped(text) for text in texts if text)
        return f"({some})" if all(texts) else f"({some})?"

    def _shared_end(self, texts: Sequence[str]) -> str:
        """Returns the separator, and what is beyond it, that all texts have on the far side."""
        backwards, ends = self._backwards, (*self._stops, self._end)
        shared = _common([text if backwards else text[::-1] for text in texts])
        shared = shared if backwards else shared[::-1]
        for here in range(len(shared), 0, -1):
            text = shared[:here] if backwards else shared[-here:]
            if text[-1 if backwards else 0] in ends and _is_whole(text):
                return text
        return ""

    def _join(self, first: str, second: str) -> str:
        """Puts what comes later on the way through a word behind what comes earlier."""
        return second + first if self._backwards else first + second

    def _rest(self, inside: _Words, outside: _Words, last: str, before: str) -> list[str]:
        """Returns alternatives for what follows behind the token ``last``."""
        if not outside and last in self._stops:
            return [self._onwards(inside, last, before)]
        return self.branches(inside, outside, before=last)

    def _onwards(self, inside: _Words, last: str, before: str) -> str:
        """Returns what all of the open rests begin with, as far as it helps a reader.

        That is the number of a row of blocks, or up to the next ``/`` or ``_``.
        """
        if last == "/":
            return ""
        heads = {word[0] if word else "" for word in inside}
        if len(heads) > 1:
            signs = {word[1] if len(word) > 1 else "" for word in inside}
            numbered = all(map(_is_number, heads)) and not _is_number(before)
            if numbered and len(signs) == 1 and (sign := signs.pop()) and sign in self._stops:
                return self._join("[0-9]+", sign)
            return ""
        shared = list(_common(inside))
        if "/" in shared:
            del shared[shared.index("/") + 1 :]
        while shared and shared[-1] not in self._stops:
            shared.pop()
        return self._literal(shared)

    def _literal(self, tokens: Sequence[str]) -> str:
        return "".join(map(_escaped, reversed(tokens) if self._backwards else tokens))


@lru_cache(maxsize=20_000)  # the groups of a model are of the same words
def _signs(word: str) -> _Word:
    return tuple(_SIGNS.findall(word))


@lru_cache(maxsize=20_000)
def _components(word: str) -> _Word:
    return tuple(_COMPONENTS.findall(word))


_Sequence = TypeVar("_Sequence", str, _Word)


def _common(texts: Collection[_Sequence]) -> _Sequence:
    """Returns what all of some texts, or of some words, begin with."""
    first, last = min(texts), max(texts)
    for here, (one, other) in enumerate(zip(first, last, strict=False)):
        if one != other:
            return first[:here]
    return first[: len(last)]


def _by_head(words: Iterable[_Word]) -> dict[str, _Words]:
    found: dict[str, _Words] = {}
    for word in words:
        if word:
            found.setdefault(word[0], {})[word[1:]] = None
    return found


def _merged(
    numbers: Sequence[str], wanted: Mapping[str, _Words], unwanted: Mapping[str, _Words]
) -> list[tuple[list[str], _Words, _Words]]:
    """Joins numbers behind which one expression can tell wanted from unwanted.

    It can where nothing that is wanted behind one is unwanted behind another.
    """
    classes: list[tuple[list[str], _Words, _Words]] = []
    for number in numbers:
        inside, outside = wanted[number], unwanted.get(number, {})
        for row, some, none in classes[:_MOST_CLASSES]:
            if none.keys().isdisjoint(inside) and some.keys().isdisjoint(outside):
                row.append(number)
                some.update(inside)
                none.update(outside)
                break
        else:
            classes.append(([number], dict(inside), dict(outside)))
    return classes


def _is_number(token: str) -> bool:
    return token.isascii() and token.isdigit()


def _unwrapped(text: str) -> str:
    """Takes away a pair of parentheses that is around all of an expression."""
    inner = text[1:-1]
    around = text.startswith("(") and text.endswith(")")
    return inner if around and _is_whole(inner) else text


def _is_whole(text: str) -> bool:
    """Whether each bracket in it is closed in it, and no bracket outside of it."""
    depth = 0
    for sign in re.sub(r"\\.|\[[^]]+\]", "", text):
        depth += (sign == "(") - (sign == ")")
        if depth < 0 or sign in "[]":
            return False
    return depth == 0


def _numbers(wanted: Collection[str], unwanted: Collection[str]) -> str:
    """Returns an expression for numbers; it may hold others that nobody has."""
    if len(wanted) == 1:
        return next(iter(wanted))
    if not unwanted:
        return "[0-9]+"
    pieces: list[str] = []
    for width in sorted({len(number) for number in wanted}):
        row = sorted(number for number in wanted if len(number) == width)
        stops = sorted(number for number in unwanted if len(number) == width)
        first = row[0]
        for last, following in zip(row, [*row[1:], None], strict=True):
            if following is None or any(last < stop < following for stop in stops):
                pieces += numbers_between(first, last)
                first = following or ""
    digits = [piece for piece in pieces if len(piece) == 1]
    if len(digits) > 1:
        pieces = [f"[{''.join(digits)}]", *(piece for piece in pieces if len(piece) > 1)]
    return pieces[0] if len(pieces) == 1 else f"({'|'.join(pieces)})"


def numbers_between(first: str, last: str) -> list[str]:
    """Returns expressions for all numbers from one to another with as many digits.

    >>> numbers_between("07", "23")
    ['0[7-9]', '1[0-9]', '2[0-3]']
    """
    if first == last:
        return [first]
    head, end = first[0], last[0]
    if head == end:
        return [head + rest for rest in numbers_between(first[1:], last[1:])]
    width = len(first) - 1
    low, high = int(head), int(end)
    pieces = []
    if first[1:] != "0" * width:
        pieces = [head + rest for rest in numbers_between(first[1:], "9" * width)]
        low += 1
    tail = []
    if last[1:] != "9" * width:
        tail = [end + rest for rest in numbers_between("0" * width, last[1:])]
        high -= 1
    if low <= high:
        pieces.append(_digits(low, high) + "[0-9]" * width)
    return pieces + tail


def _digits(low: int, high: int) -> str:
    if low == high:
        return str(low)
    return f"[{low}{high}]" if high == low + 1 else f"[{low}-{high}]"


def _escaped(token: str) -> str:
    """Escapes without a backslash where that can be: a text proto wants each one doubled."""
    text = re.sub(r"[\\^\[\]]", r"\\\g<0>", token)
    return re.sub(r"[.$*+?{}()|]", r"[\g<0>]", text).replace("\n", r"\n")
