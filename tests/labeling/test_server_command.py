"""`boxwise`: only the command asked for is loaded; the web process never sees torch."""

import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint

import pytest
from boxwise import commands as command

from labeling.server.environment import CHECKOUT
from tests.embedded import EMBEDDED


def declared() -> list[EntryPoint]:
    """The commands of both distributions, whether or not they are installed here."""
    groups: dict[str, dict[str, str]] = {}
    for folder in (CHECKOUT / "client", CHECKOUT):
        groups |= tomllib.loads((folder / "pyproject.toml").read_text())["project"]["entry-points"]
    found: list[EntryPoint] = []
    for group in command.GROUPS:
        found += [EntryPoint(name, value, group) for name, value in groups[group].items()]
    return found


@pytest.fixture(autouse=True)
def _declared_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "commands", declared)


def modules_after(code: str) -> set[str]:
    """The top-level packages that a fresh Python has imported after running the code."""
    code += "\nimport sys; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_help_lists_every_command_with_a_line(capsys) -> None:
    assert command.main(["--help"]) == 0
    printed = capsys.readouterr().out
    for found in declared():
        line = next(line for line in printed.splitlines() if line.split()[:1] == [found.name])
        assert len(line.split()) > 2, f"{found.name} has no docstring"
    assert printed.index("On files, without a server:") < printed.index("Run a server:") < printed.index("\n  up ")


def test_every_command_exists() -> None:
    for found in declared():
        assert callable(found.load()), found.name


def test_help_imports_no_command() -> None:
    loaded = modules_after("from boxwise import commands; commands.main(['--help'])")
    assert not loaded & {"django", "torch", "numpy", "celery"}


def test_an_unknown_command_names_those_there_are(capsys) -> None:
    assert command.main(["fly"]) == 2
    assert "boxwise has no command 'fly'; it has:" in capsys.readouterr().err


def test_the_arguments_and_the_exit_code_are_the_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "_probe", lambda argv: len(argv), raising=False)
    monkeypatch.setattr(command, "commands", lambda: [EntryPoint("probe", f"{__name__}:_probe", "boxwise.files")])
    assert command.main(["probe", "a", "b", "--c"]) == 3


def test_server_commands_start_without_django_and_torch() -> None:
    loaded = modules_after("import labeling.server.commands")
    assert not loaded & {"django", "torch", "celery", "numpy"}


def test_the_web_process_never_imports_torch_nor_the_tasks() -> None:
    """Every page and every address of the API is imported, as uvicorn would."""
    loaded = modules_after(
        "import labeling.asgi, sys\n"
        "from django.urls import get_resolver\n"
        "assert len(list(get_resolver().url_patterns)) > 0\n"
        "assert 'inference.worker.tasks' not in sys.modules\n"
    )
    assert "django" in loaded
    assert not loaded & {"torch", "torchvision", "ultralytics", "timm", "segment_anything", "cv2", "sklearn"}


@pytest.mark.parametrize("task", ["inference.prompt", "inference.run_stage"])
def test_tasks_find_their_queue_by_name(task: str, embedded_valkey) -> None:
    """Interactive ones by their name; the others to the queue that the sender names, else to cpu."""
    import redis

    from labeling.celery import app

    link = redis.Redis.from_url(EMBEDDED.broker.feed_url)
    link.flushall()
    app.send_task(task)
    app.send_task(task, queue="gpu")
    lengths = {queue: link.llen(queue) for queue in ("cpu", "gpu", "interactive")}
    link.flushall()
    if task == "inference.prompt":
        assert lengths == {"cpu": 0, "gpu": 1, "interactive": 1}
    else:
        assert lengths == {"cpu": 1, "gpu": 1, "interactive": 0}
