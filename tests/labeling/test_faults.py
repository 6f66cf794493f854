"""Every kind of fault has a sentence, and no sentence shows how Python writes a value."""

import re

import pytest
from pydantic_core._pydantic_core import list_all_errors

from labeling.faults import OWN, SENTENCES, sentence

ALL = {one["type"]: one for one in list_all_errors()}


def test_every_fault_that_pydantic_knows_has_a_sentence():
    assert set(ALL) - set(OWN) == set(SENTENCES)


@pytest.mark.parametrize("kind", sorted(SENTENCES))
def test_a_sentence_fills_its_places(kind):
    context = ALL[kind].get("example_context") or {}
    made = sentence({"type": kind, "loc": ("start", 3, "box"), "msg": "", "input": None, "ctx": context})
    assert "start.3.box" in made
    assert not re.search(r"[{}\[\]<>]|ErrorDetail|Input should|'", made)
