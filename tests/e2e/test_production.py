"""docker/compose.yml and docker/nginx.conf in use: install, migrate, sign in over TLS, a round, a dump and its restore.

`make production-test` runs this; it needs Debian's postgresql, redis-server and nginx, and takes some minutes.
"""

import http.client
import re
import shutil
import ssl
import subprocess
import sys
import time

import pytest
import requests

from tests.e2e.production import POSTGRES, Machine, missing, production
from tests.running import wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(bool(missing()), reason=f"not installed here: {missing()}"),
]
PASSWORD = "tissue-and-outlines-29"
ROUND_SECONDS = 1200
COUNTED = """
from labeling.models import Operation, Round
print(Operation.objects.count(), Round.objects.filter(state="published").count())
"""


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    with production(tmp_path_factory.mktemp("production")) as made:
        env = {"DJANGO_SUPERUSER_PASSWORD": PASSWORD}
        words = ("createsuperuser", "--noinput", "--username", "keeper", "--email", "keeper@hospital.example")
        made.run("web", sys.executable, "manage.py", *words, env=env)
        yield made


def session(machine: Machine) -> requests.Session:
    """Somebody's browser, which knows the certificate of the proxy."""
    made = requests.Session()
    made.trust_env = False  # else a bundle of certificates of this machine counts more than the next line
    made.verify = machine.certificate
    return made


def sign_in(machine: Machine, password: str, **headers: str) -> tuple[requests.Session, requests.Response]:
    browser = session(machine)
    page = browser.get(f"{machine.address}/accounts/sign-in/")
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
    assert token, page.text
    data = {"csrfmiddlewaretoken": token[1], "username": "keeper", "password": password}
    headers |= {"Referer": f"{machine.address}/accounts/sign-in/"}
    answer = browser.post(f"{machine.address}/accounts/sign-in/", data=data, headers=headers, allow_redirects=False)
    return browser, answer


def api(machine: Machine, token: str, method: str, path: str, **given: object) -> requests.Response:
    browser = session(machine)
    browser.headers["Authorization"] = f"Token {token}"
    answer = browser.request(method, f"{machine.address}/api/v1/{path}", **given)
    assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
    return answer


@pytest.fixture(scope="module")
def token(machine):
    printed = machine.run("web", sys.executable, "manage.py", "create_token", "keeper")
    return printed.split()[-1]


def test_somebody_signs_in_over_tls(machine):
    browser, answer = sign_in(machine, PASSWORD)
    assert answer.status_code == 302, answer.text[:500]
    cookie = next(cookie for cookie in browser.cookies if "session" in cookie.name)
    assert cookie.secure and cookie.has_nonstandard_attr("HttpOnly")
    assert browser.get(f"{machine.address}/").status_code == 200


def test_plain_http_leads_to_tls_and_nothing_else(machine):
    answer = requests.get(f"http://localhost:{machine.plain}/projects/1/?a=b", allow_redirects=False, timeout=20)
    assert (answer.status_code, answer.headers["Location"]) == (308, "https://localhost/projects/1/?a=b")


def test_the_address_of_the_browser_is_the_proxy_s_word_and_not_its_own(machine):
    sign_in(machine, "wrong", **{"X-Forwarded-For": "203.0.113.7"})
    shown = "from labeling.audit.models import SecurityEvent as S; print({e.address for e in S.objects.all()})"
    addresses = machine.run("web", sys.executable, "manage.py", "shell", "--no-imports", "-c", shown)
    assert "203.0.113.7" not in addresses and "127.0.0.1" in addresses


def test_a_body_over_the_limit_is_declined_before_it_is_read(machine):
    context = ssl.create_default_context(cafile=machine.certificate)
    connection = http.client.HTTPSConnection("localhost", machine.tls, context=context, timeout=20)
    connection.putrequest("POST", "/api/v1/projects/")
    connection.putheader("Content-Length", str(3 * 2**30))
    connection.endheaders()  # and not one byte of it
    assert connection.getresponse().status == 413
    connection.close()


def test_metrics_do_not_leave_and_the_open_probe_says_little(machine):
    browser = session(machine)
    assert browser.get(f"{machine.address}/metrics").status_code == 404
    assert browser.get(f"{machine.address}/healthz").json().keys() == {"healthy"}


def test_a_round_is_trained_and_survives_a_restore(machine, token):
    machine.run("web", sys.executable, "manage.py", "load_demo", "--no-round")
    project = api(machine, token, "get", "projects/").json()["items"][0]["id"]
    changes = {"detector_steps": 20, "segmenter_steps": 20}
    started = api(machine, token, "post", f"projects/{project}/rounds/", json={"preset": "quick", "changes": changes})
    address = f"rounds/{started.json()['id']}/"

    def ended() -> bool:
        time.sleep(2)
        state = api(machine, token, "get", address).json()["state"]
        assert state not in ("failed", "cancelled"), machine.log("worker")[-3000:]
        return state == "published"

    wait_for(ended, ROUND_SECONDS, "round")
    restored_is_whole(machine)


def restored_is_whole(machine: Machine) -> None:
    """Dump and copy as docs/operations.md, *In containers*, says; a second database with the doctor's findings."""
    password = (machine.folder / "secrets/database_password").read_text()
    tools = {"PGPASSWORD": password, "PGHOST": "127.0.0.1", "PGPORT": str(machine.database), "PGUSER": "boxwise"}
    dump = machine.folder / "boxwise.dump"
    shutil.copytree(machine.folder / "files", machine.folder / "copied")
    for tool, *words in (
        ("pg_dump", "--format=custom", f"--file={dump}", "boxwise"),
        ("createdb", "restored"),
        ("pg_restore", "--exit-on-error", "--dbname=restored", str(dump)),
    ):
        subprocess.run([str(POSTGRES[-1] / tool), *words], env=tools, check=True, capture_output=True)
    shutil.copytree(machine.folder / "files", machine.folder / "copied", dirs_exist_ok=True)
    env = {
        "DATABASE_URL": f"postgresql://boxwise@127.0.0.1:{machine.database}/restored",
        "STORAGE_URL": f"file://{machine.folder}/copied",
    }
    was = machine.run("web", sys.executable, "manage.py", "shell", "--no-imports", "-c", COUNTED)
    now = machine.run("web", sys.executable, "manage.py", "shell", "--no-imports", "-c", COUNTED, env=env)
    assert now == was and now.split()[-1] == "1"
    machine.run("web", sys.executable, "manage.py", "doctor", env=env)  # exits with 1 where it finds a fault
