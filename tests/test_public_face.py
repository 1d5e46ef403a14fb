"""`import depin_compare`: every public name as type checkers see it, and nothing heavy before it is asked for."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import depin_compare as dc


def test_every_public_name_is_found_where_it_lives():
    for name in dc.__all__:
        home = importlib.import_module(f"depin_compare.{dc._HOMES[name]}")
        assert getattr(dc, name) is getattr(home, name), name
    assert set(dc.__all__) <= set(dir(dc))


def test_what_type_checkers_see_is_what_is_found():
    tree = ast.parse(Path(dc.__file__).read_text("utf-8"))
    seen = {
        alias.name: node.module.removeprefix("depin_compare.")
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("depin_compare.")
        for alias in node.names
    }
    assert seen == dc._HOMES
    assert sorted(seen) == sorted(dc.__all__)


def test_a_name_that_does_not_exist_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nonsense"):
        dc.nonsense  # noqa: B018  # the access itself raises


@pytest.mark.parametrize("what", ["import depin_compare", "from depin_compare.cli import app"])
def test_nothing_heavy_is_loaded_before_it_is_asked_for(what):
    heavy = "polars,scipy,matplotlib,typst,apprise,apscheduler,requests,pydantic"
    code = f"{what}; import sys; print([m for m in '{heavy}'.split(',') if m in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
