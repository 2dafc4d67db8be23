"""Use of the gateway."""

from django.http import HttpRequest

from dashboard.api.base import ApiAnswer, Json, Operations, Time, about, listing, read
from dashboard.security.permissions import allowed
from dashboard.security.request import member
from jobs.queries.gateway import MOST_ROWS, gateway_use

gateway = Operations("Gateway", "gateway")


class UseAnswer(ApiAnswer):
    """Requests and tokens of one key for one model in one hour."""

    hour: Time
    key: str = read("token_name", "name of the key")
    person: str = read("user.username")
    model: str
    requests: int
    failed: int = read("failed", "requests without a complete answer")
    held: int = about("requests that waited for the end of an exclusive benchmark")
    prompt_tokens: int
    completion_tokens: int
    estimated_tokens: int = about("of completion_tokens: of cut streams, one for each piece")


Uses = listing("Uses", f"Use by hour, newest first; at most {MOST_ROWS} rows.", "use", UseAnswer)


@gateway.on("GET /use", "gateway.view", "api-gateway-use", Uses)
def list_gateway_use(request: HttpRequest, days: int | None = None) -> Json:
    """List the use of the gateway. Own keys, administrators: all; of the last 7 days, or ``days``
    up to 90."""
    sees_all = allowed(request.user, "token.manage")
    rows = gateway_use(member(request.user), days=days, sees_all=sees_all)[:MOST_ROWS]
    return {"use": [UseAnswer.of(row) for row in rows], "next": None}
