"""A TOML file of the user's, and complaints about it with their lines."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from depin_compare.errors import ConfigError
from depin_compare.jobs.toml_lines import KeyPath, key_lines

__all__ = ["TomlFile", "dotted"]

# What tomllib says, and what it most often means.
_SYNTAX_MENDS = {
    "Invalid value": "text stands in quotes, true and false in lower case",
    "Cannot overwrite a value": "the key stands here a second time; remove one",
    "Cannot declare": "the table stands here a second time; put its keys under one heading",
    "Expected '=' after a key": "write key = value; a name with other signs than letters, digits, - and _ stands "
    "in quotes",
    "Unclosed array": "a list ends with ]",
    "Expected newline or end of document": "one key a line; text stands in quotes",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TomlFile:
    """A TOML document, the line of each key, and the complaints there are about it."""

    path: Path
    document: dict[str, Any]
    lines: dict[KeyPath, int]
    complaints: list[tuple[int, str]]

    @classmethod
    def read(cls, path: Path, *, if_absent: str = "") -> TomlFile:
        """Read a file; ``if_absent`` says what to do where there is none.

        Raises
        ------
        ConfigError
            If it can't be read, or is no TOML; with its line and the likely mend.
        """
        try:
            text = path.read_text("utf-8-sig")
        except OSError as error:
            mend = f"; {if_absent}" if if_absent and isinstance(error, FileNotFoundError) else ""
            raise ConfigError(f"{path}: can't be read: {error.strerror or error}{mend}") from error
        except UnicodeDecodeError as error:
            raise ConfigError(f"{path}: can't be read: {error}; save it as UTF-8") from error
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(_syntax_complaint(path, text, str(error))) from error
        return cls(path, document, key_lines(text), [])

    def complain(self, place: KeyPath, what: str) -> None:
        """Note a complaint with the line of its key, or of the nearest table it should stand in."""
        known = next((place[:n] for n in range(len(place), 0, -1) if place[:n] in self.lines), ())
        line = self.lines.get(known, 1)
        self.complaints.append((line, f"{self.path}:{line}: {dotted(place)}: {what}"))


def _syntax_complaint(path: Path, text: str, said: str) -> str:
    # The line itself is not repeated: it may hold what belongs into the environment.
    found = re.search(r"\(at line (\d+), column (\d+)\)$", said)
    line = int(found[1]) if found else max(1, len(text.splitlines()))
    what = re.sub(r" \(at [^()]*\)$", "", said) + (f" in column {found[2]}" if found else " at the end of the file")
    mend = next((mend for start, mend in _SYNTAX_MENDS.items() if said.startswith(start)), None)
    return f"{path}:{line}: not TOML: {what}" + (f"; {mend}" if mend else "")


def dotted(place: KeyPath) -> str:
    """``("a", "b c", 0, "d")`` -> ``a."b c"[0].d``"""
    text = ""
    for part in place:
        if isinstance(part, int):
            text += f"[{part}]"
            continue
        plain = re.fullmatch(r"[A-Za-z0-9_-]+", part)
        # An address as a key may hold a password.
        told = part if plain else '"' + re.sub(r"//[^/@]*@", "//***@", part) + '"'
        text += f".{told}" if text else told
    return text
