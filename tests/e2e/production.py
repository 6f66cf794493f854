"""docker/compose.yml on a machine without containers: its commands, settings, secrets and health checks as they stand,
with Debian's PostgreSQL, Redis and nginx in the place of the images.

What only containers have (networks, confined rights, limits of memory) is not tried here.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.running import ROOT, free_port, wait_for

DOCKER = ROOT / "docker"
COMPOSE: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yml").read_text())
POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin")) if Path("/usr/lib/postgresql").is_dir() else []


def missing() -> str:
    """What of Debian is not installed here; empty where all is."""
    found = {"postgresql": bool(POSTGRES), "redis-server": shutil.which("redis-server"), "nginx": shutil.which("nginx")}
    return ", ".join(name for name, path in found.items() if not path)


@dataclass
class Machine:
    """One server: ports, folders, and what of compose.yml runs."""

    folder: Path
    database: int = field(default_factory=free_port)
    broker: int = field(default_factory=free_port)
    web: int = field(default_factory=free_port)
    tls: int = field(default_factory=free_port)
    plain: int = field(default_factory=free_port)
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("files", "scratch", "broker", "tls", "logs"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        for name in ("make_secrets.sh", "nginx.conf"):
            shutil.copy(DOCKER / name, self.folder)
        subprocess.run(["sh", str(self.folder / "make_secrets.sh")], check=True)
        write_certificate(self.folder / "tls")

    @property
    def address(self) -> str:
        return f"https://localhost:{self.tls}"

    @property
    def certificate(self) -> str:
        return str(self.folder / "tls/cert.pem")

    def here(self, text: str) -> str:
        """A text of compose.yml with the ports and folders of this machine."""
        replaced = {
            "$$": "$",
            "@database/": f"@127.0.0.1:{self.database}/",
            "broker:6379": f"127.0.0.1:{self.broker}",
            "/run/secrets/": f"{self.folder}/secrets/",
            "/data/files": f"{self.folder}/files",
            "/data/scratch": f"{self.folder}/scratch",
            "--dir /data": f"--dir {self.folder}/broker --port {self.broker} --bind 127.0.0.1",
            "valkey-server": "redis-server",
            "valkey-cli": f"redis-cli -p {self.broker}",
            "127.0.0.1:8000": f"127.0.0.1:{self.web}",
        }
        for given, own in replaced.items():
            text = text.replace(given, own)
        return text

    def environment(self, service: str) -> dict[str, str]:
        """What the service finds: .env as env.example has it, and its own settings. Nothing of the caller's."""
        listed = re.findall(r"^([A-Z_]+)=(.*)$", (DOCKER / "env.example").read_text(), re.MULTILINE)
        own = COMPOSE["services"][service].get("environment", {})
        given = dict(listed) | {name: str(value) for name, value in own.items()}
        given |= {"ALLOWED_HOSTS": "localhost", "CSRF_TRUSTED_ORIGINS": self.address}
        found = {name: self.here(value) for name, value in given.items()}
        system = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "HOME": "/tmp",
        }
        settings = {"DJANGO_SETTINGS_MODULE": "labeling.settings", "STATIC_ROOT": str(self.folder / "static")}
        return system | settings | {"BOXWISE_DATA_DIR": str(self.folder), "PYTHONUNBUFFERED": "1"} | found

    def command(self, service: str) -> list[str]:
        """That of compose.yml, or of the image."""
        given = COMPOSE["services"][service]
        words = given.get("command") or command_of_image(given["build"]["dockerfile"])
        if "uvicorn" in words[0]:
            words = [{"8000": str(self.web), "0.0.0.0": "127.0.0.1"}.get(word, word) for word in words]
        return [self.here(word) for word in words]

    def run(self, service: str, *command: str, env: Mapping[str, str] | None = None) -> str:
        """A command in the place of a service, to its end; its own where none is given."""
        done = subprocess.run(
            command or self.command(service),
            cwd=ROOT,
            env=self.environment(service) | dict(env or {}),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{service}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def start(self, service: str) -> None:
        with (self.folder / "logs" / service).open("wb") as log:
            self.running[service] = subprocess.Popen(
                self.command(service), cwd=ROOT, env=self.environment(service), stdout=log, stderr=log
            )

    def healthy(self, service: str) -> bool:
        """What the health check of compose.yml says."""
        kind, *words = COMPOSE["services"][service]["healthcheck"]["test"]
        words = [self.here(word) for word in words]
        command = ["sh", "-c", words[0]] if kind == "CMD-SHELL" else words
        return subprocess.run(command, env=self.environment(service), capture_output=True, check=False).returncode == 0

    def log(self, service: str) -> str:
        return (self.folder / "logs" / service).read_text()


def command_of_image(dockerfile: str) -> list[str]:
    """The CMD of a Dockerfile: a list of words, or a line for the shell."""
    text = (ROOT / dockerfile).read_text().replace("\\\n", " ")
    given = re.findall(r"^CMD (.+)$", text, re.MULTILINE)[-1]
    words: list[str] = yaml.safe_load(given) if given.startswith("[") else ["sh", "-c", given]
    return words


def write_certificate(folder: Path) -> None:
    """cert.pem and key.pem of localhost, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(x509.random_serial_number()).add_extension(names, critical=False)
    made = made.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(made.sign(key, hashes.SHA256()).public_bytes(pem))
    plain, openssl = serialization.NoEncryption(), serialization.PrivateFormat.TraditionalOpenSSL
    (folder / "key.pem").write_bytes(key.private_bytes(pem, openssl, plain))


@contextmanager
def postgres(machine: Machine) -> Iterator[None]:
    """Debian's PostgreSQL with the password of the secret, as its image sets it up."""
    data = machine.folder / "database"
    shutil.copy(machine.folder / "secrets/database_password", machine.folder / "first_password")
    account: dict[str, Any] = {"user": "nobody", "group": "nogroup"} if os.geteuid() == 0 else {}
    if account:
        data.mkdir()
        for path in (data, machine.folder / "first_password"):
            shutil.chown(path, "nobody", "nogroup")
        for parent in (machine.folder, *machine.folder.parents):
            if parent.stat().st_uid == 0 and parent != Path("/"):
                parent.chmod(parent.stat().st_mode | 0o111)
    words = ["-D", str(data), "-U", "boxwise", "-A", "scram-sha-256", f"--pwfile={machine.folder}/first_password"]
    subprocess.run([str(POSTGRES[-1] / "initdb"), *words], check=True, capture_output=True, **account)
    listening = [
        "-c",
        "listen_addresses=127.0.0.1",
        "-p",
        str(machine.database),
        "-c",
        f"unix_socket_directories={data}",
    ]
    server = subprocess.Popen(
        [str(POSTGRES[-1] / "postgres"), "-D", str(data), *listening], stderr=subprocess.DEVNULL, **account
    )
    password = (machine.folder / "secrets/database_password").read_text()
    try:
        tools = {"PGPASSWORD": password, "PGHOST": "127.0.0.1", "PGPORT": str(machine.database), "PGUSER": "boxwise"}
        ready = [str(POSTGRES[-1] / "pg_isready"), "-h", "127.0.0.1", "-p", str(machine.database), "-U", "boxwise"]
        wait_for(lambda: subprocess.run(ready, capture_output=True, check=False).returncode == 0, 60, "PostgreSQL")
        subprocess.run([str(POSTGRES[-1] / "createdb"), "boxwise"], check=True, env=os.environ | tools)
        yield
    finally:
        server.terminate()
        server.wait(60)


def nginx_command(machine: Machine) -> list[str]:
    """docker/nginx.conf with the ports and the certificate of this machine."""
    text = (machine.folder / "nginx.conf").read_text()
    scratch = machine.folder / "nginx"
    scratch.mkdir(exist_ok=True)
    replaced = {
        "listen 8080": f"listen 127.0.0.1:{machine.plain}",
        "listen 8443": f"listen 127.0.0.1:{machine.tls}",
        "web:8000": f"127.0.0.1:{machine.web}",
        " /tmp/": f" {scratch}/",
        "/etc/nginx/tls": str(machine.folder / "tls"),
    }
    for given, own in replaced.items():
        assert given in text, f"docker/nginx.conf has no {given!r} any more"
        text = text.replace(given, own)
    (machine.folder / "own.conf").write_text(text)
    return ["nginx", "-c", str(machine.folder / "own.conf"), "-g", "daemon off;"]


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def production(folder: Path) -> Iterator[Machine]:
    """All services of compose.yml, started in the order of their dependencies."""
    machine = Machine(folder)
    with postgres(machine):
        try:
            machine.start("broker")
            wait_for(lambda: machine.healthy("broker"), 60, "broker")
            machine.run("prepare")
            machine.run("web", sys.executable, "manage.py", "collectstatic", "--noinput")
            for service in ("web", "recovery", "worker", "interactive", "exports"):
                machine.start(service)
            wait_for(lambda: machine.healthy("web"), 180, f"web\n{machine.log('web')}")
            with (folder / "logs/proxy").open("wb") as log:
                machine.running["proxy"] = subprocess.Popen(nginx_command(machine), stdout=log, stderr=log)
            wait_for(lambda: listens(machine.tls), 30, f"proxy\n{machine.log('proxy')}")
            yield machine
        finally:
            for process in reversed(machine.running.values()):
                process.terminate()
            for process in machine.running.values():
                process.wait(90)
