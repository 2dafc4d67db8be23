"""Search: records of all kinds by their words."""

from collections.abc import Iterator, Sequence

from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse
from ninja import Query
from pydantic import Field

from dashboard.api.base import ApiAnswer, Asked, Json, Operations, about, listing
from dashboard.security.permissions import allowed
from dashboard.security.request import person
from jobs.base.numbers import result_number
from jobs.queries.overview import MOST, SearchResults, search

search_ = Operations("Search")


class SearchAllAsked(Asked):
    """Query of a search."""

    q: str = Field(max_length=200, description="words, or the number of a job; all must match")
    limit: int = Field(MOST, ge=1, le=50, description="matches of each kind")


class FoundRecord(ApiAnswer):
    """A record that was found."""

    kind: str = about("job, result, deployment, model, host or conversation")
    id: int | str = about("as in the paths of this API")
    name: str
    page: str = about("path of its page")


FoundRecords = listing(
    "FoundRecords", "Records that were found, of each kind the newest.", "matches", FoundRecord
)


@search_.on("GET search", "overview.view", "api-search", FoundRecords)
def search_all(request: HttpRequest, query: Query[SearchAllAsked]) -> Json:
    """Search. Jobs, results, deployments, models and hosts; own chats for a session or a token of
    the scope admin."""
    own = person(request) if allowed(request.user, "playground.use") else None
    found = search(query.q.strip(), user=own, most=query.limit)
    return {"matches": [*_matches(found)], "next": None}


def _matches(found: SearchResults) -> Iterator[Json]:
    jobs = [*([found.job] if found.job else []), *found.jobs]
    rows: list[tuple[str, str, Sequence[Model]]] = [
        ("job", "job-detail", jobs),
        ("deployment", "deployment-detail", [*found.deployments]),
        ("conversation", "conversation", [*found.chats]),
    ]
    for result in found.results:
        name = result_number(result.pk)
        yield _match("result", name, name, reverse("result-detail", args=[result.pk]))
    for model in found.models:
        yield _match("model", model.id, model.name, reverse("model-detail", args=[model.id]))
    for host in found.hosts:
        yield _match("host", host.name, host.name, reverse("host-detail", args=[host.name]))
    for kind, page, records in rows:
        for row in records:
            name = str(getattr(row, "title", "") or getattr(row, "name", "") or row)
            yield _match(kind, row.pk, name, reverse(page, args=[row.pk]))


def _match(kind: str, id: int | str, name: str, page: str) -> Json:
    return {"kind": kind, "id": id, "name": name, "page": page}
