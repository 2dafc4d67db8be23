"""One search over everything that has a page."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_

from django.contrib.auth.models import AbstractBaseUser
from django.db.models import Q
from django.utils.translation import gettext

from jobs.base.numbers import number_from
from jobs.catalog import MODELS, ZooModel
from jobs.models import Conversation, Deployment, Host, Job, Result
from jobs.queries.chat import conversations_with
from jobs.queries.jobs import jobs
from jobs.queries.results.listing import Filters, matching

MOST = 8


@dataclass(frozen=True, slots=True)
class SearchResults:
    """Matches, newest first, at most ``MOST`` of each; ``job`` is the one of that number."""

    job: Job | None = None
    jobs: Sequence[Job] = ()
    results: Sequence[Result] = ()
    deployments: Sequence[Deployment] = ()
    models: Sequence[ZooModel] = ()
    hosts: Sequence[Host] = ()
    chats: Sequence[Conversation] = ()

    @property
    def any(self) -> bool:
        listed = (self.jobs, self.results, self.deployments, self.models, self.hosts, self.chats)
        return self.job is not None or any(listed)


def search(text: str, *, user: AbstractBaseUser | None = None, most: int = MOST) -> SearchResults:
    """Return matches of all words of ``text``; nothing for no words. A number is that of a job.

    Of chats only those of ``user``.
    """
    terms = text.split()
    if not terms:
        return SearchResults()
    number = number_from(text.strip().removeprefix("#"))
    found = Job.objects.filter(pk=number or 0).select_related("host", "created_by")
    job = None if number is None else found.first()
    listed, _older = jobs.page(jobs.Filters(text=text), limit=most)
    matches = matching(Filters(text=text)).select_related("host", "deployment", "endpoint")
    models = [one for one in MODELS.values() if _has_all(f"{one.id} {one.name}", terms)]
    served = reduce(and_, (Q(name__icontains=w) | Q(model_id__icontains=w) for w in terms))
    return SearchResults(
        job=job,
        jobs=[item for item in listed if item != job],
        results=list(matches[:most]),
        deployments=list(Deployment.objects.filter(served).select_related("host")[:most]),
        models=models[:most],
        hosts=list(Host.objects.filter(reduce(and_, map(_host_has, terms)))[:most]),
        chats=conversations_with(user, terms, most=most) if user else (),
    )


def _host_has(word: str) -> Q:
    """By its name, and This computer by what people call it."""
    by_name = Q(name__icontains=word)
    own = Q(type=Host.Type.THIS_COMPUTER)
    return by_name | own if _has_all(gettext("This computer"), [word]) else by_name


def _has_all(text: str, terms: Sequence[str]) -> bool:
    return all(word.casefold() in text.casefold() for word in terms)
