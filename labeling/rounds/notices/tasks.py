"""What workers do for rounds without a model. What needs one stands in inference/worker/tasks.py."""

from typing import Any

from celery import shared_task

from labeling.rounds.notices import delivery


@shared_task(name="labeling.deliver", bind=True, max_retries=None)  # type: ignore[untyped-decorator]
def deliver(self: Any, delivery_id: str) -> None:
    """Tell somebody that a round has ended; again later while the receiver does not take it (delivery.PAUSES)."""
    pause = delivery.attempt(delivery_id)
    if pause is not None:
        raise self.retry(countdown=pause)
