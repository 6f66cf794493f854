"""Slides in S3, or in what speaks like it.

Keys come from where the client library always looks on the server (AWS_ACCESS_KEY_ID, a profile, a role ...), and
nothing of a request reaches them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import IO, Any

import boto3
import urllib3
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
)

from inference.reading.questions import About
from inference.reading.types import Unreadable
from labeling.images.storage_answers import CHUNK, Report, declined, is_root, key_of
from labeling.server.object_storage import LIMITS
from labeling.server.slide_places import RemoteRoot

MOST_LISTED = 20_000  # entries of a folder
NO_KEYS = (NoCredentialsError, PartialCredentialsError, ProfileNotFound)


@dataclass(frozen=True)
class S3Source:
    root: RemoteRoot

    @cached_property
    def client(self) -> Any:
        options = dict(self.root.options)
        session = boto3.Session(profile_name=options.get("profile_name"))
        return session.client(
            "s3", endpoint_url=options.get("endpoint_url"), region_name=options.get("region_name"), config=LIMITS
        )

    def about(self, path: str) -> About:
        key = key_of(self.root, path)
        if is_root(path):
            return About(is_folder=True)
        try:
            head = self._call("head_object", Key=key)
        except FileNotFoundError:
            inside = self._call("list_objects_v2", Prefix=f"{key}/", MaxKeys=1)
            if not inside.get("Contents"):
                raise
            return About(is_folder=True)
        return About(size=int(head["ContentLength"]), mark=str(head.get("ETag", "")))

    def listed(self, path: str) -> dict[str, About]:
        key = key_of(self.root, path)
        prefix = f"{key}/" if key else ""
        found: dict[str, About] = {}
        token: dict[str, str] = {}
        while len(found) < MOST_LISTED:
            page = self._call("list_objects_v2", Prefix=prefix, Delimiter="/", **token)
            for folder in page.get("CommonPrefixes", ()):
                found[folder["Prefix"].removeprefix(prefix).rstrip("/")] = About(is_folder=True)
            for one in page.get("Contents", ()):
                name = one["Key"].removeprefix(prefix)
                if name:  # not the folder's own mark, which some programs write
                    found[name] = About(size=int(one["Size"]), mark=str(one.get("ETag", "")))
            if not page.get("IsTruncated"):
                break
            token = {"ContinuationToken": page["NextContinuationToken"]}
        return found

    def read(self, path: str, mark: str, start: int, end: int) -> bytes:
        if start >= end:
            return b""
        answer = self._get(path, mark, Range=f"bytes={start}-{end - 1}")
        content = self._streamed(answer["Body"].read, end - start + 1)
        if len(content) != end - start:  # a storage that does not know ranges sends all of the object
            answer["Body"].close()
            raise Unreadable("storage_silent")
        return content

    def copy(self, path: str, mark: str, target: IO[bytes], report: Report) -> None:
        body = self._get(path, mark)["Body"]
        done = 0
        while chunk := self._streamed(body.read, CHUNK):
            target.write(chunk)
            done += len(chunk)
            report(done)

    def _get(self, path: str, mark: str, **options: Any) -> Any:
        if mark:
            options["IfMatch"] = mark
        try:
            return self._call("get_object", Key=key_of(self.root, path), **options)
        except FileNotFoundError:
            raise Unreadable("slide_gone") from None

    def _call(self, act: str, **options: Any) -> Any:
        """Raises FileNotFoundError, Unreadable."""
        try:
            return getattr(self.client, act)(Bucket=self.root.host, **options)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            status = str(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", ""))
            raise declined({code, status}) from None
        except NO_KEYS:
            raise Unreadable("storage_denied") from None
        except BotoCoreError:  # no answer, a broken connection
            raise Unreadable("storage_silent") from None

    @staticmethod
    def _streamed(read: Callable[..., bytes], *count: int) -> bytes:
        try:
            return read(*count)
        except (BotoCoreError, urllib3.exceptions.HTTPError, OSError):
            raise Unreadable("storage_silent") from None
