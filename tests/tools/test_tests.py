"""make test: no failing step is covered up by another, and no test is in two steps or in none."""

import pytest
from _pytest.mark.expression import Expression

from tests.conftest import ALONE
from tools import tests


@pytest.mark.parametrize(
    ("typescript", "parallel", "alone", "status"),
    [
        (0, 0, 0, 0),
        (1, 0, 0, 1),
        (0, 1, 0, 1),
        (0, 0, 1, 1),
        (0, 0, 5, 0),  # make test PYTEST=tests/inference finds nothing that runs alone
        (0, 5, 0, 0),
        (0, 5, 5, 5),  # a misspelt path finds nothing at all
        (1, 5, 0, 1),
        (0, 2, 5, 2),  # interrupted
    ],
)
def test_a_failing_step_fails_all(typescript, parallel, alone, status):
    results = {"TypeScript": typescript, "Python in parallel": parallel, "Python alone": alone}
    assert tests.verdict(results) == status


@pytest.mark.parametrize("slow", [False, True])
@pytest.mark.parametrize("alone", [False, True])
def test_each_test_is_in_one_step(slow, alone):
    in_steps = 0
    for command, _ in tests.steps([]).values():
        if "pytest" in command:
            chosen = Expression.compile(command[command.index("-m", 3) + 1])
            in_steps += chosen.evaluate(lambda name, **_: {"slow": slow, "alone": alone}[name])
    assert in_steps == (0 if slow else 1)


def test_what_runs_alone_is_looked_for_where_it_is():
    """Without arguments the last step reads these files only; tests/conftest.py marks them by the same names."""
    command, _ = tests.steps([])["Python alone"]
    paths = [argument for argument in command if argument.startswith("tests/")]
    assert "tests/e2e" in paths and len(paths) > 3
    assert all((tests.ROOT / path).exists() and path.removeprefix("tests/").startswith(ALONE) for path in paths)
    assert tests.steps(["tests/x.py"])["Python alone"][0][-1] == "tests/x.py"
