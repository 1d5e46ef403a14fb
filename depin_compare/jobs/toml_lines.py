"""On which line each key of a TOML document stands: tomllib keeps no positions, and complaints need them."""

from __future__ import annotations

import bisect
import itertools
import re
import tomllib

__all__ = ["KeyPath", "key_lines"]

KeyPath = tuple[str | int, ...]

_BLANK = re.compile(r"[ \t]*")
_BLANK_LINES = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
# Up to two quotation marks may stand right before the three that close a text of several lines.
_TEXT = re.compile(
    r'"""(?:\\.|[^\\])*?"""(?:"{0,2})' r"|'''.*?'''(?:'{0,2})" r'|"(?:\\.|[^"\\\n])*"' r"|'[^'\n]*'",
    re.DOTALL,
)
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_BARE_VALUE = re.compile(r"[^,\]}#\n]+")


def key_lines(text: str) -> dict[KeyPath, int]:
    """Line of every table, key and list entry, counted from 1.

    Parameters
    ----------
    text : str
        A document that tomllib reads.

    Returns
    -------
    dict of tuple to int
        By the path of names and list indices under which tomllib gives the value. A table has the line of its
        heading, or of the first key that makes it.

    Examples
    --------
    >>> key_lines('[a]\\nb.c = [1,\\n 2]\\n')[("a", "b", "c", 1)]
    3
    """
    return _Scanner(text).lines


class _Scanner:
    """Walks a well-formed document from heading to heading, and inside values only as far as they hold keys."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[KeyPath, int] = {}
        self.newlines = [match.start() for match in re.finditer("\n", text)]
        self.entries: dict[KeyPath, int] = {}
        table: KeyPath = ()
        while self.skip(_BLANK_LINES):
            if self.text[self.at] == "[":
                table = self.heading()
            else:
                self.pair(table)

    def skip(self, pattern: re.Pattern[str]) -> bool:
        """Step over what matches; whether anything is left."""
        match = pattern.match(self.text, self.at)
        self.at = match.end() if match else self.at
        return self.at < len(self.text)

    def here(self) -> int:
        return bisect.bisect_left(self.newlines, self.at) + 1

    def heading(self) -> KeyPath:
        line, is_entry = self.here(), self.text.startswith("[[", self.at)
        self.at += 2 if is_entry else 1
        *before, last = self.key()
        self.at += 2 if is_entry else 1
        path = (*self.placed((), before, line), last)
        if is_entry:
            self.lines.setdefault(path, line)
            path = (*path, self.entries.setdefault(path, 0))
            self.entries[path[:-1]] += 1
        self.lines[path] = line
        return path

    def placed(self, table: KeyPath, parts: list[str], line: int) -> KeyPath:
        """The path of a dotted key; a list of tables stands for its newest entry."""
        path = table
        for part in parts:
            path = (*path, part)
            self.lines.setdefault(path, line)
            if path in self.entries:
                path = (*path, self.entries[path] - 1)
        return path

    def key(self) -> list[str]:
        parts: list[str] = []
        while True:
            self.skip(_BLANK)
            match = _BARE_KEY.match(self.text, self.at) or _TEXT.match(self.text, self.at)
            assert match is not None, f"no key at line {self.here()}"
            self.at = match.end()
            written = match.group()
            parts.append(tomllib.loads(f"key = {written}")["key"] if written[0] in "\"'" else written)
            self.skip(_BLANK)
            if not self.text.startswith(".", self.at):
                return parts
            self.at += 1

    def pair(self, table: KeyPath) -> None:
        line = self.here()
        path = self.placed(table, self.key(), line)
        self.at += 1  # the equals sign
        self.value(path)

    def value(self, path: KeyPath) -> None:
        self.skip(_BLANK)
        opening = self.text[self.at]
        if opening == "[":
            self.at += 1
            for index in itertools.count():
                if self.closed("]"):
                    return
                self.lines[*path, index] = self.here()
                self.value((*path, index))
        elif opening == "{":
            self.at += 1
            while not self.closed("}"):
                self.pair(path)
        else:
            self.skip(_TEXT if opening in "\"'" else _BARE_VALUE)

    def closed(self, bracket: str) -> bool:
        """Step over commas and blank lines; whether the list or table ends here."""
        self.skip(_BLANK_LINES)
        if self.text.startswith(",", self.at):
            self.at += 1
            self.skip(_BLANK_LINES)
        if self.text.startswith(bracket, self.at):
            self.at += 1
            return True
        return False
