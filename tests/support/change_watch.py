"""Strikes at a chosen change to the files below a folder: the interpreter tells of each before it is made."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

_CHANGES = frozenset({"os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir", "os.truncate"})
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class ChangeWatch:
    """Counts files opened for writing, renamed, linked and removed, and folders made and removed, below `root`.

    `strike` is called with the number of each before it is made, and may raise in its place or end the process.
    """

    def __init__(self) -> None:
        self.root: str | None = None
        self.count = 0
        self.strike: Callable[[int], None] = lambda _: None
        sys.addaudithook(self._hook)  # for the life of the process: there is no way to take one off

    def begin(self, root: Path | None, strike: Callable[[int], None]) -> None:
        """Count anew, below another folder."""
        self.count, self.strike, self.root = 0, strike, None if root is None else str(root)

    def end(self) -> None:
        """Look away."""
        self.root = None

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        if self.root is None:
            return
        if event != "open":
            if event not in _CHANGES:
                return
        elif not (isinstance(args[2], int) and args[2] & _WRITES):
            return
        if isinstance(args[0], str | os.PathLike) and os.fspath(args[0]).startswith(self.root):
            self.count += 1
            self.strike(self.count)
