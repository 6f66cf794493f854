"""The bootstrap: what it says in bad surroundings, what it leaves out, what it does not do twice."""

import os
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from labeling.server import bootstrap
from labeling.server.bootstrap import SetupFailed


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty checkout that the bootstrap takes for its own."""
    (tmp_path / "client").mkdir()
    for name in ("requirements.lock", "requirements-uv.lock", *bootstrap.DISTRIBUTIONS):
        shutil.copy(bootstrap.ROOT / name, tmp_path / name)
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    monkeypatch.setattr(bootstrap, "BUILD", tmp_path / ".build")
    monkeypatch.setattr(bootstrap, "VENV", tmp_path / ".venv")
    monkeypatch.delenv("TORCH", raising=False)
    return tmp_path


def test_an_old_python_hears_that_it_is_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 2, "final", 0))
    with pytest.raises(SystemExit, match=r"^Boxwise needs Python 3\.11 or newer; .* is 3\.9\. .* PYTHON=python3\.11$"):
        runpy.run_path(bootstrap.__file__, run_name="__main__")


def test_a_python_without_venv_hears_what_to_install(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    find = bootstrap.importlib.util.find_spec
    monkeypatch.setattr(bootstrap.importlib.util, "find_spec", lambda name: None if name == "ensurepip" else find(name))
    assert bootstrap.main([]) == 1
    printed = capsys.readouterr().err.strip()
    assert f"has no venv; on Debian or Ubuntu: apt-get install python3.{sys.version_info[1]}-venv" in printed
    assert len(printed.splitlines()) == 1


def test_no_network_is_one_sentence_and_the_next_run_starts_again(checkout: Path, monkeypatch, capsys) -> None:
    """With a real pip that cannot reach its registry: a port of this machine that nobody listens on."""
    for name in list(os.environ):
        if name.startswith("PIP_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    assert bootstrap.main([]) == 1
    printed = capsys.readouterr().err.strip()
    assert "needs the network and could not reach the package registry: connect" in printed
    assert len(printed.splitlines()) == 1
    assert not list((checkout / ".build").glob("*.stamp")) and not (checkout / ".venv").exists()


def test_torchs_own_index_out_of_reach_is_told_apart(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("error sending request for url (https://host/whl/cpu/torch/)\ncause: dns error\n")
    assert "TORCH=cuda, which needs the package registry only" in bootstrap.what_to_do("Installing", log)


def test_a_certificate_of_a_proxy_is_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And npm, which reads neither of the variables that pip and uv read, is handed the certificates they use."""
    log = tmp_path / "log"
    log.write_text("npm error code SELF_SIGNED_CERT_IN_CHAIN\nnpm error request failed\n")
    assert "set SSL_CERT_FILE to its certificates" in bootstrap.what_to_do("Installing", log)
    monkeypatch.delenv("NODE_EXTRA_CA_CERTS", raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", "/certificates")
    assert bootstrap.environment()["NODE_EXTRA_CA_CERTS"] == "/certificates"


def test_a_failing_step_quotes_its_log(checkout: Path) -> None:
    (checkout / ".build").mkdir()
    with pytest.raises(SetupFailed, match=r"Trying failed; the end of .*trying\.log says:\nthe reason"):
        bootstrap.run("Trying (long)", [sys.executable, "-c", "print('the reason'); raise SystemExit(3)"])


def test_an_unknown_torch_is_refused_and_the_choice_is_kept(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH", "rocm")
    with pytest.raises(SetupFailed, match="TORCH=rocm is unknown"):
        bootstrap.torch_choice()
    monkeypatch.delenv("TORCH")
    assert bootstrap.torch_choice() == "cuda"
    (checkout / ".build").mkdir()
    (checkout / ".build" / "torch").write_text("cpu")
    assert bootstrap.torch_choice() == "cpu", "a later `make demo` must not fetch 7 GB unasked"


def test_the_lock_without_cuda_keeps_everything_else() -> None:
    lock = (bootstrap.ROOT / "requirements.lock").read_text()

    def names(text: str) -> set[str]:
        return {line.split("==")[0] for line in text.splitlines() if "==" in line and line[:1] not in (" ", "#")}

    reduced, versions = bootstrap.without_gpu(lock)
    gone = names(lock) - names(reduced)
    assert {"torch", "torchvision", "triton"} <= gone
    assert all(name.startswith(("torch", "triton", "nvidia-", "cuda-")) for name in gone)
    assert {"nvidia-ml-py", "django", "numpy", "ultralytics", "torchmetrics"} & names(lock) <= names(reduced)
    assert sorted(version.split("==")[0] for version in versions) == ["torch", "torchvision"]
    assert all(version in lock for version in versions)
    hashes = [line for line in reduced.splitlines() if "--hash=" in line]
    assert len(hashes) > 500 and reduced.count("--hash=") < lock.count("--hash=")


def test_the_web_image_has_the_versions_of_the_lock_and_no_torch() -> None:
    def versions(name: str) -> dict[str, str]:
        return dict(re.findall(r"^([\w.-]+)==([^ ;]+)", (bootstrap.ROOT / name).read_text(), re.MULTILINE))

    everything, web = versions("requirements.lock"), versions("docker/requirements-web.lock")
    assert web.items() <= everything.items()
    assert "torch" not in web
    project = tomllib.loads((bootstrap.ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["server"]]
    names = {re.split(r"[\[<>=]", one)[0] for one in wanted} - {"boxwise-client"}
    assert names <= web.keys(), "compile docker/requirements-web.lock again, as its first lines say"


def test_no_lock_names_a_registry() -> None:
    for name in ("requirements.lock", "requirements-uv.lock", "docker/requirements-web.lock"):
        text = (bootstrap.ROOT / name).read_text()
        assert "://" not in text and "--hash=sha256:" in text


def test_a_step_is_done_again_when_its_sources_change(checkout: Path) -> None:
    (checkout / ".build").mkdir()
    source = checkout / "source.ts"
    source.write_text("one")
    before = bootstrap.digest(files=[source])
    bootstrap.set_done("step", before)
    assert bootstrap.is_done("step", before)
    source.write_text("two")
    assert not bootstrap.is_done("step", bootstrap.digest(files=[source]))


def test_the_bootstrap_needs_nothing_installed() -> None:
    """With site-packages out of reach (-S -E) it and what it checks can still be imported."""
    code = (
        f"import sys; sys.path.insert(0, {str(bootstrap.ROOT)!r})\n"
        "import labeling.server.bootstrap, labeling.server.instance, labeling.server.surroundings\n"
        "print('django' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-E", "-S", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "False"), done.stderr
