"""What the API answers when it declines: one way to hold it."""

from typing import Any


def assert_declined(answer: Any, status: int, *, code: str = "", field: str = "", says: str = "") -> None:
    """A problem with this status that says the same itself, has a sentence, and what is given of the others.

    code, field  as they must be; says: words that stand in the sentence
    """
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status and problem["detail"], problem
    assert not code or problem["code"] == code, problem
    assert not field or problem["field"] == field, problem
    assert says in problem["detail"], problem
