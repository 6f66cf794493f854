"""A model that another machine runs: it is sent a PNG of one image or tile and answers with a label map or GeoJSON.

    POST URL
    Content-Type: image/png
    Accept: image/png, image/tiff, application/geo+json
    Authorization: Bearer KEY          where BOXWISE_PREDICTOR_KEYS has one for the host

    200, image/png or image/tiff       ids of cells, as large as what was sent, 0 is background
    200, application/geo+json          polygons in pixels of what was sent; application/json is taken alike

The address stands in the model, the key and the private networks that may be reached do not: whoever hands a model on
hands on no key, and whoever is handed one is not led into their own network.

    BOXWISE_PREDICTOR_KEYS=models.example.org=KEY,other.example.org=KEY
    BOXWISE_PREDICTOR_NETWORKS=10.1.0.0/16
"""

import io
import os
import tempfile
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from PIL import Image

from inference.datasets import read_labels
from inference.egress import guarded
from inference.egress.addresses import Network
from inference.formats import conversion
from inference.formats.geometry import mask_of
from inference.formats.painting import areas_of
from inference.formats.problems import EVERY_IMAGE
from inference.methods.external.wrapping import External, Opened, instances_of, opened
from inference.methods.frame import Instances
from inference.prompters.paint import paint
from inference.types import RGB, BoxMask, InferenceError, Prompted

NAME = "http"
METHOD = "http-1"
NEEDS_FILE = False
KEYS = "BOXWISE_PREDICTOR_KEYS"
NETWORKS = "BOXWISE_PREDICTOR_NETWORKS"
MAPS = {"image/png": ".png", "image/tiff": ".tif"}
OUTLINES = ("application/geo+json", "application/json")
ACCEPTED = "image/png, image/tiff, application/geo+json"
MOST = 64 * 2**20  # bytes of an answer, and MOST_A_PIXEL for each pixel sent, whichever is more
MOST_A_PIXEL = 8


@dataclass(frozen=True)
class Settings:
    """url      to which an image is sent
    timeout  seconds for one image, all in all
    classes  names that the answers use, in the order of the classes here; others become the first class
    """

    url: str = ""
    timeout: float = 120.0
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)  # like the port below it raises ValueError for what cannot be
        if parts.port == 0 or parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"url must be http:// or https:// and a host, not {self.url!r}")
        if parts.username or parts.password:
            raise ValueError(f"url must hold no password; set {KEYS}")
        if not 0 < self.timeout <= 3600:
            raise ValueError("timeout must be above 0 and at most 3600 seconds")


