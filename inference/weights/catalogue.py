"""Weights that do not come with the program: name, licence, size, hash, official address; and the folder they rest in.

Only `boxwise models pull` touches the network. Where there is none, `boxwise models add FILE` takes a file that was
carried there, after the same check.
"""

import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from inference.types import InferenceError
from inference.weights import sha256

CHUNK = 1 << 20


class WrongFile(InferenceError):
    """The file is not the one that its name promises."""

    code = "wrong_file"


class NotHere(InferenceError):
    """The weights were neither pulled nor added; the message says how to get them."""

    code = "weights_missing"


@dataclass(frozen=True)
class Entry:
    """address None, size None, sha256 None: the makers give no stable one; such files come by `add` alone.

    prompts  a prompter; otherwise weights that a detector or segmenter starts its training from
    """

    name: str
    title: str
    licence: str
    page: str
    address: str | None = None
    size: int | None = None
    sha256: str | None = None
    suffix: str = ".pth"
    prompts: bool = True


META = "https://dl.fbaipublicfiles.com/"
SAM_PAGE = "https://github.com/facebookresearch/segment-anything"
SAM2_PAGE = "https://github.com/facebookresearch/sam2"
MICRO_SAM_PAGE = "https://github.com/computational-cell-analytics/micro-sam"
MOBILE_SAM_PAGE = "https://github.com/ChaoningZhang/MobileSAM"


def _sam(name: str, title: str, file: str, size: int, sha256: str) -> Entry:
    return Entry(
        name, f"Segment Anything, {title}", "Apache-2.0", SAM_PAGE, f"{META}segment_anything/{file}", size, sha256
    )


def _sam2(name: str, title: str, file: str, size: int, sha256: str) -> Entry:
    address = f"{META}segment_anything_2/{file}"
    return Entry(name, title, "Apache-2.0", SAM2_PAGE, address, size, sha256, suffix=".pt")


ENTRIES = {
    entry.name: entry
    for entry in (
        _sam(
            "sam-vit-b",
            "ViT-B",
            "sam_vit_b_01ec64.pth",
            375_042_383,
            "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
        ),
        _sam(
            "sam-vit-l",
            "ViT-L",
            "sam_vit_l_0b3195.pth",
            1_249_524_607,
            "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
        ),
        _sam(
            "sam-vit-h",
            "ViT-H (the paper's)",
            "sam_vit_h_4b8939.pth",
            2_564_550_879,
            "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
        ),
        Entry(
            "mobile-sam",
            "MobileSAM, Tiny-ViT",
            "Apache-2.0",
            MOBILE_SAM_PAGE,
            MOBILE_SAM_PAGE + "/raw/master/weights/mobile_sam.pt",
            40_728_226,
            "6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f",
            suffix=".pt",
        ),
        _sam2(
            "sam2-tiny",
            "SAM 2, Hiera tiny",
            "072824/sam2_hiera_tiny.pt",
            155_906_050,
            "65b50056e05bcb13694174f51bb6da89c894b57b75ccdf0ba6352c597c5d1125",
        ),
        _sam2(
            "sam2-small",
            "SAM 2, Hiera small",
            "072824/sam2_hiera_small.pt",
            184_309_650,
            "95949964d4e548409021d47b22712d5f1abf2564cc0c3c765ba599a24ac7dce3",
        ),
        _sam2(
            "sam2-base-plus",
            "SAM 2, Hiera base+",
            "072824/sam2_hiera_base_plus.pt",
            323_493_298,
            "d0bb7f236400a49669ffdd1be617959a8b1d1065081789d7bbff88eded3a8071",
        ),
        _sam2(
            "sam2-large",
            "SAM 2, Hiera large",
            "072824/sam2_hiera_large.pt",
            897_952_466,
            "7442e4e9b732a508f80e141e7c2913437a3610ee0c77381a66658c3a445df87b",
        ),
        _sam2(
            "sam2.1-tiny",
            "SAM 2.1, Hiera tiny",
            "092824/sam2.1_hiera_tiny.pt",
            156_008_466,
            "7402e0d864fa82708a20fbd15bc84245c2f26dff0eb43a4b5b93452deb34be69",
        ),
        _sam2(
            "sam2.1-small",
            "SAM 2.1, Hiera small",
            "092824/sam2.1_hiera_small.pt",
            184_416_285,
            "6d1aa6f30de5c92224f8172114de081d104bbd23dd9dc5c58996f0cad5dc4d38",
        ),
        _sam2(
            "sam2.1-base-plus",
            "SAM 2.1, Hiera base+",
            "092824/sam2.1_hiera_base_plus.pt",
            323_606_802,
            "a2345aede8715ab1d5d31b4a509fb160c5a4af1970f199d9054ccfb746c004c5",
        ),
        _sam2(
            "sam2.1-large",
            "SAM 2.1, Hiera large",
            "092824/sam2.1_hiera_large.pt",
            898_083_611,
            "2647878d5dfa5098f2f8649825738a9345572bae2d4350a2468587ece47dd318",
        ),
        Entry("medsam", "MedSAM, ViT-B", "Apache-2.0", "https://github.com/bowang-lab/MedSAM"),
        Entry("micro-sam-vit-t", "micro-SAM, Tiny-ViT", "CC BY 4.0", MICRO_SAM_PAGE),
        Entry("micro-sam-vit-b", "micro-SAM, ViT-B", "CC BY 4.0", MICRO_SAM_PAGE),
        Entry("micro-sam-vit-l", "micro-SAM, ViT-L", "CC BY 4.0", MICRO_SAM_PAGE),
        Entry(
            "faster-rcnn-coco",
            "Faster R-CNN v2 on COCO: start for the detector faster-rcnn",
            "BSD-3-Clause",
            "https://docs.pytorch.org/vision/stable/models/faster_rcnn.html",
            "https://download.pytorch.org/models/fasterrcnn_resnet50_fpn_v2_coco-dd69338a.pth",
            sha256="dd69338a24b8d7381807e247652bdc356325bcbaf1cd3e092e00e0a1a58706bf",
            prompts=False,
        ),
        *(
            Entry(
                f"res2net{depth}d",
                f"Res2Net-{depth} on ImageNet: start for the segmenter caranet",
                "not stated, see the page",
                f"https://huggingface.co/timm/res2net{depth}d.in1k",
                suffix=".safetensors",
                prompts=False,
            )
            for depth in (50, 101)
        ),
        *(
            Entry(
                f"mit-b{size}",
                f"MiT-B{size} on ImageNet: start for the segmenter segformer",
                "NVIDIA, for research only",
                f"https://huggingface.co/nvidia/mit-b{size}",
                prompts=False,
            )
            for size in range(6)
        ),
    )
}


