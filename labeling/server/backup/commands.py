"""`boxwise backup` and `boxwise restore`: arguments in, sentences and an exit code out. Neither imports Django."""

import argparse
import os
import sys
import time
from pathlib import Path

from labeling.server import surroundings
from labeling.server.backup import encryption
from labeling.server.backup.making import make, site_of
from labeling.server.backup.restoring import decline_unless_empty, opened
from labeling.server.backup.restoring import restore as restore_into
from labeling.server.dumps import BackupError
from labeling.server.instance import Instance
from labeling.server.postgres import CannotStart
from labeling.server.surroundings import BadSurroundings

FAULTS = (BackupError, BadSurroundings, CannotStart, OSError)  # OSError: a full disk, a file without permission


def backup(argv: list[str]) -> int:
    """Write database and files into one file, while Boxwise runs."""
    parser = argparse.ArgumentParser("boxwise backup", description=backup.__doc__)
    parser.add_argument("file", type=Path, help="the new file; it must not exist")
    parser.add_argument(
        "--since", type=Path, metavar="EARLIER", help="an earlier backup: copy only files that it lacks"
    )
    parser.add_argument("--recipient", default="", metavar="KEY", help="encrypt for this public key of age (age1...)")
    parser.add_argument("--make-key", action="store_true", help="write a private key to FILE, print the public one")
    arguments = parser.parse_args(argv)
    begin = time.monotonic()
    try:
        if arguments.make_key:
            return _make_key(arguments.file)
        instance = Instance.from_environment()
        if not (instance.folder / "secrets").is_dir():
            raise BackupError(f"There is no Boxwise in {instance.folder}: set BOXWISE_DATA_DIR.")
        site = site_of(instance.environment(), instance.folder)
        manifest = make(site, arguments.file.absolute(), since=arguments.since, recipient=arguments.recipient)
    except FAULTS as error:
        print(error, file=sys.stderr)
        return 1
    copied = sum(1 for entry in manifest.files if entry.backup == manifest.number)
    seconds = time.monotonic() - begin
    size = f"{manifest.bytes / 2**20:.0f} MiB"
    print(
        f"{arguments.file}: the database and {len(manifest.files)} files ({size}), {copied} of them copied now, "
        f"in {seconds:.0f} s."
    )
    for name in manifest.names.values():
        if name != arguments.file.name:
            print(f"It needs {name} beside it.")
    return 0


def _make_key(path: Path) -> int:
    if path.exists():
        raise BackupError(f"There is a file {path} already; name another one.")
    private, public = encryption.new_key()
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"# public key: {public}\n{private}\n")
    print(f"{public}\nKeep {path} away from this server: without it no encrypted backup can be read.")
    return 0


def restore(argv: list[str]) -> int:
    """Restore a backup into an empty data directory, or check one; every hash is compared."""
    parser = argparse.ArgumentParser("boxwise restore", description=restore.__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--identity", type=Path, metavar="KEYFILE", help="the private key of an encrypted backup")
    parser.add_argument("--check", action="store_true", help="compare every hash and restore nothing")
    arguments = parser.parse_args(argv)
    instance = Instance.from_environment()
    begin = time.monotonic()
    try:
        if not arguments.check:
            decline_unless_empty(instance)
        with opened(arguments.file.absolute(), arguments.identity) as content:
            manifest = content.manifest
            print(f"Backup of {manifest.made_at}, version {manifest.version}, {len(manifest.files)} files.")
            content.check()
            if not arguments.check:
                content.decline_newer()
                surroundings.make_data_dir(instance.folder)
                restore_into(content, instance, print)
    except FAULTS as error:
        print(error, file=sys.stderr)
        return 1
    seconds = time.monotonic() - begin
    if arguments.check:
        print(f"Every hash fits ({seconds:.0f} s).")
    else:
        print(f"Restored into {instance.folder} in {seconds:.0f} s, every hash compared. `boxwise up` starts it.")
    return 0
