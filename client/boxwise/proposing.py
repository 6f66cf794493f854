"""Cells proposed without a round, by models that are there already."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from boxwise.images import Image
from boxwise.jobs import Job

if TYPE_CHECKING:
    from boxwise.projects import Project


def propose(
    project: "Project", images: Iterable[Image] | None = None, region: Sequence[int] | None = None, **more: Any
) -> Job:
    """Ask for proposals. -> the job

    images  None: all pictures of the project, or all its slides where it has no picture
    region  x, y, width, height in pixels of the only image
    more    detector, segmenter ("shipped" or the id of a version), or method (the id of a version); device

    Raises Invalid, Conflict.
    """
    body: Any = {"region": region, **more}
    if images is not None:
        body["images"] = [image.id for image in images]
    found = project.client.api.proposal_list_post(project.id, body=body)
    return Job(project.client, found)
