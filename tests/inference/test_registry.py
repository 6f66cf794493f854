"""Registration: one line beside the model, read without torch."""

import importlib
import subprocess
import sys

import pytest

from inference import detectors, limits, prompters, registry, segmenters
from inference.types import Architecture

FOLDERS = (detectors, segmenters, prompters)
ALL = [one for folder in FOLDERS for one in folder.ARCHITECTURES]


@pytest.mark.parametrize("one", [*ALL, prompters.SAM], ids=lambda one: one.name)
def test_what_is_registered_is_there_beside_it(one):
    made = registry.made_by(one)
    folder = one.made_by.rpartition(".")[0]
    assert made.__module__.startswith(folder) and importlib.import_module(folder) in FOLDERS


def test_names_are_known_without_torch():
    code = "import sys, inference.registry as r; print(sorted(r.MODELS)); sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "centre-1" in done.stdout, done.stderr


def test_two_models_of_one_name_are_an_error_at_once():
    one, other = Architecture("a", "m:A", "a-1"), Architecture("a", "m:B", "b-1")
    with pytest.raises(ValueError, match="m:B and m:A are both registered as 'a'"):
        registry.by_name([one, other])
    same = Architecture("b", "m:B", "a-1")
    with pytest.raises(ValueError, match="m:B needs a name of its own"):
        registry.by_weights({"detector": registry.by_name([one]), "segmenter": registry.by_name([same])})


def test_the_site_knows_what_each_trained_model_lets_people_change():
    assert set(limits.CHANGEABLE) == {name for named in registry.TRAINERS.values() for name in named}
