"""Python, compiled modules and compiled kernels for an account that may not enter root's home or write the checkout.

Started as root, Boxwise runs as another account. Root's Python often lies in root's home, which is closed to it: then
the account gets a copy. It gets folders of its own for compiled modules, without which every start takes twice as
long, and for the kernels, without which the first round takes half a minute more. All lie below .build, shared by the
instances of a checkout.

Standard library only.
"""

import contextlib
import hashlib
import os
import shutil
import sys
from itertools import chain
from pathlib import Path

from labeling.server.environment import CHECKOUT
from labeling.server.processes import Account, unreachable_for

BUILD = CHECKOUT / ".build"
NUMBA_FILES = ("*.nbi", "*.nbc")
LEFT_OUT = ("site-packages", "test", "idlelib", "tkinter", "turtledemo", "ensurepip", "__pycache__", "config-*")
VERSION = f"python{sys.version_info[0]}.{sys.version_info[1]}"


def python_for(account: Account | None) -> Path:
    """The Python that runs the site: ours, or the copy where the account cannot reach ours."""
    if account is None or _reaches_ours(account):
        return Path(sys.executable)
    return BUILD / "python-copy" / "venv" / "bin" / "python"


def environment(account: Account) -> dict[str, str]:
    """Where the account's Python and numba keep what they compile, and where a copied Python finds its library."""
    given = {}
    if _home(account).is_dir():
        given["PYTHONPYCACHEPREFIX"] = str(_home(account) / "python")
        given["NUMBA_CACHE_DIR"] = str(_home(account) / "numba")
    libraries = BUILD / "python-copy" / "base" / "lib"
    if not _reaches_ours(account) and any(libraries.glob("libpython*")):
        given["LD_LIBRARY_PATH"] = os.pathsep.join(filter(None, [str(libraries), os.environ.get("LD_LIBRARY_PATH")]))
    return given


def make_folders(account: Account) -> None:
    """Make what is missing of all this. Raises OSError when the copy of Python is needed and cannot be made."""
    if not _reaches_ours(account):
        _copy_python()
    with contextlib.suppress(OSError):  # a checkout that cannot be written goes without
        for one in (_home(account), _home(account) / "python", _home(account) / "numba"):
            one.mkdir(parents=True, exist_ok=True)
            os.chown(one, account.uid, account.gid)
        for source in sorted((CHECKOUT / "inference").rglob("__pycache__")):
            _copy_kernels(source, account)


def _home(account: Account) -> Path:
    return BUILD / f"compiled-{account.name}"


_reached: dict[str, bool] = {}


def _reaches_ours(account: Account) -> bool:
    """Whether the account can start the Python that runs us and read its library. Asked once a process."""
    if account.name not in _reached:
        places = (Path(sys.executable).resolve(), Path(os.__file__).parent)
        _reached[account.name] = all(unreachable_for(account, place) is None for place in places)
    return _reached[account.name]


def _copy_python() -> None:
    """The base Python without packages, and beside it an environment that shares those of .venv. It appears whole or
    not at all."""
    target = BUILD / "python-copy"
    made_from = f"{sys.version}\n{sys.base_prefix}\n{sys.prefix}\n"
    stamp = target / "made-from"
    if stamp.exists() and stamp.read_text() == made_from:
        return
    shutil.rmtree(target, ignore_errors=True)
    half = BUILD / f"python-copy.{os.getpid()}"
    shutil.rmtree(half, ignore_errors=True)
    base, venv = half / "base", half / "venv"
    (base / "bin").mkdir(parents=True)
    shutil.copy2(Path(sys.executable).resolve(), base / "bin" / VERSION)
    library = Path(os.__file__).parent
    shutil.copytree(library, base / "lib" / VERSION, ignore=shutil.ignore_patterns(*LEFT_OUT), symlinks=True)
    for shared in Path(sys.base_prefix, "lib").glob("libpython*.so*"):
        shutil.copy2(shared, base / "lib" / shared.name)
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").symlink_to(Path("..", "..", "base", "bin", VERSION))
    (venv / "lib" / VERSION).mkdir(parents=True)
    packages = Path(sys.prefix, "lib", VERSION, "site-packages")
    (venv / "lib" / VERSION / "site-packages").symlink_to(packages)
    (venv / "pyvenv.cfg").write_text(f"home = {target / 'base' / 'bin'}\ninclude-system-site-packages = false\n")
    (half / "made-from").write_text(made_from)
    for folder in (half, *(path for path in half.rglob("*") if path.is_dir() and not path.is_symlink())):
        folder.chmod(0o755)
    half.rename(target)


def _copy_kernels(source: Path, account: Account) -> None:
    """numba looks for the kernels of a folder F below NUMBA_CACHE_DIR in F's name and the SHA-1 of its path."""
    files = list(chain.from_iterable(map(source.glob, NUMBA_FILES)))
    if not files:
        return
    home = source.parent
    name = hashlib.sha1(str(home).encode(), usedforsecurity=False).hexdigest()
    target = _home(account) / "numba" / f"{home.name}_{name}"
    target.mkdir(exist_ok=True)
    os.chown(target, account.uid, account.gid)
    for file in files:
        copy = target / file.name
        if not copy.exists() or copy.stat().st_mtime < file.stat().st_mtime:
            shutil.copy2(file, copy)
            os.chown(copy, account.uid, account.gid)
