"""python -m tools.bundle FOLDER [--packages all|cpu|web]: one release for machines without a network, in one folder.

    boxwise/              this checkout at its last commit, with the built front end
    wheels/, wheels.lock  every Python package, for machines like this one; the hash of each
    boxwise.cdx.json      what all that is made of (tools/sbom.py)
    debian-packages.txt   what Debian has to bring
    SHA256SUMS            of all files
    install.sh            checks the hashes and installs; fetches nothing

all: with CUDA (several GB). cpu: without it. web: what a web server needs whose workers run elsewhere (no torch).
Weights that are shipped lie in boxwise/inference/weights. Images of containers are not in it: build them from boxwise/
with the wheels, or `docker save` them on a machine that has an engine.
"""

import argparse
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from labeling.server.bootstrap import without_gpu
from labeling.server.offline import LOCK, SUMS, WHEELS, files_of, hash_of
from tools import sbom

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("all", "cpu", "web")
TORCH_WITHOUT_CUDA = "https://download.pytorch.org/whl/cpu"
DEBIAN = """\
# apt-get install, from the medium or mirror of your site
python3
python3-venv
libgl1
libglib2.0-0
# behind a proxy of its own
nginx-light
# with a PostgreSQL and Valkey of its own instead of those in the wheels
# postgresql
# valkey-server
"""
INSTALL = """\
#!/bin/sh
# Install Boxwise from this folder: sh install.sh [/opt/boxwise]. Nothing is fetched; PYTHON= names another Python.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
target=${1:-/opt/boxwise}
if [ -e "$target/.build/bundle" ] || [ ! -e "$target" ]; then
    mkdir -p "$target"
else
    echo "$target is there and holds no Boxwise of a bundle: name another folder, or remove it." >&2
    exit 1
fi
cp -R "$here/boxwise/." "$target/"
cd "$target"
exec "${PYTHON:-python3}" -m labeling.server.offline "$here"
"""


class NoBundle(Exception):
    """It cannot be made; str(error) says what to do."""


def make(folder: Path, *, packages: str, root: Path = ROOT) -> None:
    """Raises NoBundle. Nothing is left of a bundle that could not be made."""
    if folder.exists() and any(folder.iterdir()):
        raise NoBundle(f"{folder} is not empty: name a new folder.")
    if not (root / "frontend" / "dist" / "workspace.js").is_file():
        raise NoBundle("the front end is not built: run make setup first.")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        copy_checkout(folder / "boxwise", root)
        fetch_wheels(folder, packages=packages, root=root)
        (folder / "boxwise.cdx.json").write_text(sbom.as_json(sbom.bill(root)), encoding="utf-8")
        (folder / "debian-packages.txt").write_text(DEBIAN, encoding="utf-8")
        (folder / "install.sh").write_text(INSTALL, encoding="utf-8")
        (folder / "install.sh").chmod(0o755)
        lines = [f"{hash_of(folder / name)}  {name}\n" for name in files_of(folder)]
        (folder / SUMS).write_text("".join(lines), encoding="utf-8")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def copy_checkout(target: Path, root: Path) -> None:
    """The last commit, and frontend/dist, which git does not keep. What is changed and not committed is left out."""
    target.mkdir()
    archive = target.with_suffix(".tar")
    command = ["git", "archive", "--output", str(archive), "HEAD"]
    subprocess.run(command, cwd=root, check=True)
    shutil.unpack_archive(archive, target, filter="data")
    archive.unlink()
    shutil.copytree(root / "frontend" / "dist", target / "frontend" / "dist")


def fetch_wheels(folder: Path, *, packages: str, root: Path) -> None:
    """wheels/ by the lock, checked against its hashes, and wheels.lock with the hashes of exactly these files."""
    lock = root / "requirements.lock"
    torch: list[str] = []
    if packages == "web":
        lock = root / "docker" / "requirements-web.lock"
    elif packages == "cpu":
        text, torch = without_gpu(lock.read_text(encoding="utf-8"))
        lock = folder / "without-gpu.lock"
        lock.write_text(text, encoding="utf-8")
    wheels = folder / WHEELS
    download("--require-hashes", "--requirement", str(lock), to=wheels)
    if torch:  # PyTorch's own index builds other files than the registry's: their hashes are not in the lock
        download("--index-url", TORCH_WITHOUT_CUDA, *torch, to=wheels)
        lock.unlink()
    add_build_tools(wheels, root=root)
    lines = [f"{requirement_of(path)} --hash=sha256:{hash_of(path)}\n" for path in sorted(wheels.glob("*.whl"))]
    (folder / LOCK).write_text("".join(lines), encoding="utf-8")


def add_build_tools(wheels: Path, *, root: Path) -> None:
    """Setuptools, by which Boxwise itself is installed; the lock of the web image does without."""
    if list(wheels.glob("setuptools-*.whl")):
        return
    text = (root / "requirements.lock").read_text(encoding="utf-8")
    version = next(line.split()[0] for line in text.splitlines() if line.startswith("setuptools=="))
    download(version, to=wheels)


def download(*words: str, to: Path) -> None:
    """Raises NoBundle with the last lines of pip."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--dest", str(to)]
    run = subprocess.run([*command, "--quiet", *words], capture_output=True, text=True, check=False)
    if run.returncode:
        raise NoBundle("the packages could not be fetched:\n" + "\n".join(run.stderr.splitlines()[-5:]))


def requirement_of(wheel: Path) -> str:
    """boxwise==1.0 of boxwise-1.0-py3-none-any.whl."""
    name, version = wheel.name.split("-")[:2]
    return f"{name}=={version}"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.bundle", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="that is made, or is empty")
    parser.add_argument("--packages", choices=PACKAGES, default="all")
    given = parser.parse_args(argv)
    try:
        make(given.folder, packages=given.packages)
    except (NoBundle, sbom.Unstated) as error:
        print(f"There is no bundle: {error}", file=sys.stderr)
        return 1
    size = sum((given.folder / name).stat().st_size for name in files_of(given.folder))
    machine = f"{platform.system()} on {platform.machine()}, Python {platform.python_version()}"
    print(f"{given.folder}: {size / 2**20:,.0f} MiB for {machine}. Copy the folder, then: sh install.sh /opt/boxwise")
    return 0


if __name__ == "__main__":
    sys.exit(main())
