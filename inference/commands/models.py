"""boxwise models list|pull|verify|add|convert|wrap: weights on this machine."""

import argparse
import sys
from pathlib import Path

from inference.commands import outputs, wrapping
from inference.commands.values import pair
from inference.types import InferenceError
from inference.weights import catalogue, sha256, shipped

SHIPPED = {
    "boxwise": "prompter: box or clicks -> mask",
    "boxwise_sam": "prompter and net of the methods des-sam, insta-sam and cfr-sam",
    "centre": "detector, to start from",
    "unet": "segmenter, to start from",
}


def main(argv: list[str]) -> int:
    """List, fetch, verify, add, convert or wrap weights."""
    parser = argparse.ArgumentParser(prog="boxwise models", description="Weights on this machine, and those to be had.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="what there is")
    pull = commands.add_parser("pull", help="fetch weights from their makers")
    pull.add_argument("name")
    pull.add_argument("--accept-licence", action="store_true", help="do not ask")
    verify = commands.add_parser("verify", help="compare the files on this machine with their hashes")
    verify.add_argument("name", nargs="?")
    add = commands.add_parser("add", help="take over a file that was fetched by hand")
    add.add_argument("name")
    add.add_argument("file", type=Path)
    convert = commands.add_parser(
        "convert",
        help="a checkpoint as safetensors with its description, to be imported on a project's page Models",
        description="Reads safetensors, or a .pth that holds nothing but tensors (anything in it that could run is "
        "refused), checks that it fits the architecture, and writes it with its description.",
    )
    convert.add_argument("file", type=Path)
    convert.add_argument(
        "--as",
        dest="name",
        required=True,
        help="centre, faster-rcnn, yolo, caranet, segformer, unet, or sam for a net of the Segment Anything family",
    )
    convert.add_argument("-o", "--output", type=outputs.file(".safetensors"), required=True, metavar="OUT.safetensors")
    convert.add_argument("--classes", type=int, default=1, help="of a detector")
    convert.add_argument("--preset", default="quick", help="whose settings it was trained with: tiny, quick, paper")
    convert.add_argument(
        "--set", type=pair, nargs="*", default=[], metavar="NAME=VALUE", help="settings that differ from them"
    )
    wrapping.add_to(commands)
    options = parser.parse_args(argv)
    try:
        if options.command == "wrap":
            return wrapping.wrap(options)
        if options.command == "convert":
            return convert_file(options)
        if options.command == "list":
            return list_all()
        if options.command == "pull":
            return fetch(options.name, accepted=options.accept_licence)
        if options.command == "add":
            print(f"{options.name} -> {catalogue.add(options.name, options.file)}")
            return 0
        return verify_all([options.name] if options.name else None)
    except InferenceError as error:
        print(f"boxwise models: {error}", file=sys.stderr)
        return 1


def list_all() -> int:
    for name, title in SHIPPED.items():
        path = shipped(name)
        size = f"{path.stat().st_size / 1e6:7.1f} MB" if path else "   absent "
        print(f"{name:18} {size}  comes with Boxwise   AGPL-3.0, trained on CC0 and CC BY data   {title}")
    print(
        f"{'grabcut':18}    0.0 MB  comes with Boxwise   no weights                                prompter, classical"
    )
    for entry in catalogue.ENTRIES.values():
        size = f"{entry.size / 1e6:7.1f} MB" if entry.size else "    ? MB   "
        where = "on this machine  " if catalogue.place(entry.name).exists() else "to be had        "
        print(f"{entry.name:18} {size}  {where}   {entry.licence}   {entry.title}   {entry.address or entry.page}")
    return 0


def fetch(name: str, *, accepted: bool) -> int:
    entry = catalogue.entry(name)
    print(f"{entry.title}\nlicence: {entry.licence}\nfrom:    {entry.address or entry.page}")
    if entry.address is not None and not accepted:
        if not sys.stdin.isatty():
            raise InferenceError("say --accept-licence when nobody can be asked")
        if input("Fetch it under this licence? [y/N] ").strip().lower() not in ("y", "yes"):
            return 1

    def report(done: int, total: int | None) -> None:
        print(f"\r{done / 1e6:9.1f} MB" + (f" of {total / 1e6:.1f} MB" if total else ""), end="", flush=True)

    path = catalogue.pull(name, report)
    print(f"\n{name} -> {path}")
    return 0


def convert_file(options: argparse.Namespace) -> int:
    from inference.pipeline import imported_weights  # with torch, which a list does not need

    change = dict(options.set)
    try:
        found = imported_weights.convert(
            options.file, options.name, options.output, classes=options.classes, preset=options.preset, change=change
        )
    except (ValueError, KeyError) as error:
        raise InferenceError(f"these settings cannot be: {error}") from error
    print(f"{found.path}: {found.kind}, {found.model}, sha256 {found.sha256}")
    return 0


def verify_all(names: list[str] | None) -> int:
    """Every file on this machine, or the named one, which must be there."""
    bad = 0
    for name in SHIPPED:
        path = shipped(name)
        if path is not None and (names is None or name in names):
            from inference.weights import files  # with torch, which a list does not need

            files.load(path)
            print(f"{name}: whole, {sha256(path)}")
    for name in names or [key for key in catalogue.ENTRIES if catalogue.place(key).exists()]:
        if name in SHIPPED:
            continue
        try:
            print(f"{name}: whole, {catalogue.check(catalogue.found(name), catalogue.entry(name))}")
        except catalogue.WrongFile as error:
            print(f"{name}: {error}", file=sys.stderr)
            bad += 1
    return 1 if bad else 0
