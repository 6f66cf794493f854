"""What workers do for rounds without a model. What needs one stands in inference/worker/tasks.py."""

from labeling import outcomes
from labeling.rounds.notices import delivery

# Tell somebody that a round has ended; again later while the receiver does not take it (delivery.PAUSES).
deliver = outcomes.task("labeling.deliver", claim=delivery.claim)(delivery.deliver)
