"""boxwise models wrap NAME -o MODEL: a model of other people becomes a MODEL that boxwise predict uses."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from inference.commands import outputs
from inference.commands.values import pair

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

ABOUT = """\
Makes a folder of a model that was trained elsewhere, with its licence and its source, which go wherever its cells go.
cellpose: --weights FILE. stardist: --weights FOLDER, the one with config.json. instanseg: --weights instanseg.pt.
http: --set url=https://HOST/PATH (docs/methods.md says what is sent and what is to be answered).
"""


def add_to(commands: "Commands") -> None:
    """The command and its arguments."""
    parser = commands.add_parser("wrap", help="use a model that was trained elsewhere", description=ABOUT)
    parser.add_argument("predictor", help="cellpose, stardist, instanseg, http, or one that another package added")
    parser.add_argument("-o", "--output", type=outputs.folder, required=True, metavar="MODEL", help="folder to write")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="the model's file or folder, which is copied")
    parser.add_argument("--licence", required=True, help="under which the model may be used")
    parser.add_argument("--source", required=True, help="where it comes from: an address, a paper, a colleague")
    parser.add_argument("--trained-on", default="", help="the images that it learned from, if you know")
    parser.add_argument(
        "--set",
        type=pair,
        action="extend",
        nargs="*",
        default=[],
        metavar="NAME=VALUE",
        help="settings that differ from the usual ones",
    )


def wrap(options: argparse.Namespace) -> int:
    """Raises InferenceError."""
    from inference.methods.external import wrapping
    from inference.types import InferenceError

    try:
        origin = wrapping.Origin(options.licence, options.source, options.trained_on)
    except ValueError as error:
        raise InferenceError(str(error)) from error
    made = wrapping.wrap(
        options.predictor,
        options.weights,
        origin,
        output=options.output,
        changes=changes_of(options.set),
    )
    print(f"{options.predictor} -> {made}; its card is {made / 'card.md'}")
    return 0


def changes_of(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A name that is given several times is a list of its values."""
    changes: dict[str, object] = {}
    for name, value in pairs:
        before = changes.get(name)
        if before is None:
            changes[name] = value
        elif isinstance(before, list):
            before.append(value)
        else:
            changes[name] = [before, value]
    return changes
