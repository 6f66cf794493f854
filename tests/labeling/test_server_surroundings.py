"""Every bad surrounding gets one clear sentence, exit code 1, and nothing is left half-started."""

import json
import os
import shutil
import socket
import string
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from labeling.server import environment, processes, surroundings
from labeling.server.environment import CHECKOUT
from labeling.server.instance import LONGEST_SOCKET_FOLDER, Instance
from labeling.server.supervisor import Supervisor
from labeling.server.surroundings import BadSurroundings
from tests.running import OURS, Running, free_port

NOT_ROOT = pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the database as somebody else")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody may enter (pytest's own are closed)."""
    found = Path(tempfile.mkdtemp(prefix="boxwise-surroundings-"))
    found.chmod(0o711)
    yield found
    shutil.rmtree(found, ignore_errors=True)


def reason_declined(folder: Path, *, port: int | None = None, **env: str) -> str:
    """What `boxwise up` says when it does not start; one line, exit code 1, nothing of a server in the directory."""
    instance = Running(folder, port=port, env=env)
    assert instance.process.wait(30) == 1, instance.text
    instance.reader.join(5)
    lines = instance.text.strip().splitlines()
    assert len(lines) == 1, instance.text
    assert not (folder / "postgres").exists() if folder.is_dir() else True
    return lines[0]


def test_a_taken_port_is_refused_and_a_free_one_named(folder: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        sentence = reason_declined(folder / "data", port=port)
    assert f"Port {port} is taken by another program; PORT=" in sentence
    named = int(sentence.split("PORT=")[1].split()[0])
    surroundings.check_port(named)  # it is free indeed


def test_a_number_that_is_no_port_is_refused() -> None:
    with pytest.raises(BadSurroundings, match="PORT=70000 is no port"):
        surroundings.check_port(70000)


def test_a_data_directory_that_is_a_file_is_refused(folder: Path) -> None:
    (folder / "file").write_text("")
    assert "is a file; set BOXWISE_DATA_DIR" in reason_declined(folder / "file")
    assert "lies below a file; set BOXWISE_DATA_DIR" in reason_declined(folder / "file" / "data")


@NOT_ROOT
def test_a_data_directory_without_permission_is_refused(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o500)
    assert "cannot be made (Permission denied); set BOXWISE_DATA_DIR" in reason_declined(closed / "data")
    assert "cannot be written (Permission denied); set BOXWISE_DATA_DIR" in reason_declined(closed)


def test_a_data_directory_that_cannot_be_written_is_refused() -> None:
    """/proc refuses new folders to everybody, root included."""
    with pytest.raises(BadSurroundings, match=r"cannot be made .*; set BOXWISE_DATA_DIR"):
        surroundings.make_data_dir(Path("/proc/boxwise"))


@AS_ROOT
def test_root_hears_which_folder_is_closed_for_the_database(folder: Path) -> None:
    (folder / "private").mkdir(mode=0o700)
    sentence = reason_declined(folder / "private" / "data")
    assert f"runs as user nobody, who may not enter {folder}/private on the way to the data directory" in sentence
    with pytest.raises(BadSurroundings, match="on the way to Boxwise itself: move the checkout"):
        surroundings.check_reachable_when_root(folder, folder / "private")


@AS_ROOT
def test_root_runs_the_database_as_the_owner_of_the_folder(folder: Path) -> None:
    os.chown(folder, 1, 1)
    account = processes.unprivileged_account(folder / "data")
    assert account is not None and account.uid == 1


def test_a_long_path_gets_its_sockets_elsewhere(folder: Path) -> None:
    """A Unix socket's path has at most 107 characters; two instances never share the replacement."""
    long = [Instance(folder / ("x" * 120) / name, 8000) for name in "ab"]
    assert all(len(str(instance.sockets)) <= LONGEST_SOCKET_FOLDER for instance in long)
    assert long[0].sockets != long[1].sockets
    assert Instance(folder, 8000).sockets == folder / "sockets"


def settings_say(**env: str) -> tuple[int, str]:
    """Import the settings in a process of its own, with only these values of ours."""
    clean = {name: value for name, value in os.environ.items() if name not in (*OURS, "DEBUG", "PORT")}
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=CHECKOUT,
        env=clean | env,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr.strip()


COMPLETE = {
    "SECRET_KEY": "k" * 40,
    "ALLOWED_HOSTS": "boxwise.example.org",
    "DATABASE_URL": "postgresql://somebody:secret@db.example.org/boxwise?sslmode=require",
    "BROKER_URL": "redis://broker.example.org/0",
    "STORAGE_URL": "s3://bucket/prefix?region_name=eu-central-1",
}


@pytest.mark.parametrize("name", COMPLETE)
def test_a_half_configured_production_start_is_refused(name: str) -> None:
    code, printed = settings_say(**{key: value for key, value in COMPLETE.items() if key != name})
    assert code != 0
    assert len(printed.splitlines()) == 1 and f"set {name} to" in printed


def test_a_worker_starts_beside_an_identity_provider_whose_secret_it_is_not_given() -> None:
    given = {name: value for name, value in COMPLETE.items() if name != "SECRET_KEY"}
    provider = {"OIDC_ISSUER": "https://id.hospital.example", "OIDC_CLIENT_ID": "boxwise"}
    assert settings_say(**given, **provider, BOXWISE_PROCESS="recovery")[0] == 0
    code, printed = settings_say(**COMPLETE, **provider)
    assert code != 0 and "set OIDC_CLIENT_SECRET to" in printed


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"SECRET_KEY": "short"}, "SECRET_KEY must have at least 32 characters"),
        ({"DATABASE_URL": "sqlite:///db"}, "DATABASE_URL must begin with postgresql://"),
        ({"DATABASE_URL": "postgresql://host"}, "DATABASE_URL names no database"),
        ({"STORAGE_URL": "ftp://host/dir"}, "STORAGE_URL must be file:///directory or s3://"),
        ({"BROKER_URL": "amqp://broker"}, "set FEED_URL to"),
        ({"DEBUG": "perhaps"}, "DEBUG is 'perhaps', but must be 1 or 0"),
        ({"DATABASE_POOL_SIZE": "many"}, "DATABASE_POOL_SIZE is 'many', but must be a whole number"),
    ],
)
def test_a_wrong_setting_is_named(wrong: dict[str, str], sentence: str) -> None:
    code, printed = settings_say(**COMPLETE | wrong)
    assert code != 0
    assert len(printed.splitlines()) == 1 and sentence in printed


