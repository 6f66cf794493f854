"""A stage's version must change when equal inputs may give another result: else an old artifact is used again.

`python -m tests.inference.test_stage_versions` records the sources as they are, after the version was changed, or
after a change that cannot change any result.
"""

import ast
import hashlib
import json
from pathlib import Path

import pytest

from inference.fusion import certificate
from inference.pipeline import compute

ROOT = Path(__file__).resolve().parents[2]
RECORD = Path(__file__).with_name("stage_sources.json")
FUSION = ["binning", "colour", "cut", "energy", "mixtures", "pipeline", "solvers"]
STAGES = (
    "pipeline/compute",
    "pipeline/units",
    "pipeline/painting",
    "pipeline/people",
    "pipeline/evaluation",
    "pipeline/whole",
)
MODULES = {  # what a stage's result hangs on besides its own functions; models carry a version in their name
    "pseudo_masks": ["inference/masks.py"],
    "fusion": [*(f"inference/fusion/{name}.py" for name in FUSION), "inference/pipeline/acquisition.py"],
    "instances": ["inference/instances.py", "inference/crumbs.py"],
    "evaluation": ["inference/metrics.py", "inference/crumbs.py"],
}
PROMPTED = ("masks_of_cells", "box_prompts", "click_prompts")
SAMPLED = ("samples", "taught_by", "taught_extents", "extents_of", *PROMPTED)
FUNCTIONS = {  # of the modules in STAGES
    "method": ["train", "settings_for", "with_changes", "learned_samples", "verified", "extents", "taught_by", "paint"],
    "pseudo_masks": ["pseudo_masks", "taught_by", *PROMPTED, "paint"],
    "detector": ["detector", "_train", *SAMPLED, "trainer_of"],
    "segmenter": ["segmenter", "_train", *SAMPLED, "trainer_of"],
    "prediction": [
        "prediction",
        "predictor",
        *PROMPTED,
        "extents_of",
        "paint",
        "detected_masks",
        "is_new",
        "found_by",
        "matched",
        "extents",
        "renumbered",
        "_around",
        "proposed_on",
        "_whole_region",
        "is_judged",
    ],
    "fusion": ["fusion", "fused_unit", "bits_of"],
    "instances": ["instance_maps", "instances_unit", "whole_instances", "tidied", "bounded_instances", "bits_of"],
    "evaluation": [
        "evaluation",
        "evaluation_split",
        "judges_boxes",
        "why_no_boxes",
        "is_judged",
        "_matched_boxes",
        "_judge_masks",
        "judged_masks",
        "tidied",
        "fused_alone",
        "bounded_instances",
        "alone",
        "bits_of",
    ],
    "publication": ["proposals", "proposed_on"],
}


def bare(tree: ast.AST) -> str:
    """The code without docstrings; comments and layout are not in a tree anyway."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            first = body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = body[1:] or [ast.Pass()]  # type: ignore[attr-defined]
    return ast.dump(tree)


def sources() -> dict[str, dict[str, object]]:
    trees = [ast.parse((ROOT / f"inference/{name}.py").read_text()) for name in STAGES]
    functions = {node.name: node for tree in trees for node in tree.body if isinstance(node, ast.FunctionDef)}
    learning = ast.parse((ROOT / "inference/pipeline/snapshots.py").read_text())
    found: dict[str, dict[str, object]] = {}
    for kind, version in compute.VERSIONS.items():
        digest = hashlib.sha256(bare(learning).encode())
        for name in FUNCTIONS[kind]:
            digest.update(bare(functions[name]).encode())
        for path in MODULES.get(kind, []):
            digest.update(bare(ast.parse((ROOT / path).read_text())).encode())
        named = f"{version} {certificate.VERSION}" if kind in ("fusion", "evaluation") else str(version)
        found[kind] = {"version": named, "sha256": digest.hexdigest()[:16]}
    return found


@pytest.mark.parametrize("kind", compute.VERSIONS)
def test_a_stage_whose_source_changed_has_another_version(kind):
    recorded, now = json.loads(RECORD.read_text())[kind], sources()[kind]
    if now["version"] == recorded["version"]:
        assert now["sha256"] == recorded["sha256"], (
            f"the source of the stage {kind} changed and its version did not: raise VERSIONS[{kind!r}] in "
            "inference/pipeline/compute.py unless no result can have changed, then run python -m "
            "tests.inference.test_stage_versions"
        )
    else:
        pytest.fail(
            f"stage {kind} is version {now['version']}: python -m tests.inference.test_stage_versions records it"
        )


def test_docstrings_and_comments_do_not_count_but_code_does():
    a = ast.parse('def f(x):\n    """One."""\n    return x  # why')
    b = ast.parse('def f(x):\n    """Two."""\n    return x')
    c = ast.parse("def f(x):\n    return x + 1")
    assert bare(a) == bare(b) != bare(c)


if __name__ == "__main__":
    RECORD.write_text(json.dumps(sources(), indent=1) + "\n")
