"""From a fresh checkout to everything installed: `python3 -m labeling.server.bootstrap` (the Makefile calls it).

Standard library only, since it runs before anything is installed; the syntax above `main` must be readable for
older Pythons, which are to hear that they are too old and not that there is a syntax error. Every step leaves a
stamp with the hash of what it was made from in .build/, so that a second run does nothing.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 (whoever starts us may be older than what pyproject.toml asks for)
    sys.exit(
        "Boxwise needs Python 3.11 or newer; {} is {}.{}. Name a newer one: make demo PYTHON=python3.11".format(
            sys.executable, *sys.version_info[:2]
        )
    )

import argparse
import contextlib
import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / ".build"
VENV = ROOT / ".venv"
DISTRIBUTIONS = ("pyproject.toml", "client/pyproject.toml")
STILL_AT_IT = 20.0  # seconds between two signs of life of a long step

# What pip, uv and npm say when they cannot reach their registry.
NO_NETWORK = re.compile(
    r"name resolution|dns error|failed to lookup|Could not resolve|Network is unreachable|No route to host|"
    r"NewConnectionError|Connection refused|tcp connect error|client error \(Connect\)|Connect call failed|"
    r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ENETUNREACH|ETIMEDOUT|ConnectTimeout|ProxyError",
    re.IGNORECASE,
)
BAD_CERTIFICATE = re.compile(r"SELF_SIGNED_CERT|CERTIFICATE_VERIFY_FAILED|UNABLE_TO_GET_ISSUER_CERT|UnknownIssuer")
# What only a GPU needs, besides PyTorch itself: left out with TORCH=cpu. nvidia-ml-py is small and plain Python.
GPU_PACKAGES = re.compile(r"^(torch|torchvision|triton|nvidia-(?!ml-py)[\w-]+|cuda-[\w-]+)==")


class SetupFailed(Exception):
    """A step did not work; str(error) says what to do."""


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        "bootstrap", description="Install everything that Boxwise needs into this checkout."
    )
    parser.add_argument("--to-start", action="store_true", help="first check that an instance could be started")
    arguments = parser.parse_args(argv)
    try:
        check_python()
        if arguments.to_start:
            check_surroundings()
        with one_at_a_time():
            install_python(torch_choice())
            compile_kernels()
            build_frontend()
    except SetupFailed as error:
        print(f"\nBoxwise is not set up. {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped; the next start goes on from here.", file=sys.stderr)
        return 130
    return 0


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


# -- the surroundings


def check_python() -> None:
    """Debian's Python comes without venv until python3-venv is installed. Raises SetupFailed."""
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        raise SetupFailed(f"Python {version} has no venv; on Debian or Ubuntu: apt-get install python{version}-venv")


def check_surroundings() -> None:
    """What would keep an instance from starting is told now, not after minutes of installing. Raises SetupFailed."""
    from labeling.server.instance import Instance
    from labeling.server.surroundings import BadSurroundings

    try:
        Instance.from_environment().check_surroundings()
    except BadSurroundings as error:
        raise SetupFailed(str(error)) from error


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """Two of us in one checkout would install over each other: the second waits."""
    try:
        BUILD.mkdir(exist_ok=True)
        file = (BUILD / "lock").open("w")
    except OSError as error:
        raise SetupFailed(f"The checkout {ROOT} cannot be written ({error.strerror}); use one of your own.") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another installation is running in this checkout; waiting for it ...")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


# -- steps and stamps


def run(doing: str, *commands: list[str | Path], cwd: Path = ROOT, env: dict[str, str] | None = None) -> None:
    """Run the commands of one step, their output in .build/STEP.log, a line at the start and at the end.

    Raises SetupFailed with what to do when one of them fails.
    """
    say(f"{doing} ...")
    begin = time.monotonic()
    log = BUILD / (re.sub(r"\W+", "-", doing.partition(" (")[0].lower()).strip("-") + ".log")
    with log.open("wb") as output:
        for command in commands:
            _run_one(doing, command, cwd, env, output, begin)
    answer = time.monotonic() - begin
    say(f"{doing.partition(' (')[0]}: done ({answer:.0f} s).")


def _run_one(
    doing: str, command: list[str | Path], cwd: Path, env: dict[str, str] | None, output: IO[bytes], begin: float
) -> None:
    try:
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=cwd,
            env=env or environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise SetupFailed(f"{doing}: {command[0]} cannot be run ({error.strerror}).") from error
    next_sign = time.monotonic() + STILL_AT_IT
    try:
        while True:
            try:
                code = process.wait(timeout=max(0.0, next_sign - time.monotonic()))
                break
            except subprocess.TimeoutExpired:
                say(f"  ... still at it ({time.monotonic() - begin:.0f} s)")
                next_sign += STILL_AT_IT
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    if code != 0:
        output.flush()
        raise SetupFailed(what_to_do(doing, Path(output.name)))


