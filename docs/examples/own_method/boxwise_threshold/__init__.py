"""A method of one's own: darker than a threshold is cell. Enough to see what a package has to have."""

from inference.documents.methods import Method

METHOD = Method(
    name="threshold",
    title="Threshold",
    description="learns from boxes how dark a cell is; an example, not for use",
    labels=("boxes",),
    least=1,
    module="boxwise_threshold.method",
    options=("smallest",),
)
