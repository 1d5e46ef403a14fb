"""What the report says of its own method agrees with what the project measured."""

from __future__ import annotations

import re
from pathlib import Path

from reports.sections.method import METHOD


def test_the_past_test_says_what_the_back_tests_found() -> None:
    past = Path("docs/back-test.md").read_text("utf-8")
    found = re.findall(r"outcomes lay inside P10 to P90 \((\d+%)\)", past)
    assert re.findall(r"October 2024 held (\d+%).*June 2025 (\d+%)", METHOD[-1]) == [tuple(found)]
