"""CellBoxify: polygons that a loss sees through, its losses by hand and by finite differences, and its training."""

import json
import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

from inference import metrics
from inference.labels import NoSuchLabels
from inference.methods import cellboxify, frame
from inference.methods.cellboxify import losses, polygons
from inference.methods.cellboxify.net import CellBoxifyNet
from inference.methods.cellboxify.training import MODEL, PRESETS, equalised, filled
from inference.types import Cancelled
from inference.weights import files
from tests.inference.conftest import painted_field


def double(values):
    return torch.tensor(values, dtype=torch.float64)


def near(value, abs=1e-6):
    return pytest.approx(value, abs=abs)


SQUARE = double([[[0.25, 0.25], [0.75, 0.25], [0.75, 0.75], [0.25, 0.75]]])
UNIT = double([[0.0, 0.0, 1.0, 1.0]])  # a box


def random_polygons(count=2, vertices=7, seed=0):
    generator = torch.Generator().manual_seed(seed)
    moved = torch.randn((count, vertices, 2), generator=generator, dtype=torch.float64)
    ellipse = polygons.ellipse(vertices).double()
    return 0.5 + 0.7 * (ellipse - 0.5) + 0.1 * moved


def sigmoid(value):
    return 1 / (1 + math.exp(-value))


def test_a_polygon_as_a_mask_by_hand():
    mask = polygons.soft_masks(SQUARE, 8, softness=1.0)[0]
    # The pixel in row 3, column 3 has its centre at 3.5 of 8 pixels, 1.5 pixels from the sides at 2.
    assert mask[3, 3].item() == near(sigmoid(1.5))
    # Row 0, column 3: centre 0.5, 1.5 pixels outside.
    assert mask[0, 3].item() == near(sigmoid(-1.5))
    # Row 0, column 0: the corner of the square is nearest, sqrt(1.5^2 + 1.5^2) away.
    assert mask[0, 0].item() == near(sigmoid(-math.hypot(1.5, 1.5)))


def test_inside_is_what_opencv_says():
    shape = random_polygons(1, 9, seed=3)
    mask = polygons.soft_masks(shape, 64, softness=0.5)[0]
    contour = (shape[0].numpy() * 64 - 0.5).astype(np.float32)
    for y, x in [(32, 32), (5, 5), (20, 40), (50, 30), (60, 60)]:
        inside = cv2.pointPolygonTest(contour, (float(x), float(y)), measureDist=True)
        assert mask[y, x].item() == near(sigmoid(inside / 0.5), abs=1e-3)


def test_polygons_are_placed_in_their_boxes_and_back():
    boxes = double([[10.0, 20.0, 30.0, 60.0]])
    there = polygons.placed(SQUARE, boxes)
    assert there[0, 0].tolist() == [15.0, 30.0]
    assert there[0, 2].tolist() == [25.0, 50.0]
    assert torch.allclose(polygons.relative(there, boxes), SQUARE)


def test_unary_loss_by_hand():
    # IoU 1/4; the centres agree, and so do the aspect ratios.
    assert losses.unary(SQUARE, UNIT).item() == near(0.75)
    # Moved right by a quarter: IoU 1/4, centres 1/4 apart, and the box around both has the diagonal sqrt 2.
    moved = SQUARE + double([0.25, 0.0])
    assert losses.unary(moved, UNIT).item() == near(0.75 + (1 / 16) / 2)
    # Half as wide: IoU 1/8, and v = 4 / pi^2 (arctan 1 - arctan 1/2)^2 with weight v / (1 - IoU + v).
    narrow = (SQUARE - 0.5) * double([0.5, 1.0]) + 0.5
    apart = math.atan(1) - math.atan(0.5)
    v = 4 / math.pi**2 * apart**2
    expected = 7 / 8 + v * v / (7 / 8 + v)
    assert losses.unary(narrow, UNIT).item() == near(expected)


