"""python -m tests.labeling.dumps.opened: open everything in the database of the environment; print what was found.

Run by tests/labeling/test_old_data.py in a process of its own, because Django keeps the address of one database.
The printed JSON has:
  routes       name of a route -> the status codes of its answers to the people below, over all rows it can be asked for
  errors       addresses that answered with a server error
  differences  layer -> how its rows differ from its log
  rows         model -> number of rows
  documents    round -> what was read of its stored documents
  read         kind of document -> how many rows were read as one, and written again to the letter
  report       study -> the number of its comparisons
"""

import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from itertools import product
from typing import Any

import django

PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")
FIXED: dict[str, list[Any]] = {
    "level": [0], "column": [0], "row": [0], "layout": ["coco"], "uidb64": ["MQ"], "token": ["abc-def"],
    "name": ["readers"], "personal_token": [1],
    "factor": [1], "linked": [1], "person": [1], "provider_id": ["oidc"], "picture": ["a.png"],
    "screen": ["00000000-0000-0000-0000-000000000009"],
}  # fmt: skip
MOST_ROWS = 4  # of one kind; the fifth image of a study shows what the fourth did
# They need the weights of the models, megabytes that are not kept with a dump.
NOT_ASKED = ("export-round", "round-export")


def main() -> int:
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    found = {
        "differences": differences(),
        "rows": rows(),
        "documents": documents(),
        "read": read_as_documents(),
        "report": reports(),
        **answers(),
    }
    print(json.dumps(found))
    return 0


def values() -> dict[str, list[Any]]:
    """What may stand in an address, by the name of its parameter: primary keys, numbers and fixed words."""
    from django.apps import apps

    models = {
        "project": "Project", "image": "Image", "layer": "Layer", "round": "Round", "job": "Job",
        "label_class": "LabelClass", "membership": "Membership", "study": "Study", "participant": "Participant",
        "item": "Item", "work_item": "WorkItem", "comment": "Comment", "invitation": "Invitation",
        "centre": "Centre", "patient": "Patient", "disagreement": "Disagreement", "lot": "Lot",
        "merge": "ClassMerge",
        "field": "AttemptField",
        "admission": "Admission",
        "personal_token": "PersonalToken",
        "upload": "ResumableUpload",
    }  # fmt: skip
    found = dict(FIXED)
    for parameter, model in models.items():
        order = "image" if model == "Layer" else "pk"  # layers have random keys
        queryset = apps.get_model("labeling", model).objects.order_by(order)
        found[parameter] = list(queryset.values_list("pk", flat=True)[:MOST_ROWS])
    found["number"] = sorted(set(apps.get_model("labeling", "Round").objects.values_list("number", flat=True)))
    return found


def addresses() -> Iterator[tuple[str, str]]:
    """(route, address), every route with every combination of what may stand in it."""
    from labeling import api
    from labeling.site import study_urls, urls

    known = values()
    for route in (*urls.urlpatterns, *study_urls.urlpatterns, *api.routes()):
        if not route.name or route.name in NOT_ASKED:
            continue
        folder = "/api/v1/" if hasattr(route.callback, "cls") else "/"
        pattern = str(route.pattern)
        for chosen in product(*(known[name] for name in PARAMETER.findall(pattern))):
            yield route.name, folder + with_values(pattern, chosen)


def with_values(pattern: str, chosen: tuple[Any, ...]) -> str:
    """A route's pattern with a value in the place of each parameter, in order."""
    for value in chosen:
        pattern = PARAMETER.sub(str(value), pattern, count=1)
    return pattern


def answers() -> dict[str, Any]:
    """Every address, asked for by the owners of the two projects and by a reader of the study."""
    from django.apps import apps
    from django.contrib.auth import get_user_model
    from django.test import Client

    people = list(get_user_model().objects.filter(memberships__role="owner").distinct())
    people += [one.user for one in apps.get_model("labeling", "Participant").objects.order_by("pk")[:1]]
    routes: dict[str, set[int]] = defaultdict(set)
    errors = []
    for person in people:
        client = Client(raise_request_exception=False)
        client.force_login(person)
        for route, address in addresses():
            code = client.get(address).status_code
            routes[route].add(code)
            if code >= 500:
                errors.append(f"{person.username}: {address}: {code}")
    return {"routes": {name: sorted(codes) for name, codes in routes.items()}, "errors": errors}


