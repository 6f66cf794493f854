"""Dividing patients into parts of learning: whole patients, each centre in each part, shares as they are asked for."""

import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Unit:
    """What goes into one part as a whole.

    key     names it
    centre  "" where nobody has stated one: such units are a stratum of their own
    size    how many images it has, from 1
    """

    key: str
    centre: str
    size: int


def assigned(units: Sequence[Unit], shares: Mapping[str, float], seed: int) -> dict[str, str]:
    """Key -> part. The same units, shares and seed give the same parts, in whatever order the units come.

    shares  part -> its weight, at least 0; only proportions count, and a part of weight 0 gets nothing

    Each centre by itself: its units are shuffled by the seed, and from the largest on each goes to the part that lacks
    most images. What a centre gave too much or too little of is made good by the next one. So no part has more than
    its share of all images and the largest unit, before the following rule: where a centre has so many units that
    every part is due one (1 / the smallest share), every part gets one.

    Raises ValueError for weights that are negative or all 0.
    """
    total = sum(shares.values())
    if total <= 0 or min(shares.values()) < 0:
        raise ValueError("the shares must be at least 0, and one of them more")
    wanted = {part: weight / total for part, weight in shares.items() if weight > 0}
    owed = dict.fromkeys(wanted, 0.0)  # images that parts lack, or have too many of, from the centres before
    found: dict[str, str] = {}
    for centre in _by_centre(units):
        found |= _assign_centre(centre, wanted, owed, seed)
    return found


def _by_centre(units: Sequence[Unit]) -> list[list[Unit]]:
    """The units of each centre in an order of their own, the largest centre first: small ones even out what is left."""
    strata: dict[str, list[Unit]] = defaultdict(list)
    for unit in sorted(units, key=lambda unit: unit.key):
        strata[unit.centre].append(unit)
    sizes = {name: sum(unit.size for unit in stratum) for name, stratum in strata.items()}
    return [strata[name] for name in sorted(strata, key=lambda name: (-sizes[name], name))]


def _assign_centre(units: list[Unit], wanted: Mapping[str, float], owed: dict[str, float], seed: int) -> dict[str, str]:
    images = sum(unit.size for unit in units)
    for part, share in wanted.items():
        owed[part] += share * images
    order = list(units)
    random.Random(f"{seed}:{units[0].centre}").shuffle(order)
    order.sort(key=lambda unit: -unit.size)  # stable: equal sizes stay shuffled
    found: dict[str, str] = {}
    for unit in order:
        part = max(owed, key=lambda name: owed[name])
        found[unit.key] = part
        owed[part] -= unit.size
    if len(units) * min(wanted.values()) >= 1:
        _represent(order, found, owed)
    return found


def _represent(order: list[Unit], found: dict[str, str], owed: dict[str, float]) -> None:
    """Give every part without a unit the smallest one of a part that keeps another one."""
    for part in owed:
        counts = Counter(found.values())
        if counts[part]:
            continue
        spare = [unit for unit in reversed(order) if counts[found[unit.key]] > 1]
        if not spare:
            return
        unit = spare[0]
        owed[found[unit.key]] += unit.size
        owed[part] -= unit.size
        found[unit.key] = part