def test_local_pairwise_loss_by_hand():
    """Left half black, right half white, three columns of the mask: only pairs of one colour pay."""
    colours = torch.zeros((1, 3, 2, 4), dtype=torch.float64)
    colours[..., 2:] = 1
    weights = losses.affinity(colours, 3, sigma=0.1)
    mask = double([[[0.0, 0.0, 1.0, 1.0]] * 2])
    assert losses.local_pairwise(mask, weights, 3).item() == near(0, abs=1e-9)
    # A border within the white half: each white pixel has 3 white neighbours, one beside and two in the other row,
    # and 2 of the 3 lie across the border; the black ones have 3 each that agree.
    wrong = double([[[0.0, 0.0, 0.0, 1.0]] * 2])
    loss = losses.local_pairwise(wrong, weights, 3).item()
    assert loss == near((4 * 2) / (8 * 3), abs=1e-5)
    with pytest.raises(ValueError, match="not 4"):
        losses.neighbours(colours, 4)


def test_global_pairwise_loss_by_hand():
    colours = double([[[[0.0, 0.0, 1.0, 1.0]]] * 3])
    right = double([[[0.0, 0.0, 1.0, 1.0]]])
    assert losses.global_pairwise(right, colours).item() == near(0, abs=1e-9)
    # Inside: 0, 1, 1 in each of three channels with the mean 2/3, so 3 (4/9 + 1/9 + 1/9) = 2 over four pixels.
    wide = double([[[0.0, 1.0, 1.0, 1.0]]])
    assert losses.global_pairwise(wide, colours).item() == near(2 / 4, abs=1e-5)


def test_each_loss_has_the_gradient_of_finite_differences():
    shapes = random_polygons().requires_grad_()
    generator = torch.Generator().manual_seed(1)
    colours = torch.rand((2, 3, 6, 6), generator=generator, dtype=torch.float64)
    weights = losses.affinity(colours, 3, 0.5)

    def masks(shape):
        return polygons.soft_masks(shape, 6, 1.0)

    def local(shape):
        return losses.local_pairwise(masks(shape), weights, 3)

    def overall(shape):
        return losses.global_pairwise(masks(shape), colours)

    assert gradcheck(masks, shapes)
    assert gradcheck(local, shapes)
    assert gradcheck(overall, shapes)


def test_the_unary_loss_has_the_gradient_of_finite_differences():
    """CIoU keeps the weight of its aspect term fixed (Zheng et al. 2020), so it is checked where that term is 0."""
    square = SQUARE + 0.01

    def moved(by):
        return losses.unary(square + by, UNIT)

    def grown(by):
        return losses.unary(0.5 + (square - 0.5) * (1 + by), UNIT)

    by = double([0.02]).requires_grad_()
    assert gradcheck(moved, by)
    assert gradcheck(grown, by)


def test_a_cell_is_clipped_where_its_box_is():
    image = torch.zeros((1, 3, 32, 32))
    image[:, :, 8:16, 4:12] = 1
    cut = losses.clip_to_boxes(image, [torch.tensor([[4.0, 8.0, 12.0, 16.0]])], 4)
    assert cut.shape == (1, 3, 4, 4)
    assert cut[:, :, 1:3, 1:3].min() == 1


def test_the_losses_find_a_cell_that_is_no_ellipse():
    """A triangle in its box: from the ellipse, by the losses alone."""
    truth = np.zeros((40, 40), np.uint8)
    cv2.fillPoly(truth, [np.array([[0, 39], [20, 0], [39, 39]])], 1)
    image = np.where(truth[..., None] > 0, (0.3, 0.1, 0.5), (0.9, 0.8, 0.9))
    colours = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    box = torch.tensor([[0.0, 0.0, 40.0, 40.0]])
    clipped = losses.clip_to_boxes(colours, [box], 20)
    weights = losses.affinity(clipped, 3, 0.1)
    shape = polygons.ellipse(20)[None].clone().requires_grad_()
    optimiser = torch.optim.Adam([shape], lr=0.02)

    def dice():
        mask = polygons.soft_masks(shape.detach(), 40, 1.0)[0]
        return metrics.dice(truth > 0, mask.numpy() > 0.5)

    assert dice() < 0.8
    for _ in range(80):
        mask = polygons.soft_masks(shape, 20, 1.0)
        loss = losses.unary(polygons.placed(shape, box), box)
        loss = loss + 0.5 * losses.local_pairwise(mask, weights, 3)
        loss = loss + losses.global_pairwise(mask, clipped)
        optimiser.zero_grad()
        loss.sum().backward()
        optimiser.step()
    assert dice() > 0.93


