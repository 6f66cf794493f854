"""boxwise datasets list|fetch|import: public data sets of cells, with their licences."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from inference.commands import outputs
from inference.types import InferenceError

if TYPE_CHECKING:
    from inference.public_sets import PublicSet, Report


def main(argv: list[str]) -> int:
    """List, fetch and unpack public data sets of cells: list|fetch|import."""
    options = parsed(argv)
    try:
        code: int = options.run(options)
        return code
    except InferenceError as error:
        print(f"boxwise datasets: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"boxwise datasets: {error}", file=sys.stderr)
        return 1


def parsed(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="boxwise datasets",
        description="Public data sets of cells. Each has its own licence, which is shown before anything is fetched.",
    )
    acts = parser.add_subparsers(required=True, metavar="list|fetch|import")
    listed = acts.add_parser("list", help="what there is, under which licence, how to cite it")
    listed.add_argument("--json", action="store_true")
    listed.set_defaults(run=list_)
    fetched = acts.add_parser("fetch", help="download one; a download that was stopped goes on where it was")
    fetched.add_argument("name")
    fetched.add_argument("-o", "--output", type=outputs.folder, required=True, metavar="FOLDER")
    fetched.add_argument("--accept-licence", action="store_true", help="you have read it and do what it asks")
    fetched.set_defaults(run=fetch)
    imported = acts.add_parser("import", help="turn what was fetched into a data set that boxwise train reads")
    imported.add_argument("name")
    imported.add_argument("fetched", type=Path, metavar="FETCHED", help="the folder that fetch wrote")
    imported.add_argument("-o", "--output", type=outputs.folder, required=True, metavar="FOLDER")
    imported.set_defaults(run=import_)
    return parser.parse_args(argv)


def list_(options: argparse.Namespace) -> int:
    from inference.public_sets import UNCHECKED, public_sets

    found = public_sets()
    if options.json:
        print(json.dumps([asdict(one) for one in found], ensure_ascii=False, indent=1))
        return 0
    for one in found:
        print(f"{one.name:<10}{one.title}\n          {one.licence}; {one.page}")
    print(f"Note: {UNCHECKED}.")
    return 0


def fetch(options: argparse.Namespace) -> int:
    from inference.public_sets import fetch as fetch_file
    from inference.public_sets import set_named

    found = set_named(options.name)
    show_licence(found)
    if not options.accept_licence and not is_accepted():
        print("boxwise datasets: nothing is fetched, since the licence was not accepted", file=sys.stderr)
        return 1
    options.output.mkdir(exist_ok=True)
    for file in found.files:
        digest = fetch_file(file, options.output, progress_of(file.name))
        checked = "as in the list" if file.sha256 else "the list has none to compare it with"
        print(f"{options.output / file.name}  SHA-256 {digest} ({checked})")
    return 0


def show_licence(found: "PublicSet") -> None:
    from inference.public_sets import UNCHECKED, size_of

    sizes = [size_of(file) for file in found.files]
    known = [size for size in sizes if size is not None]
    size = f"{sum(known) / 2**20:,.0f} MiB" if len(known) == len(sizes) else "size not known"
    print(f"{found.title}\nLicence: {found.licence}\n         {found.licence_url}\nCite: {found.citation}\n{size}")
    print(f"Note: {UNCHECKED}.")


def is_accepted() -> bool:
    """Ask at the keyboard. Without one nobody accepts."""
    if not sys.stdin.isatty():
        print("boxwise datasets: say --accept-licence where nobody can be asked", file=sys.stderr)
        return False
    return input("Do you accept the licence? [y/N] ").strip().lower() in ("y", "yes")


def progress_of(name: str) -> "Report":
    """Tells how far a download is, on standard error while somebody looks at it."""

    def report(done: int, total: int | None) -> None:
        if sys.stderr.isatty():
            share = f" of {total / 2**20:,.0f}" if total else ""
            print(f"\r{name}: {done / 2**20:,.0f}{share} MiB ", end="", file=sys.stderr, flush=True)

    return report


def import_(options: argparse.Namespace) -> int:
    from inference.public_sets import set_named, unpack

    found = set_named(options.name)
    if options.output.is_dir() and any(options.output.iterdir()):
        raise InferenceError(f"{options.output} holds files already; name another folder")
    count = unpack(found, options.fetched, options.output)
    print(f"{count} images -> {options.output}\nLicence: {found.licence}. Cite: {found.citation}")
    return 0
