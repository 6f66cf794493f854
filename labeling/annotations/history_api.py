"""The history of an image and of a cell over HTTP."""

from rest_framework.request import Request
from rest_framework.views import APIView

from labeling.annotations.contract import HistoryListing, PastEffectAnswer, PastOperationAnswer, PersonAnswer
from labeling.annotations.history import operations_of
from labeling.annotations.models import Operation
from labeling.contract import contract
from labeling.images.models import Image
from labeling.paging import Page, page
from labeling.projects.access import person, reach


class History(APIView):
    """Who changed what on an image, the newest first, with the cells before and after; `annotation` names one cell."""

    @contract(query=HistoryListing, answer=Page[PastOperationAnswer])
    def get(self, request: Request, image: int, *, query: HistoryListing) -> Page[PastOperationAnswer]:
        user = person(request)
        found = reach(Image.objects.visible_to(user).select_related("project"), user, "see", pk=image)
        rows = operations_of(image=found, user=user, annotation=query.annotation, author=query.author)
        return page(rows, request, query, ordering=query.ordering, answer=past_operation_answer)


def past_operation_answer(operation: Operation) -> PastOperationAnswer:
    """An operation of history.operations_of."""
    return PastOperationAnswer.model_validate(
        {
            "op_id": operation.op_id,
            "layer": operation.layer_id,
            "seq": operation.seq,
            "action": operation.action,
            "author": PersonAnswer(id=operation.author_id, name=operation.author.display_name),
            "tool": operation.tool,
            "committed_at": operation.committed_at,
            "view": operation.view,
            "count": operation.count,  # type: ignore[attr-defined]
            "effects": [
                PastEffectAnswer(annotation=effect.annotation.uid, before=effect.before, after=effect.after)
                for effect in operation.shown_effects  # type: ignore[attr-defined]
            ],
            "opinions": [
                {"annotation": effect.annotation.uid, "before": effect.before, "after": effect.after}
                for effect in operation.shown_opinions  # type: ignore[attr-defined]
            ],
        }
    )
