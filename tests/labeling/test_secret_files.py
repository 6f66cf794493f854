"""Secrets from files: NAME_FILE, and passwords that complete an address."""

import pytest

from labeling.server.instance import passes_on
from labeling.server.secret_files import SECRETS, read_secret_files, with_password


@pytest.mark.parametrize("name", SECRETS)
def test_every_secret_may_lie_in_a_file(tmp_path, name):
    (tmp_path / "secret").write_text(" from a file \n")
    env = {f"{name}_FILE": str(tmp_path / "secret")}
    read_secret_files(env)
    assert env == {name: "from a file"}


@pytest.mark.parametrize("name", SECRETS)
def test_every_secret_reaches_the_processes_of_an_instance(name):
    assert passes_on(name)
    assert not passes_on("SOMEBODY_ELSES_PASSWORD")


def test_an_empty_file_is_a_setting_that_is_not_there(tmp_path):
    (tmp_path / "secret").write_text("\n")
    env = {"MAIL_URL_FILE": str(tmp_path / "secret")}
    read_secret_files(env)
    assert env == {}


def test_a_secret_that_is_set_twice_or_cannot_be_read_stops_the_start(tmp_path):
    (tmp_path / "secret").write_text("one")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SystemExit, match="SECRET_KEY or SECRET_KEY_FILE, not both"):
        read_secret_files({"SECRET_KEY": "two", "SECRET_KEY_FILE": str(tmp_path / "secret")})
    with pytest.raises(SystemExit, match=r"SECRET_KEY_FILE names .*No such file"):
        read_secret_files({"SECRET_KEY_FILE": str(tmp_path / "none")})
    with pytest.raises(SystemExit, match=r"SECRET_KEY_FILE names .*it is no text"):
        read_secret_files({"SECRET_KEY_FILE": str(tmp_path / "bytes")})


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://boxwise@database/boxwise", "postgresql://boxwise:p%40s%2Fs@database/boxwise"),
        (
            "postgresql://boxwise@database:5433/x?sslmode=require",
            "postgresql://boxwise:p%40s%2Fs@database:5433/x?sslmode=require",
        ),
        ("redis://broker:6379/0", "redis://:p%40s%2Fs@broker:6379/0"),
        ("redis://:own@broker:6379/0", "redis://:own@broker:6379/0"),
        ("postgresql:///boxwise?host=/run/boxwise", "postgresql:///boxwise?host=/run/boxwise"),
        ("redis+socket:///run/valkey.sock", "redis+socket:///run/valkey.sock"),
    ],
)
def test_a_password_completes_an_address_that_names_a_host_and_none(url, expected):
    assert with_password(url, "p@s/s") == expected


def test_the_passwords_of_files_complete_the_addresses(tmp_path):
    (tmp_path / "one").write_text("first")
    (tmp_path / "two").write_text("second")
    env = {
        "DATABASE_URL": "postgresql://boxwise@database/boxwise",
        "DATABASE_PASSWORD_FILE": str(tmp_path / "one"),
        "BROKER_URL": "redis://broker:6379/0",
        "FEED_URL": "redis://feed:6379/0",
        "BROKER_PASSWORD_FILE": str(tmp_path / "two"),
    }
    read_secret_files(env)
    assert env["DATABASE_URL"] == "postgresql://boxwise:first@database/boxwise"
    assert (env["BROKER_URL"], env["FEED_URL"]) == ("redis://:second@broker:6379/0", "redis://:second@feed:6379/0")
