"""Methods that other packages add: the example of docs/examples, and packages that are broken."""

import sys
import tomllib
from pathlib import Path

import pytest
from PIL import Image

from inference.commands import predict, train
from inference.datasets import read_labels
from inference.documents.methods import Method
from inference.methods import frame, installed
from inference.types import InferenceError
from tests.inference.conftest import painted_field

EXAMPLE = Path(__file__).resolve().parents[2] / "docs/examples/own_method"


def install(folder, monkeypatch, name, points, code=None):
    """A package as pip leaves it: its modules, and a .dist-info with its entry points."""
    about = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = [f"{key} = {value}" for key, value in points.items()]
    (about / "entry_points.txt").write_text("\n".join(["[boxwise.methods]", *lines]))
    for module, text in (code or {}).items():
        (folder / f"{module}.py").write_text(text)
    monkeypatch.syspath_prepend(str(folder))


@pytest.fixture
def example(tmp_path, monkeypatch):
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    points = project["entry-points"][installed.GROUP]
    install(tmp_path / "site", monkeypatch, project["name"], points)
    monkeypatch.syspath_prepend(str(EXAMPLE))
    yield
    for module in [name for name in sys.modules if name.startswith("boxwise_threshold")]:
        del sys.modules[module]


def test_the_example_is_trained_and_predicts_like_any_method(example, tmp_path, monkeypatch, capsys):
    assert installed.methods()["threshold"].title == "Threshold"
    field = painted_field(0)
    settings = frame.module_of("threshold").settings_of("quick", smallest=30)
    made = frame.train(
        "threshold",
        [field],
        [],
        settings,
        output=tmp_path / "model",
        report=lambda progress: None,
        stop=lambda: False,
    )
    Image.fromarray(field.rgb).save(tmp_path / "field.png")
    out = tmp_path / "out"
    assert predict.main([str(made), str(tmp_path / "field.png"), "-o", str(out)]) == 0
    found = read_labels(out / "labels/field.png")
    assert found.max() > 0
    assert "threshold-1 at" in (out / "model.json").read_text()


def test_the_command_takes_the_method_and_its_own_options(example, tmp_path, capsys):
    given = [str(tmp_path), "-o", str(tmp_path / "m"), "--method", "threshold"]
    with pytest.raises(SystemExit):
        train.main([*given, "--set", "colour=3"])
    assert "threshold takes no --set colour" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        train.main([*given, "--set", "colour"])
    assert "'colour' is not NAME=VALUE" in capsys.readouterr().err
    assert train.main([*given, "--set", "smallest=30"]) == 1  # the option is taken, the folder holds no data set
    assert "boxwise train:" in capsys.readouterr().err


GOOD = "from inference.documents.methods import Method\nM = Method('{name}', 'T', 'd', ('boxes',), 1, module='m')\n"


@pytest.mark.parametrize(
    ("name", "code", "sentence"),
    [
        ("other", "import no_such_module_at_all", "ModuleNotFoundError: No module named 'no_such_module_at_all'"),
        ("other", "M = 3", "other_package:M is no Method or Predictor"),
        ("other", "", "AttributeError"),
        ("other", GOOD.format(name="else"), "it calls itself 'else'"),
        ("other", GOOD.format(name="other").replace("'m'", "''"), "it names no module"),
        ("boxcell", GOOD.format(name="boxcell"), "Boxwise itself has one of this name"),
        ("boxcell-points", GOOD.format(name="boxcell-points"), "Boxwise itself has one of this name"),
    ],
)
def test_a_broken_package_is_named_and_stops_nothing_else(name, code, sentence, tmp_path, monkeypatch, capsys):
    install(tmp_path / "site", monkeypatch, "lab-package", {name: "other_package:M"}, {"other_package": code})
    sys.modules.pop("other_package", None)
    found = installed.installed()
    assert found.methods == {} and list(found.faults) == [name]
    assert f"the method '{name}' of lab-package cannot be used" in found.faults[name]
    assert sentence in found.faults[name]
    assert frame.module_of("boxcell").NAME == "boxcell"
    if name == "other":
        assert train.main([str(tmp_path), "-o", str(tmp_path / "m"), "--method", "other"]) == 1
        assert sentence in capsys.readouterr().err
        bundle = tmp_path / "bundle"
        bundle.mkdir()
        (bundle / "other.json").write_text("{}")
        with pytest.raises(InferenceError, match="of lab-package cannot be used"):
            frame.load(bundle)
    sys.modules.pop("other_package", None)


def test_two_packages_of_one_name_and_a_module_that_is_not_there(tmp_path, monkeypatch):
    code = {"first_package": GOOD.format(name="twice")}
    install(tmp_path / "a", monkeypatch, "first", {"twice": "first_package:M"}, code)
    install(tmp_path / "b", monkeypatch, "second", {"twice": "first_package:M"})
    found = installed.installed()
    assert isinstance(found.methods["twice"], Method)
    assert found.faults["twice"] == "two packages add a method 'twice'; uninstall one"
    with pytest.raises(InferenceError, match="T cannot be used: ModuleNotFoundError: No module named 'm'"):
        frame.module_of("twice")
    (tmp_path / "a" / "m.py").write_text("raise OSError('a library is missing')")
    with pytest.raises(InferenceError, match="T cannot be used: OSError: a library is missing"):
        frame.module_of("twice")
    sys.modules.pop("first_package", None)
