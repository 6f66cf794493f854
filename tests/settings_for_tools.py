"""The settings for tools that only look at the code (mypy, makemigrations --check): addresses that lead nowhere."""

import os

os.environ.setdefault("SECRET_KEY", "only-for-tools-that-look-at-the-code-and-start-nothing")
os.environ.setdefault("ALLOWED_HOSTS", "localhost")
os.environ.setdefault("DATABASE_URL", "postgresql:///boxwise?host=/nonexistent")
os.environ.setdefault("BROKER_URL", "redis://localhost:1/0")
os.environ.setdefault("STORAGE_URL", "file:///nonexistent")

from labeling.settings import *  # noqa: F403

# Without a pool a connection that cannot be made fails at once; makemigrations asks for one and then does without.
DATABASES["default"].get("OPTIONS", {}).pop("pool", None)  # noqa: F405