def test_a_polygon_is_filled_in_image_pixels():
    corners = [[10.2, 20.2], [16.2, 20.2], [16.2, 24.2], [10.2, 24.2]]
    found = filled(np.array(corners, np.float32))
    assert (found.x, found.y) == (10, 20)
    assert found.bits[:4, :6].all()
    assert found.bits.sum() == 24


def test_lightness_is_equalised_and_the_hue_stays():
    field = painted_field(0, side=96)
    dull = (field.rgb // 4 + 120).astype(np.uint8)
    clear = equalised(dull)
    assert clear.shape == dull.shape
    assert clear.std() > 1.2 * dull.std()


def test_paper_has_mask_rcnns_parts_and_the_papers_anchors():
    settings = PRESETS["paper"]
    with torch.device("meta"):
        net = CellBoxifyNet(1, settings)
    generator = net.rpn.anchor_generator
    assert tuple(generator.sizes) == ((8.0,), (16.0,), (32.0,), (64.0,), (128.0,))
    assert generator.aspect_ratios[0] == (0.5, 1.0, 2.0, 3.0, 4.0)
    assert net.rpn._post_nms_top_n == {"training": 3000, "testing": 3000}
    assert settings.schedule.lr == 1e-4
    assert settings.schedule.weight_decay == 0
    millions = sum(p.numel() for p in net.parameters()) / 1e6
    assert millions == pytest.approx(58.6, abs=1.0)


def tiny(**schedule):
    made = PRESETS["tiny"]
    steps = replace(made.schedule, steps=4, epoch=2, **schedule)
    net = replace(made, schedule=steps, side=64, regions=16, polygons=8)
    return cellboxify.CellBoxifySettings("tiny", "cpu", 0, net)


def never():
    return False


def ignore(progress):
    pass


def trained(samples, output, report=ignore, stop=never):
    return cellboxify.train(samples, [], tiny(), output=output, report=report, stop=stop)


def test_a_stopped_training_goes_on_where_it_was(tmp_path):
    field = painted_field(0, side=96)
    whole = trained([field], tmp_path / "whole")
    again = tmp_path / "stopped"
    seen = []
    with pytest.raises(Cancelled):
        trained([field], again, report=seen.append, stop=lambda: len(seen) == 1)
    assert not (again / "cellboxify.json").exists()
    trained([field], again, report=seen.append)
    assert len(seen) == 2
    first, _ = files.load(whole / "cellboxify.safetensors", MODEL)
    second, _ = files.load(again / "cellboxify.safetensors", MODEL)
    assert all(torch.equal(first[name], second[name]) for name in first)
    found = frame.load(again, device="cpu").predict(field.rgb)
    assert found.labels.shape == field.rgb.shape[:2]
    assert len(found.scores) >= found.labels.max()


def test_masks_are_never_looked_at(tmp_path):
    field = painted_field(0, side=96)
    wrong = replace(field, labels=np.zeros_like(field.labels))
    made = []
    for number, sample in enumerate((field, wrong)):
        folder = trained([sample], tmp_path / str(number))
        made.append((folder / "cellboxify.safetensors").read_bytes())
    assert made[0] == made[1]


def test_no_boxes_are_declined(tmp_path):
    field = painted_field(0, side=96)
    empty = replace(field, boxes=field.boxes[:0], classes=field.classes[:0])
    settings = tiny()
    with pytest.raises(NoSuchLabels, match="CellBoxify needs 1 boxes; there are 0"):
        frame.train("cellboxify", [empty], [], settings, output=tmp_path, report=ignore, stop=never)


def test_a_bundle_of_damaged_weights_is_declined(tmp_path):
    about = {"method": cellboxify.METHOD, "weights": "w.safetensors", "settings": {"preset": "tiny", "seed": 0}}
    (tmp_path / "cellboxify.json").write_text(json.dumps(about))
    (tmp_path / "w.safetensors").write_bytes(b"none")
    with pytest.raises(files.BadWeights, match="no readable weight file"):
        frame.load(tmp_path, device="cpu")
