"""An image that two people have read blindly, with three places where they differ."""

import uuid
from typing import Any

from labeling.accounts.models import User
from labeling.annotations.services import working_layer, write_operations
from labeling.assignments import services
from labeling.assignments.declaring import declare_workflow
from labeling.projects.models import Role
from tests.factories import ImageFactory, LabelClassFactory, MembershipFactory, ProjectFactory, UserFactory
from tests.labeling.operations import cell, effect, operation

SIDE = 12
FIRST = [(20, 20, "tumour"), (60, 20, "tumour"), (20, 60, "tumour"), (70, 70, "tumour")]
SECOND = [(21, 20, "tumour"), (60, 21, "stroma"), (70, 70, "tumour"), (100, 30, "stroma")]


def make(lead: User) -> dict[str, Any]:
    project = ProjectFactory(name="Two readers")
    MembershipFactory(project=project, user=lead, role=Role.OWNER)
    classes = {
        name: LabelClassFactory(project=project, name=name, position=position)
        for position, name in enumerate(("tumour", "stroma"), start=1)
    }
    image = ImageFactory(project=project, name="field 1.png", width=160, height=120)
    declare_workflow(project=project, by=lead, readings=2, is_blind=True)
    readers = []
    for number, drawn in enumerate((FIRST, SECOND), start=1):
        user = UserFactory(username=f"reader-{number}-of-{project.pk}", first_name="Dr Reader", last_name=str(number))
        MembershipFactory(project=project, user=user)
        services.begin_item(item_id=image.work_item.pk, user=user)
        layer = working_layer(image=image, user=user)
        assert layer is not None
        acts = []
        for x, y, name in drawn:
            state = cell((x, y, x + SIDE, y + SIDE), label_class=classes[name].pk)
            acts.append(operation(effect(uuid.uuid4(), state)))
        write_operations(layer=layer, author=user, operations=acts)
        services.finish_item(item_id=image.work_item.pk, user=user)
        readers.append(user.display_name)
    return {"project": project.pk, "image": image.pk, "readers": readers}
