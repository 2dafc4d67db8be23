"""The public API's contacts."""

from django.http import HttpRequest

from dashboard.api.base import Created, Json, Operations, listing
from jobs.models.contacts import Contact

operations = Operations("Contacts", "contacts")


class ContactAnswer(Created):
    """A person to ask."""

    id: int
    name: str
    note: str


Contacts = listing("Contacts", "All contacts, by name.", "contacts", ContactAnswer)


@operations.on("GET ", "contact.view", "api-contacts", Contacts)
def list_contacts(request: HttpRequest) -> Json:
    """List contacts. By name, without removed ones."""
    rows = Contact.objects.filter(removed_at=None).select_related("created_by")
    return {"contacts": [ContactAnswer.of(row) for row in rows], "next": None}
