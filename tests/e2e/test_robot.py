"""The robot annotator: a script at the real workspace whose true times are known, and what is measured of them.

The robot stamps every input twice: on its own clock before and after it sends it, and in the page when the input
arrives there (a listener of the robot's, before any of the workspace's). The two must agree within the time the input
was under way; the second, free of that, is the truth. When the page does not run for over a second the robot notes it
in the page too: that time is the machine's. Measured time per phase and cell must agree with the truth within 2 % or
50 ms, whichever is larger, however loaded the machine is.
"""

import json
import math
import os
import re
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Error

from labeling.studies.analysis.attribution import OTHER, PHASES, Rules, attribute, check, totals
from labeling.studies.analysis.gestures import Gestures, gestures
from tests.e2e.hands import SENT_MS, Bench, send_often, sign_in
from tests.running import Running, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

RULES = Rules(idle_after_s=7.0)  # an overloaded machine stretches the robot's dwell times
SET_UP = """
import io, json, uuid, numpy as np, PIL.Image
from labeling.models import Round, Snapshot, User
from labeling.annotations.services import Loaded
from labeling.annotations.state import PackedMask, AnnotationState
from labeling.images.services import add_image
from labeling.projects.services import create_project
from labeling.rounds.results.publishing import publish
from tests.documents import STATEMENTS
project = create_project(owner=User.objects.get(username={user!r}), name={name!r}, records_activity=True,
                         classes=("nucleus", "tumour"))
file = io.BytesIO()
PIL.Image.fromarray(np.random.default_rng({seed}).integers(120, 220, (300, 400, 3), np.uint8)).save(file, "PNG")
image = add_image(project=project, name="field.png", content=file.getvalue())
bits = PackedMask(0, 0, 16, 16, b"\\xff" * 32)
boxes = [(20 + 60 * i, 20, 36 + 60 * i, 36) for i in range(4)]
masks = [PackedMask(x, y, 16, 16, b"\\xff" * 32) for x, y, _, _ in boxes]
states = [AnnotationState("cell", "confirmed", b, mask=m) for b, m in zip(boxes, masks)]
proposals = [Loaded(uuid.uuid4(), state, score=0.5) for state in states]
snapshot = Snapshot.objects.create(project=project, sha256="0" * 64, content="none", summary={{}})
round_ = Round.objects.create(project=project, number=1, preset="tiny", configuration={{}}, snapshot=snapshot)
publish(round_=round_, image=image, proposals=proposals, **STATEMENTS)
print(json.dumps(image.pk))
"""
READ = """
from labeling.annotations.models import ActivityBatch
from labeling.studies.raw import batches_frame, events_frame, operations_frame
found = ActivityBatch.objects.filter(image={image})
for name, frame in (("events", events_frame(found)), ("batches", batches_frame(found)),
                    ("operations", operations_frame([{image}]))):
    frame.drop(columns=["received_at"], errors="ignore").to_json("{folder}/" + name + ".json", orient="split")
"""


FEEL = """
window.felt = {};
for (const kind of ["pointerdown", "pointerup", "pointermove", "keydown", "blur", "focus", "pagehide"])
  window.addEventListener(kind, (e) => {
    if (e.target === window || !["blur", "focus"].includes(kind)) {
      felt[kind] = e.timeStamp;
      window.late = Math.max(window.late ?? 0, performance.now() - e.timeStamp);
    }
  }, true);
// When the page did not run for over a second. Signals reach the browser's processes one after another, and late on a
// busy machine, so how long it stood is known here only; from outside it is known how long it stood at least.
window.stands = [];
let ran = performance.now();
setInterval(() => {
  const at = performance.now();
  if (at - ran > 1000 && !document.hidden) stands.push([ran, at]);
  ran = at;
}, 10);
window.shift = 0; // the robot may move the wall clock of its page, as daylight saving or a time server does
const now = Date.now;
Date.now = () => now() + window.shift;
"""
HIDE = """(hidden) => {
  const at = performance.now();
  Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
  document.dispatchEvent(new Event("visibilitychange"));
  return at;
}"""  # headless browsers never hide a page, so it is told

