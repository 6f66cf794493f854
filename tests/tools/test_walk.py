"""The walk of a stage: counted on a small tree whose stops are known, and in this house."""

import subprocess

import pytest

from tools import walk

TREE = {
    "labeling/__init__.py": "",
    "labeling/stages.py": """
class Work:
    def claim(self, pk) -> tuple["Stage", int]: return self.owned(pk)
    def owned(self, pk): ...
class Stages(Work): ...
STAGES = Stages()
claim = STAGES.claim
def finish(stage_id, owner): return claim(stage_id)
""",
    "labeling/leases.py": "def patiently(act): return act()\n",
    "inference/__init__.py": "",
    "inference/worker/__init__.py": "",
    "inference/worker/leases.py": """
from labeling import stages
class Lease:
    def __init__(self, stage, owner): self.stage = stage
    def finish(self): stages.finish(self.stage.pk, 1)
""",
    "inference/pipeline/__init__.py": "",
    "inference/pipeline/compute.py": "def make(stage): return other(stage)\ndef other(stage): ...\n",
    "inference/worker/tasks.py": """
from inference.pipeline import compute
from inference.worker.leases import Lease
from labeling import stages
from labeling.leases import patiently

def run_stage(stage_id):
    claimed = patiently(lambda: stages.claim(stage_id))
    stage, owner = claimed
    lease = Lease(stage, owner)
    try:
        helper(len("of no work"))
        compute.make(stage)
        lease.finish()
    except ValueError:
        failed(stage)
    lease.finish()

def failed(stage): stages.finish(stage.pk, 1)
def helper(number): ...
""",
}
STOPS = [
    "labeling.stages.Work.claim",  # through an alias of a bound method, inside a lambda
    "labeling.leases.patiently",  # it is handed that lambda
    "inference.worker.leases.Lease.__init__",
    "inference.pipeline.compute.make",  # what computes is not entered
    "inference.worker.leases.Lease.finish",
    "labeling.stages.finish",  # a step of the database is not entered either
    "inference.worker.leases.Lease.finish",  # a second call is a stop, and is not read again
]


@pytest.fixture
def root(tmp_path):
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    for path, source in TREE.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source)
    return tmp_path


def test_every_call_that_is_handed_the_work_is_a_stop(root):
    assert walk.walked(root) == ["inference.worker.tasks.run_stage", *STOPS]


def test_the_ways_in_which_a_stage_ends_otherwise_are_walked_when_asked_for(root):
    stops = walk.walked(root, with_errors=True)
    assert stops[-3:] == ["inference.worker.tasks.failed", "labeling.stages.finish", STOPS[-1]]
    assert len(stops) == len(STOPS) + 3


def test_a_stage_at_work_is_walked_in_twenty_five_stops():
    stops = walk.walked(walk.ROOT)
    assert len(stops) <= 25, "\n".join(stops)
    # A walk that lost its way would be short as well.
    for known in ("outcomes.task", "Work.claim", "tasks.run_stage", "files.inputs_of", "Lease.keep", "stages.finish"):
        assert any(stop.endswith(known) for stop in stops), known
