"""From an offline bundle to everything installed: `python3 -m labeling.server.offline BUNDLE` (install.sh calls it).

`make bundle` writes a bundle on a machine with a network (tools/bundle.py): this checkout with its built front end,
wheels of all packages, and the hash of each file. Here nothing is fetched. Standard library only.
"""

import argparse
import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from labeling.server import bootstrap
from labeling.server.bootstrap import SetupFailed, run, say

SUMS, WHEELS, LOCK = "SHA256SUMS", "wheels", "wheels.lock"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser("offline", description="Install Boxwise from an offline bundle.")
    parser.add_argument("bundle", type=Path, help="the folder that holds SHA256SUMS and wheels/")
    bundle: Path = parser.parse_args(argv).bundle.resolve()
    try:
        check_sums(bundle)
        bootstrap.check_python()
        with bootstrap.one_at_a_time():
            install(bundle)
    except SetupFailed as error:
        print(f"\nBoxwise is not installed. {error}", file=sys.stderr)
        return 1
    return 0


def check_sums(bundle: Path) -> None:
    """Compare the hash of every file of the bundle. Raises SetupFailed, which names the first that differs."""
    list_ = bundle / SUMS
    if not list_.is_file():
        raise SetupFailed(f"{bundle} is no bundle: it has no {SUMS}. Name the folder that `make bundle` wrote.")
    expected = {name: digest for digest, name in read_sums(list_)}
    for name in sorted(set(files_of(bundle)) - expected.keys()):
        raise SetupFailed(f"{name} is not listed in {SUMS}. Copy the bundle again.")
    for name, digest in expected.items():
        path = bundle / name
        if not path.is_file():
            raise SetupFailed(f"{name} is missing in the bundle. Copy it again.")
        if hash_of(path) != digest:
            raise SetupFailed(f"{name} differs from what the bundle was made with. Copy it again.")


def read_sums(list_: Path) -> Iterator[tuple[str, str]]:
    """(hash, name) of each line, as sha256sum writes them."""
    for line in list_.read_text(encoding="utf-8").splitlines():
        digest, _blanks, name = line.partition("  ")
        yield digest, name


def files_of(bundle: Path) -> Iterator[str]:
    """Names of all files, as SHA256SUMS has them; what Python compiles beside its modules is none of the bundle's."""
    for parent, folders, names in os.walk(bundle):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        for name in sorted(names):
            found = (Path(parent) / name).relative_to(bundle).as_posix()
            if found != SUMS:
                yield found


def hash_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def install(bundle: Path) -> None:
    """The packages, Boxwise itself and the marks by which `make up` knows that nothing is to be fetched."""
    for step in ("python", "frontend", "npm"):
        bootstrap.set_undone(step)
    shutil.rmtree(bootstrap.VENV, ignore_errors=True)
    run("Making .venv", [sys.executable, "-m", "venv", bootstrap.VENV])
    pip: list[str | Path] = [bootstrap.VENV / "bin" / "python", "-m", "pip", "install", "--no-index"]
    pip.append("--disable-pip-version-check")
    env = without_pip_settings()
    hashed: list[str | Path] = ["--no-deps", "--require-hashes", "--find-links", bundle / WHEELS]
    run("Installing Python packages (some minutes)", [*pip, *hashed, "--requirement", bundle / LOCK], env=env)
    own: list[str | Path] = ["--no-deps", "--no-build-isolation"]
    own += ["--editable", bootstrap.ROOT / "client", "--editable", bootstrap.ROOT]
    run("Installing Boxwise itself", [*pip, *own], env=env)
    (bootstrap.BUILD / "bundle").write_text(str(bundle))
    wheels = [path.name for path in (bundle / WHEELS).glob("torch-*.whl")]
    if wheels:  # else a web server, which fuses nothing
        bootstrap.compile_kernels()
    torch = "cpu" if any("+cpu-" in name for name in wheels) else "cuda"
    (bootstrap.BUILD / "torch").write_text(torch)
    bootstrap.set_done("python", bootstrap.python_made_from(torch))
    say(f"Boxwise is installed in {bootstrap.ROOT}: {bootstrap.VENV / 'bin' / 'boxwise'} up starts it.")


def without_pip_settings() -> dict[str, str]:
    """No registry that this machine may be set up with: it could not be reached."""
    kept = {name: value for name, value in bootstrap.environment().items() if not name.startswith("PIP_")}
    return kept | {"PIP_CONFIG_FILE": os.devnull}


if __name__ == "__main__":
    sys.exit(main())