LEAVE = """window.addEventListener("pagehide", (e) => {
  sessionStorage.left = e.timeStamp;
  sessionStorage.stands = JSON.stringify(stands);
})"""


class Robot(Bench):
    """Knows what it did and when."""

    def __init__(self, page) -> None:
        super().__init__(page)
        self.truth: dict[tuple[str, str], float] = {}  # seconds of a phase and cell
        self.late = 0.0  # the longest that an input waited until the page heard it, s: near 0 unless overloaded
        self.lead = (-math.inf, math.inf)  # by how much the robot's clock is ahead of the page's, s

    def act(self, what, kind: str) -> float:
        """Do it. -> when the page felt it, s on the page's clock."""
        sent = time.monotonic()
        what()
        done = time.monotonic()
        felt = self.page.evaluate("kind => window.felt[kind]", kind) / 1000
        self.late = self.page.evaluate("window.late") / 1000
        # The page felt it while it was under way: every input narrows how far the two clocks are apart.
        self.lead = (max(self.lead[0], sent - felt), min(self.lead[1], done - felt))
        assert self.lead[0] <= self.lead[1] + 0.02, "the page felt it when the robot did it"
        return felt

    def key(self, key: str) -> float:
        return self.act(lambda: self.page.keyboard.press(key), "keydown")

    def move(self, x: float, y: float) -> float:
        return self.act(lambda: self.page.mouse.move(x, y), "pointermove")

    def now(self) -> float:
        return float(self.page.evaluate("performance.now()")) / 1000

    def dwell(self, seconds: float) -> None:
        """Look, and move the hand a little now and then."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.7))

    def stood(self, begin: float, end: float) -> float:
        """How long of this time the page did not run: the machine's time, whatever the robot was at."""
        stands = [(a / 1000, b / 1000) for a, b in self.page.evaluate("window.stands")]
        return sum(max(0.0, min(b, end) - max(a, begin)) for a, b in stands)

    def was(self, phase: str, cell: str, begin: float, end: float) -> None:
        seconds = end - begin - self.stood(begin, end)
        self.truth[phase, cell] = self.truth.get((phase, cell), 0.0) + seconds

    def draw(self, box, *, dwells_for: float, drags_for: float) -> tuple[str, float, float]:
        """One box: search, then draw. -> the cell, when the search ended, when it was done."""
        before = {cell["id"] for cell in self.cells()}
        start, end = self.at(*box[:2]), self.at(*box[2:])
        self.page.mouse.move(*start)
        self.dwell(dwells_for)
        down = self.act(self.page.mouse.down, "pointerdown")
        self.page.mouse.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
        self.dwell(drags_for)
        self.page.mouse.move(*end)
        up = self.act(self.page.mouse.up, "pointerup")
        (cell,) = {cell["id"] for cell in self.cells()} - before
        self.was("draw", cell, down, up)
        return cell, down, up


@pytest.fixture
def robot(browser) -> Iterator[Robot]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.add_init_script(FEEL)
    page = context.new_page()
    yield Robot(page)
    context.close()


def read(running: Running, image: int, folder: Path) -> dict[str, pd.DataFrame]:
    # Not pytest's folder, whose parents are root's alone: the server's processes run as another account.
    folder = Path(tempfile.mkdtemp(prefix="boxwise-robot-"))
    folder.chmod(0o777)
    running.manage(READ.format(image=image, folder=folder))
    names = ("events", "batches", "operations")
    tables = {n: pd.read_json(folder / f"{n}.json", orient="split", dtype=False, precise_float=True) for n in names}
    times = ["begun_ms", "committed_ms", "activity_first", "activity_last"]
    tables["operations"] = tables["operations"].astype(dict.fromkeys(times, float))
    shutil.rmtree(folder, ignore_errors=True)
    return tables


