"""python -m tests.bench.workspace: the workspace's frames, openings and memory in headless Chromium (software WebGL).

The server is frontend/dev/server.mjs (its data in memory), so that what is measured is the browser's work. A ratio has
both its sides from one run, and both are counted by what the compositor activated for the screen (a trace), not by
how often a script ran: a script can be ahead of the picture. Beside the time stands the processor time of all of
Chromium's processes, which another load on the machine hardly changes. Name parts to run only those:
open frames verdicts svg prompter.

`pairs OTHER`: frames and verdicts of another checkout (its front end built) and of this one, in turns in one run, so
that a load on the machine meets both sides alike; `pairs OTHER THIS` compares two other checkouts, and `frames` or
`verdicts` behind them measures only those.
"""

import gzip
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.running import ROOT, free_port

FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-frame-rate-limit --disable-gpu-vsync"
)
VIEW = {"width": 1280, "height": 800}
# image of the dev server: how many of what
IMAGES = {7: "1,000 boxes", 4: "10,000 boxes", 5: "100,000 boxes", 6: "10,000 masks"}
# Every frame moves the picture: in and out around the middle, which moves each cell and re-draws each line.
ZOOM = """async (n) => {
  const surface = document.querySelector('.bw-surface');
  const { left, top, width, height } = surface.getBoundingClientRect();
  const next = () => new Promise((r) => requestAnimationFrame(r));
  const turn = (i) => surface.dispatchEvent(new WheelEvent('wheel', { deltaY: i % 2 ? 24 : -24, cancelable: true,
    clientX: left + width / 2, clientY: top + height / 2 }));
  for (let i = 0; i < n; i++) { turn(i); await next(); }
}"""
# The same two views of the same cells, each an element: boxes as rectangles, masks as outlines of 24 corners.
SVG = """([boxes, views, canvas, outlines]) => {
  const colours = ['#0072b2', '#e69f00', '#009e73'];
  const ring = ([x0, y0, x1, y1]) => Array.from({ length: 24 }, (_, k) => {
    const [x, y] = [Math.cos(k * Math.PI / 12), Math.sin(k * Math.PI / 12)];
    return ((x0 + x1 + (x1 - x0) * x) / 2).toFixed(1) + ',' + ((y0 + y1 + (y1 - y0) * y) / 2).toFixed(1);
  }).join(' ');
  const shape = (b) => outlines ? `<polygon points="${ring(b)}"` :
    `<rect x="${b[0]}" y="${b[1]}" width="${b[2] - b[0]}" height="${b[3] - b[1]}"`;
  document.body.style.margin = 0;
  const size = `width="${canvas.width}" height="${canvas.height}"`;
  document.body.innerHTML = `<svg xmlns="http://www.w3.org/2000/svg" ${size}>` +
    boxes.map((b, i) => shape(b) + ` fill="none" stroke="${colours[i % 3]}" stroke-width="2"
    vector-effect="non-scaling-stroke"/>`).join('') + '</svg>';
  const svg = document.querySelector('svg');
  window.zoom = async (n) => {
    const next = () => new Promise((r) => requestAnimationFrame(r));
    for (let i = 0; i < n; i++) {
      const { left, top, scale } = views[i % 2];
      svg.setAttribute('viewBox', `${left} ${top} ${canvas.width / scale} ${canvas.height / scale}`);
      await next();
    }
  };
}"""
VERDICTS = """async (n) => {
  const found = [];
  const next = () => new Promise((r) => requestAnimationFrame(r));
  const press = (key) => document.querySelector('.bw-surface').dispatchEvent(new KeyboardEvent('keydown', { key,
  bubbles: true, cancelable: true }));
  press('Tab');
  while (!boxwise.state().painted) await next();
  for (let i = 0; i < n; i++) {
    const was = boxwise.state().selected;
    const begun = performance.now();
    press('a');
    do await next(); while (boxwise.state().selected === was || !boxwise.state().painted);
    found.push(performance.now() - begun);
    await new Promise((r) => setTimeout(r, 100));   // nobody judges without a look
  }
  return found;
}"""


