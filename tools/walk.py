"""python -m tools.walk: how far somebody walks who follows one stage of a round through the code.

The walk is that of a stage that goes well: from the Celery task until the function that computes it is entered, and on
until its artifact is kept and its row is done. It follows, in the order of the text, every call of a function of
labeling or inference that is handed the stage, its lease or a part of them; each such call is a stop. Functions of
ENTERED are read, at their first stop; the others are steps of the database or of the pipeline, whose names and
docstrings are read. Branches are followed, `except` is not.

`--at FOLDER` walks through another checkout. `--list` prints every stop.

Nothing is run: calls are resolved by `ast`, through imports, annotations, constructors, base classes, functions that
are handed over by name, and decorators. A call that cannot be resolved is no stop.
"""

import argparse
import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tools import python_source

ROOT = Path(__file__).resolve().parents[1]
START = ("inference.worker.tasks", "run_stage")
# What carries the work: names of parameters, and classes of values. The lease's base classes are found by themselves.
CARRYING_NAMES = {"stage_id", "stage", "owner", "lease", "row_id", "row", "claimed", "act", "pk"}
CARRYING_CLASSES = {"Stage", "Row", "Lease", "Work", "Heartbeat", "Claimed"}
COMPUTE = ("inference.pipeline.", "inference.worker.tasks._publish")
ENTERED = ("inference.worker.", "labeling.outcomes")
Function = ast.FunctionDef


