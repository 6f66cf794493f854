"""Methods and predictors that other packages add, beside those that come with Boxwise.

A package names them in its own pyproject.toml, and they are there where it is installed:

    [project.entry-points."boxwise.methods"]
    threshold = "boxwise_threshold:METHOD"

METHOD is a Method or a Predictor (inference/documents/methods.py), and its `module` is what inference/methods/frame.py
says. docs/examples/own_method is such a package.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points

from inference.documents.methods import METHODS, PREDICTORS, TRAINABLE, Method, Predictor

GROUP = "boxwise.methods"


@dataclass(frozen=True)
class Installed:
    """faults: name of an entry point -> why it cannot be used, for a person"""

    methods: dict[str, Method] = field(default_factory=dict)
    predictors: dict[str, Predictor] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)


def installed() -> Installed:
    """What the packages on this machine add. A package that is broken is a fault and stops nothing else."""
    found = Installed()
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        one, fault = _loaded(point)
        if not fault and point.name in (found.methods | found.predictors):
            fault = f"two packages add a method {point.name!r}; uninstall one"
        if fault:
            found.faults[point.name] = fault
        elif isinstance(one, Method):
            found.methods[point.name] = one
        elif isinstance(one, Predictor):
            found.predictors[point.name] = one
    return found


def _loaded(point: EntryPoint) -> tuple[object, str]:
    """What an entry point names, and why it cannot be used; "" where it can."""
    package = point.dist.name if point.dist else "a package"
    where = f"the method {point.name!r} of {package} cannot be used"
    if point.name in (TRAINABLE.keys() | METHODS.keys() | PREDICTORS.keys()):
        return None, f"{where}: Boxwise itself has one of this name"
    try:
        one = point.load()
    except Exception as error:  # whatever somebody else's package does when it is imported
        return None, f"{where}: {type(error).__name__}: {error}"
    if not isinstance(one, Method | Predictor):
        return None, f"{where}: {point.value} is no Method or Predictor of inference.documents.methods"
    if one.name != point.name:
        return None, f"{where}: it calls itself {one.name!r}"
    if not one.module:
        return None, f"{where}: it names no module"
    return one, ""


def methods() -> Mapping[str, Method]:
    """All that can be trained from files."""
    return {**TRAINABLE, **installed().methods}


def predictors() -> Mapping[str, Predictor]:
    """All models from elsewhere that can be wrapped."""
    return {**PREDICTORS, **installed().predictors}