def set_up(running: Running, name: str, seed: int) -> int:
    return int(json.loads(running.manage(SET_UP.format(user=running.username, name=name, seed=seed))))


def processes_of_the_browser() -> list[int]:
    """Chromium's processes that descend from this one."""
    parents, commands = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
            commands[int(stat.parent.name)] = (stat.parent / "cmdline").read_bytes()
        except OSError:
            continue

    def is_ours(pid: int) -> bool:
        while pid > 1:
            if pid == os.getpid():
                return True
            pid = parents.get(pid, 0)
        return False

    return [pid for pid, command in commands.items() if b"chrom" in command.split(b"\0")[0] and is_ours(pid)]


def compare(robot: Robot, intervals: pd.DataFrame) -> None:
    """Each phase of each cell: |measured - true| within 2 % or 50 ms, whichever is larger."""
    measured = intervals.groupby(["phase", "cell"])["ms"].sum() / 1000
    wrong = []
    print(f"an input waited up to {robot.late:.3f} s")
    for (phase, cell), true in robot.truth.items():
        found = float(measured.get((phase, cell), 0.0))
        print(f"{phase:9} {cell[-6:]:6} true {true:7.3f} s   measured {found:7.3f} s   off {found - true:+.3f}")
        if abs(found - true) > max(0.05, 0.02 * true):
            wrong.append((phase, cell, true, found))
    assert wrong == []


