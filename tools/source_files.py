"""The source files of a checkout, and what one file imports, as tools that look at the whole house need it."""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

# run: when the module is loaded. function: when a function runs (Python), or a dynamic import (TypeScript).
# type: for the type checker only.
Kind = Literal["run", "function", "type"]


@dataclass(frozen=True)
class Import:
    """One arrow: `source` needs `target`. Both are modules of the same package."""

    source: str
    target: str
    kind: Kind


def tracked(root: Path, *patterns: str) -> list[str]:
    """Paths below `root`, of tracked files and of new ones that git does not ignore, sorted.

    Raises CalledProcessError when `root` is not inside a git checkout.
    """
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.splitlines()
    return sorted(path for path in set(listed) if (root / path).is_file())