def test_a_complete_production_configuration_is_taken_as_it_stands() -> None:
    """No embedded server, cookies only over TLS, the options of the addresses where their libraries look."""
    show = (
        "import json; from labeling import settings as s; d = s.DATABASES['default'];"
        "print(json.dumps([d['HOST'], d['NAME'], d['OPTIONS']['sslmode'], s.STORAGES['default']['OPTIONS'],"
        "s.FEED_URL, s.SESSION_COOKIE_SECURE, s.SECURE_SSL_REDIRECT, s.DEBUG]))"
    )
    clean = {name: value for name, value in os.environ.items() if name not in (*OURS, "DEBUG", "PORT")}
    command = [sys.executable, "-c", show]
    done = subprocess.run(command, cwd=CHECKOUT, env=clean | COMPLETE, capture_output=True, text=True, check=True)
    host, name, sslmode, storage, feed, cookie, redirect, debug = json.loads(done.stdout)
    assert (host, name, sslmode) == ("db.example.org", "boxwise", "require")
    assert storage == {
        "region_name": "eu-central-1",
        "bucket_name": "bucket",
        "location": "prefix",
        "file_overwrite": False,
    }
    assert feed == COMPLETE["BROKER_URL"]
    assert (cookie, redirect, debug) == (True, True, False)


def test_a_port_is_really_free() -> None:
    """The oracle of the tests above: what check_port accepts can be listened on."""
    port = free_port()
    surroundings.check_port(port)
    with socket.socket() as server:
        server.bind(("127.0.0.1", port))
        server.listen()
        with pytest.raises(BadSurroundings):
            surroundings.check_port(port)


def test_names_that_people_use_are_added_to_the_local_ones(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The supervisor asks for /healthz at 127.0.0.1, also when ALLOWED_HOSTS names another host."""
    monkeypatch.setenv("ALLOWED_HOSTS", "boxwise.example.org")
    folder.joinpath("secrets").mkdir()
    env = Instance(folder, 8000).environment()
    assert {"127.0.0.1", "localhost", "boxwise.example.org"} <= set(env["ALLOWED_HOSTS"].split(","))
    assert env["DEBUG"] == "0" and env["PORT"] == "8000"


def test_what_the_environment_gives_is_not_embedded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://db.example.org/boxwise")
    monkeypatch.setenv("BROKER_URL", "amqp://broker.example.org")
    monkeypatch.setenv("FEED_URL", "redis://feed.example.org")
    instance = Instance(folder, 8000)
    env = instance.environment()
    assert env["DATABASE_URL"] == "postgresql://db.example.org/boxwise"
    assert (env["BROKER_URL"], env["FEED_URL"]) == ("amqp://broker.example.org", "redis://feed.example.org")
    assert Supervisor(instance).servers() == []


def test_a_complete_production_configuration_has_nothing_to_be_warned_of() -> None:
    clean = {name: value for name, value in os.environ.items() if name not in (*OURS, "DEBUG", "PORT")}
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    given = {"SECRET_KEY": string.ascii_letters, "HEALTH_TOKEN": "t" * 32, "BACKUP_DIR": "/backup"}
    whole = clean | COMPLETE | given | {"MAIL_URL": "smtp://mail.example.org"}
    done = subprocess.run(command, cwd=CHECKOUT, env=whole, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name, what in (("HEALTH_TOKEN", "W002"), ("BACKUP_DIR", "W001"), ("MAIL_URL", "W003")):
        less = {key: value for key, value in whole.items() if key != name}
        done = subprocess.run(command, cwd=CHECKOUT, env=less, capture_output=True, text=True, check=False)
        assert done.returncode == 1 and f"boxwise.{what}" in done.stderr


def test_a_connection_to_a_database_elsewhere_does_not_wait_for_ever() -> None:
    options = environment.database("postgresql://a:b@db.example.org/boxwise?keepalives_idle=60&sslmode=require")[
        "OPTIONS"
    ]
    assert options == environment.NETWORK | {"keepalives_idle": "60", "sslmode": "require"}, (
        "the address has the last word"
    )
    assert environment.NETWORK.keys() >= {"connect_timeout", "keepalives_idle", "tcp_user_timeout"}
