"""Positions in a TOML document: every key tomllib reads has the line on which it stands, however it is written."""

import json
import tomllib

from hypothesis import given
from hypothesis import strategies as st

from depin_compare.jobs.toml_lines import key_lines

NAMES = st.sampled_from(["a", "b", "c-d", "e_f", "7", "x.y", "with blank", "[z]", "#", "é", '"', "a = 1"])
TEXTS = st.sampled_from(["", "plain", "[a]", "a = 1", "# no comment", "}", "]", ",", "\\", '"', "'", "[[a]]\nb = 2\n"])
SCALARS = st.one_of(st.booleans(), st.integers(-9, 9), st.floats(-9, 9, width=16), TEXTS)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3), st.lists(st.dictionaries(NAMES, inner))
    ),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(NAMES, VALUES, max_size=4)


class Writer:
    """Writes a document in one of the many ways TOML allows, and notes on which line each key ends up."""

    def __init__(self, draw) -> None:
        self.draw = draw
        self.text = ""
        self.lines: dict[tuple, int] = {}

    def note(self, path: tuple) -> None:
        self.lines.setdefault(path, self.text.count("\n") + 1)

    def one_of(self, *ways: str) -> str:
        return self.draw(st.sampled_from(ways))

    def key(self, name: str) -> str:
        ways = [json.dumps(name)]
        if name.isascii() and name.replace("-", "").replace("_", "").isalnum():
            ways.append(name)
        if "'" not in name:
            ways.append(f"'{name}'")
        return self.one_of(*ways)

    def scalar(self, value) -> str:
        if not isinstance(value, str):
            return repr(value).lower() if isinstance(value, bool) else repr(value)
        ways = [json.dumps(value), '"""\n' + value.replace("\\", "\\\\").replace('"""', '\\"""') + '\\\n  """']
        if value.endswith('"'):
            ways.pop()
        if "'" not in value:
            ways.append(f"'''\n{value}'''")
            if "\n" not in value:
                ways.append(f"'{value}'")
        return self.one_of(*ways)

    def inline(self, path: tuple, value) -> None:
        if isinstance(value, dict):
            self.text += "{ "
            for index, (name, inner) in enumerate(value.items()):
                self.text += ", " if index else ""
                self.note((*path, name))
                self.text += f"{self.key(name)} = "
                self.inline((*path, name), inner)
            self.text += " }"
        elif isinstance(value, list):
            self.text += "["
            for index, inner in enumerate(value):
                self.text += self.one_of("", "\n  ", "\n # [no.heading]\n# k = 1\n")
                self.note((*path, index))
                self.inline((*path, index), inner)
                self.text += ","
            self.text += self.one_of("", "\n") + "]"
        else:
            self.text += self.scalar(value)

    def table(self, path: tuple, written: str, value: dict) -> None:
        """Pairs first, as TOML wants it, then a heading for each table below."""
        below = []
        for name, inner in value.items():
            key = self.key(name)
            as_table = isinstance(inner, dict) and self.draw(st.booleans())
            as_list = isinstance(inner, list) and inner and all(isinstance(one, dict) for one in inner)
            if as_table or (as_list and self.draw(st.booleans())):
                below.append((name, key, inner))
                continue
            self.text += self.one_of("", "\n", "# [a] b = 1\n", "  ")
            self.note((*path, name))
            if isinstance(inner, dict) and len(inner) == 1 and self.draw(st.booleans()):
                ((last, deeper),) = inner.items()
                self.note((*path, name, last))
                self.text += f"{key} . {self.key(last)} ="
                self.inline((*path, name, last), deeper)
            else:
                self.text += f"{key} = "
                self.inline((*path, name), inner)
            self.text += self.one_of("\n", " # k = [1]\n")
        for name, key, inner in below:
            heading = f"{written}.{key}" if written else key
            tables = [((*path, name), inner)] if isinstance(inner, dict) else []
            tables = tables or [((*path, name, index), one) for index, one in enumerate(inner)]
            for place, one in tables:
                self.note((*path, name))
                self.note(place)
                self.text += ("[%s]" if isinstance(inner, dict) else "[[%s]]") % self.one_of(heading, f" {heading} ")
                self.text += self.one_of("\n", " # [other]\n")
                self.table(place, heading, one)


def paths(value, path=()):
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for part, below in inner:
        yield (*path, part)
        yield from paths(below, (*path, part))


@given(document=DOCUMENTS, data=st.data())
def test_every_key_is_found_on_its_line_however_the_document_is_written(document, data):
    writer = Writer(data.draw)
    writer.table((), "", document)
    assert tomllib.loads(writer.text) == document
    found = key_lines(writer.text)
    assert set(found) == set(paths(document))
    assert found == writer.lines


def test_headings_inside_texts_and_comments_are_none():
    text = '''# [comment]
[real] # [not]
one = """
[fake]
two = 2
"""
three = \'\'\'
[[fake]]\'\'\'
four = 4
'''
    assert key_lines(text) == {("real",): 2, ("real", "one"): 3, ("real", "three"): 7, ("real", "four"): 9}


def test_a_table_made_by_its_children_has_their_line_until_its_own_heading():
    assert key_lines("[a.b]\nc = 1\n[a]\nd = 2\n") == {
        ("a",): 3, ("a", "b"): 1, ("a", "b", "c"): 2, ("a", "d"): 4,
    }  # fmt: skip


def test_tables_below_an_entry_belong_to_the_newest_one():
    found = key_lines("[[a]]\n[a.b]\nc = 1\n[[a]]\nb.c = 2\n[[a.d]]\n")
    assert found["a", 0, "b", "c"] == 3
    assert found["a", 1, "b", "c"] == 5
    assert found["a", 1, "d", 0] == 6