def test_measured_time_is_true_time(robot: Robot, browser, running: Running, tmp_path: Path):
    image = set_up(running, "robot", 1)
    page = robot.page
    sign_in(page, running)

    # A slow server: the picture is there only after two seconds, which are the machine's.
    page.route("**/pixels/", lambda route: (time.sleep(2.0), route.continue_()))
    asked = time.monotonic()
    page.goto(f"{running.address}/images/{image}/", wait_until="commit")
    robot.open_here()
    loading, loaded = time.monotonic() - asked, robot.now()
    page.unroute("**/pixels/")
    robot.press("r")

    # Search and draw.
    _, _, first = robot.draw((30, 100, 60, 130), dwells_for=0.5, drags_for=1.2)
    cell, found, second = robot.draw((100, 100, 130, 140), dwells_for=1.8, drags_for=0.8)
    robot.was("search", cell, first, found)
    # A pause over the cut-off: none of it is work.
    robot.dwell(0.2)
    left = robot.move(700, 500)
    robot.dwell(7.5)
    back = robot.move(720, 520)
    cell, found, _ = robot.draw((160, 100, 190, 130), dwells_for=2.0, drags_for=0.8)
    robot.was("search", cell, second, left)
    robot.was("search", cell, back, found)
    robot.was("idle", "", left, back)

    # Another tab for a moment: the page loses the focus. Not work, although it is shorter than the cut-off.
    session = page.context.new_cdp_session(page)
    session.send("Emulation.setFocusEmulationEnabled", {"enabled": False})
    other = page.context.new_page()
    other.bring_to_front()
    robot.dwell(2.0)
    back = robot.act(page.bring_to_front, "focus")
    left = page.evaluate("window.felt.blur") / 1000
    other.close()
    session.send("Emulation.setFocusEmulationEnabled", {"enabled": True})
    hidden = page.evaluate(HIDE, True)
    robot.dwell(1.5)
    shown = page.evaluate(HIDE, False)
    assert back - left > 1.5  # the page did lose the focus; it is told of either moment when the browser gets to it
    robot.was("away", "", left, back)
    robot.was("away", "", hidden / 1000, shown / 1000)

    # Verify: Tab opens the first proposal, a verdict opens the next.
    page.evaluate("window.shift = 3600e3")  # the wall clock jumps by an hour
    page.locator("canvas").last.focus()
    opened = robot.key("Tab")
    for seconds, verdict in ((1.5, "a"), (2.0, "x")):
        wait_for(lambda: robot.state()["painted"], 5, "the proposal is seen")
        proposal = robot.state()["selected"]
        robot.dwell(seconds)
        judged = robot.key(verdict)
        robot.was("verify", proposal, opened, judged)
        opened = judged
    # Verify, interrupted: the machine sleeps (the browser's processes are stopped) for two and a half seconds.
    third = robot.state()["selected"]
    robot.dwell(1.0)
    pids = processes_of_the_browser()
    assert pids
    before = robot.now()
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    asleep = time.monotonic()
    time.sleep(2.5)
    stopped = time.monotonic() - asleep
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    wait_for(lambda: robot.stood(before, math.inf) > stopped, 10, "the page runs again, and knows that it stood")
    robot.dwell(1.0)
    # Refine it, with the brush.
    brush = robot.key("e")
    wait_for(lambda: robot.state()["editing"], 5, "the brush is out")
    (x0, y0, x1, y1) = next(p["box"] for p in robot.proposals() if p["id"] == third)
    page.mouse.move(*robot.at(x0 + 4, y0 + 4))
    page.mouse.down()
    robot.dwell(0.8)
    page.mouse.move(*robot.at(x1 + 4, y1 + 4), steps=4)
    page.mouse.up()
    robot.dwell(1.2)
    kept = robot.key("Enter")
    robot.was("verify", third, opened, brush)
    robot.was("refine", third, brush, kept)
    # The connection is lost for longer than the recorder keeps events back.
    page.context.set_offline(True)
    fourth = robot.state()["selected"]
    robot.dwell(2.7)
    robot.move(600, 400)
    robot.dwell(2.7)
    judged = robot.key("a")
    robot.was("verify", fourth, kept, judged)
    robot.dwell(0.5)
    page.context.set_offline(False)
    # Classify an own cell.
    robot.press("v")
    clicked = robot.act(lambda: robot.click(30, 115), "pointerup")
    mine = robot.state()["selected"]
    robot.dwell(2.0)
    classified = robot.key("2")
    robot.was("classify", mine, clicked, classified)
    robot.until_saved()
    page.wait_for_timeout(7500)  # a pause at the end; the recorder sends every five seconds
    page.evaluate(LEAVE)
    page.goto(running.address)
    gone = float(page.evaluate("(window.stands = JSON.parse(sessionStorage.stands), sessionStorage.left)")) / 1000
    robot.was("idle", "", classified, gone)

    page.wait_for_timeout(500)
    tables = read(running, image, tmp_path)
    intervals = attribute(tables["events"], tables["operations"], RULES)
    # A proposal that became a cell is that cell.
    became = {p: c for p, c in zip(tables["operations"]["proposal"], tables["operations"]["cell"], strict=True) if p}
    robot.truth = {(phase, became.get(cell, cell)): seconds for (phase, cell), seconds in robot.truth.items()}
    compare(robot, intervals)
    sums = totals(intervals).iloc[0]
    stood = robot.stood(loaded, math.inf)
    assert 2.0 + stood - 0.05 <= sums["wait"] <= loading + stood + 0.05
    length = tables["events"]["t_ms"].max() / 1000
    assert sums[[*PHASES, *OTHER]].sum() == pytest.approx(length, abs=1e-6)
    (report,) = check(tables["events"], tables["operations"], tables["batches"])
    assert (report.duplicates, report.gaps, report.lost_tail, report.backwards) == (0, 0, 0, 0)
    # An overloaded machine may hold the page up once more while it loads; the phases above say what it costs.
    assert report.frozen >= 1 and report.frozen_ms >= 1000 * stopped - 50
    assert report.clock_jumps == 1 and not report.no_farewell
    assert sums["missing"] == 0