def folder() -> Path:
    """BOXWISE_MODELS, or .boxwise/models in the home folder."""
    return Path(os.environ.get("BOXWISE_MODELS") or Path.home() / ".boxwise" / "models")


def entry(name: str) -> Entry:
    if name not in ENTRIES:
        raise NotHere(f"there is no model {name!r}; there are {', '.join(sorted(ENTRIES))}")
    return ENTRIES[name]


def place(name: str) -> Path:
    return folder() / (name + entry(name).suffix)


_OWN: ContextVar[tuple[str, Path] | None] = ContextVar("the name of a net and its own weights", default=None)


@contextmanager
def own_weights(name: str, path: Path | None) -> Iterator[None]:
    """Within the block `found` answers with this file for the name; None changes nothing."""
    token = _OWN.set((name, path) if path is not None else None)
    try:
        yield
    finally:
        _OWN.reset(token)


def found(name: str) -> Path:
    """The file of a model that was pulled or added. Raises NotHere, which says how to get it."""
    own = _OWN.get()
    if own is not None and own[0] == name:
        return own[1]
    path = place(name)
    if not path.exists():
        kept = entry(name)
        how = f"boxwise models pull {name}, or " if kept.address else ""
        raise NotHere(
            f"{name} is not on this machine. Get it with {how}by hand: fetch it from {kept.address or kept.page} "
            f"and run boxwise models add {name} FILE"
        )
    return path


def check(path: Path, kept: Entry) -> str:
    """The file's hash. Raises WrongFile when size or hash are not those of the catalogue."""
    if kept.size is not None and path.stat().st_size != kept.size:
        raise WrongFile(f"{path.name} has {path.stat().st_size} bytes; {kept.name} has {kept.size}")
    value = sha256(path)
    if kept.sha256 is not None and value != kept.sha256:
        raise WrongFile(f"{path.name} has the hash {value[:16]}...; {kept.name} has {kept.sha256[:16]}...")
    recorded = folder() / f"{kept.name}.sha256"
    if kept.sha256 is None and path == place(kept.name) and recorded.exists() and recorded.read_text() != value:
        raise WrongFile(f"{path.name} changed since it was added")
    return value


def add(name: str, file: Path) -> Path:
    """Take over a file that a person brought. Raises WrongFile, NotHere, or InferenceError when it cannot be read."""
    kept = entry(name)
    try:
        value = check(file, kept)
        folder().mkdir(parents=True, exist_ok=True)
        unfinished = place(name).with_suffix(".tmp")
        shutil.copyfile(file, unfinished)
    except OSError as error:
        raise InferenceError(f"{file} cannot be read: {error}") from error
    os.replace(unfinished, place(name))
    (folder() / f"{name}.sha256").write_text(value)
    return place(name)


def pull(name: str, report: Callable[[int, int | None], None]) -> Path:
    """Fetch from the official address, going on with what an interrupted attempt left, and check.

    report is told bytes so far and in all. Raises NotHere without address or network, WrongFile when what came is not
    what was promised (it is then deleted).
    """
    kept = entry(name)
    if kept.address is None:
        raise NotHere(
            f"{name} has no address to pull from; fetch it from {kept.page}, then boxwise models add {name} FILE"
        )
    folder().mkdir(parents=True, exist_ok=True)
    part = place(name).with_suffix(".part")
    have = part.stat().st_size if part.exists() else 0
    wanted = {"Range": f"bytes={have}-"} if have else {}
    request = urllib.request.Request(kept.address, headers=wanted)  # noqa: S310 (addresses of our own catalogue)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer, part.open("ab") as file:  # noqa: S310 (likewise)
            if have and answer.status != 206:  # the server sends all of it again
                file.truncate(0)
                have = 0
            while data := answer.read(CHUNK):
                file.write(data)
                have += len(data)
                report(have, kept.size)
    except urllib.error.HTTPError as error:
        if error.code != 416:  # 416: nothing is left to send
            raise NotHere(f"{kept.address} answered {error.code} {error.reason}") from error
    except OSError as error:
        raise NotHere(
            f"{kept.address} cannot be reached ({error}). Fetch it on another machine and run boxwise models add "
            f"{name} FILE; what has arrived is kept"
        ) from error
    if kept.size is not None and have < kept.size:  # http.client ends a broken connection like a whole answer
        raise NotHere(f"the connection broke off at {have} of {kept.size} bytes; the same command goes on from there")
    try:
        check(part, kept)
    except WrongFile:
        part.unlink()
        raise
    os.replace(part, place(name))
    return place(name)