def differences() -> dict[str, list[str]]:
    from django.apps import apps

    from labeling.annotations import replay

    found = {}
    for layer in apps.get_model("labeling", "Layer").objects.filter(kind="working"):
        found[str(layer.pk)] = list(replay.differences(layer))
    return found


def rows() -> dict[str, int]:
    from django.apps import apps

    return {model.__name__: model.objects.count() for model in apps.get_app_config("labeling").get_models()}


def documents() -> dict[str, Any]:
    """The snapshot, the stages' facts and the files of each finished round that are small enough to be in the dump."""
    from django.apps import apps

    found = {}
    for round_ in apps.get_model("labeling", "Round").objects.exclude(configuration={}):
        with round_.snapshot.content.open() as file:
            snapshot = json.load(file)
        stages = list(round_.stages.select_related("artifact"))
        with next(stage for stage in stages if stage.kind == "evaluation").artifact.file.open() as file:
            evaluation = json.load(file)
        found[str(round_.pk)] = {
            "images": len(snapshot["images"]),
            "stages": {stage.kind: sorted(stage.artifact.facts) for stage in stages if stage.artifact},
            "evaluation": sorted(evaluation),
        }
    return found


def read_as_documents() -> dict[str, int]:
    """Every stored document of every row, read as what it is; raises for one that is not understood or changes."""
    from django.apps import apps

    from inference.documents import publication, stage_reports
    from inference.documents.configuration import RoundConfiguration
    from inference.documents.reading import Reading
    from inference.documents.snapshot import SnapshotSummary
    from labeling.images.documents import UploadFacts, UploadRequest
    from labeling.studies.protocol.documents import check_frozen

    model = lambda name: apps.get_model("labeling", name).objects  # noqa: E731
    columns = [
        (RoundConfiguration, model("Round").values_list("configuration", flat=True)),
        (SnapshotSummary, model("Snapshot").values_list("summary", flat=True)),
        (stage_reports.Usage, model("Stage").values_list("usage", flat=True)),
        (stage_reports.Figures, model("ModelVersion").values_list("metrics", flat=True)),
        (publication.Certificate, model("Publication").exclude(certificate={}).values_list("certificate", flat=True)),
        (publication.PublicationFacts, model("Publication").values_list("facts", flat=True)),
        (stage_reports.ModelNames, model("Publication").values_list("model_names", flat=True)),
        (publication.TuningResult, model("Tuning").exclude(result={}).values_list("result", flat=True)),
        (Reading, model("Image").values_list("reading", flat=True)),
        (UploadRequest, model("Job").filter(kind="read").values_list("request", flat=True)),
        (UploadFacts, model("JobItem").filter(job__kind="read").values_list("facts", flat=True)),
    ]
    found: dict[str, int] = defaultdict(int)
    for kind, values in columns:
        for value in values:
            assert kind.stored(value).as_json() == kind.upgraded(dict(value)), (kind, value)
            found[kind.__name__] += 1
    for artifact in model("Artifact").all():
        assert stage_reports.facts_of(artifact.kind, artifact.facts).as_json() == artifact.facts, artifact
        found["facts"] += 1
    for protocol in model("Study").exclude(protocol=None).values_list("protocol", flat=True):
        check_frozen(protocol)
        found["protocol"] += 1
    return dict(found)


def reports() -> dict[str, Any]:
    from django.apps import apps

    from labeling.studies import services
    from labeling.studies.analysis import report
    from labeling.studies.tables import tables_of

    found = {}
    for study in apps.get_model("labeling", "Study").objects.exclude(locked_at=None):
        numbers = report.compute(tables_of(study), services.effective(study))
        found[str(study.pk)] = sorted(numbers)
    return found


if __name__ == "__main__":
    sys.exit(main())
