"""Files in the uploads' storage that no row names: a process died in between, or the row went with its project."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Model

from labeling.jobs.models import uploads_storage
from labeling.recovery import isolated

LIST_EVERY = timedelta(hours=1)  # a storage may be slow to list


@dataclass
class StrayFiles:
    """One folder of the storage.

    model      whose rows name the files of the folder, in `file`
    after      age at which a file without a row is removed; a younger one may still get its row
    owner      what a file belongs to, for the sentence
    next_listing  nothing is listed before; None: it is listed at once
    """

    folder: str
    model: type[Model]
    after: timedelta
    owner: str
    next_listing: datetime | None = None

    def recover(self, now: datetime) -> list[str]:
        """Remove the files that no row names. -> sentences."""
        if self.next_listing is not None and now < self.next_listing:
            return []
        self.next_listing = now + LIST_EVERY
        storage = uploads_storage()
        try:
            present = storage.listdir(self.folder)[1]
        except (FileNotFoundError, NotImplementedError):  # nothing was uploaded yet; a storage that lists nothing
            return []
        sentences = []
        for name in present:
            path = f"{self.folder}/{name}"
            with isolated(path):
                if self._is_stray(path, storage.get_modified_time(path), now):
                    storage.delete(path)
                    sentences.append(f"{path}: belonged to no {self.owner} and is removed")
        return sentences

    def _is_stray(self, path: str, modified: datetime, now: datetime) -> bool:
        rows: Any = self.model._default_manager
        is_old = modified < now - self.after
        return is_old and not rows.filter(file=path).exists()