@dataclass(frozen=True)
class Place:
    """One function: its module, and its name with its class."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass
class Module:
    """What can be named in a module: its functions ("Class.method"), its classes, and what it imports."""

    functions: dict[str, Function] = field(default_factory=dict)
    bases: dict[str, list[str]] = field(default_factory=dict)
    imported: dict[str, str] = field(default_factory=dict)
    values: dict[str, ast.expr] = field(default_factory=dict)


def read(root: Path) -> dict[str, Module]:
    """Dotted name -> module, of both packages."""
    found = {}
    for package in ("labeling", "inference"):
        for name, path in python_source.modules(root, package).items():
            found[name] = _module(python_source.parse(root, path), name, path.endswith("__init__.py"))
    return found


def _module(tree: ast.Module, name: str, is_package: bool) -> Module:
    made = Module()
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=aliases):
                made.imported.update({alias.asname or alias.name: alias.name for alias in aliases})
            case ast.ImportFrom(names=aliases):
                source = _source(node, name, is_package)
                made.imported.update({alias.asname or alias.name: f"{source}.{alias.name}" for alias in aliases})
    for statement in tree.body:
        _define(statement, made)
    return made


def _source(node: ast.ImportFrom, name: str, is_package: bool) -> str:
    """The module from which is imported, from the root."""
    if not node.level:
        return node.module or ""
    above = name.split(".") if is_package else name.split(".")[:-1]
    parts = above[: len(above) - node.level + 1]
    return ".".join([*parts, *([node.module] if node.module else [])])


def _define(statement: ast.stmt, made: Module) -> None:
    match statement:
        case ast.FunctionDef():
            made.functions[statement.name] = statement
        case ast.ClassDef(name=class_name, bases=bases, body=body):
            made.bases[class_name] = [ast.unparse(base).partition("[")[0] for base in bases]
            methods = (member for member in body if isinstance(member, ast.FunctionDef))
            made.functions.update({f"{class_name}.{method.name}": method for method in methods})
        case ast.Assign(targets=[ast.Name(id=target)], value=value):
            made.values[target] = value
        case ast.Assign(targets=[ast.Tuple(elts=targets)], value=ast.Tuple(elts=values)):
            for one, value in zip(targets, values, strict=False):
                if isinstance(one, ast.Name):
                    made.values[one.id] = value


@dataclass
class Frame:
    """What is known while one function is read: classes of its variables, and functions that were handed to it."""

    place: Place
    classes: dict[str, Place] = field(default_factory=dict)
    functions: dict[str, Place] = field(default_factory=dict)
    carrying: set[str] = field(default_factory=set)
    nested: dict[str, Function] = field(default_factory=dict)


class Walk:
    """One walk. stops: the function entered at each stop, in order."""

    def __init__(self, root: Path, with_errors: bool) -> None:
        self.with_errors = with_errors
        self.modules = read(root)
        self.stops: list[Place] = []
        self.read: set[tuple[Place, str]] = set()

    def begin(self, start: Place) -> None:
        function = self.modules[start.module].functions[start.name]
        for decorator in function.decorator_list:
            self._decorated(decorator, start)
        if not self.stops:
            self._enter(start, None, {})

    def _decorated(self, decorator: ast.expr, start: Place) -> None:
        """A project's own decorator is read with the function in the place of the one that it is called with."""
        if not isinstance(decorator, ast.Call):
            return
        frame = Frame(start)
        place = self._function(decorator.func, frame)
        if place is None:
            return
        handed = {keyword.arg: self._function(keyword.value, frame) for keyword in decorator.keywords if keyword.arg}
        functions = {name: found for name, found in handed.items() if found}
        if not functions:  # it is handed no part of the work
            return
        for inner in ast.walk(self.modules[place.module].functions[place.name]):
            if isinstance(inner, ast.FunctionDef) and [one.arg for one in inner.args.args] == ["act"]:
                functions["act"] = start
        self._enter(place, None, functions)

    def _enter(self, place: Place, receiver: Place | None, functions: dict[str, Place]) -> None:
        """A stop; the function is read unless it was read before, or lies where the walk does not go."""
        self.stops.append(place)
        key = (place, f"{receiver} {sorted(map(str, functions.values()))}")
        if key in self.read or not place.module.startswith(ENTERED) or str(place).startswith(COMPUTE):
            return
        self.read.add(key)
        function = self.modules[place.module].functions[place.name]
        frame = Frame(place, functions=dict(functions))
        for decorator in function.decorator_list:
            wrapper = self._function(decorator, frame)
            if wrapper and wrapper not in self.stops:
                self.stops.append(wrapper)
        arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
        for argument in arguments:
            if argument.arg in CARRYING_NAMES or self._names_a_carrier(argument.annotation):
                frame.carrying.add(argument.arg)
            if argument.annotation is not None and (found := self._class(argument.annotation, frame)):
                frame.classes[argument.arg] = found
        if arguments and arguments[0].arg == "self" and "." in place.name:
            frame.classes["self"] = receiver or Place(place.module, place.name.split(".")[0])
            if self._is_carrier(frame.classes["self"]):
                frame.carrying.add("self")
        frame.nested = {one.name: one for one in ast.walk(function) if isinstance(one, ast.FunctionDef)}
        for statement in function.body:
            self._statement(statement, frame)

    # -- statements, in the order of the text

    def _statement(self, node: ast.AST, frame: Frame) -> None:
        """Calls inside first, then what the statement binds."""
        match node:
            case ast.FunctionDef(body=body):
                for inner in body:
                    self._statement(inner, frame)
                return
            case ast.ExceptHandler() if not self.with_errors:
                return
            case ast.Call():
                self._arguments(node, frame)
                self._call(node, frame)
                return
        for child in ast.iter_child_nodes(node):
            self._statement(child, frame)
        match node:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    self._bind(target, value, frame)
            case ast.NamedExpr(target=target, value=value):
                self._bind(target, value, frame)
            case ast.withitem(context_expr=value, optional_vars=ast.expr() as target):
                self._bind(target, value, frame)

    def _arguments(self, call: ast.Call, frame: Frame) -> None:
        if not isinstance(call.func, ast.Name):
            self._statement(call.func, frame)
        for argument in [*call.args, *(keyword.value for keyword in call.keywords)]:
            self._statement(argument, frame)

    def _bind(self, target: ast.expr, value: ast.expr, frame: Frame) -> None:
        names = [one.id for one in ast.walk(target) if isinstance(one, ast.Name)]
        if self._yields_work(value, frame):
            frame.carrying.update(names)
        found = self._class_of(value, frame)
        if found and isinstance(target, ast.Name):
            frame.classes[target.id] = found

    def _yields_work(self, value: ast.expr, frame: Frame) -> bool:
        match value:
            case ast.Name(id=name):
                return name in frame.carrying
            case ast.Attribute(value=inner, attr=attribute):
                return attribute in CARRYING_NAMES and self._yields_work(inner, frame)
            case ast.Call(func=function):
                place = self._function(function, frame)
                called = self._called_inside(value) if place is None or place.name.startswith("patient") else place
                return called is not None and self._returns_work(called, frame)
        return False

    def _called_inside(self, call: ast.Call) -> ast.expr | None:
        """Of `patiently(lambda: claim(...))`: what the lambda calls."""
        for argument in call.args:
            if isinstance(argument, ast.Lambda) and isinstance(argument.body, ast.Call):
                return argument.body.func
        return None

    def _returns_work(self, called: Place | ast.expr, frame: Frame) -> bool:
        place = called if isinstance(called, Place) else self._function(called, frame)
        if place is None:
            return False
        if place.name.endswith(".__init__"):
            return self._is_carrier(Place(place.module, place.name.partition(".")[0]))
        return self._names_a_carrier(self.modules[place.module].functions[place.name].returns)

    # -- calls

    def _call(self, call: ast.Call, frame: Frame) -> None:
        if isinstance(call.func, ast.Name) and call.func.id in frame.nested:
            return  # its text stands here and was read
        place = self._function(call.func, frame)
        if place is None or not self._is_handed_work(call, place, frame):
            return
        handed = {}
        function = self.modules[place.module].functions[place.name]
        names = [one.arg for one in function.args.args if one.arg != "self"]
        for name, argument in [*zip(names, call.args, strict=False), *((k.arg, k.value) for k in call.keywords)]:
            found = self._function(argument, frame)
            if name and found:
                handed[name] = found
        receiver = self._class_of(call.func.value, frame) if isinstance(call.func, ast.Attribute) else None
        if place.name.endswith(".__init__"):
            receiver = self._class(call.func, frame)
        self._enter(place, receiver, handed)

    def _is_handed_work(self, call: ast.Call, place: Place, frame: Frame) -> bool:
        """Whether an argument is the work or a part of it, or the method is one of the work's own."""
        given = [*call.args, *(keyword.value for keyword in call.keywords)]
        if any(self._has_work(one, frame) for one in given):
            return True
        if isinstance(call.func, ast.Attribute):
            return self._has_work(call.func.value, frame) and "." in place.name
        return isinstance(call.func, ast.Name) and call.func.id in frame.functions

    def _has_work(self, value: ast.expr, frame: Frame) -> bool:
        match value:
            case ast.Name(id=name):
                return name in frame.carrying
            case ast.Attribute(value=inner, attr=attribute):
                is_part = attribute in CARRYING_NAMES or attribute == "stage"
                return is_part and self._has_work(inner, frame)
            case ast.Lambda(body=ast.Call(func=function, args=given)):
                of_work = isinstance(function, ast.Attribute) and self._has_work(function.value, frame)
                return of_work or any(self._has_work(one, frame) for one in given)
            case ast.Starred(value=inner):
                return self._has_work(inner, frame) or (isinstance(inner, ast.Name) and inner.id in ("args", "kwargs"))
        return False

    # -- names

    def _function(self, node: ast.expr, frame: Frame) -> Place | None:
        """The function of the project that an expression names; a class stands for its constructor."""
        match node:
            case ast.Name(id=name):
                if name in frame.functions:
                    return frame.functions[name]
                return self._named(frame.place.module, name)
            case ast.Attribute(value=value, attr=attribute):
                owner = self._class_of(value, frame)
                if owner:
                    return self._method(owner, attribute)
                dotted = self._dotted(value, frame)
                return self._named(dotted, attribute) if dotted in self.modules else None
            case ast.Call(func=ast.Name(id="patient"), args=[inner]):
                return self._function(inner, frame)
            case ast.Call(func=ast.Name(id="super")):
                return None
        return None

    def _named(self, module: str, name: str) -> Place | None:
        known = self.modules.get(module)
        if known is None:
            return None
        if name in known.functions:
            return Place(module, name)
        if name in known.bases:
            return self._method(Place(module, name), "__init__")
        if name in known.values:
            return self._function(known.values[name], Frame(Place(module, "")))
        target = known.imported.get(name)
        if target and target not in self.modules:
            above, _, last = target.rpartition(".")
            return self._named(above, last)
        return None

    def _method(self, owner: Place, name: str) -> Place | None:
        known = self.modules[owner.module]
        if f"{owner.name}.{name}" in known.functions:
            return Place(owner.module, f"{owner.name}.{name}")
        for base in known.bases.get(owner.name, ()):
            above = self._class(ast.parse(base, mode="eval").body, Frame(Place(owner.module, "")))
            found = self._method(above, name) if above else None
            if found:
                return found
        return None

    def _class_of(self, value: ast.expr, frame: Frame) -> Place | None:
        """The class of a value, where it is told by an annotation, a constructor or what a function returns."""
        match value:
            case ast.Name(id=name):
                if name in frame.classes:
                    return frame.classes[name]
                known = self.modules[frame.place.module]
                if name in known.values:
                    return self._class_of(known.values[name], Frame(Place(frame.place.module, "")))
                target = known.imported.get(name, "")
                above, _, last = target.rpartition(".")
                if above in self.modules and last in self.modules[above].values:
                    return self._class_of(self.modules[above].values[last], Frame(Place(above, "")))
            case ast.Attribute(value=ast.Name(id=name), attr=attribute) if self._dotted_name(name, frame):
                module = self._dotted_name(name, frame)
                if module in self.modules and attribute in self.modules[module].values:
                    return self._class_of(self.modules[module].values[attribute], Frame(Place(module, "")))
            case ast.Call(func=function):
                made = self._class(function, frame)
                if made:
                    return made
                if isinstance(function, ast.Name) and function.id == "super" and "." in frame.place.name:
                    return self._above(frame.place)
        return None

    def _above(self, place: Place) -> Place | None:
        for base in self.modules[place.module].bases.get(place.name.partition(".")[0], ()):
            found = self._class(ast.parse(base, mode="eval").body, Frame(Place(place.module, "")))
            if found:
                return found
        return None

    def _class(self, node: ast.expr, frame: Frame) -> Place | None:
        """The class of the project that an annotation or a constructor names."""
        for name in self._class_names(node):
            known = self.modules.get(frame.place.module)
            if known is None:
                continue
            if name in known.bases:
                return Place(frame.place.module, name)
            above, _, last = known.imported.get(name, "").rpartition(".")
            if above in self.modules and last in self.modules[above].bases:
                return Place(above, last)
        return None

    @staticmethod
    def _class_names(node: ast.expr) -> Iterator[str]:
        text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ast.unparse(node)
        for part in text.replace('"', "").split("|"):
            yield part.strip().partition("[")[0].rpartition(".")[2]

    def _dotted(self, value: ast.expr, frame: Frame) -> str:
        return self._dotted_name(value.id, frame) if isinstance(value, ast.Name) else ""

    def _dotted_name(self, name: str, frame: Frame) -> str:
        return self.modules[frame.place.module].imported.get(name, "")

    def _is_carrier(self, owner: Place) -> bool:
        if owner.name in CARRYING_CLASSES:
            return True
        bases = self.modules[owner.module].bases.get(owner.name, ())
        return any(base.rpartition(".")[2] in CARRYING_CLASSES for base in bases)

    def _names_a_carrier(self, annotation: ast.expr | None) -> bool:
        if annotation is None:
            return False
        text = ast.unparse(annotation).replace('"', "")
        words = {part.strip(" '[]") for part in text.replace("[", ",").replace("|", ",").replace("]", ",").split(",")}
        return not words.isdisjoint(CARRYING_CLASSES)


def walked(root: Path, *, with_errors: bool = False) -> list[str]:
    """The function entered at each stop. Raises KeyError where the checkout has no such task."""
    walk = Walk(root, with_errors)
    walk.begin(Place(*START))
    return [str(place) for place in walk.stops]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.walk", description=__doc__.splitlines()[0])
    parser.add_argument("--at", type=Path, default=ROOT, metavar="FOLDER", help="the checkout that is walked through")
    parser.add_argument("--list", action="store_true", help="print every stop")
    parser.add_argument("--all", action="store_true", help="with every way in which a stage can end otherwise")
    options = parser.parse_args(arguments)
    stops = walked(options.at.resolve(), with_errors=options.all)
    if options.list:
        print("\n".join(f"{number:3} {stop}" for number, stop in enumerate(stops, start=1)))
    rooms = {stop.rpartition(".")[0] for stop in stops}
    print(f"{len(stops)} stops in {len(set(stops))} functions of {len(rooms)} modules")
    return 0


if __name__ == "__main__":
    sys.exit(main())
