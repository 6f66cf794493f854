"""What the rules of a workflow say no to."""

from labeling.errors import LabelingError, WrongState


class NoWorkflow(WrongState):
    """The project has no workflow, so it has no items."""

    code = "no_workflow"


class NotYourReading(LabelingError):
    """Somebody acts on a reading that is not theirs, or that was handed back meanwhile."""

    code = "not_your_reading"


class OwnWork(LabelingError):
    """A reader decides about what they have read themselves."""

    code = "own_work"
    status = 403


class CannotBeAssigned(LabelingError):
    """The chosen person does not annotate here, or the chosen items have no free place."""

    code = "cannot_be_assigned"
    status = 422


class NothingWaits(LabelingError):
    """There is no late work of this person to decide about."""

    code = "nothing_waits"


class NotAdmitted(LabelingError):
    """The workflow needs an admission, and the person has none."""

    code = "not_admitted"
    status = 403