def what_to_do(doing: str, log: Path) -> str:
    text = log.read_text(errors="replace")
    step = doing.partition(" (")[0]
    if BAD_CERTIFICATE.search(text):
        return (
            f"{step}: the package registry's certificate is not trusted here, perhaps because a proxy of your "
            "institution stands between: set SSL_CERT_FILE to its certificates, then run the same command again."
        )
    if NO_NETWORK.search(text) and "/whl/cpu" in text:
        return (
            "TORCH=cpu takes PyTorch from PyTorch's own index, which could not be reached: connect, or install with "
            "TORCH=cuda, which needs the package registry only (7 GB)."
        )
    if NO_NETWORK.search(text):
        return (
            f"{step} needs the network and could not reach the package registry: connect (or name a mirror with "
            "PIP_INDEX_URL, UV_DEFAULT_INDEX and npm_config_registry), then run the same command again."
        )
    if "No space left on device" in text:
        return f"{step}: the disk is full; free some space (all takes about 8 GB, with TORCH=cpu 3 GB)."
    return f"{step} failed; the end of {log} says:\n" + "\n".join(text.splitlines()[-15:])


def environment() -> dict[str, str]:
    """The caller's environment, without what would make every later start slow or pick another Python."""
    env = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHONDONTWRITEBYTECODE", "PYTHONHOME", "VIRTUAL_ENV")
    }
    env["NO_COLOR"] = "1"  # their words end up in a log and in our messages
    if certificates := env.get("SSL_CERT_FILE") or env.get("PIP_CERT"):  # npm reads neither
        env.setdefault("NODE_EXTRA_CA_CERTS", certificates)
    env["PATH"] = f"{VENV / 'bin'}{os.pathsep}{env.get('PATH', os.defpath)}"
    return env


def digest(*parts: str, files: Iterable[Path] = ()) -> str:
    found = hashlib.sha256("\0".join(parts).encode())
    for path in files:
        found.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()


def is_done(step: str, made_from: str) -> bool:
    stamp = BUILD / f"{step}.stamp"
    return stamp.exists() and stamp.read_text() == made_from


def set_done(step: str, made_from: str) -> None:
    (BUILD / f"{step}.stamp").write_text(made_from)


def set_undone(step: str) -> None:
    (BUILD / f"{step}.stamp").unlink(missing_ok=True)


# -- Python


def torch_choice() -> str:
    """ "cpu" or "cuda": TORCH, or what this checkout was installed with, or cuda. Raises SetupFailed."""
    kept = BUILD / "torch"
    choice = os.environ.get("TORCH", "").strip().lower()
    if choice not in ("", "cpu", "cuda"):
        raise SetupFailed(f"TORCH={choice} is unknown: TORCH=cpu installs without CUDA, TORCH=cuda with it.")
    return choice or (kept.read_text().strip() if kept.exists() else "cuda")


def install_python(torch: str) -> None:
    """The packages of requirements.lock in .venv, checked against their hashes, and Boxwise itself as editable."""
    made_from = python_made_from(torch)
    if is_done("python", made_from) and (VENV / "bin" / "boxwise").exists():
        return
    set_undone("python")
    uv = install_uv()
    env = uv_environment()
    if not same_python(VENV / "bin" / "python"):
        run("Making .venv", [uv, "venv", "--clear", "--python", sys.executable, VENV], env=env)
    python = VENV / "bin" / "python"
    sync: list[str | Path] = [uv, "pip", "sync", "--python", python, "--require-hashes"]
    if torch == "cpu":
        lock, versions = without_gpu((ROOT / "requirements.lock").read_text())
        reduced = BUILD / "requirements-without-gpu.lock"
        reduced.write_text(lock)
        run(
            "Installing Python packages without CUDA (first time: about a minute, 3 GB)",
            [*sync, reduced],
            # PyTorch's own index builds other files than the registry's, so their hashes are not in the lock.
            [uv, "pip", "install", "--python", python, "--no-deps", "--torch-backend", "cpu", *versions],
            env=env,
        )
    else:
        run(
            "Installing Python packages (first time: about a minute, 7 GB; with TORCH=cpu, without CUDA, 3 GB)",
            [*sync, ROOT / "requirements.lock"],
            env=env,
        )
    editable: list[str | Path] = ["--editable", ROOT / "client", "--editable", ROOT]
    run(
        "Installing Boxwise itself",
        [uv, "pip", "install", "--python", python, "--no-deps", "--no-build-isolation", *editable],
        env=env,
    )
    (BUILD / "torch").write_text(torch)
    set_done("python", made_from)


def python_made_from(torch: str) -> str:
    """The stamp of .venv."""
    manifests = [ROOT / name for name in ("requirements.lock", *DISTRIBUTIONS)]
    return digest(torch, sys.version, str(ROOT), files=manifests)


