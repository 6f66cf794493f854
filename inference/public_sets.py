"""Public data sets of cells: what they are, where they lie, and how they become a data set that `boxwise train` reads.

The list is public_sets.json, or the file that BOXWISE_PUBLIC_SETS names. Sizes that are null are asked of the server.
A hash is what others published for a copy of the file; null where nobody did.
"""

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inference.archives import folder_of
from inference.datasets import read_rgb, write_labels
from inference.types import RGB, InferenceError, Labels

Report = Callable[[int, int | None], None]  # bytes so far, of how many
SECONDS = 60.0  # without a byte
# Nothing of the shipped list was downloaded when it was written.
UNCHECKED = "the hashes of the list that comes with Boxwise are of other copies, not checked against these addresses"


@dataclass(frozen=True)
class SetFile:
    url: str
    sha256: str | None
    bytes: int | None

    @property
    def name(self) -> str:
        return self.url.rpartition("/")[2]


@dataclass(frozen=True)
class PublicSet:
    """layout: a name of READERS. page: where people read about the set."""

    name: str
    title: str
    licence: str
    licence_url: str
    citation: str
    page: str
    layout: str
    files: tuple[SetFile, ...]


@dataclass(frozen=True)
class Field:
    """One image of a set. labels (H, W) int32, 0 background; group: its patient, or what stands for one."""

    name: str
    rgb: RGB
    labels: Labels
    split: str = "train"
    group: str = ""


def public_sets() -> list[PublicSet]:
    """All that are known, in the order of the list."""
    given = os.environ.get("BOXWISE_PUBLIC_SETS")
    path = Path(given) if given else Path(__file__).with_name("public_sets.json")
    found = []
    for entry in json.loads(path.read_text(encoding="utf-8")):
        files = tuple(SetFile(**file) for file in entry.pop("files"))
        found.append(PublicSet(files=files, **entry))
    return found


def set_named(name: str) -> PublicSet:
    """Raises InferenceError for a name that is none."""
    known = {one.name: one for one in public_sets()}
    if name not in known:
        raise InferenceError(f"there is no public data set {name!r}; there are {', '.join(known)}")
    return known[name]


# -- fetching


def fetch(file: SetFile, folder: Path, report: Report = lambda done, total: None) -> str:
    """Download a file into a folder, from where an earlier try stopped. -> its SHA-256

    What is there whole and has the right hash is not fetched again. Raises InferenceError where the server declines,
    the connection breaks (what came is kept) or the hash is another one (nothing is kept).
    """
    import httpx

    target = folder / file.name
    part = folder / f"{file.name}.part"
    if not target.is_file():
        try:
            _download(file, part, report)
        except httpx.HTTPError as error:
            words = f"{file.url} cannot be fetched ({error or type(error).__name__})"
            raise InferenceError(f"{words}; the same command goes on from where it stopped") from error
        part.replace(target)
    digest = sha256_of(target)
    if file.sha256 is not None and digest != file.sha256:
        target.unlink()
        raise InferenceError(
            f"{file.name} has the SHA-256 {digest}, and {file.sha256} was expected: it is damaged, another version, or "
            f"the list is wrong ({UNCHECKED}). It is removed; fetch it again, or correct a copy of the list and name "
            "it in BOXWISE_PUBLIC_SETS"
        )
    return digest


def _download(file: SetFile, part: Path, report: Report) -> None:
    import httpx

    begin = part.stat().st_size if part.is_file() else 0
    headers = {"Accept-Encoding": "identity"}
    if begin:
        headers["Range"] = f"bytes={begin}-"
    with httpx.stream("GET", file.url, headers=headers, follow_redirects=True, timeout=SECONDS) as answer:
        if answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:  # all of it is there already
            return
        answer.raise_for_status()
        goes_on = answer.status_code == httpx.codes.PARTIAL_CONTENT
        done = begin if goes_on else 0
        length = answer.headers.get("Content-Length")
        total = done + int(length) if length else None
        with part.open("ab" if goes_on else "wb") as out:
            for block in answer.iter_raw():  # as it comes, so that all of it is kept when the connection breaks
                out.write(block)
                done += len(block)
                report(done, total)


def size_of(file: SetFile) -> int | None:
    """Bytes as the list or the server says; None where neither does."""
    import httpx

    if file.bytes is not None:
        return file.bytes
    try:
        answer = httpx.head(file.url, follow_redirects=True, timeout=SECONDS)
        return int(answer.headers["Content-Length"]) if answer.is_success else None
    except (httpx.HTTPError, KeyError, ValueError):
        return None


