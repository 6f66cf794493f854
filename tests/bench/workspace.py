"""python -m tests.bench.workspace: the workspace's frames, openings and memory in headless Chromium (software WebGL).

The server is frontend/dev/server.mjs (its data in memory), so that what is measured is the browser's work. Ratios
within one
run are worth more than milliseconds: both sides of a ratio are timed by the same loop, animation frame to animation
frame.
"""

import gzip
import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.running import ROOT, free_port

FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-frame-rate-limit --disable-gpu-vsync"
)
# Every frame moves the picture; a frame is over when the next one begins, with everything drawn.
PAN = """async (n) => {
  const surface = document.querySelector('.bw-surface');
  const { left, top, width, height } = surface.getBoundingClientRect();
  const next = () => new Promise((r) => requestAnimationFrame(r));
  const turn = (i) => surface.dispatchEvent(new WheelEvent('wheel', { deltaY: i % 2 ? 24 : -24, clientX: left +
  width / 2, clientY: top + height / 2, cancelable: true }));
  for (let i = 0; i < 4; i++) { turn(i); await next(); }
  const begun = performance.now();
  for (let i = 0; i < n; i++) { turn(i); await next(); }
  return (performance.now() - begun) / n;
}"""
SVG = """async ([boxes, size, n]) => {
  const colours = ['#0072b2', '#e69f00', '#009e73'];
  document.body.innerHTML = `<svg xmlns="http://www.w3.org/2000/svg" style="width:100vw;height:100vh" viewBox="0 0
  ${size} ${size}">` +
    boxes.map(([x0, y0, x1, y1], i) => `<rect x="${x0}" y="${y0}" width="${x1 - x0}" height="${y1 - y0}" fill="none"
    stroke="${colours[i % 3]}" vector-effect="non-scaling-stroke"/>`).join('') + '</svg>';
  const svg = document.querySelector('svg');
  const next = () => new Promise((r) => requestAnimationFrame(r));
  const turn = (i) => svg.setAttribute('viewBox', i % 2 ? `0 0 ${size} ${size}` : `${size * 0.02} ${size * 0.02}
  ${size * 0.96} ${size * 0.96}`);
  for (let i = 0; i < 4; i++) { turn(i); await next(); }
  const begun = performance.now();
  for (let i = 0; i < n; i++) { turn(i); await next(); }
  return (performance.now() - begun) / n;
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
  }
  return found;
}"""


@contextmanager
def dev_server() -> Iterator[str]:
    port = free_port()
    node = shutil.which("node") or "node"
    process = subprocess.Popen(
        [node, "dev/server.mjs", str(port)], cwd=ROOT / "frontend", stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def opened(page: Any, url: str) -> tuple[float, float]:
    """Seconds from the navigation until the tissue stands, and until all cells are drawn."""
    begun = time.perf_counter()
    page.goto(url, wait_until="commit")
    while not page.evaluate("window.boxwise !== undefined"):
        time.sleep(0.01)
    page.evaluate("window.boxwise.ready")
    tissue = time.perf_counter() - begun
    while not page.evaluate("boxwise.counts().drawn >= boxwise.cells().length && boxwise.state().frames > 1"):
        time.sleep(0.01)
    return tissue, time.perf_counter() - begun


def renderer_megabytes() -> float:
    """The largest renderer process of the Chromiums that this process started: its proportional share of memory, MB."""
    sizes = [0.0]
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if b"--type=renderer" not in (folder / "cmdline").read_bytes():
                continue
            rollup = (folder / "smaps_rollup").read_text()
        except OSError:
            continue
        if _descends(int(folder.name), os.getpid()):
            sizes.append(next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) / 1000)
    return max(sizes)


def _descends(pid: int, ancestor: int) -> bool:
    while pid > 1:
        if pid == ancestor:
            return True
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return False
    return False


def main() -> None:
    from playwright.sync_api import sync_playwright

    with dev_server() as address, sync_playwright() as playwright:
        path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=path, headless=True, args=FLAGS.split())
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        frames = {}
        for number, count in ((7, 1_000), (4, 10_000), (5, 100_000), (6, 10_000)):
            tissue, cells = opened(page, f"{address}/images/{number}/")
            frames[number] = statistics.median(page.evaluate(PAN, 20) for _ in range(3))
            what = "masks" if number == 6 else "boxes"
            print(f"{count:,} {what}: tissue {tissue:.2f} s, all drawn {cells:.2f} s, {frames[number]:.1f} ms a frame, "
                  f"{renderer_megabytes():.0f} MB")  # fmt: skip
        opened(page, f"{address}/images/4/")
        boxes = page.evaluate("boxwise.cells().map((c) => c.box)")
        plain = browser.new_page(viewport={"width": 1280, "height": 800})
        svg = statistics.median(plain.evaluate(SVG, [boxes, 4000, 6]) for _ in range(3))
        print(f"10,000 boxes as SVG: {svg:.0f} ms a frame, {svg / frames[4]:.1f} x ours")
        print(f"100,000 boxes against 1,000: {frames[5] / frames[7]:.1f} x a frame")
        opened(page, f"{address}/images/3/")
        verdicts = sorted(page.evaluate(VERDICTS, 40))
        print(f"key A to the next cell drawn: median {statistics.median(verdicts):.0f} ms, p95 {verdicts[37]:.0f} ms")
        browser.close()
    built = ROOT / "frontend" / "dist" / "workspace.js"
    print(f"workspace.js gzipped: {len(gzip.compress(built.read_bytes())) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
