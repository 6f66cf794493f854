"""The bounds of a round's settings: form, API and engine give the same verdict, and they give it before the start."""

import math
from dataclasses import replace
from typing import Any

import pytest
from django.urls import reverse
from rest_framework.test import APIClient

from inference import limits
from inference.documents.configuration import RoundConfiguration
from inference.fusion import Parameters
from inference.limits import OutOfBounds
from inference.pipeline import units
from inference.pipeline.compute import keys
from inference.training.loop import Schedule
from labeling.errors import Invalid
from labeling.rounds.configuration import CHOICES, PRESETS, configure
from labeling.rounds.models import Round
from tests.declined import assert_declined
from tests.documents import snapshot_of
from tests.factories import UserFactory
from tests.labeling.pages import make_study, signed_in
from tests.labeling.rounds import small_project

CONTENT = snapshot_of(blinded=False)


def values_of(choice) -> list[Any]:
    """The ends, one beyond each of them, and what is no number at all."""
    low, high = choice.limit.low, choice.limit.high
    beyond = 1 if choice.limit.kind is int else max(1e-9, abs(low) / 2)
    return [choice.limit.kind(low), choice.limit.kind(high), low - beyond, high + 1, math.nan, math.inf, -math.inf]


def method_of(choice) -> str:
    """A method that has the setting."""
    return "cellboxify" if choice.path[0] == "recipe" else "boxcell"


CASES = [(choice, value) for choice in CHOICES for value in values_of(choice)]


def engine_accepts(choice, value) -> bool:
    """Put the value where the engine reads it, past form and API, and ask for the key of the first stage."""
    configuration: dict[str, Any] = configure("quick", {"method": method_of(choice)}).as_json()
    paths = [choice.path] if choice.name != "seed" else [(kind, "change", "seed") for kind in ("detector", "segmenter")]
    for path in paths:
        place = configuration
        for step in path[:-1]:
            place = place.setdefault(step, {})
        place[path[-1]] = value
    try:
        keys(CONTENT, RoundConfiguration.stored(configuration))
    except OutOfBounds:
        return False
    return True


def form_accepts(choice, value) -> bool:
    try:
        configure("quick", {"method": method_of(choice), choice.name: value})
    except Invalid as declined:
        assert declined.field == choice.name
        return False
    return True


@pytest.mark.parametrize(("choice", "value"), CASES, ids=lambda v: getattr(v, "name", str(v)))
def test_form_api_and_engine_give_the_same_verdict(choice, value):
    expected = choice.limit.low <= value <= choice.limit.high
    assert form_accepts(choice, value) == expected  # as JSON
    assert form_accepts(choice, str(value)) == expected  # as a form sends it
    assert engine_accepts(choice, value) == expected


@pytest.mark.parametrize("value", ["9" * 5000, 10**400, "1" + "0" * 400, "", None, [], {}, "²", True, "1_0"])
@pytest.mark.parametrize("choice", CHOICES, ids=lambda choice: choice.name)
def test_what_is_no_number_gets_a_sentence_and_never_a_crash(choice, value):
    if value in ("", None):
        assert configure("quick", {choice.name: value}) == PRESETS["quick"]
    elif value == "1_0":  # Python's own notation, which nobody types by accident
        form_accepts(choice, value)
    else:
        assert not form_accepts(choice, value)


def test_the_fusion_and_the_trainers_ask_the_same_bounds():
    for name, limit in limits.FUSION.items():
        for value, fits in ((limit.low, True), (limit.high, True), (limit.low - 1, False), (limit.high + 1, False)):
            number = limit.kind(value)
            assert accepted(lambda name=name, number=number: Parameters(**{name: number})) == fits, (name, number)
    schedule = Schedule(steps=10, epoch=5)
    for name, limit in limits.TRAINING.items():
        for value, fits in ((limit.low, True), (limit.high, True), (limit.low - 1, False), (limit.high + 1, False)):
            number = limit.kind(value)
            assert accepted(lambda name=name, number=number: replace(schedule, **{name: number})) == fits, (
                name,
                number,
            )


def accepted(make) -> bool:
    try:
        make()
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("kind", ["detector", "segmenter"])
@pytest.mark.parametrize("setting", limits.TRAINING)
def test_a_setting_that_the_preset_s_model_lacks_is_refused_before_the_start(preset, kind, setting):
    """YOLO has no steps: the form took them, and the round failed in its first stage."""
    chosen = PRESETS[preset].model_of(kind).model_copy(update={"change": {setting: 1}})
    engine = True
    try:
        units.trainer_of(kind, chosen)
    except units.InferenceError:
        engine = False
    assert (setting in limits.CHANGEABLE[chosen.name]) == engine
    if setting != "seed":
        assert form_accepts_for(preset, f"{kind}_{setting}") == engine


def form_accepts_for(preset: str, name: str) -> bool:
    try:
        configure(preset, {name: 1})
    except Invalid:
        return False
    return True


@pytest.mark.django_db
@pytest.mark.parametrize("components", [9, 10, "9", "nan"])
def test_nine_components_are_refused_by_page_and_api_and_no_round_is_made(components, sent):
    study = make_study()
    Round.objects.all().delete()
    owner = study.people["owner"]
    client = APIClient()
    client.force_authenticate(owner)
    body = {"preset": "tiny", "changes": {"components": components}}
    answer = client.post(reverse("round-list", args=[study.project.pk]), body, format="json")
    assert_declined(answer, 422, field="changes.components")
    form = {"preset": "tiny", "components": str(components)}
    signed_in(owner).post(reverse("project-rounds", args=[study.project.pk]), form)
    assert not study.project.rounds.exists()


@pytest.mark.django_db
def test_a_second_request_over_http_is_409_with_the_round_that_is_in_the_way(sent):
    owner = UserFactory()
    project = small_project(owner, side=64, cells=5)
    client = APIClient()
    client.force_authenticate(owner)
    url = reverse("round-list", args=[project.pk])
    first = client.post(url, {"preset": "tiny", "changes": {"threshold": 0.2}}, format="json")
    assert first.status_code == 202
    assert (
        client.post(url, {"preset": "tiny", "changes": {"threshold": 0.2}}, format="json").json()["id"]
        == first.json()["id"]
    )
    second = client.post(url, {"preset": "tiny"}, format="json")
    assert_declined(second, 409, code="round_at_work")
    assert second.json()["round"] == first.json()["id"] and "queue the new round" in second.json()["detail"]
    lined = client.post(url, {"preset": "tiny", "line_up": True}, format="json")
    assert lined.status_code == 202 and lined.json()["state"] == "planned"
