"""Contacts: their list; the rest by `RowPages`."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path

from dashboard.actions.contacts import ContactForm
from dashboard.pages.admin.rows import RowPages
from dashboard.security.permissions import requires
from jobs.models.contacts import Contact

_FIND = Contact.objects.select_related("created_by").filter
_ROWS = RowPages(
    ContactForm, "contact", "contact_id", lambda pk: _FIND(pk=pk).first(), "contacts/form.html"
)


@requires("contact.view", "GET")
def contact_list(request: HttpRequest) -> HttpResponse:
    rows = Contact.objects.filter(removed_at=None)
    context = {"own": [(row, _ROWS.may_change(request, row)) for row in rows]}
    return render(request, "contacts/list.html", context | _ROWS.offers(request))


urlpatterns = [path("", contact_list, name="contact-list"), *_ROWS.urls]