def test_what_was_lost_is_missing_and_not_time(robot: Robot, running: Running, tmp_path: Path):
    image = set_up(running, "robot with losses", 2)
    page = robot.page
    send_often(page.context)
    sign_in(page, running)
    page.goto(f"{running.address}/images/{image}/")
    robot.open_here()
    robot.press("r")
    robot.draw((30, 100, 60, 130), dwells_for=0.5, drags_for=0.8)
    page.wait_for_timeout(SENT_MS)
    # Batches are lost on the way: a proxy says yes and keeps them.
    page.route("**/activity/", lambda route: route.fulfill(status=200, body='{"stored": true}'))
    known = dict(robot.truth)
    robot.draw((100, 100, 130, 140), dwells_for=2.0, drags_for=1.0)
    page.wait_for_timeout(SENT_MS)
    page.unroute("**/activity/")
    robot.truth = known
    robot.draw((160, 100, 190, 130), dwells_for=1.0, drags_for=1.0)
    page.wait_for_timeout(SENT_MS)
    # The tab crashes: nothing says good-bye, and what was not sent yet is gone; the log still has the box.
    page.route("**/activity/", lambda route: route.abort())
    known = dict(robot.truth)
    robot.draw((220, 100, 250, 130), dwells_for=0.5, drags_for=0.5)
    robot.truth = known
    robot.until_saved()
    with pytest.raises(Error, match="crash"):
        page.goto("chrome://crash", timeout=20_000)

    tables = read(running, image, tmp_path)
    intervals = attribute(tables["events"], tables["operations"], RULES)
    compare(robot, intervals)
    (report,) = check(tables["events"], tables["operations"], tables["batches"])
    assert report.gaps == 1 and report.missing_events > 5 and report.gap_ms > 3000
    assert report.lost_tail > 0 and report.no_farewell
    missing = intervals[intervals["phase"] == "missing"]
    assert len(missing) == 2 and missing["ms"].sum() > report.gap_ms
    cells = tables["operations"]["cell"].tolist()  # of the four, the second and the last were drawn in the dark
    assert not set(intervals.loc[intervals["phase"] == "draw", "cell"]) & {cells[1], cells[3]}


def test_a_finished_cell_takes_as_few_gestures_as_documented(robot: Robot, running: Running, tmp_path: Path):
    """docs/gestures.md, counted from the recorded events: from what followed the operation before to its own end."""
    image = set_up(running, "robot that counts", 3)
    page = robot.page
    send_often(page.context)
    sign_in(page, running)
    page.goto(f"{running.address}/images/{image}/")
    robot.open_here()
    robot.press("r")
    for x in (40, 100, 160):
        robot.drag((x, 100), (x + 30, 130))
    page.locator("canvas").last.focus()
    robot.press("Tab")

    def seen() -> None:
        wait_for(lambda: robot.state()["painted"], 10, "the proposal is seen")

    for _ in range(2):
        seen()
        robot.press("a")
    seen()
    proposal = next(p for p in robot.proposals() if p["id"] == robot.state()["selected"])
    robot.press("e")
    wait_for(lambda: robot.state()["editing"], 5, "the brush is out")
    _, y0, x1, y1 = proposal["box"]
    robot.drag((x1 - 2, y0 + 2), (x1 + 3, y1 - 2))
    robot.press("Enter")
    seen()
    robot.press("a")
    robot.press("p")
    corners = [(260 + 25 * math.cos(a * math.pi / 6), 200 + 25 * math.sin(a * math.pi / 6)) for a in range(12)]
    for corner in corners:
        robot.click(*corner)
    robot.press("Enter")
    robot.until_saved()
    page.wait_for_timeout(SENT_MS)
    tables = read(running, image, tmp_path)
    events, acts = tables["events"], tables["operations"].sort_values("committed_ms")
    ends = [-1, *acts["activity_last"].astype(int)]
    found = [gestures(events[(events["n"] > begin) & (events["n"] <= end)]) for begin, end in pairwise(ends)]
    key, drag = Gestures(0, 0, 1, 0), Gestures(1, 0, 0, 0)
    first_box, box, _, first_verdict, verdict, fixed, again, polygon = found
    assert acts["action"].tolist() == [*["draw"] * 3, "accept", "accept", "edit", "accept", "draw"]
    assert (first_box, box) == (Gestures(1, 0, 1, 0), drag)  # the tool is taken once
    assert (first_verdict.all, verdict, again) == (2, key, key)  # so is the first proposal; a verdict opens the next
    assert fixed == Gestures(1, 0, 2, 0)  # e, a stroke, Enter: two more than accepting it as it is
    assert polygon == Gestures(0, 12, 2, 0)  # p once, a click for each corner, Enter


