"""Places to go to: the one list of rail, row of pages in the top bar, person's menu and search."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import urlencode

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from django.utils.translation import override

from dashboard.security.permissions import allowed
from jobs.kinds import KINDS


class Place(NamedTuple):
    """``view``: name of its address; ``action``: the right that it needs, "" for everybody."""

    title: str | Promise
    icon: str
    view: str
    action: str = ""
    args: Sequence[str] = ()

    @property
    def href(self) -> str:
        return reverse(self.view, args=self.args)


_FORM = ("launch-form", "job.launch")
# The areas of the rail, each with its further pages: the first place is the area itself.
AREAS: Mapping[str, Sequence[Place]] = {
    "overview": [Place(_("Overview"), "layout-dashboard", "overview")],
    "models": [
        Place(_("Models"), "cube", "model-list"),
        Place(_("Deployments"), "bolt", "deployment-list"),
        Place(_("Endpoints"), "external-link", "endpoint-list"),
        Place(_("Data sets"), "stack-2", "question-list"),
    ],
    "jobs": [Place(_("Jobs"), "list-details", "job-list")],
    "results": [
        Place(_("Results"), "table", "result-list"),
        Place(_("By model"), "layout-dashboard", "result-fleet"),
        Place(_("Trade-off"), "chart-dots", "result-tradeoff"),
        Place(_("Parity"), "scale", "parity"),
        Place(_("Matrices"), "table", "matrix-list"),
    ],
    "playground": [
        Place(_("Chat"), "message-circle", "playground"),
        Place(_("Side by side"), "columns", "side-by-side"),
        Place(_("Shared chats"), "share", "share-list"),
        Place(_("Presets"), "adjustments", "preset-list"),
    ],
    "hosts": [Place(_("Hosts"), "server-2", "host-list")],
}
# Pages that *Results* may open with, by choice of the person; the cookie has the view's name.
LANDING, LANDINGS = "results", ("result-list", "result-tradeoff")
# First parts of addresses below an area whose name they do not have.
BELOW: Mapping[str, str] = {
    "": "overview",
    "deployments": "models",
    "endpoints": "models",
    "questions": "models",
    "launch": "jobs",
    "pipelines": "jobs",
    "parity": "results",
    "matrices": "results",
}
# Behind the person in the top bar: their own account, what a team edits, administration.
MENU: Sequence[Sequence[Place]] = [
    [
        Place(_("Change password"), "lock", "password"),
        Place(_("API tokens"), "code", "token-list"),
        Place(_("Gateway"), "bolt", "gateway"),
        Place(_("Command line client"), "download", "client"),
    ],
    [
        Place(_("Service levels"), "adjustments", "level-list"),
        Place(_("Prompts"), "file-text", "prompt-list"),
        Place(_("Sources"), "git-branch", "source-list", "source.view"),
    ],
    [
        Place(_("People"), "users", "people", "user.manage"),
        Place(_("Secrets"), "lock", "secret-list", "secret.manage"),
        Place(_("Storage"), "database", "storage", "storage.manage"),
        Place(_("Audit log"), "file-text", "audit", "audit.view"),
    ],
]
_ALL = (
    *(place for group in (*AREAS.values(), *MENU) for place in group),
    Place(_("Import results"), "plus", "import-upload", "result.import"),
    Place(_("Documentation"), "lifebuoy", "docs"),
    Place(_("New matrix"), "plus", "launch-matrix", "job.launch"),
    *(
        Place(format_lazy(_("New job: {kind}"), kind=_(kind.title)), "plus", *_FORM, (name,))
        for name, kind in KINDS.items()
    ),
)


def landing(request: HttpRequest) -> str:
    """Return the view that *Results* opens with."""
    view = request.COOKIES.get(LANDING, "")
    return view if view in LANDINGS else LANDINGS[0]


def form_of(kind: str, filled: Mapping[str, str]) -> str:
    """Return the address of the form of a new job, filled in."""
    return f"{reverse('launch-form', args=[kind])}?{urlencode(filled)}"


def may_open(user: AbstractBaseUser | AnonymousUser, place: Place) -> bool:
    return not place.action or allowed(user, place.action)


def found(text: str, user: AbstractBaseUser | AnonymousUser) -> list[Place]:
    """Return places that have all words of ``text`` in their title, also in its English one. No
    words: the areas."""
    words = text.casefold().split()
    places = _ALL if words else [area[0] for area in AREAS.values()]
    titles = [str(place.title) for place in places]
    with override("en"):
        names = [
            f"{own} {place.title}".casefold() for own, place in zip(titles, places, strict=True)
        ]
    return [
        place
        for place, name in zip(places, names, strict=True)
        if all(word in name for word in words) and may_open(user, place)
    ]
