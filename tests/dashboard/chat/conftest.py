"""The client of the person who chats."""

import pytest
from django.contrib.auth.models import User
from django.test import Client


@pytest.fixture
def client():
    client = Client()
    client.force_login(User.objects.create_user("lin"))
    return client
