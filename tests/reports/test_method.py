"""What the report says of its own method agrees with what the project measured."""

from __future__ import annotations

import re
from pathlib import Path

from reports.sections.method import METHOD


def test_the_past_test_says_what_the_back_tests_found() -> None:
    found = re.findall(r"(\d+) of (\d+) outcomes lay inside", Path("docs/back-test.md").read_text("utf-8"))
    assert len(found) == 2
    assert all(int(inside) * 2 < int(outcomes) for inside, outcomes in found)
    assert "fewer than half" in METHOD[-1]
