"""One operation, and a body of 10,000 boxes, through the whole view: in this checkout and in another, in one run.

    python -m tests.bench contract                      # this checkout alone
    python -m tests.bench.contract [OTHER [REPEATS]]

OTHER is a checkout of an earlier state, with .venv and .build. The two take turns, so that a busy machine slows both.
"""

import json
import shutil
import statistics
import subprocess
import sys
import time
import uuid
from pathlib import Path

HERE = Path(__file__).resolve().parents[2]
NAME = "test_contract_times.py"  # under this name, so that pytest finds it
MARK = "times: "


def test_times(db):  # type: ignore[no-untyped-def]
    """Run by pytest in either checkout, with a database of its own. Prints milliseconds: of the clock, and of this
    process's processor (cpu), which a busy machine does not change much."""
    from django.urls import resolve
    from rest_framework.test import APIRequestFactory, force_authenticate

    from labeling.annotations.services import working_layer
    from tests.factories import ImageFactory, MembershipFactory
    from tests.labeling.operations import cell, effect, operation

    member = MembershipFactory(role="annotator")
    image = ImageFactory(project=member.project)
    layer = working_layer(image=image, user=member.user)
    address = f"/api/v1/layers/{layer.pk}/operations/"
    route = resolve(address)

    def post(*operations) -> tuple[float, float]:  # type: ignore[no-untyped-def]
        body = json.dumps({"operations": operations})
        request = APIRequestFactory().post(address, body, content_type="application/json")
        force_authenticate(request, member.user)
        begun, used = time.perf_counter(), time.process_time()
        answer = route.func(request, **route.kwargs)
        if not getattr(answer, "is_rendered", True):
            answer.render()
        took, cost = (time.perf_counter() - begun) * 1000, (time.process_time() - used) * 1000
        assert answer.status_code == 200, answer.content[:500]
        return took, cost

    def boxes(count: int) -> list[dict[str, object]]:
        return [effect(uuid.uuid4(), cell((i % 40, 1, i % 40 + 9, 9))) for i in range(count)]

    for _ in range(10):
        post(operation(*boxes(1)))
    one = [post(operation(*boxes(1))) for _ in range(200)]
    many = [post(*[operation(*boxes(2000), action="bulk") for _ in range(5)]) for _ in range(4)]
    found = {}
    for name, times in (("one", one), ("many", many)):
        found[name] = [took for took, _ in times]
        found[f"{name} cpu"] = [cost for _, cost in times]
    print(MARK + json.dumps(found))


def measured(checkout: Path) -> dict[str, list[float]]:
    file = checkout / "tests" / "bench" / NAME
    shutil.copy(__file__, file)
    try:
        command = [checkout / ".venv/bin/python", "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", str(file)]
        done = subprocess.run(command, cwd=checkout, capture_output=True, text=True)
    finally:
        file.unlink()
    lines = [line for line in done.stdout.splitlines() if MARK in line]
    if not lines:
        raise SystemExit(done.stdout[-3000:])
    found: dict[str, list[float]] = json.loads(lines[0].partition(MARK)[2])
    return found


def main(other: Path | None = None, repeats: int = 2) -> None:
    checkouts: dict[str, Path] = {"before": other, "after": HERE} if other else {"here": HERE}
    times: dict[str, dict[str, list[float]]] = {name: {} for name in checkouts}
    for _ in range(repeats):
        for name, checkout in checkouts.items():
            for what, milliseconds in measured(checkout).items():
                times[name].setdefault(what, []).extend(milliseconds)
    for name, found in times.items():
        for what, milliseconds in found.items():
            print(f"{name:7} {what:8} {summary(milliseconds)}")


def summary(milliseconds: list[float]) -> str:
    ordered = sorted(milliseconds)
    p95 = ordered[int(0.95 * (len(ordered) - 1))]
    return f"median {statistics.median(ordered):8.1f} p95 {p95:8.1f} n {len(ordered)}"


if __name__ == "__main__":
    compared = Path(sys.argv[1]).resolve() if sys.argv[1:] else None
    main(compared, int(sys.argv[2]) if sys.argv[2:] else 2)
