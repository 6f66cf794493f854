"""Every page in every language: nothing is left out of the catalogues, and nothing of a page bypasses them."""

import re

import pytest
from django.urls import reverse
from django.utils import translation

from labeling.studies.protocol import design
from tests.factories import MembershipFactory
from tools import catalogues
from tools.catalogues import Message

LANGUAGES = pytest.mark.parametrize("path", catalogues.languages(), ids=lambda path: path.parts[-3])
# Names and signs that are the same in every language.
NAMES = {"Boxwise", "SHA-256", "Dice", "PQ", "AJI", "COCO JSON", "GeoJSON", "px", "ms", "UTC"}


@LANGUAGES
def test_a_catalogue_says_all_there_is_to_say_and_nothing_else(path):
    """`python -m tools.catalogues` adds what is new, for a person to translate."""
    catalogue = catalogues.read(path)
    printed = catalogues.messages()
    assert printed - set(catalogue) == set(), "not in the catalogue"
    assert set(catalogue) - printed - {Message("")} == set(), "nobody says it any more"
    assert [m.text for m, forms in catalogue.items() if not all(forms)] == [], "not translated"


@LANGUAGES
def test_a_translation_has_the_places_of_its_sentence(path):
    for message, forms in catalogues.read(path).items():
        assert Message(*forms[:1]).places <= message.places, message.text
        assert Message(forms[-1]).places == Message(message.plural or message.text).places, message.text


@LANGUAGES
def test_what_django_reads_is_compiled_from_what_people_wrote(path):
    assert path.with_suffix(".mo").read_bytes() == catalogues.compiled(catalogues.read(path))


def test_a_catalogue_survives_being_written_and_read(tmp_path):
    made = {
        Message(""): ("Content-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=2; plural=(n != 1);\n",),
        Message('a "quoted"\nline \\ %(n)s'): ("eine „zitierte“\nZeile \\ %(n)s",),
        Message("one cell", "%(n)s cells"): ("eine Zelle", "%(n)s Zellen"),
        Message("new"): ("",),
    }
    file = tmp_path / "django.po"
    catalogues.write(file, made)
    assert catalogues.read(file) == made
    import gettext
    import io

    read = gettext.GNUTranslations(io.BytesIO(catalogues.compiled(made)))
    assert read.ngettext("one cell", "%(n)s cells", 3) == "%(n)s Zellen"
    assert read.gettext('a "quoted"\nline \\ %(n)s').endswith("Zeile \\ %(n)s")
    assert read.gettext("new") == "new", "English stands where nothing is translated"


@pytest.mark.parametrize(
    "path",
    sorted((catalogues.PACKAGE / "site" / "templates").rglob("*.html")),
    ids=lambda path: f"{path.parent.name}/{path.name}",
)
def test_no_words_of_a_page_bypass_the_catalogues(path):
    source = path.read_text()
    for hidden in (
        r"\{%\s*blocktranslate.*?endblocktranslate\s*%\}",
        r"\{%\s*comment.*?endcomment\s*%\}",
        r"<(script|style|code|kbd)\b.*?</\1>",
    ):
        source = re.sub(hidden, "", source, flags=re.S)
    source = re.sub(r"\{%.*?%\}|\{\{.*?\}\}|&\w+;", " ", source, flags=re.S)
    attributes = re.findall(r'\s(?:aria-label|title|placeholder|alt)="([^"]*)"', source)
    text = re.sub(r"<[^>]*>", "|", source)
    bare = [part.strip(" ·:,;.()[]▸\n") for part in [*text.split("|"), *attributes]]
    assert [part for part in bare if re.search(r"[A-Za-z]{2,}", part) and part not in NAMES] == []


@pytest.mark.django_db
def test_a_person_chooses_a_language_and_a_browser_proposes_one(client):
    member = MembershipFactory(role="owner")
    client.force_login(member.user)
    page = reverse("project-team", args=[member.project_id])
    assert "Members" in client.get(page).content.decode()
    german = client.get(page, headers={"Accept-Language": "de"}).content.decode()
    assert "Mitglieder" in german and '<html lang="de"' in german
    answer = client.post(reverse("set_language"), {"language": "de", "next": page})
    assert answer.status_code == 302 and answer.url == page
    chosen = client.get(page, headers={"Accept-Language": "en"}).content.decode()
    assert "Mitglied hinzufügen" in chosen
    work = client.get(reverse("project", args=[member.project_id])).content.decode()
    assert "Bilder hinzufügen" in work and "Ihre Rolle: Eigentümer" in work
    declined = client.post(reverse("project-classes", args=[member.project_id]), {"name": ""}).content.decode()
    assert "Eine Klasse braucht einen Namen" in declined


@pytest.mark.django_db
def test_what_a_service_refuses_is_said_in_the_reader_s_language(client):
    member = MembershipFactory(role="owner")
    client.force_login(member.user)
    client.post(reverse("project-rounds", args=[member.project_id]), headers={"Accept-Language": "de"})
    page = client.get(
        reverse("project-rounds", args=[member.project_id]), headers={"Accept-Language": "de"}
    ).content.decode()
    assert "Eine Runde lernt aus Boxen in Bereichen, die als vollständig annotiert markiert sind" in page
    with translation.override("de"), pytest.raises(design.BadDesign, match="mit einem Vielfachen von 2 Lesern"):
        design.Plan("crossover", ("A", "B"), 3, {1: "", 2: ""}, (), 0, 1)
