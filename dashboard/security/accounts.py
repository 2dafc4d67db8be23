"""Django's login by name and password, which reads each user together with their role."""

from __future__ import annotations

from asgiref.sync import sync_to_async
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User


class Accounts(ModelBackend):
    """The backend of logins and sessions. A page asks for its user and their role in one query."""

    def get_user(self, user_id: int) -> User | None:
        """Return the user of a session; None: unknown or deactivated."""
        user = User.objects.select_related("account").filter(pk=user_id).first()
        return user if self.user_can_authenticate(user) else None

    async def aget_user(self, user_id: int) -> User | None:
        """Return the user of a session; None: unknown or deactivated."""
        return await sync_to_async(self.get_user)(user_id)
