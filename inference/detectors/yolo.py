"""YOLOv8 by ultralytics as a Trainer and Detector: offline, without telemetry, stored without pickles.

Trained weights rest as safetensors with the names of ultralytics' own model; ultralytics' checkpoint files (pickles
that can run code) are only read from the folder in which this program wrote them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torchvision.ops import batched_nms

from inference import limits
from inference.detectors.evaluation import FAINTEST, OVERLAPS, tune
from inference.devices import device as choose_device
from inference.nets import adopt
from inference.offline import offline
from inference.tiles import tiles
from inference.types import (
    RGB,
    Cancelled,
    Detections,
    InferenceError,
    Progress,
    Report,
    Sample,
    Stop,
    TrainingDiverged,
)
from inference.weights import files

MODEL = "yolov8-1"
SIZES = ("n", "s", "m", "l", "x")
STRIDE = 32
VISIBLE = 0.4


@dataclass(frozen=True)
class YoloSettings:
    """The paper's settings where it names them.

    side  what an image is scaled to; larger ones are learned in tiles of this size, never shrunk
    p2    a fourth, finer level of predictions (stride 4) for cells of ten pixels and less; a third slower
    """

    size: str = "n"
    epochs: int = 60
    batch: int = 8
    side: int = 512
    patience: int = 50
    threshold: float = 0.3
    nms: float = 0.5
    seed: int = 0
    p2: bool = False

    @property
    def layout(self) -> str:
        """ultralytics' name of the architecture."""
        return f"yolov8{self.size}{'-p2' if self.p2 else ''}.yaml"

    def __post_init__(self) -> None:
        limits.TRAINING["seed"].check("seed", self.seed)
        if self.size not in SIZES or self.epochs < 1 or self.side % STRIDE:
            raise ValueError(f"impossible settings: {self}")


PRESETS = {
    "tiny": YoloSettings(epochs=2, batch=2, side=256),
    "quick": YoloSettings(epochs=40),
    "paper": YoloSettings(size="x", epochs=300, batch=32, side=640),
}


class YoloDetector:
    """A trained YOLO. Images larger than a tile are seen in tiles with a halo.

    scale  what images are magnified by: the same as in training, or cells would have another size than those learned
    """

    def __init__(
        self, net: torch.nn.Module, settings: YoloSettings, *, device: torch.device, scale: float = 1.0
    ) -> None:
        self.net, self.settings, self.device = net.to(device).float().eval(), settings, device
        self.scale = scale
        self.name = f"yolov8{settings.size}-1"

    @torch.no_grad()
    def detect(self, rgb: RGB) -> Detections:
        height, width = rgb.shape[:2]
        parts = []
        for tile in tiles(width, height, side=round(2 * self.settings.side / self.scale), halo=round(64 / self.scale)):
            x0, y0, x1, y1 = tile.outer
            found = self._detect_tile(rgb[y0:y1, x0:x1])
            found[:, :4] += torch.tensor([x0, y0, x0, y0])
            middle = (found[:, :2] + found[:, 2:4]) / 2
            low, high = torch.tensor(tile.core[:2]), torch.tensor(tile.core[2:])
            parts.append(found[((middle >= low) & (middle < high)).all(1)])
        found = torch.cat(parts)
        found[:, 0:4:2] = found[:, 0:4:2].clamp(0, width)
        found[:, 1:4:2] = found[:, 1:4:2].clamp(0, height)
        found = found[((found[:, 2:4] - found[:, :2]) >= 1).all(1)]
        everything = torch.zeros(len(found), dtype=torch.long)  # one cell has one class
        found = found[batched_nms(found[:, :4], found[:, 4], everything, self.settings.nms)]
        return Detections(found[:, :4].double().numpy(), found[:, 4].numpy(), found[:, 5].long().numpy())

    def _detect_tile(self, rgb: RGB) -> torch.Tensor:
        """(n, 6): box, score, class; grey below and to the right up to a multiple of the stride."""
        size = [max(1, round(n * self.scale)) for n in rgb.shape[:2]]
        x = torch.from_numpy(np.ascontiguousarray(rgb)).permute(2, 0, 1)[None].float() / 255
        x = torch.nn.functional.interpolate(x, size, mode="bilinear", align_corners=False, antialias=True)
        right, below = (-size[1]) % STRIDE, (-size[0]) % STRIDE
        x = torch.nn.functional.pad(x, (0, right, 0, below), value=114 / 255)
        answer = self.net(x.to(self.device))
        raw = (answer[0] if isinstance(answer, (tuple, list)) else answer)[0].T.cpu()  # (places, 4 + classes)
        score, cls = raw[:, 4:].max(1)
        keep = score >= self.settings.threshold
        middle, half = raw[keep, :2], raw[keep, 2:4] / 2
        boxes = torch.cat([middle - half, middle + half], 1) / self.scale
        return torch.cat([boxes, score[keep, None], cls[keep, None].float()], 1)


