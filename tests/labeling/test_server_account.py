"""Started as root, the processes run as an account without rights, own what they write, and see few secrets."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from labeling.server import compiled, processes, surroundings
from labeling.server.instance import WRITTEN, Instance, passes_on
from labeling.server.supervisor import environment_of, without_password
from labeling.server.surroundings import BadSurroundings
from tests.labeling.test_server_surroundings import COMPLETE, settings_say
from tests.running import Running

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the processes as somebody else")
OURS = ("web", "worker", "interactive", "files", "recovery", "postgres", "valkey")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody may enter (pytest's own are closed)."""
    found = Path(tempfile.mkdtemp(prefix="boxwise-account-"))
    found.chmod(0o711)
    yield found
    shutil.rmtree(found, ignore_errors=True)


def identity(pid: int) -> tuple[set[int], set[int], int]:
    """(user ids, group ids, effective capabilities) of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    uids, gids = (set(map(int, status[name].split())) for name in ("Uid", "Gid"))
    return uids, gids, int(status["CapEff"], 16)


def environ(pid: int) -> dict[str, str]:
    pairs = Path(f"/proc/{pid}/environ").read_text().split("\0")
    return dict(pair.split("=", 1) for pair in pairs if "=" in pair)


@AS_ROOT
@pytest.mark.timeout(400)
def test_no_process_stays_root_and_a_directory_of_an_older_version_is_adopted(folder: Path) -> None:
    data = folder / "data"
    (data / "files" / "images" / "1").mkdir(parents=True)
    (data / "files" / "images" / "1" / "old.png").write_bytes(b"made as root")
    (data / "files" / "away").symlink_to("/etc/hostname")
    data.chmod(0o711)
    instance = Running(data, env={"UNRELATED_API_KEY": "of the caller", "XDG_CACHE_HOME": "/root/.cache"})
    try:
        instance.wait_until_up(240)
        pids = instance.children()
        assert set(pids) == set(OURS)
        for name, pid in pids.items():
            uids, gids, capabilities = identity(pid)
            assert 0 not in uids | gids and capabilities == 0, name
        for path in (data / "files", data / "files" / "images" / "1" / "old.png"):
            assert path.stat().st_uid != 0
        assert Path("/etc/hostname").stat().st_uid == 0, "links are not followed"
        secrets = {name: environ(pid) for name, pid in pids.items()}
        assert [name for name in OURS if "SECRET_KEY" in secrets[name]] == ["web"]
        assert [name for name in OURS if "HEALTH_TOKEN" in secrets[name]] == ["web"]
        assert not [name for name in OURS if "UNRELATED_API_KEY" in secrets[name]]
        assert not [name for name in OURS if "XDG_CACHE_HOME" in secrets[name]]
        assert instance.manage("import os; print(os.geteuid() != 0)") == "True"
        assert (data / "secrets").stat().st_uid == 0
    finally:
        instance.stop()


@AS_ROOT
def test_adopting_is_whole_or_done_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    account = processes.unprivileged_account(folder)
    assert account is not None
    (folder / "tree" / "deep").mkdir(parents=True)
    (folder / "tree" / "deep" / "file").write_text("")
    really, given = os.chown, []

    def dies_at_the_second(path, *more, **options):
        given.append(path)
        if len(given) == 2:
            raise SystemExit
        really(path, *more, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "chown", dies_at_the_second)
        with pytest.raises(SystemExit):
            processes.adopt(account, folder / "tree")
    processes.adopt(account, folder / "tree")
    for path in (folder / "tree", folder / "tree" / "deep", folder / "tree" / "deep" / "file"):
        assert path.stat().st_uid == account.uid


@AS_ROOT
def test_the_account_reaches_its_python(folder: Path) -> None:
    instance = Instance(folder, 8000)
    (folder / "secrets").mkdir()
    instance.make_folders()
    assert instance.account is not None and instance.account.can("-x", instance.python)
    assert {"PYTHONPYCACHEPREFIX", "NUMBA_CACHE_DIR"} <= set(compiled.environment(instance.account))
    assert all((folder / name).stat().st_uid == instance.account.uid for name in WRITTEN)
    assert instance.environment()["HOME"] == str(folder / "home")


def test_an_ordinary_user_is_nobody_else(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    instance = Instance(folder, 8000)
    (folder / "secrets").mkdir()
    assert instance.account is None and "LOGNAME" not in set(instance.environment()) - set(os.environ)


def test_a_port_that_needs_root_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surroundings, "first_open_port", lambda: 1024)
    with pytest.raises(BadSurroundings, match="Port 80 needs root, and Boxwise gives root up"):
        surroundings.check_port_without_root(80)
    surroundings.check_port_without_root(8000)


@AS_ROOT
def test_a_data_set_that_the_account_cannot_read_is_named(folder: Path) -> None:
    (folder / "mine").mkdir(mode=0o700)
    instance = Running(folder / "data", "demo", "--data", str(folder / "mine"))
    assert instance.process.wait(30) == 1
    instance.reader.join(5)
    assert f"cannot read {folder}/mine (DATA): copy the folder" in instance.text


@pytest.mark.parametrize(
    ("name", "goes"),
    [("SECRET_KEY", True), ("AWS_SECRET_ACCESS_KEY", True), ("DATABASE_URL", True), ("CUDA_VISIBLE_DEVICES", True),
     ("http_proxy", True), ("GITHUB_TOKEN", False), ("OPENAI_API_KEY", False), ("DB_PASSWORD", False),
     ("my_secret", False), ("PYTHONDONTWRITEBYTECODE", False)],
)  # fmt: skip
def test_secrets_of_the_caller_stay_with_the_caller(name: str, goes: bool) -> None:
    assert passes_on(name) is goes


def test_each_process_has_the_secrets_that_it_needs() -> None:
    env = {"SECRET_KEY": "k", "HEALTH_TOKEN": "h", "OIDC_CLIENT_SECRET": "o"}
    env["MAIL_URL"] = "smtp://me:pw@mail.example.org:587?starttls=1"
    seen = {name: environment_of(name, env) for name in ("web", "worker", "interactive", "files", "recovery")}
    for secret in ("SECRET_KEY", "HEALTH_TOKEN", "OIDC_CLIENT_SECRET"):
        assert {name for name, one in seen.items() if secret in one} == {"web"}
    assert {name for name, one in seen.items() if "pw" in one["MAIL_URL"]} == {"worker"}
    assert seen["web"]["MAIL_URL"] == "smtp://mail.example.org:587?starttls=1"
    assert without_password("smtp://mail.example.org") == "smtp://mail.example.org"


@pytest.mark.parametrize("process", ["worker", "interactive", "files", "recovery"])
def test_a_process_that_signs_nothing_starts_without_a_key(process: str) -> None:
    without = {name: value for name, value in COMPLETE.items() if name != "SECRET_KEY"}
    code, printed = settings_say(**without, BOXWISE_PROCESS=process)
    assert code == 0, printed
    code, printed = settings_say(**without, BOXWISE_PROCESS="web")
    assert code != 0 and "set SECRET_KEY" in printed
