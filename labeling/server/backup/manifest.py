"""What a backup says of itself: the member `manifest.json` of its file."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath

from labeling.server.dumps import BackupError

FORMAT = 1
MANIFEST = "manifest.json"
DATABASE = "database.dump"


@dataclass(frozen=True)
class Entry:
    """A file of a storage.

    place      the storage: "files" or "originals"
    path       within it, with slashes
    changed    when it was last written, in nanoseconds
    backup     the number of the backup that holds its bytes: this one or an earlier one
    member     its name in the file of that backup
    """

    place: str
    path: str
    sha256: str
    size: int
    changed: int
    backup: str
    member: str

    def within(self, folder: Path) -> Path:
        """Where it lies below the folder of its place. Raises BackupError for a path that leads out of it."""
        parts = PurePosixPath(self.path).parts
        target = folder.joinpath(*parts)
        if not parts or ".." in parts or target == folder or not target.is_relative_to(folder):
            raise BackupError(f"The backup names {self.path!r}, which is no path inside a storage; it was changed.")
        return target


@dataclass(frozen=True)
class Manifest:
    """A whole backup.

    number      random, tells backups apart
    names       number -> file name of the backups whose bytes this one needs, itself included
    migrations  the migrations of the dumped database: a version that lacks one of them cannot restore it
    """

    number: str
    made_at: str
    version: str
    migrations: list[str]
    database_sha256: str
    database_size: int
    names: dict[str, str]
    files: list[Entry] = field(default_factory=list)
    format: int = FORMAT

    def as_json(self) -> str:
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str | bytes) -> "Manifest":
        """Raises BackupError."""
        try:
            found = json.loads(text)
            if found["format"] != FORMAT:
                raise BackupError(f"This backup has the format {found['format']}; this version reads {FORMAT}.")
            return cls(**found | {"files": [Entry(**entry) for entry in found["files"]]})
        except (ValueError, KeyError, TypeError) as error:
            raise BackupError("The list of contents of this backup cannot be read: it is damaged.") from error

    @property
    def bytes(self) -> int:
        return sum(entry.size for entry in self.files)

    def known(self) -> dict[tuple[str, str], Entry]:
        return {(entry.place, entry.path): entry for entry in self.files}


def needed_names(number: str, name: str, files: Iterable[Entry], earlier: Manifest | None) -> dict[str, str]:
    """Number -> file name of every backup that holds bytes of `files`."""
    known = {number: name, **(earlier.names if earlier else {})}
    needed = {number, *(entry.backup for entry in files)}
    return {one: known[one] for one in sorted(needed)}
