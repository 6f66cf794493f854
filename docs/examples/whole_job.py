"""From nothing to an export by a program:  python docs/examples/whole_job.py FOLDER OUT.json

FOLDER holds pictures and boxes.json: {"a.png": [[x0, y0, x1, y1], ...], ...}. Pictures that are not named there get
proposals, which are accepted here without a look; people look first. Server and token: boxwise login, or BOXWISE_URL
and BOXWISE_TOKEN.
"""

import json
import sys
from pathlib import Path

import boxwise


def main(folder: Path, out: Path) -> None:
    boxes = json.loads((folder / "boxes.json").read_text())
    with boxwise.Client() as client:
        project = client.create_project(f"Whole job: {folder.name}", classes=["nucleus"])
        nucleus = project.classes()["nucleus"]
        images = project.images.upload(folder)
        for image in images:
            if image.name in boxes:
                image.draw(boxes[image.name], nucleus)
                image.declare_annotated()
        validation = [image for image in images if image.name in boxes][-1]
        validation.change(split="val")  # judges the round, and is not learned from
        round_ = project.start_round("tiny").wait(report=lambda line: print(line["stage"], line["text"]))
        print(round_.refresh().facts["outcome"]["headline"])
        for image in images:
            proposals = image.proposals()
            if proposals:
                image.accept(proposals, nucleus)
        print(project.export(out, segmentation="polygons"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
