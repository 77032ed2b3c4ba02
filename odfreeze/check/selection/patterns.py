"""Rules about single patterns: what one matches, and what was likely meant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from odfreeze.check.case import Case, few, quantity, quoted
from odfreeze.check.selection.moving_names import moved_away
from odfreeze.check.selection.regex_parts import Part, parts
from odfreeze.findings import Finding
from odfreeze.regex_guard import compile_regex, search_bounded
from odfreeze.selection import PATH_PREFIX, Pattern

__all__ = ["RULES", "reason_of"]

#: Names that are searched for something like a misspelt word.
_MOST_SUBJECTS = 5_000
#: ``block_12`` in ``block_12_expand``.
_NUMBERED = r"(.*?\d+)_"


def matches_nothing(case: Case) -> Iterator[Finding]:
    """ODF201: a pattern matches no variable, with the reason where one is found."""
    counts = case.selection.match_counts()
    for count, pattern in zip(counts, case.selection.patterns, strict=True):
        if not count:
            message = (
                f"{pattern.field}: {quoted(pattern.text)} matches none of "
                f"{quantity(len(case.selection.variables), 'variable')}; "
                f"{reason_of(case, pattern)}"
            )
            yield Finding("ODF201", "warning", message, pattern.place)


def reason_of(case: Case, pattern: Pattern) -> str:
    """Returns why a pattern matches none of a case's variables, and what to do."""
    if case.names_missing and not pattern.by_path:
        return (
            f"the checkpoint holds no names ({case.names_missing}), only object paths, which "
            f"patterns beginning with {PATH_PREFIX} are matched against"
        )
    why = moved_away(case, pattern) or _part_named(case, pattern)
    if why:
        return why
    for text, by_path, why in _variants(pattern):
        subjects = case.object_paths if by_path else case.names
        found = search_bounded(text, subjects)
        if found and any(found):
            hits = [s for s, hit in zip(subjects, found, strict=True) if hit]
            return f"{why} it would match {len(hits)} ({few(hits, 1)}): write {quoted(text)}"
    return _nearest(pattern, _Vocabulary(case))


def _part_named(case: Case, pattern: Pattern) -> str:
    """What selects the part of the model that the pattern seems to be written for, or ""."""
    from odfreeze.check.selection.parts import parts_meant, parts_of, words_for

    for word, names in parts_meant(pattern.text):
        if any(word in subject for subject in case.subjects(pattern)):
            continue
        parts = parts_of(case.selection.variables, names)
        if parts:
            where = "object path" if pattern.by_path else "name"
            return f"no {where} here holds {word!r}: {words_for(parts)}"
    return ""


def _variants(pattern: Pattern) -> Iterator[tuple[str, bool, str]]:
    """Yields text, by_path and the words for it, for each thing that is often overlooked."""
    text = pattern.text.removeprefix(PATH_PREFIX)
    prefix = PATH_PREFIX if pattern.by_path else ""
    if re.search(r":0?\$?$", text):
        bare = re.sub(r":0?(\$?)$", r"\1", text)
        yield (
            prefix + bare,
            pattern.by_path,
            "names are matched without their ':0' ending; without it",
        )
    loose = re.sub(r"(?<!\\)\$$", "", text.removeprefix("^"))
    if pattern.by_path:
        yield text, False, "names are no object paths; matched against names"
    else:
        yield PATH_PREFIX + text, True, "it is matched against names; against object paths"
    if loose != text:
        anchors = " and ".join(
            anchor for anchor in ("'^'", "'$'") if anchor[1] in (text[:1], text[len(loose) :][-1:])
        )
        yield prefix + loose, pattern.by_path, f"without its anchor {anchors}"
    yield (
        prefix + f"(?i:{text})",
        pattern.by_path,
        "upper and lower case count; without regard to it",
    )
    if loose != text and not pattern.by_path:
        yield PATH_PREFIX + loose, True, "against object paths, and without its anchor,"
    if "\\\\" in text:
        single = text.replace("\\\\", "\\")
        yield prefix + single, pattern.by_path, "one backslash too many; with one less"


