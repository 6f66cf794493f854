"""The command `boxwise`: what it finds, how it starts, and how it ends."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from boxwise import codes, commands, config
from boxwise.commands.files import LAYOUTS
from boxwise.errors import BoxwiseError

from labeling.exchange.request import Layout

ROOT = Path(__file__).resolve().parents[2]
BOXWISE = Path(sys.executable).with_name("boxwise")
HEAVY = ("django", "torch", "numpy", "scipy", "httpx", "rich", "PIL", "pydantic", "rest_framework")


def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command as a shell starts it, without anything that this account has stored."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("BOXWISE_")}
    env |= {"XDG_CONFIG_HOME": "/nonexistent", "NO_COLOR": "1", **environment}
    command = [str(one) for one in (BOXWISE, *arguments)]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, cwd=ROOT, timeout=120)


STARTS = ["--help"], ["--version"], ["rounds", "--help"], ["export", "--help"], ["nothing"]


@pytest.mark.parametrize("arguments", STARTS)
def test_nothing_heavy_is_loaded_to_start(arguments):
    code = (
        "import sys; from boxwise.commands import main; code = main(sys.argv[1:]);"
        f"print(code, sorted(set(sys.modules) & set({HEAVY!r})), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == f"{2 if arguments == ['nothing'] else 0} []", done.stderr


def test_all_commands_are_listed_with_what_they_do():
    shown = run("--help").stdout
    for command in commands.commands():
        assert f"  {command.name} " in shown, command.name
        line = commands.one_line(command)
        assert line and "Exit 0" not in line and len(line) < 130, command.name
    assert [title for title in commands.GROUPS.values() if title in shown] == list(commands.GROUPS.values())
    assert run("--version").stdout.strip() == "0.1.0"


def test_every_command_says_how_it_is_called():
    for command in commands.commands():
        if command.group == "boxwise.remote":
            assert "Usage: boxwise " in run(command.name, "--help").stdout, command.name


def test_a_shell_completes_the_names():
    done = run(_BOXWISE_COMPLETE="bash_complete", COMP_WORDS="boxwise ro", COMP_CWORD="1")
    assert "plain,rounds" in done.stdout
    assert "complete" in run(_BOXWISE_COMPLETE="bash_source").stdout


def test_the_documented_exit_codes_are_those_of_the_table():
    text = (ROOT / "docs" / "client.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| ") and line.split("|")[1].strip().isdecimal()]
    shown = {int(line.split("|")[1]): line.split("|")[2].strip() for line in rows}
    assert shown == codes.CODES


def test_the_formats_of_an_export_are_those_of_the_server():
    assert set(LAYOUTS) == set(Layout)


WRONG = [
    (["nothing"], 2, "no command 'nothing'"),
    (["export", "x"], 2, "Missing option '-o'"),
    (["upload", "x", "there is none.png"], 2, "does not exist"),
    (["projects", "list"], 1, "boxwise login URL"),
    (["projects", "list", "--server", "localhost"], 1, "no address of a server"),
    (["projects", "list", "--server", "http://127.0.0.1:9", "--token", "bxw_x"], 4, "does not answer"),
    (["masks", "none.png", "none.json", "-o", "/tmp/o.png"], 1, "none"),
    (["masks", "none.png", "none.json", "-o", "o.jpg"], 2, "must end in .png or .tif"),
    (["masks", "none.png", "none.json", "-o", "no folder/o.png"], 2, "there is no folder no folder"),
    (["masks", "none.png", "none.json", "-o", "docs"], 2, "must end in"),
    (["fuse", "a", "b", "c", "-o", "/tmp/o.png", "--solver", "foo"], 2, "invalid choice: 'foo'"),
    (["fuse", "a", "b", "c", "-o", "/tmp/o.png"], 1, "no such file"),
    (["instances", "a", "--detections", "b", "-o", "/tmp/o.png"], 1, "no such file"),
    (["evaluate", "a", "b"], 1, "no such file"),
    (["predict", "none", "none.png", "-o", "no folder/out"], 2, "there is no folder"),
    (["predict", "none", "none.png", "-o", "/tmp/out"], 1, "none"),
    (["train", "none", "-o", "README.md"], 2, "is a file"),
    (["train", "none", "-o", "/tmp/none"], 1, "none"),
    (["convert", "none.json", "/tmp/o.json", "--to", "coco"], 1, "none.json"),
    (["convert", "none.json", "no folder/o.json"], 2, "there is no folder"),
    (["slide", "info", "none.svs"], 1, "none.svs"),
    (["simulate", "none", "-o", "no folder/o.json"], 2, "there is no folder"),
    (["models", "convert", "none.pt", "--as", "yolo", "-o", "/tmp/o.pt"], 2, "must end in .safetensors"),
    (["models", "convert", "none.pt", "--as", "yolo", "-o", "/tmp/o.safetensors"], 1, "none.pt"),
    (["manage", "migrate"], 1, "There is no Boxwise in"),
    (["manage", "--help"], 0, "There is no Boxwise in"),
    (["study", "recompute", "none.zip"], 1, "none.zip"),
]


@pytest.mark.parametrize(("arguments", "code", "words"), WRONG)
def test_what_is_wrong_is_one_sentence_and_its_code(arguments, code, words, tmp_path):
    done = run(*arguments, BOXWISE_DATA_DIR=str(tmp_path / "none"))
    assert done.returncode == code, done.stderr
    assert words in done.stderr and "Traceback" not in done.stderr
    assert done.stdout == "" and "\x1b" not in done.stderr


@pytest.mark.parametrize("boxes", [[[0, 0, 500, 500]], [[5, 5, 5, 9]], [[-1, 0, 4, 4]], [[9, 9, 3, 3]]])
def test_a_box_that_is_none_of_the_image_is_named(boxes, tmp_path):
    import numpy as np
    from PIL import Image

    Image.fromarray(np.full((200, 200, 3), 200, np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "boxes.json").write_text(json.dumps([[10, 10, 30, 30], *boxes]))
    done = run("masks", tmp_path / "a.png", tmp_path / "boxes.json", "-o", tmp_path / "o.png", "--prompter", "grabcut")
    assert done.returncode == 1 and "box 1 (" in done.stderr and not (tmp_path / "o.png").exists()


def test_a_reader_that_goes_away_is_no_fault():
    done = subprocess.run(f"{BOXWISE} --help | head -1", shell=True, capture_output=True, text=True, check=False)  # noqa: S602
    assert done.returncode == 0 and "Traceback" not in done.stderr and "Usage" in done.stdout


def test_ctrl_c_is_130():
    """While it waits for an address that takes connections and never answers."""
    import socket

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        env = os.environ | {"BOXWISE_URL": f"http://127.0.0.1:{silent.getsockname()[1]}", "BOXWISE_TOKEN": "bxw_x"}
        process = subprocess.Popen([BOXWISE, "projects", "list"], env=env, stderr=subprocess.PIPE, text=True)
        silent.accept()
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        _out, words = process.communicate(timeout=20)
    assert process.returncode == 130 and words.strip() == "stopped"


# -- which server, and as whom


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("BOXWISE_URL", raising=False)
    monkeypatch.delenv("BOXWISE_TOKEN", raising=False)
    return tmp_path


def test_a_stored_token_is_its_owner_s_alone_and_goes_to_its_server_alone(home, monkeypatch):
    file = config.write_file(config.Settings("https://a.example", "bxw_a"))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert config.settings() == config.Settings("https://a.example", "bxw_a")
    assert config.settings("https://a.example/").token == "bxw_a"
    with pytest.raises(config.BadConfiguration, match="no token is given for https://b"):
        config.settings("https://b.example")
    monkeypatch.setenv("BOXWISE_TOKEN", "bxw_b")
    assert config.settings("https://b.example", None).token == "bxw_b"
    assert config.settings("https://b.example", "bxw_c").token == "bxw_c"
    file.chmod(0o644)
    with pytest.raises(config.BadConfiguration, match="chmod 600"):
        config.settings()


@pytest.mark.parametrize("content", ["", "no json", "[1]", "\xff"])
def test_a_broken_file_is_named(content, home):
    file = config.write_file(config.Settings("https://a.example", "bxw_a"))
    file.write_bytes(content.encode("latin-1"))
    with pytest.raises(BoxwiseError, match=r"config\.json"):
        config.settings()
