"""What the report's fonts can set: names in letters they lack go by their id, and long words may break."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from reports.style import is_drawable

__all__ = ["breakable", "settable"]

_MAY_BREAK = "\N{ZERO WIDTH SPACE}"
_SOFT_HYPHEN = "\N{SOFT HYPHEN}"
_LONGEST_WORD = 14
_AFTER = re.compile(r"(?<=[/._\-=&?:,+])(?=\w)")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_RUN = re.compile(r"\w{17,}")
# What stands in for a letter that no font here has and no id stands for.
_NO_LETTER = "\N{WHITE SQUARE}"
_NEVER = frozenset({"link", "to", "anchor", "svg", "type", "kind", "tone", "alt", "paper"})


def breakable(text: str) -> str:
    """The text with chances to break inside words of more than 14 letters: hosts, ids, file names.

    >>> breakable("prices.example.org/akash").replace("\\u200b", "|"), breakable("short.name")
    ('prices.|example.|org/|akash', 'short.name')
    >>> breakable("OpenComputePrices").replace("\\u200b", "|")
    'Open|Compute|Prices'
    """
    if len(text) <= _LONGEST_WORD:
        return text
    return " ".join(_broken(word) if len(word) > _LONGEST_WORD else word for word in text.split(" "))


def _broken(word: str) -> str:
    word = _HUMP.sub(_MAY_BREAK, word)
    word = _RUN.sub(_cut, word)
    return _AFTER.sub(_MAY_BREAK, word)


def _cut(run: re.Match[str]) -> str:
    """A long run in pieces; only what is a word takes a hyphen where it breaks."""
    return (_SOFT_HYPHEN if run[0].isalpha() else _MAY_BREAK).join(re.findall(r".{1,12}", run[0]))


def settable(content: Any, names: Mapping[str, str], *, in_cells: bool = False) -> Any:
    """Content with every text as the fonts can set it; table cells get chances to break.

    Parameters
    ----------
    content : the plain data of the report
    names : mapping
        Id -> display name; a name in letters the fonts lack is told as its id.
    """
    strange = {name: f"[{key}]" for key, name in names.items() if not is_drawable(name)}
    return _settable(content, strange, in_cells)


def _settable(content: Any, strange: Mapping[str, str], in_cells: bool) -> Any:
    if isinstance(content, str):
        text = content
        if not is_drawable(text.replace("\n", " ")):
            for name, instead in strange.items():
                text = text.replace(name, instead)
            text = "".join(c if c.isspace() or is_drawable(c) else _NO_LETTER for c in text)
        return breakable(text) if in_cells else text
    if isinstance(content, dict):
        return {
            key: value if key in _NEVER else _settable(value, strange, in_cells or key in ("rows", "columns"))
            for key, value in content.items()
        }
    if isinstance(content, list):
        return [_settable(item, strange, in_cells) for item in content]
    return content