JOBS = Path(__file__).resolve().parents[2] / "docs" / "gestures.md"


def documented(job: str) -> int:
    """Boxwise's gestures for a job, as the table of docs/gestures.md has them."""
    (row,) = re.findall(rf"^\| {re.escape(job)} \| \*\*Boxwise\*\* \| .* \| \*\*(\d+)\*\* \|", JOBS.read_text(), re.M)
    return int(row)


def around(robot: Robot, x0: float, y0: float, x1: float, y1: float) -> None:
    """One drag around a rectangle of the image."""
    mouse = robot.page.mouse
    mouse.move(*robot.at(x0, y0))
    mouse.down()
    for corner in ((x1, y0), (x1, y1), (x0, y1), (x0, y0)):
        mouse.move(*robot.at(*corner), steps=4)
    mouse.up()


def test_other_jobs_take_as_few_gestures_as_documented(robot: Robot, running: Running, tmp_path: Path):
    """The second table of docs/gestures.md: what is done besides drawing, mending and judging one cell."""
    image = set_up(running, "robot that counts other jobs", 4)
    page = robot.page
    send_often(page.context)
    sign_in(page, running)
    page.goto(f"{running.address}/images/{image}/")
    robot.open_here()

    def verdict(key: str) -> None:
        wait_for(lambda: robot.state()["painted"], 10, "the proposal is seen")
        page.wait_for_timeout(200)
        robot.press(key)

    def acts(n: int) -> None:
        wait_for(lambda: robot.state()["seq"] == n, 10, f"{n} acts are saved: {robot.state()}")

    page.locator("canvas").last.focus()
    robot.press("Tab")
    verdict("a")
    verdict("x")
    robot.press("Alt+1")
    robot.press("o")
    robot.click(40, 120)
    robot.click(90, 120)
    robot.press("r")
    robot.drag((140, 110), (170, 140))
    robot.drag((190, 110), (220, 140))
    robot.press("l")
    around(robot, 130, 100, 230, 150)
    wait_for(lambda: len(robot.state()["many"]) == 2, 5, "two cells are selected")
    robot.press("2")
    robot.press("v")
    robot.click(140, 125)
    robot.press("Delete")
    robot.click(190, 125)
    robot.press("Delete")
    acts(10)
    robot.press("]")
    page.wait_for_timeout(SENT_MS)
    tables = read(running, image, tmp_path)
    events, done = tables["events"], tables["operations"].sort_values("committed_ms").drop_duplicates("activity_last")
    # The table has a row for each cell of an operation; each ends once.
    ends = [-1, *done["activity_last"].astype(int), int(events["n"].max())]
    found = [gestures(events[(events["n"] > begin) & (events["n"] <= end)]).all for begin, end in pairwise(ends)]
    _, rejected, reason, _, point, _, _, many, _, deleted, left = found
    assert rejected + reason == documented("a proposal is rejected, with a reason")
    assert point == documented("a point on a cell")
    assert many == documented("the class of ten cells at once")
    assert deleted == documented("a cell is deleted")
    assert left == documented("the next image")
