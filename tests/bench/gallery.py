"""Processor times of the gallery and of certificates for 10,000 open proposals: python -m tests.bench gallery

A whole embedded Boxwise; each act is done by its service in one process, so PostgreSQL and the browser are not in the
figures. `pytest -s tests/e2e/test_gallery.py` prints the times of a browser. BENCH_CELLS makes it smaller.
"""

import json
import os
import shutil
import tempfile
from pathlib import Path

from tests.running import Running

CELLS = int(os.environ.get("BENCH_CELLS", "10000"))

ACTS = """
import json, time, uuid
from django.contrib.auth import get_user_model
from labeling.gallery.listing import gallery_of, open_proposals
from labeling.gallery.services import Shown, judge_screen, undo_screen
from labeling.gallery.sheets import make_sheet
from labeling.projects.models import Project
from labeling.reviews.certificates import services
from labeling.reviews.certificates.contract import lot_in_full
from labeling.reviews.certificates.missed import shown_field
from labeling.reviews.certificates.showing import shown_cells
from tests.e2e.many_cells import make
user = get_user_model().objects.get(is_superuser=True)
made = make(user, {cells})
project = Project.objects.get(pk=made["project"])
rows = list(open_proposals(project, user).select_related("layer__image__slide_file").order_by("?")[:64])
screen = uuid.uuid4()
shown = [Shown(row.uid, 60.0, 900.0) for row in rows[:50]]
found = []
def measured(name, act):
    times = []
    for _time in range(3):
        begun = time.process_time()
        made = act()
        times.append(time.process_time() - begun)
    found.append([name, min(times)])
    return made
def screen_of_50():
    one = uuid.uuid4()
    judge_screen(project=project, by=user, screen=one, order="doubt", milliseconds=900.0, shown=shown, given=[],
                 accepts_rest=True)
    undo_screen(project=project, by=user, screen=one)
def plan():
    for old in project.lots.filter(state="open"):
        services.withdraw_lot(lot_id=old.pk, by=user)
    return services.plan_lot(project=project, by=user, wanted=services.Wanted("class", fields=30))
measured("list of all cells", lambda: gallery_of(project, user, "doubt", [], []))
measured("sheet of 64 crops of many images", lambda: make_sheet(rows, 40.0, 128))
measured("50 cells judged by one act, and taken back", screen_of_50)
lot = measured("certificate planned, with 30 fields", plan)
measured("page of a certificate", lambda: lot_in_full(lot, []))
measured("10 cells of its sample", lambda: shown_cells(lot, list(lot.cells.select_related("image")[:10])))
measured("a field for missed cells", lambda: shown_field(lot))
print(json.dumps(found))
"""


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="boxwise-gallery-"))
    folder.chmod(0o711)
    house = Running(folder / "data")
    try:
        house.wait_until_up(600)
        found = json.loads(house.manage(ACTS.format(cells=CELLS)).strip().splitlines()[-1])
        print(f"| {CELLS:,} open proposals | s of processor |\n|---|---|")
        for name, seconds in found:
            print(f"| {name} | {seconds:.3f} |")
    finally:
        house.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
