"""What the report says of its sources."""

from __future__ import annotations

from depin_compare.refdata import networks
from fetchers import FETCHERS
from reports.sections.data import _packaged_copies
from reports.words import Names


def test_every_source_has_a_name_of_its_own() -> None:
    sellers = dict(networks().select("network", "display_name").iter_rows())
    names = {source: Names(known=sellers)(source) for source in FETCHERS}
    assert names["token_prices"] == "Token prices"
    assert names["prime_intellect"] == "Prime Intellect"
    plain = {source for source, name in names.items() if name == source.replace("_", " ")}
    assert plain <= {"gpuhunt"}  # writes itself so


def test_copies_in_the_package_are_told_with_their_use() -> None:
    feeds = {"litellm-1-109-1": ["token prices", "names"], "litellm-1-14-4": ["token prices"], "skypilot-x": ["prices"]}
    assert _packaged_copies("litellm", feeds) == {"text": "packaged copies: token prices", "tone": "muted"}
    assert _packaged_copies("golem", feeds) == {"text": "none of its own", "quiet": True}
