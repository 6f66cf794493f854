"""The layers of import-linter, read from pyproject.toml, and the arrows that point up in them."""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Layers:
    """Full module name -> height, the lowest 0."""

    height: dict[str, int]

    def height_of(self, module: str) -> tuple[str, int] | None:
        """The layer that holds `module` and its height; None where the contract does not name one."""
        name = module
        while name:
            if name in self.height:
                return name, self.height[name]
            name = name.rpartition(".")[0]
        return None

    def points_up(self, source: str, target: str) -> bool:
        """Whether an import by `source` of `target` breaks the contract. Between siblings counts as up."""
        its, other = self.height_of(source), self.height_of(target)
        if its is None or other is None or its[0] == other[0]:
            return False
        return other[1] >= its[1]


def layers_of(root: Path, package: str) -> list[Layers]:
    """The contracts of the type "layers" whose layers lie in `package`."""
    document = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = document.get("tool", {}).get("importlinter", {}).get("contracts", [])
    found = []
    for contract in contracts:
        if contract["type"] != "layers":
            continue
        for container in contract.get("containers", [""]):
            layers = Layers(_heights(contract["layers"], container))
            if all(name.split(".")[0] == package for name in layers.height):
                found.append(layers)
    return found


def _heights(lines: Iterable[str], container: str) -> dict[str, int]:
    heights = {}
    for height, line in enumerate(reversed(list(lines))):
        for name in line.replace(":", "|").split("|"):
            plain = name.strip().strip("()")  # import-linter writes layers that may be missing in parentheses
            heights[f"{container}.{plain}".lstrip(".")] = height
    return heights