def install_uv() -> Path:
    """uv in an environment of its own, since `uv pip sync` removes from .venv what the lock does not name."""
    home = BUILD / "uv"
    uv = home / "bin" / "uv"
    made_from = digest(sys.version, str(ROOT), files=[ROOT / "requirements-uv.lock"])
    if is_done("uv", made_from) and uv.exists():
        return uv
    set_undone("uv")
    shutil.rmtree(home, ignore_errors=True)
    run(
        "Installing the installer",
        [sys.executable, "-m", "venv", home],
        [
            *(home / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
            *("--retries", "1", "--require-hashes", "--requirement", ROOT / "requirements-uv.lock"),
        ],
    )
    set_done("uv", made_from)
    return uv


def uv_environment() -> dict[str, str]:
    """uv reads no configuration of pip: hand it the registry and the certificates that pip was told to use."""
    env = environment() | {"UV_NO_PROGRESS": "1", "UV_PYTHON_DOWNLOADS": "never", "UV_HTTP_TIMEOUT": "120"}
    for option, name in (("index-url", "UV_DEFAULT_INDEX"), ("cert", "SSL_CERT_FILE")):
        value = env.get(f"PIP_{option.upper().replace('-', '_')}") or pip_setting(option)
        if value and not env.get(name) and not env.get("UV_INDEX_URL"):
            env[name] = value
    return env


def pip_setting(option: str) -> str:
    command = [str(BUILD / "uv" / "bin" / "python"), "-m", "pip", "config", "get", f"global.{option}"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def same_python(python: Path) -> bool:
    """Whether .venv was made with the Python that runs us (it may have been upgraded, or the checkout moved)."""
    command = [str(python), "-c", "import sys; print(sys.version, sys.prefix, sep='\\n')"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout.rstrip("\n")
    except (OSError, subprocess.CalledProcessError):
        return False
    return answer == f"{sys.version}\n{VENV}"


def without_gpu(lock: str) -> tuple[str, list[str]]:
    """The lock without what only a GPU needs, and the versions of torch and torchvision that it names.

    An entry is its line and the indented lines below it.
    """
    kept, versions, keep = [], [], True
    for line in lock.splitlines(keepends=True):
        if line[:1] not in (" ", "#", "\n"):
            keep = GPU_PACKAGES.match(line) is None
            if line.startswith(("torch==", "torchvision==")):
                versions.append(line.split()[0].rstrip("\\;"))
        if keep:
            kept.append(line)
    return "".join(kept), versions


# -- the front end


def compile_kernels() -> None:
    """The numba kernels of the fusion, into their cache: half a minute here, once, and none in anybody's first
    round."""
    sources = [*sorted((ROOT / "inference" / "fusion").glob("*.py")), *sorted((ROOT / "inference").glob("*.py"))]
    made_from = digest(sys.version, str(ROOT), files=[ROOT / "requirements.lock", *sources])
    if is_done("kernels", made_from):
        return
    run(
        "Compiling the fusion's kernels (once: half a minute)",
        [VENV / "bin" / "python", "-m", "inference.fusion.warm"],
    )
    set_done("kernels", made_from)


def build_frontend() -> None:
    """frontend/dist from the TypeScript, with node from its wheel."""
    folder = ROOT / "frontend"
    manifests = [
        path for path in (folder / "package.json", folder / "package-lock.json", folder / ".npmrc") if path.exists()
    ]
    came_built = (BUILD / "bundle").exists() and (folder / "dist").is_dir()  # labeling/server/offline.py
    if not manifests or came_built:
        return
    npm, node = VENV / "bin" / "npm", VENV / "bin" / "node"
    modules = digest(str(ROOT), files=manifests)
    if not (is_done("npm", modules) and (folder / "node_modules").is_dir()):
        set_undone("npm")
        # npm's own patience with a registry that is out of reach is more than a minute.
        patience = ["--fetch-retries", "1", "--fetch-retry-mintimeout", "1000"]
        run("Installing JavaScript packages", [npm, "ci", "--no-audit", "--no-fund", *patience], cwd=folder)
        set_done("npm", modules)
    sources = digest(modules, files=frontend_sources(folder))
    if not (is_done("frontend", sources) and (folder / "dist").is_dir()):
        set_undone("frontend")
        run("Building the front end", [node, folder / "node_modules" / "vite" / "bin" / "vite.js", "build"], cwd=folder)
        set_done("frontend", sources)


def frontend_sources(folder: Path) -> list[Path]:
    found = []
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(
            name for name in folders if name not in ("node_modules", "dist", "coverage", "test-results")
        )
        found += [Path(parent) / name for name in sorted(names)]
    return found


if __name__ == "__main__":
    sys.exit(main())
