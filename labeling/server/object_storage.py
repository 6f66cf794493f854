"""Files in object storage, asked with limits of time."""

from typing import Any

from botocore.config import Config
from storages.backends.s3 import S3Storage

# Seconds of one try. The library's own are 60 s and five tries: a request would keep its thread for minutes, and with a
# storage that does not answer soon nobody is answered any more.
LIMITS = Config(connect_timeout=5, read_timeout=15, retries={"total_max_attempts": 3, "mode": "standard"})


class ObjectStorage(S3Storage):
    """S3, or what speaks like it. An operation that gets no answer raises within a minute."""

    client_config: Config

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.client_config = self.client_config.merge(LIMITS)
