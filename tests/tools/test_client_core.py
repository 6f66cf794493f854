"""The generated core of the Python client is that of the kept schema."""

from tools import client_core


def test_the_generated_core_is_that_of_the_schema():
    assert client_core.TARGET.read_text() == client_core.generated(), "run: python -m tools.client_core"