@contextmanager
def dev_server(root: Path = ROOT) -> Iterator[str]:
    """The address of the development server of a checkout."""
    port = free_port()
    node = shutil.which("node") or "node"
    process = subprocess.Popen(
        [node, "dev/server.mjs", str(port)],
        cwd=root / "frontend",
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # a group of its own: node may be a wrapper's child, which would outlive it
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(10)


def chromium_processes() -> Iterator[Path]:
    """The /proc folders of the Chromiums that this process started."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if b"chrom" in command.split(b"\0")[0] and _descends(int(folder.name), os.getpid()):
            yield folder


def _descends(pid: int, ancestor: int) -> bool:
    while pid > 1:
        if pid == ancestor:
            return True
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return False
    return False


def processor_seconds() -> float:
    ticks = 0
    for folder in chromium_processes():
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def renderer_megabytes() -> float:
    """The largest renderer process: its proportional share of memory, MB."""
    sizes = [0.0]
    for folder in chromium_processes():
        try:
            if b"--type=renderer" not in (folder / "cmdline").read_bytes():
                continue
            rollup = (folder / "smaps_rollup").read_text()
        except OSError:
            continue
        sizes.append(next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) / 1000)
    return max(sizes)


@dataclass(frozen=True)
class Frames:
    """Of a run of frames, for each that reached the screen: time, processor time, and time of the page's own scripts
    (milliseconds); and how many there were."""

    ms: float
    processor_ms: float
    script_ms: float
    shown: int

    def __str__(self) -> str:
        return f"{self.ms:.1f} ms a frame, {self.processor_ms:.1f} ms of processor, {self.script_ms:.1f} ms of script"


def frames_of(browser: Any, page: Any, script: str, turns: int) -> Frames:
    """Run `script` (turns -> so many animation frames) and count the frames that the compositor activated meanwhile."""
    page.evaluate(script, 4)
    browser.start_tracing(page=page, categories=["cc", "benchmark", "devtools.timeline"])
    before = processor_seconds()
    page.evaluate(script, turns)
    time.sleep(0.3)  # the last ones are still on their way
    used = processor_seconds() - before
    trace = browser.stop_tracing()
    shown = sorted(activations(trace))
    assert len(shown) > 2, "no frames in the trace"
    count = len(shown)
    script = script_seconds(trace)
    return Frames((shown[-1] - shown[0]) / 1000 / (count - 1), 1000 * used / count, 1000 * script / count, count)


# What runs the page's scripts: frames and the events that they answer.
SCRIPTS = ("FireAnimationFrame", "EventDispatch")


def script_seconds(trace: bytes) -> float:
    """Processor time of the page's own scripts, on the main thread."""
    events = json.loads(trace)["traceEvents"]
    spans = [event for event in events if event["name"] in SCRIPTS and event["ph"] == "X"]
    return sum(float(span.get("tdur", span["dur"])) for span in spans) / 1e6


def activations(trace: bytes) -> list[float]:
    """When (microseconds) the compositor of the busiest page had new content, drawn to the last tile."""
    events = json.loads(trace)["traceEvents"]
    per_process: dict[int, list[float]] = {}
    for event in events:
        if event["name"] == "EndCommitToActivation" and event["ph"] == "e":
            per_process.setdefault(event["pid"], []).append(event["ts"])
    return max(per_process.values(), key=len, default=[])


def opened(page: Any, url: str) -> tuple[float, float]:
    """Seconds from the navigation until the first tissue, and until all cells are drawn: the page's own marks."""
    page.goto(url, wait_until="commit")
    page.wait_for_function("window.boxwise !== undefined")
    page.evaluate("window.boxwise.ready")
    page.wait_for_function("performance.getEntriesByName('boxwise:cells').length > 0")
    marks = page.evaluate("['tissue', 'cells'].map((n) => performance.getEntriesByName('boxwise:' + n)[0].startTime)")
    return marks[0] / 1000, marks[1] / 1000


def loaded(page: Any, url: str) -> None:
    opened(page, url)
    page.wait_for_timeout(1500)  # tiles and what else follows the first picture


PARTS = ("open", "frames", "svg", "verdicts", "prompter")
SIDES = ("before", "after")
# Each side comes first as often as second.
TURNS = ("before", "after", "after", "before") * 2


def frame_pairs(browser: Any, addresses: dict[str, str]) -> None:
    """Medians of both sides ("before", "after": address), measured in turns, and of the ratios of neighbours."""
    for number, what in IMAGES.items():
        found: dict[str, list[Frames]] = {side: [] for side in SIDES}
        for side in TURNS:
            page = browser.new_page(viewport=VIEW, bypass_csp=True)
            loaded(page, f"{addresses[side]}/images/{number}/")
            found[side].append(frames_of(browser, page, ZOOM, 40))
            page.close()
        for name in ("ms", "processor_ms", "script_ms"):
            values = {side: [getattr(frames, name) for frames in found[side]] for side in SIDES}
            print(f"{what}, {name}: {_compared(values, '.1f')}")


def verdict_pairs(browser: Any, roots: dict[str, Path]) -> None:
    """The same of the key A to the next cell. Each turn has a server of its own, since verdicts stay decided."""
    waits: dict[str, list[float]] = {side: [] for side in SIDES}
    for side in TURNS:
        with dev_server(roots[side]) as address:
            page = browser.new_page(viewport=VIEW, bypass_csp=True)
            loaded(page, f"{address}/images/3/")
            waits[side].append(statistics.median(page.evaluate(VERDICTS, 40)))
            page.close()
    print(f"key A to the next cell drawn, ms: {_compared(waits, '.0f')}")


def _compared(values: dict[str, list[float]], form: str) -> str:
    """Both medians, and the median ratio of neighbours with the least and the most."""
    ratios = sorted(after / before for before, after in zip(*(values[side] for side in SIDES), strict=True))
    middles = " -> ".join(format(statistics.median(values[side]), form) for side in SIDES)
    return f"{middles}; ratio {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}, n = {len(ratios)})"


def _run_pairs(playwright: Any, roots: list[Path], parts: list[str]) -> None:
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    browser = playwright.chromium.launch(executable_path=path, headless=True, args=FLAGS.split())
    if "frames" in parts:
        with dev_server(roots[0]) as before, dev_server(roots[1]) as after:
            frame_pairs(browser, {"before": before, "after": after})
    if "verdicts" in parts:
        verdict_pairs(browser, dict(zip(SIDES, roots, strict=True)))
    browser.close()


def prompter(page: Any, count: int = 40) -> None:
    """The net in the browser: how long until it is ready, and its milliseconds for boxes and for clicks."""
    page.locator("canvas").last.focus()
    begun = time.monotonic()
    page.keyboard.press("s")
    page.wait_for_function("boxwise.state().prompter.name")
    print(f"prompter ready {time.monotonic() - begun:.1f} s after the tool was taken in hand")
    cells = page.evaluate("(n) => boxwise.proposals().slice(0, n).map((p) => p.box)", count)
    for kind in ("box", "click"):
        spent = []
        for x0, y0, x1, y1 in cells:
            answered = page.evaluate("boxwise.state().prompter.answered")
            corners = ((x0, y0), (x1, y1)) if kind == "box" else (((x0 + x1) / 2, (y0 + y1) / 2),) * 2
            begin, end = (page.evaluate("([x, y]) => boxwise.toPage(x, y)", corner) for corner in corners)
            page.mouse.move(begin["x"], begin["y"])
            page.mouse.down()
            if kind == "box":
                page.mouse.move(end["x"], end["y"], steps=3)
            page.mouse.up()
            page.wait_for_function("(n) => boxwise.state().prompter.answered > n", arg=answered)
            spent.append(page.evaluate("boxwise.state().prompter.milliseconds"))
            page.keyboard.press("Escape")
        spent.sort()
        print(f"{kind}: median {statistics.median(spent):.0f} ms, p95 {spent[int(0.95 * (len(spent) - 1))]:.0f} ms "
              f"(n = {len(spent)})")  # fmt: skip


def main() -> None:
    from playwright.sync_api import sync_playwright

    chosen = sys.argv[1:]
    if chosen[:1] == ["pairs"]:
        parts = [part for part in chosen[1:] if part in PARTS] or ["frames", "verdicts"]
        others = [Path(other).resolve() for other in chosen[1:] if other not in PARTS]
        print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors; pairs")
        with sync_playwright() as playwright:
            _run_pairs(playwright, [*others, ROOT][:2], parts)
        print(f"load average {os.getloadavg()[0]:.1f}")
        return
    # `python -m tests.bench workspace` names the module, and no part of it.
    parts = [part for part in chosen if part in PARTS] or list(PARTS)
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors; parts: {' '.join(parts)}")
    with dev_server() as address, sync_playwright() as playwright:
        path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=path, headless=True, args=FLAGS.split())
        page = browser.new_page(viewport=VIEW, bypass_csp=True)  # of the bench, to wait for its conditions
        if "open" in parts:
            for number, what in IMAGES.items():
                times = [opened(page, f"{address}/images/{number}/") for _ in range(3)]
                tissue, cells = (statistics.median(t) for t in zip(*times, strict=True))
                page.wait_for_timeout(1000)
                print(f"{what}: first tissue {tissue:.2f} s, all drawn {cells:.2f} s, {renderer_megabytes():.0f} MB")
        ours: dict[int, Frames] = {}
        if "frames" in parts or "svg" in parts:
            for number, what in IMAGES.items():
                loaded(page, f"{address}/images/{number}/")
                ours[number] = frames_of(browser, page, ZOOM, 40)
                print(f"{what}: {ours[number]} ({ours[number].shown} frames)")
            print(f"100,000 boxes against 1,000: {ours[5].ms / ours[7].ms:.1f} x the time, "
                  f"{ours[5].processor_ms / ours[7].processor_ms:.1f} x the processor")  # fmt: skip
        page.close()
        if "svg" in parts:
            for number, outlines in ((4, False), (6, True)):
                page = browser.new_page(viewport=VIEW, bypass_csp=True)
                loaded(page, f"{address}/images/{number}/")
                boxes = page.evaluate("boxwise.cells().map((c) => c.box)")
                views = []
                for turns in (0, 1):
                    page.evaluate(ZOOM, turns)
                    views.append(page.evaluate("boxwise.state().camera"))
                assert views[0] != views[1], "the picture did not move"
                canvas = page.evaluate("boxwise.state().canvas")
                page.close()  # of two pages one may stand behind the other, and is then not drawn
                plain = browser.new_page(viewport=VIEW)
                plain.evaluate(SVG, [boxes, views, canvas, outlines])
                svg = frames_of(browser, plain, "(n) => zoom(n)", 12)
                plain.close()
                print(f"{IMAGES[number]} as SVG: {svg} ({svg.shown} frames): "
                      f"{svg.ms / ours[number].ms:.1f} x the time, "
                      f"{svg.processor_ms / ours[number].processor_ms:.1f} x the processor")  # fmt: skip
        if "verdicts" in parts:
            page = browser.new_page(viewport=VIEW, bypass_csp=True)
            loaded(page, f"{address}/images/3/")
            used = processor_seconds()
            verdicts = sorted(page.evaluate(VERDICTS, 40))
            used = processor_seconds() - used
            print(f"key A to the next cell drawn: median {statistics.median(verdicts):.0f} ms, "
                  f"p95 {verdicts[37]:.0f} ms, {1000 * used / 40:.0f} ms of processor")  # fmt: skip
        if "prompter" in parts:
            page = browser.new_page(viewport=VIEW, bypass_csp=True)
            loaded(page, f"{address}/images/3/")
            prompter(page)
        browser.close()
    built = ROOT / "frontend" / "dist" / "workspace.js"
    print(f"workspace.js gzipped: {len(gzip.compress(built.read_bytes())) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