def _nearest(pattern: Pattern, vocabulary: _Vocabulary) -> str:
    """What in the checkpoint looks like the longest word of the pattern."""
    plain = re.sub(r"\\.|\[[^\]]*\]|\(\?[^)]*?[)!=:]", " ", pattern.text)
    words = sorted(re.findall(r"[A-Za-z][A-Za-z0-9_-]{2,}", plain), key=len, reverse=True)
    for word in words[:3]:
        for paths in (False, True):
            near = vocabulary.like(word, paths)
            if near:
                where = "object paths" if paths else "names"
                hint = f", which a pattern sees after {PATH_PREFIX}" if paths else ""
                return f"nearest to {word!r} in the {where}: {', '.join(near)}{hint}"
    return "`odfreeze preview CONFIG --all` lists all names"


class _Vocabulary:
    """The words of names and of object paths, collected when first asked for."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._words: dict[bool, dict[str, str]] = {}

    def like(self, word: str, paths: bool) -> list[str]:
        """Returns at most three words much like this one; [] when it is one of them itself."""
        known = self._words.get(paths)
        if known is None:
            known = self._words[paths] = self._collected(paths)
        word = word.lower()
        if word in known:
            return []
        import difflib  # here, since few patterns match nothing

        # What is alike has three letters in a row in common, and is then worth a slow look.
        threes = {word[at : at + 3] for at in range(len(word) - 2)}
        likely = [other for other in known if any(three in other for three in threes)]
        return [known[near] for near in difflib.get_close_matches(word, likely, n=3, cutoff=0.7)]

    def _collected(self, paths: bool) -> dict[str, str]:
        words: dict[str, str] = {}
        subjects = self._case.object_paths if paths else self._case.names
        for subject in subjects[:_MOST_SUBJECTS]:
            for component in subject.split("/"):
                if component.lower() in words:
                    continue
                words[component.lower()] = component
                numbered = re.match(_NUMBERED, component)
                if numbered:
                    words.setdefault(numbered[1].lower(), numbered[1])
        return words


def decides_nothing(case: Case) -> Iterator[Finding]:
    """ODF204: a part that can match nothing, so that the pattern takes far more than it names."""
    for index, pattern in enumerate(case.selection.patterns):
        if not re.search(r"[*?]|\{0?,", pattern.text):
            continue
        matched = case.matched(index)
        count = len(matched)
        for part in _parts(pattern):
            if not (part.optional and _names_something(part)):
                continue
            required = part.replaced(part.required())
            # What the part is required for, or gone from, is matched with it optional, too.
            fewer = _count(required, matched)
            if fewer is None or fewer >= count or _count(part.replaced(""), matched) != count:
                continue
            everything = count == len(case.subjects(pattern))
            taken = "every variable" if everything else quantity(count, "variable")
            message = (
                f"{pattern.field}: {quoted(pattern.text)} matches {taken}, {part.source!r} or "
                f"not: that part can match nothing, so it decides nothing; "
                f"{quoted(required)} matches {fewer or 'none'}"
            )
            yield Finding("ODF204", "warning", message, pattern.place)
            break


def _names_something(part: Part) -> bool:
    r"""Whether the part was written to tell names apart, and not to let anything pass."""
    if part.kind in ("dot", "escape"):
        return False
    return not (part.atom.startswith("[^") or part.atom in ("(.*)", "(?:.*)", "[0-9]"))


def takes_longer_numbers(case: Case) -> Iterator[Finding]:
    """ODF205: a number that is the beginning of longer ones: ``block_1`` takes ``block_10`` too."""
    for index, pattern in enumerate(case.selection.patterns):
        ends = [part.end for part in _number_ends(pattern)]
        if not ends:
            continue
        before = case.matched(index)
        if _count(_inserted(pattern.text, ends, "(?![0-9])"), before) == len(before):
            continue  # none goes on; to try each by itself would take long in a long pattern
        at_fault = [
            end
            for end in ends
            if (count := _count(_inserted(pattern.text, [end], "(?![0-9])"), before)) is not None
            and 0 < count < len(before)
        ]
        exact = _inserted(pattern.text, at_fault, "(?![0-9])")
        found = search_bounded(exact, before) if at_fault else None
        if found is None or not any(found):
            continue
        extra = [s for s, hit in zip(before, found, strict=True) if not hit]
        taken = _numbered(_inserted(pattern.text, at_fault[:1], r"(?P<odfreeze_more>\d+)"), extra)
        message = (
            f"{pattern.field}: {quoted(pattern.text)} also takes {taken or few(extra)} "
            f"({len(extra)} of its {quantity(len(before), 'variable')}), as a number goes on; "
            f"if that is not meant, write {quoted(exact)}"
        )
        yield Finding("ODF205", "warning", message, pattern.place)


def _number_ends(pattern: Pattern) -> Iterator[Part]:
    """Yields the last digit of each number that nothing in the pattern bounds by itself."""
    found = _parts(pattern)
    for here, part in enumerate(found):
        if not part.digits or part.quantifier or part.atom in (r"\d", "[0-9]"):
            continue
        goes_on = here + 1 < len(found) and found[here + 1].start == part.end
        if not (goes_on and found[here + 1].digits):
            yield part


def _inserted(text: str, ends: Iterable[int], insertion: str) -> str:
    for end in sorted(ends, reverse=True):
        text = text[:end] + insertion + text[end:]
    return text


def _numbered(text: str, subjects: Iterable[str]) -> str:
    """``block_10 to block_16``, found by a pattern with a group for the rest of the number."""
    numbers: dict[str, set[int]] = {}
    try:
        probe = compile_regex(text)
    except re.error:  # the number is inside a look-behind, which must be of fixed width
        return ""
    for subject in subjects:
        match = probe.search(subject)
        if match is None:
            continue
        stop = match.end("odfreeze_more")
        whole = re.search(r"([^/]*?)(\d{1,9})$", subject[:stop])
        if whole is not None:
            numbers.setdefault(whole[1], set()).add(int(whole[2]))
    ranges = []
    for stem, values in numbers.items():
        low, high = min(values), max(values)
        full = high - low + 1 == len(values) and len(values) > 2
        ranges.append(
            f"{stem}{low} to {stem}{high}"
            if full
            else ", ".join(f"{stem}{value}" for value in sorted(values)[:4])
            + (", …" if len(values) > 4 else "")
        )
    return ", ".join(ranges[:3]) + (", …" if len(ranges) > 3 else "")


def only_statistics(case: Case) -> Iterator[Finding]:
    """ODF209: a pattern that matches moving statistics only, which follow gamma and beta."""
    selection = case.selection
    others = {
        index
        for variable, by in zip(selection.variables, selection.matched_by, strict=True)
        if not variable.statistic
        for index in by
    }
    for index, count in enumerate(selection.match_counts()):
        if count and index not in others:
            pattern, found = selection.patterns[index], selection.matches(index)
            message = (
                f"{pattern.field}: {quoted(pattern.text)} matches only moving statistics "
                f"({few(found)}) and changes nothing: they are held when gamma and beta of their "
                "layer are frozen, so match these"
            )
            yield Finding("ODF209", "warning", message, pattern.place)


def _parts(pattern: Pattern) -> list[Part]:
    try:
        verbose = compile_regex(pattern.text).flags & re.VERBOSE
    except re.error:
        return []
    return [] if verbose else parts(pattern.text)


def _count(text: str, subjects: list[str]) -> int | None:
    found = search_bounded(text, subjects)
    return None if found is None else sum(found)


RULES = (matches_nothing, decides_nothing, takes_longer_numbers, only_statistics)
