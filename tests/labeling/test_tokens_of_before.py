"""Tokens of a release whose table held them in clear text."""

from datetime import timedelta
from importlib import import_module

import pytest
from django.apps import apps
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests.factories import UserFactory


@pytest.mark.django_db(transaction=True)
def test_a_token_of_the_release_before_goes_on_for_ninety_days_and_its_clear_text_ends():
    take_over = import_module("labeling.migrations.0027_personal_tokens").take_over_old_tokens
    user, key = UserFactory(), "0123456789abcdef" * 2 + "01234567"
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE authtoken_token (key varchar(40), user_id bigint)")
        try:
            cursor.execute("INSERT INTO authtoken_token VALUES (%s, %s)", [key, user.pk])
            with connection.schema_editor() as editor:
                take_over(apps, editor)
            cursor.execute("SELECT count(*) FROM authtoken_token")
            assert cursor.fetchone() == (0,)
        finally:
            cursor.execute("DROP TABLE authtoken_token")
    assert Client().get(reverse("project-list"), headers={"Authorization": f"Token {key}"}).status_code == 200
    assert timedelta(days=89) < user.personal_tokens.get().expires_at - timezone.now() <= timedelta(days=90)