class Remote(External):
    """Asks the other machine once for each image or tile."""

    def __init__(self, found: Opened) -> None:
        parts = urlsplit(found.settings.url)
        self.host = parts.hostname or ""
        super().__init__(NAME, f"{parts.scheme}://{parts.netloc}{parts.path}", found)
        self.headers = {"Content-Type": "image/png", "Accept": ACCEPTED}
        self.networks = networks_of(os.environ.get(NETWORKS, ""))
        key = keys_of(os.environ.get(KEYS, "")).get(self.host)
        self.is_in_the_clear = bool(key) and parts.scheme != "https"  # then nothing outside the networks may read it
        if self.is_in_the_clear and not self.networks:
            raise InferenceError(f"the key of {self.host} is sent over https alone, or into {NETWORKS}")
        if key:
            self.headers["Authorization"] = f"Bearer {key}"

    def predict(self, rgb: RGB) -> Instances:
        answer = self._asked(rgb)
        if answer.kind in MAPS:
            return self._mapped(answer, rgb)
        if answer.kind in OUTLINES:
            return self._outlined(answer, rgb)
        wanted = ", ".join([*MAPS, *OUTLINES])
        raise InferenceError(f"{self.host} answered with {answer.kind}; what can be read is {wanted}")

    def _asked(self, rgb: RGB) -> guarded.Answer:
        sent = io.BytesIO()
        Image.fromarray(rgb).save(sent, "PNG")
        settings = self.settings
        try:
            answer = guarded.post(
                settings.url,
                sent.getvalue(),
                self.headers,
                whole=settings.timeout,
                step=settings.timeout,
                most=max(MOST, MOST_A_PIXEL * rgb.shape[0] * rgb.shape[1]),
                allowed=self.networks,
                public=not self.is_in_the_clear,
            )
        except guarded.NotSent as error:
            raise InferenceError(f"{self.host} did not answer: {error}") from error
        except guarded.NotAllowed as error:
            otherwise = "send its key over https, or " if self.is_in_the_clear else ""
            raise InferenceError(f"{error}; {otherwise}allow its network with {NETWORKS}") from error
        if answer.status in (401, 403):
            raise InferenceError(f"{self.host} answered {answer.status}: set its key with {KEYS}={self.host}=KEY")
        if answer.status != 200:
            raise InferenceError(f"{self.host} answered {answer.status}, not 200 with cells")
        return answer

    def _mapped(self, answer: guarded.Answer, rgb: RGB) -> Instances:
        with tempfile.TemporaryDirectory(prefix="boxwise-") as folder:
            path = Path(folder) / f"answer{MAPS[answer.kind]}"
            path.write_bytes(answer.body)
            self._check_size(path, rgb.shape[:2])
            labels = read_labels(path)
        return instances_of(labels, rgb.shape[:2], title=self.host)

    def _check_size(self, path: Path, shape: tuple[int, int]) -> None:
        """From the head alone: some bytes can be a picture that no memory holds. Raises InferenceError."""
        try:
            with Image.open(path) as file:
                width, height = file.size
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise InferenceError(f"the answer of {self.host} cannot be read as labels: {error}") from error
        if (height, width) != shape:
            raise InferenceError(f"{self.host} answered with a map of {(height, width)} for an image of {shape}")

    def _outlined(self, answer: guarded.Answer, rgb: RGB) -> Instances:
        height, width = rgb.shape[:2]
        with tempfile.TemporaryDirectory(prefix="boxwise-") as folder:
            path = Path(folder) / "answer.geojson"
            path.write_bytes(answer.body)
            read = conversion.read(path, format="geojson", sizes={EVERY_IMAGE: (width, height)})
        masks: list[BoxMask] = []
        scores: list[float] = []
        classes: list[int] = []
        for image in read.annotations.images:
            for one in areas_of(image):
                mask = mask_of(one.geometry, (width, height))
                if mask is None:
                    continue
                masks.append(mask)
                scores.append(1.0 if one.score is None else one.score)
                classes.append(self._class(one.label))
        found = Prompted(masks, np.asarray(scores, np.float32))
        labels = paint(found, width, height)
        return Instances(labels, found.scores, np.asarray(classes, np.int64))

    def _class(self, name: str | None) -> int:
        known: tuple[str, ...] = self.settings.classes
        return known.index(name) if name in known else 0


def keys_of(text: str) -> dict[str, str]:
    """host=key, separated by commas -> the key of each host. Raises InferenceError, which shows no key."""
    keys = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        host, equals, key = pair.partition("=")
        is_header = key.isascii() and key.isprintable()  # else http.client would name it in its error
        if not equals or not host or not key or not is_header:
            raise InferenceError(f"{KEYS} must be HOST=KEY in plain characters, separated by commas")
        keys[host.lower()] = key
    return keys


def networks_of(text: str) -> list[Network]:
    """Networks separated by commas. Raises InferenceError."""
    try:
        return [ip_network(part.strip()) for part in text.split(",") if part.strip()]
    except ValueError as error:
        raise InferenceError(f"{NETWORKS} must be networks like 10.1.0.0/16: {error}") from error


def load(bundle: Path, *, device: str = "auto") -> Remote:
    """Raises InferenceError. Nothing is sent before an image is predicted."""
    return Remote(opened(bundle, NAME, METHOD, Settings))