class Yolo:
    """Trainer of YoloDetector (inference.types.Trainer), on boxes alone. Threshold and suppression are chosen on
    validation images where there are any.

    Only images annotated over their whole area are understood: YOLO has no mask for its loss, so pixels that are not
    `valid` are painted grey, and boxes there are left out.
    """

    name = MODEL

    def __init__(
        self,
        settings: YoloSettings | str = "quick",
        *,
        classes: int = 1,
        device: str = "auto",
        seed: int | None = None,
    ) -> None:
        self.settings = PRESETS[settings] if isinstance(settings, str) else settings
        if seed is not None:
            self.settings = YoloSettings(**asdict(self.settings) | {"seed": seed})
        self.classes, self.device = classes, device

    def train(
        self,
        samples: Sequence[Sample],
        validation: Sequence[Sample],
        *,
        work: Path,
        report: Report,
        stop: Stop,
        start_from: Path | None = None,
    ) -> Path:
        if not any(len(sample.boxes) for sample in samples):
            raise InferenceError("there is no box to learn from")
        where = choose_device(self.device)
        settings, target = self.settings, work / "detector.safetensors"
        if target.exists():
            return target
        ultralytics = offline(work / "config")
        pieces = pieces_of(samples, settings.side)
        checked = pieces_of(validation, settings.side)
        described = write_layout(work / "data", pieces, checked or pieces, self.classes)
        last = work / "run" / "weights" / "last.pt"
        model = ultralytics.YOLO(str(last) if last.exists() else settings.layout)
        start = start_of(start_from, settings) if start_from is not None and not last.exists() else None
        trained: dict[str, bool] = {}

        def before_training(trainer: Any) -> None:
            if start is not None:  # ultralytics has built its model anew by now, and the moving average of it
                adopt(trainer.model, start)
                adopt(trainer.ema.ema, start)

        def after_batch(trainer: Any) -> None:
            if not torch.isfinite(trainer.loss.detach()).all():
                raise TrainingDiverged(f"the loss became NaN or infinite in epoch {trainer.epoch + 1}")
            if stop():
                raise Cancelled(f"stopped in epoch {trainer.epoch + 1} of {settings.epochs}")

        def after_epoch(trainer: Any) -> None:
            if not trained.pop("epoch", False):  # called once more at the end, for the best weights
                return
            parts = trainer.tloss.values() if isinstance(trainer.tloss, dict) else trainer.tloss
            ap50 = float(trainer.metrics.get("metrics/mAP50(B)", 0))
            values = {"loss": float(sum(float(part) for part in parts)), "ap50": ap50}
            report(Progress(trainer.epoch + 1, settings.epochs, values=values))

        model.add_callback("on_train_start", before_training)
        model.add_callback("on_train_batch_end", after_batch)
        model.add_callback("on_train_epoch_end", lambda trainer: trained.update(epoch=True))
        model.add_callback("on_fit_epoch_end", after_epoch)
        model.train(
            data=str(described),
            resume=last.exists(),
            epochs=settings.epochs,
            batch=settings.batch,
            nbs=settings.batch,  # its default accumulates batches up to 64: far too few steps on 30 images
            imgsz=settings.side,
            patience=settings.patience,
            seed=settings.seed,
            device="cpu" if where.type == "cpu" else str(where.index or 0),
            project=str(work),
            name="run",
            exist_ok=True,
            workers=0,
            pretrained=False,
            amp=False,  # its check of mixed precision fetches weights
            plots=False,
            cos_lr=True,
            degrees=90,
            fliplr=0.5,
            flipud=0.5,
            verbose=False,
        )
        net = ultralytics.YOLO(str(work / "run" / "weights" / "best.pt")).model.float()
        scale = settings.side / float(np.median([max(piece.rgb.shape[:2]) for piece in pieces]))
        if validation:
            faint = replace(settings, threshold=FAINTEST, nms=max(OVERLAPS))
            best = tune(YoloDetector(net, faint, device=where, scale=scale), validation)
            settings = replace(settings, threshold=best.threshold, nms=best.nms) if best else settings
        about = {"model": MODEL, "classes": self.classes, "settings": asdict(settings), "scale": scale}
        return files.save(target, dict(net.state_dict()), about)

    def load(self, weights: Path) -> YoloDetector:
        """Raises BadWeights."""
        state, about = files.load(weights, MODEL)
        offline(weights.parent / "config")
        from ultralytics.nn.tasks import DetectionModel

        settings = YoloSettings(**about["settings"])
        net = DetectionModel(settings.layout, nc=int(about["classes"]), verbose=False)
        files.fill(net, state, weights)
        return YoloDetector(net, settings, device=choose_device(self.device), scale=float(about["scale"]))


