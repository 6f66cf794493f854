"""The sentence, over HTTP too, for a slide that cannot be read at the moment."""

from labeling.errors import LabelingError


class SlideProblem(LabelingError):
    """The pixels of a slide cannot be shown at the moment: its file is gone, has changed or cannot be decoded."""

    code = "slide_problem"
    status = 503
