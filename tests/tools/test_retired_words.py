"""Retired words do not come back: in names, keys and addresses. tools/retired_words.json holds what is written instead.

A word is held in an area (python, tests, typescript) once `on` says so for it.
"""

import json
import subprocess

import pytest

from tools import retired_words
from tools.house import ROOT

AREAS = ("python", "tests", "typescript")
WORDS = retired_words.read_table()
ENFORCED = [(word, area) for word in WORDS for area in AREAS if word.on[area]]


@pytest.fixture(scope="module")
def found():
    return retired_words.occurrences(ROOT, WORDS)


@pytest.mark.parametrize(("word", "area"), ENFORCED, ids=[f"{word.word}-{area}" for word, area in ENFORCED])
def test_a_retired_word_does_not_come_back(word, area, found):
    assert not (sentences := retired_words.complaints(word, area, found)), "\n".join(sentences)


def test_every_word_says_what_to_write_and_every_exception_why():
    for word in WORDS:
        assert word.write and word.forms
        assert word.applies_to in ("part", "whole", *retired_words.KINDS)
        assert set(word.on) == set(AREAS)
        for permit in word.may_stand:
            assert permit.why and permit.name
            assert not permit.where or (ROOT / permit.where).exists(), permit.where
    assert len({word.word for word in WORDS}) == len(WORDS)


PYTHON = '''
"""Prose may say refuse."""
import refuse.stuff as other  # refuse
class Refused(ConnectionRefusedError):
    refusal = 1
def refuse_it(refusing, *, key=None):
    text = "they refuse"
    return key["refused"], {"refuse": 1}, x.refuse, f(refused=2)
def test_a_refused_one(): ...
urlpatterns = [path("images/<int:image>/refuse/", view, name="image-refuse")]
'''

TYPESCRIPT = """
export class Refused {}
// refuse
const said = "refuse";
call({ refuse: 1, other: refused });
"""


@pytest.fixture
def tree(tmp_path):
    """A checkout in which `refuse` stands in every way."""
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    files = {
        "labeling/refusals.py": PYTHON,
        "labeling/migrations/0001.py": "refuse = 1\n",
        "labeling/site/templates/refused_card.html": '<p id="refuse-panel">{% url "image-refuse" %} refuse</p>\n',
        "frontend/api.ts": TYPESCRIPT,
        "tests/test_it.py": "refused = 1\n",
    }
    for path, source in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(source)
    return tmp_path


def word(**changes):
    forms = ["refuse", "refused", "refusing", "refusal", "refusals"]
    on = {"python": True, "tests": True, "typescript": True}
    given = {"word": "refuse", "forms": forms, "applies_to": "part", "write": "decline", "on": on, "may_stand": []}
    return retired_words.Word.of(given | changes)


def places(found, area):
    return sorted((one.kind, one.name) for one in found if one.area == area)


def test_names_keys_and_addresses_are_found_and_prose_is_not(tree):
    found = retired_words.occurrences(tree, [word()])
    assert places(found, "python") == [
        ("address", "image-refuse"),
        ("address", "image-refuse"),
        ("address", "refuse"),
        ("attribute", "refuse"),
        ("class", "Refused"),
        ("function", "refuse_it"),
        ("id", "refuse-panel"),
        ("key", "refuse"),
        ("key", "refused"),
        ("module", "refusals"),
        ("module", "refused_card"),
        ("parameter", "refused"),
        ("parameter", "refusing"),
        ("variable", "ConnectionRefusedError"),
        ("variable", "refusal"),
        ("variable", "refuse"),
    ]
    assert places(found, "tests") == [("variable", "refused")]
    assert places(found, "typescript") == [("class", "Refused"), ("variable", "refuse"), ("variable", "refused")]


def test_the_sentence_names_the_place_and_what_to_write(tree):
    (sentence,) = retired_words.complaints(word(), "tests", retired_words.occurrences(tree, [word()]))
    assert sentence.startswith("tests/test_it.py:1: variable `refused`") and sentence.endswith(
        "Write instead: decline."
    )


def test_an_exception_covers_one_name_in_one_place_and_must_occur(tree):
    permits = [
        {"where": "tests/test_it.py", "name": "refused", "why": "the name of somebody else"},
        {"where": "tests/", "name": "refusal", "why": "it was here"},
        {"where": "labeling/", "name": "refused", "why": "a stored key"},
    ]
    some = word(may_stand=permits)
    found = retired_words.occurrences(tree, [some])
    (sentence,) = retired_words.complaints(some, "tests", found)
    assert "`refusal` no longer stands in tests/" in sentence
    allowed = [one.kind for one in found if one.allowed and one.area == "python"]
    assert sorted(allowed) == ["key", "parameter"]


@pytest.mark.parametrize(
    ("applies_to", "forms", "most", "complaints"),
    [
        ("class", ["Refused"], 0, 1),
        ("class", ["Refused"], 1, 0),  # one may stand
        ("class", ["refused"], 0, 0),  # a whole name, capitals and all
        ("function", ["refuse"], 0, 0),  # refuse_it is another name
        ("function", ["refuse_it"], 0, 1),
        ("module", ["refusals"], 0, 1),
        ("whole", ["refuse"], 0, 4),  # import, key, attribute, address
    ],
)
def test_a_word_may_be_wrong_only_as_a_whole_or_only_twice(applies_to, forms, most, complaints, tree):
    some = word(applies_to=applies_to, forms=forms, most=most)
    assert len(retired_words.complaints(some, "python", retired_words.occurrences(tree, [some]))) == complaints


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("refuse_strokes", ("refuse", "strokes")),
        ("ConnectionRefusedError", ("connection", "refused", "error")),
        ("image-refuse", ("image", "refuse")),
        ("HTTPRefused2", ("http", "refused")),
        ("threshold", ("threshold",)),  # not hold
        ("lookup", ("lookup",)),  # not look
    ],
)
def test_a_name_has_parts(name, found):
    assert retired_words.parts(name) == found


def test_the_table_is_written_as_json_with_a_word_a_block():
    document = json.loads(retired_words.TABLE.read_text())
    assert [given["word"] for given in document["words"]] == [word.word for word in WORDS]