def start_of(path: Path, settings: YoloSettings) -> files.State:
    """The weights to train on from. Raises BadWeights when they are of another size than `settings`: of those hardly a
    tensor would fit, and the training would begin from nothing."""
    state, about = files.load(path, MODEL)
    theirs = YoloSettings(**about["settings"]).layout
    if theirs != settings.layout:
        raise files.BadWeights(f"{path.name} is a {theirs}, and this training makes a {settings.layout}")
    return state


def pieces_of(samples: Sequence[Sample], side: int) -> list[Sample]:
    pieces: list[Sample] = []
    for sample in samples:
        pieces += cut(sample, side)
    return pieces


def cut(sample: Sample, side: int) -> Iterator[Sample]:
    """The sample itself, or overlapping pieces of a large one. What shows of a cell that lies in a piece by less than
    VISIBLE is neither cell nor background."""
    height, width = sample.valid.shape
    for tile in tiles(width, height, side=side, halo=side // 8):
        x0, y0, x1, y1 = tile.outer
        if (x1 - x0, y1 - y0) == (width, height):
            yield sample
            continue
        whole = sample.boxes - [x0, y0, x0, y0]
        seen = np.clip(whole, 0, [x1 - x0, y1 - y0] * 2)
        share = np.prod(seen[:, 2:] - seen[:, :2], 1) / np.maximum(np.prod(whole[:, 2:] - whole[:, :2], 1), 1e-9)
        valid = sample.valid[y0:y1, x0:x1].copy()
        for a, b, c, d in seen[(share > 0) & (share < VISIBLE)].astype(int):
            valid[b : d + 1, a : c + 1] = False
        keep = share >= VISIBLE
        yield Sample(sample.rgb[y0:y1, x0:x1], seen[keep], sample.classes[keep], valid, name=f"{sample.name} {x0},{y0}")


def write_layout(folder: Path, samples: Sequence[Sample], validation: Sequence[Sample], classes: int) -> Path:
    """Images and labels as ultralytics wants them -> its description file."""
    for part, chosen in (("train", samples), ("val", validation)):
        for kind in ("images", "labels"):
            (folder / kind / part).mkdir(parents=True, exist_ok=True)
        for i, sample in enumerate(chosen):
            height, width = sample.valid.shape
            rgb = np.where(sample.valid[..., None], sample.rgb, 114).astype(np.uint8)
            Image.fromarray(rgb).save(folder / "images" / part / f"{i:05}.png")
            lines = []
            for (x0, y0, x1, y1), cls in zip(sample.boxes, sample.classes):
                x0, x1, y0, y1 = max(0, x0), min(width, x1), max(0, y0), min(height, y1)
                seen = sample.valid[int(y0) : int(np.ceil(y1)), int(x0) : int(np.ceil(x1))]
                if x1 > x0 and y1 > y0 and seen.any():
                    place = ((x0 + x1) / 2 / width, (y0 + y1) / 2 / height, (x1 - x0) / width, (y1 - y0) / height)
                    lines.append(f"{int(cls)} " + " ".join(f"{v:.6f}" for v in place))
            (folder / "labels" / part / f"{i:05}.txt").write_text("\n".join(lines))
    names = "".join(f"  {i}: class{i}\n" for i in range(classes))
    described = folder / "data.yaml"
    described.write_text(f"path: {folder.resolve()}\ntrain: images/train\nval: images/val\nnames:\n{names}")
    return described
