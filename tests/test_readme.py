"""What the README says is true: its examples run, its commands and files exist."""

import doctest
import re
from pathlib import Path

from depin_compare import cli

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text("utf-8")


def test_the_examples_run():
    blocks = "\n".join(re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL))
    test = doctest.DocTestParser().get_doctest(blocks, {}, "README.md", "README.md", 0)
    found = doctest.DocTestRunner().run(test)
    assert found.attempted >= 7
    assert found.failed == 0


def test_every_command_stands_in_it():
    names = [command.name or command.callback.__name__ for command in cli.app.registered_commands]
    assert names
    for name in names:
        assert f"`{name}`" in TEXT or f"depin-compare {name}" in TEXT, name


def test_links_lead_to_files_and_make_targets_exist():
    for target in re.findall(r"\]\(([^)#]+)\)", TEXT):
        if "://" not in target:
            assert (ROOT / target).exists(), target
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in set(re.findall(r"`?make (\w+)`?", TEXT)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_floors_of_the_diagram_are_the_packages():
    for room in ("economics", "inference", "market", "refdata", "jobs"):
        assert (ROOT / "depin_compare" / room).is_dir()
        assert room in TEXT
    for module in (ROOT / "depin_compare" / "economics").glob("[a-z]*.py"):
        assert module.stem in TEXT, module.stem
