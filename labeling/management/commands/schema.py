"""manage schema: write the schema of the API to docs/openapi.json."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from labeling.schema import openapi_text


class Command(BaseCommand):
    help = "Write the schema of the API (OpenAPI 3.1) to docs/openapi.json, from which the browser's types are made."

    def handle(self, *args: Any, **options: Any) -> None:
        file = Path(settings.BASE_DIR) / "docs" / "openapi.json"
        file.write_text(openapi_text(), encoding="utf-8")
        self.stdout.write(f"wrote {file.name}")
