"""What lies between Boxwise and its database fails: a network that is silent, cut or slow, and a failover to another
PostgreSQL. docs/reliability.md says what is promised in each case."""

import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
import urllib.error
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import psycopg
import pytest

from labeling.server import postgres, processes
from tests.e2e.test_disasters import PROJECT, Annotator, call, state_of_log
from tests.proxies import Proxy
from tests.running import Running, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
PASSWORD = "of-this-test"
SOCKET = ".s.PGSQL.5432"


@dataclass
class Server:
    """A PostgreSQL of the test's own, and its process."""

    database: postgres.Postgres
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(self.database.STOP_SIGNAL)
        self.process.wait(60)

    def ask(self, statement: str) -> Any:
        """The first column of the first row; None for a statement without rows."""
        with psycopg.connect(self.database.url, autocommit=True) as link:
            cursor = link.execute(statement)
            row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


@dataclass
class Elsewhere:
    """A Boxwise whose database is reached by a network, and a project in it."""

    folder: Path
    primary: Server
    network: Proxy
    house: Running
    given: dict[str, Any]


def database_in(folder: Path) -> postgres.Postgres:
    account = processes.unprivileged_account(folder)
    for name in ("files", "sockets"):
        (folder / name).mkdir(mode=0o700, parents=True)
        if account:
            os.chown(folder / name, account.uid, account.gid)
    return postgres.Postgres(folder / "files", folder / "sockets", PASSWORD, account=account)


def started(database: postgres.Postgres) -> Server:
    log = database.folder.parent / "log"
    process = database.start(log)
    postgres.wait_until_ready(database, process, log, seconds=120)
    return Server(database, process)


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Elsewhere]:
    folder = Path(tempfile.mkdtemp(prefix="boxwise-network-"))
    folder.chmod(0o711)
    database = database_in(folder / "primary")
    (folder / "primary").chmod(0o711)
    database.initialise()
    primary = started(database)
    network = Proxy(database.sockets / SOCKET)
    address = f"postgresql://{postgres.USER}:{PASSWORD}@127.0.0.1:{network.port}/{postgres.DATABASE}"
    house = Running(folder / "data", env={"DATABASE_URL": address})
    try:
        house.wait_until_up(240)
        given = json.loads(house.manage(PROJECT).splitlines()[-1])
        yield Elsewhere(folder, primary, network, house, given)
    finally:
        house.stop(seconds=60)
        network.close()
        primary.stop()
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Drawing:
    """Two people who draw while something fails."""

    elsewhere: Elsewhere
    people: list[Annotator]
    over: threading.Event
    before: set[str]

    def goes_on(self, seconds: float, count: int = 10) -> None:
        """Each of them is acknowledged so many more operations."""
        drawn = [len(person.acknowledged) for person in self.people]
        wait_for(lambda: self._have_drawn(drawn, count), seconds, "everyone draws again")

    def _have_drawn(self, drawn: Sequence[int], count: int) -> bool:
        return all(len(one.acknowledged) >= n + count for one, n in zip(self.people, drawn, strict=True))

    def end(self) -> None:
        """Nothing that was acknowledged is lost, and nothing is there twice."""
        self.over.set()
        for person in self.people:
            person.join(60)
        log = state_of_log(self.elsewhere.house, self.elsewhere.given["layer"])
        acknowledged = set(chain.from_iterable(person.acknowledged for person in self.people))
        assert acknowledged <= set(log["ops"])
        assert len(log["ops"]) == len(set(log["ops"])) == log["cells"]
        assert set(log["ops"]) - self.before == acknowledged, "nothing but what they sent"
        assert log["wrong"] == []


def drawing(elsewhere: Elsewhere) -> Drawing:
    before = set(state_of_log(elsewhere.house, elsewhere.given["layer"])["ops"])
    over = threading.Event()
    people = [Annotator(elsewhere.house, elsewhere.given, over) for _ in range(2)]
    for person in people:
        person.start()
    found = Drawing(elsewhere, people, over, before)
    found.goes_on(60, count=5)
    return found


def stages(elsewhere: Elsewhere, round_: int) -> dict[str, dict[str, Any]]:
    """Kind -> stage of a round; {} while the site does not answer."""
    try:
        found = call(elsewhere.house, elsewhere.given, f"rounds/{round_}/")
    except (OSError, ValueError, urllib.error.URLError):
        return {}
    return {stage["kind"]: stage for stage in found["stages"]} | {"round": found}


def test_a_slow_network_to_the_database_loses_nothing(elsewhere: Elsewhere):
    people = drawing(elsewhere)
    elsewhere.network.delay = 0.05
    try:
        people.goes_on(120)
    finally:
        elsewhere.network.delay = 0.0
    people.end()
    assert sum(person.failures for person in people.people) == 0, "slow is no failure"


def test_a_network_to_the_database_that_is_cut_loses_nothing_and_the_round_goes_on(elsewhere: Elsewhere):
    path = f"projects/{elsewhere.given['project']}/rounds/"
    round_ = int(call(elsewhere.house, elsewhere.given, path, {"preset": "tiny"})["id"])

    def training() -> bool:
        detector = stages(elsewhere, round_).get("detector")
        return detector is not None and detector["state"] == "running" and detector["done"] > 0

    wait_for(training, 240, "training begins")
    people = drawing(elsewhere)
    elsewhere.network.silence()
    drawn = sum(len(person.acknowledged) for person in people.people)
    time.sleep(12)
    assert sum(len(person.acknowledged) for person in people.people) <= drawn + 2, "what was under way"
    elsewhere.network.cut()  # what was open before is never answered
    elsewhere.network.restore()
    people.goes_on(120)
    people.end()
    wait_for(lambda: stages(elsewhere, round_).get("round", {}).get("state") == "published", 400, "the round")
    assert {stage["attempts"] for kind, stage in stages(elsewhere, round_).items() if kind != "round"} == {1}


def standby_of(primary: Server, folder: Path) -> Server:
    """A second PostgreSQL that follows the first one, which answers a commit when both have written it."""
    database = database_in(folder)
    folder.chmod(0o711)
    source = f"host={primary.database.sockets} user={postgres.USER} password={PASSWORD} application_name=standby"
    account = database.account
    subprocess.run(
        [postgres.program("pg_basebackup"), "-D", database.cluster, "-R", "-X", "stream", "-c", "fast", "-d", source],
        check=True, cwd=folder / "files", env=database.environment(),
        user=account.uid if account else None, group=account.gid if account else None,
        extra_groups=[] if account else None,
    )  # fmt: skip
    found = started(database)
    primary.ask("ALTER SYSTEM SET synchronous_standby_names = 'standby'")
    primary.ask("SELECT pg_reload_conf()")
    following = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"
    wait_for(lambda: primary.ask(following) == 1, 60, "the second one follows")
    return found


def test_a_failover_to_a_synchronous_standby_loses_nothing(elsewhere: Elsewhere):
    """The last test of this file: the first PostgreSQL is gone afterwards."""
    standby = standby_of(elsewhere.primary, elsewhere.folder / "standby")
    try:
        people = drawing(elsewhere)
        elsewhere.primary.process.kill()
        elsewhere.primary.process.wait(30)
        elsewhere.network.target = standby.database.sockets / SOCKET
        assert standby.ask("SELECT pg_promote()") is True
        elsewhere.network.cut()
        people.goes_on(120)
        people.end()
        assert sum(person.failures for person in people.people) > 0, "the failover was felt"
        elsewhere.house.wait_until_healthy(120)
        elsewhere.house.stop(seconds=60)
    finally:
        standby.stop()