def sha256_of(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


# -- into a data set


def unpack(found: PublicSet, folder: Path, out: Path) -> int:
    """Write images/, labels/ and dataset.json from the fetched files, all or nothing. -> how many images

    Raises InferenceError for a file that is not there or holds something else.
    """
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as temporary:
        count = _unpack_into(Path(temporary), found, folder)
        out.mkdir(exist_ok=True)
        for name in ("images", "labels", "dataset.json"):  # the last one makes it a data set
            (Path(temporary) / name).replace(out / name)
    return count


def _unpack_into(out: Path, found: PublicSet, folder: Path) -> int:
    for name in ("images", "labels"):
        (out / name).mkdir(parents=True, exist_ok=True)
    splits: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    entries = {}
    for field in READERS[found.layout](found, folder):
        write_rgb(out / "images" / f"{field.name}.png", field.rgb)
        write_labels(out / "labels" / f"{field.name}.png", field.labels)
        splits[field.split].append(field.name)
        entries[field.name] = {"patient": field.group}
    if not entries:
        raise InferenceError(f"the files of {found.name} hold no image that is known; fetch them again")
    about = {
        "name": found.title,
        "license": found.licence,
        "citation": found.citation,
        "source": found.page,
        "splits": splits,
        "per_image": entries,
    }
    (out / "dataset.json").write_text(json.dumps(about, ensure_ascii=False, indent=1), encoding="utf-8")
    return len(entries)


def write_rgb(path: Path, rgb: RGB) -> None:
    from PIL import Image

    Image.fromarray(rgb).save(path)


def fetched(file: SetFile, folder: Path) -> Path:
    """The folder of an unpacked file. Raises InferenceError where it was not fetched."""
    path = folder / file.name
    if not path.is_file():
        raise InferenceError(f"{path} is not there; run boxwise datasets fetch first")
    return folder_of(path)


def _tnbc(found: PublicSet, folder: Path) -> Iterator[Field]:
    """Slide_NN/NN_M.png with GT_NN/NN_M.png, where a nucleus is a connected region. Slides 9 to 11 validate."""
    from scipy.ndimage import label

    root = fetched(found.files[0], folder)
    for picture in sorted(root.rglob("Slide_*/*.png")):
        patient = picture.parent.name.removeprefix("Slide_")
        mask = picture.parent.parent / f"GT_{patient}" / picture.name
        if not mask.is_file():
            raise InferenceError(f"{found.name}: {picture.name} has no mask GT_{patient}/{picture.name}")
        bits = read_rgb(mask).any(axis=2)
        labels = label(bits)[0].astype(np.int32)
        split = "val" if int(patient) >= 9 else "train"
        yield Field(picture.stem, read_rgb(picture), labels, split, patient)


def _pannuke(found: PublicSet, folder: Path) -> Iterator[Field]:
    """images.npy beside masks.npy, a channel a class with ids of its own. Fold 2 validates, fold 3 tests."""
    for number, file in enumerate(found.files):
        root = fetched(file, folder)
        pictures = _only(root, "images.npy", found)
        masks = _only(root, "masks.npy", found)
        images = np.load(pictures, mmap_mode="r", allow_pickle=False)
        channels = np.load(masks, mmap_mode="r", allow_pickle=False)
        for place in range(len(images)):
            labels = _of_channels(np.asarray(channels[place, :, :, :-1]))
            name = f"fold{number + 1}_{place:05d}"
            rgb = np.asarray(images[place]).astype(np.uint8)
            yield Field(name, rgb, labels, ("train", "val", "test")[number % 3])


def _of_channels(channels: np.ndarray) -> Labels:
    """(H, W, classes) ids of each class -> one label map with ids 1..n."""
    labels = np.zeros(channels.shape[:2], np.int32)
    count = 0
    for channel in range(channels.shape[2]):
        ids = channels[..., channel].astype(np.int64)
        for number in np.unique(ids[ids > 0]):
            count += 1
            labels[(ids == number) & (labels == 0)] = count
    return labels


def _only(root: Path, name: str, found: PublicSet) -> Path:
    path = next(iter(sorted(root.rglob(name))), None)
    if path is None:
        raise InferenceError(f"{found.name}: the archive holds no {name}")
    return path


def _dsb2018(found: PublicSet, folder: Path) -> Iterator[Field]:
    """ID/images/ID.png with a mask a nucleus in ID/masks/."""
    root = fetched(found.files[0], folder)
    for picture in sorted(root.rglob("images/*.png")):
        if not re.fullmatch(r"[0-9a-f]+", picture.stem):
            continue
        rgb = read_rgb(picture)
        labels = np.zeros(rgb.shape[:2], np.int32)
        masks = sorted((picture.parent.parent / "masks").glob("*.png"))
        for number, mask in enumerate(masks, start=1):
            labels[read_rgb(mask).any(axis=2) & (labels == 0)] = number
        yield Field(picture.stem, rgb, labels)


READERS: dict[str, Callable[[PublicSet, Path], Iterator[Field]]] = {
    "tnbc": _tnbc,
    "pannuke": _pannuke,
    "dsb2018": _dsb2018,
}
