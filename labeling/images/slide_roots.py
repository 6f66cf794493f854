"""Slides that are registered where they lie: below a folder or a storage of the setting SLIDE_ROOTS.

A path stays below its root, and links of a disk are not followed. What lies in a storage is read in parts
(remote_roots.py), or through a whole copy of this machine (slide_copies.py).
"""

import os
import stat
from pathlib import Path, PurePosixPath
from typing import TypedDict

from django.conf import settings
from django.utils.translation import gettext as _

from inference.reading.questions import About
from inference.reading.types import Unreadable
from labeling.errors import Invalid
from labeling.images import remote_roots
from labeling.images.sentences import sentence
from labeling.server.slide_places import RemoteRoot


def resolved(root: str, path: str) -> Path:
    """A file or folder below a root. Raises Invalid for a name that leads out, a link on the way, or nothing there."""
    parts = PurePosixPath(path).parts
    if not parts or PurePosixPath(path).is_absolute() or ".." in parts or "\0" in path or "\\" in path:
        raise Invalid(_("the path is relative to the root and stays below it, without “..”"), field="path")
    place = _root(root)
    if isinstance(place, RemoteRoot):
        about_remote(root, place, path)
        return remote_roots.remote_path(root, place, path)
    found = Path(os.path.realpath(place))
    for part in parts:
        found = found / part
        try:
            kind = os.lstat(found).st_mode
        except (OSError, ValueError):
            raise Invalid(
                _("there is no file {path} below {root}").format(path=path, root=root), field="path"
            ) from None
        if stat.S_ISLNK(kind):
            raise Invalid(_("{path} is reached by a link, and links are not followed").format(path=path), field="path")
        if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
            raise Invalid(_("{path} is neither a file nor a folder").format(path=path), field="path")
    return found


def _root(name: str) -> Path | RemoteRoot:
    """Raises Invalid for a root that this server does not have."""
    found: Path | RemoteRoot | None = settings.SLIDE_ROOTS.get(name)
    if found is None:
        known = ", ".join(sorted(settings.SLIDE_ROOTS)) or _("none")
        words = _("there is no root “{root}”; this server has: {known}")
        raise Invalid(words.format(root=name, known=known), field="root")
    return found


def remote_root(name: str) -> RemoteRoot | None:
    """None for a folder, and for a root that this server does not have."""
    found = settings.SLIDE_ROOTS.get(name)
    return found if isinstance(found, RemoteRoot) else None


def about_remote(name: str, root: RemoteRoot, path: str) -> About:
    """Raises Invalid for nothing there, and for a storage that does not answer."""
    try:
        return remote_roots.source_of_root(root).about(f"{name}/{path}".rstrip("/"))
    except FileNotFoundError:
        words = _("there is no file {path} below {root}")
        raise Invalid(words.format(path=path, root=name), field="path") from None
    except Unreadable as error:
        raise Invalid(sentence(error.code, **{**error.params, "name": path}), field="path") from None


def decline_links(slide: Path) -> None:
    """Raises Invalid for a slide of several files with a link among them: in its folder, or in that of an MRXS file.

    slide  as `resolved` gives it; a storage has no links
    """
    if not isinstance(slide, Path):
        return
    words = _("{path} is a link, and links are not followed")
    folder = slide.with_suffix("") if slide.suffix.lower() == ".mrxs" and slide.is_file() else slide
    if folder.is_symlink():
        raise Invalid(words.format(path=folder.name), field="path")
    for inside, folders, files in os.walk(folder):  # of a file: nothing
        for name in (*folders, *files):
            if Path(inside, name).is_symlink():
                raise Invalid(words.format(path=name), field="path")


class FolderEntry(TypedDict):
    """A file or a folder below a root."""

    name: str
    folder: bool


def listed(root: str, path: str = "") -> list[FolderEntry]:
    """What lies in a folder below a root, for choosing: names, and whether each is a folder. Links are left out."""
    place = _root(root)
    if isinstance(place, RemoteRoot):
        return _listed_remote(root, place, path)
    folder = resolved(root, path) if path else Path(os.path.realpath(place))
    if not folder.is_dir():
        raise Invalid(_("{path} is not a folder").format(path=path or root), field="path")
    try:
        inside = sorted(os.scandir(folder), key=lambda one: one.name)
    except OSError as error:
        words = _("{path} cannot be listed: {reason}")
        raise Invalid(words.format(path=path or root, reason=error.strerror), field="path") from None
    entries: list[FolderEntry] = []
    for entry in inside:
        if not entry.is_symlink() and _is_shown(entry.name):
            entries.append({"name": entry.name, "folder": entry.is_dir()})
    return entries


def _listed_remote(name: str, root: RemoteRoot, path: str) -> list[FolderEntry]:
    """Raises Invalid."""
    if path:
        resolved(name, path)
    try:
        inside = remote_roots.source_of_root(root).listed(f"{name}/{path}".rstrip("/"))
    except Unreadable as error:
        raise Invalid(sentence(error.code, **{**error.params, "name": path or name}), field="path") from None
    shown = sorted(entry for entry in inside if _is_shown(entry))
    return [{"name": entry, "folder": inside[entry].is_folder} for entry in shown]


def _is_shown(name: str) -> bool:
    """Hidden files are left out, and so are names that are not UTF-8, which no answer can hold."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return not name.startswith(".")
