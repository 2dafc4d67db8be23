"""A person who calls the API."""

import json

from django.test import Client

from dashboard.security.counters import hashed
from jobs.models import ApiToken


class Caller:
    def __init__(self, user):
        self.user, self.client, secret = user, Client(), f"secret of {user}"
        self.token = ApiToken.objects.create(user=user, name="t", token_sha256=hashed(secret))
        self.headers = {"Authorization": f"Bearer {secret}"}

    def get(self, path, **query):
        return self.client.get(f"/api/v1/{path}", query, headers=self.headers)

    def post(self, path, body=None):
        return self.send("post", path, body)

    def send(self, method, path, body=None):
        return getattr(self.client, method)(
            f"/api/v1/{path}",
            json.dumps(body),
            content_type="application/json",
            headers=self.headers,
        )
