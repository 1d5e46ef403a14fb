"""Ending on request: SIGTERM and SIGINT become an exception, so that everything under way is finished or undone."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

__all__ = ["Stopped", "stoppable"]

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stopped(BaseException):  # like KeyboardInterrupt: no error, and no `except Exception` may eat it
    """The process was asked to end."""

    def __init__(self, signal_number: int) -> None:
        self.signal = signal.Signals(signal_number)
        super().__init__(f"stopped by {self.signal.name}")

    @property
    def exit_code(self) -> int:
        """128 and the signal's number, as shells tell it: 143 for SIGTERM, 130 for SIGINT."""
        return 128 + int(self.signal)


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Raise `Stopped` in here when the process is asked to end; further signals don't disturb the cleaning up.

    Only the main thread may say what a signal does; in another one nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ask(number: int, _: FrameType | None) -> None:
        # Not SIG_IGN, which processes started from here would inherit.
        for one in _SIGNALS:
            signal.signal(one, lambda *_: None)
        raise Stopped(number)

    before = [signal.signal(one, ask) for one in _SIGNALS]
    try:
        yield
    finally:
        for one, handler in zip(_SIGNALS, before, strict=True):
            signal.signal(one, handler)
