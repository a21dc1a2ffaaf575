"""The audit log in the admin: to be read, by nobody to be changed."""

import re

from django.contrib import admin
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import localtime

from curation.listing.scope import ScopedAdmin
from curation.models import AuditEvent

_HASH = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{52}\b")


@admin.register(AuditEvent)
class AuditEventAdmin(ScopedAdmin):
    """Who did what: leads see their own projects', superusers all."""

    list_display = [
        "when", "actor_name", "action", "project", "what", "said",
    ]  # fmt: skip
    list_filter = ["action", "actor", "project", "created_at"]
    list_select_related = ["project"]
    search_fields = ["actor_name", "object_name", "=object_id"]
    fields = [
        "created_at", "actor_name", "actor", "action", "project", "object_type",
        "object_id", "object_name", "item", "detail",
    ]  # fmt: skip
    # No box to tick: there is nothing to be done with rows.
    actions = None

    @admin.display(description="when", ordering="pk")
    def when(self, event: AuditEvent) -> SafeString:
        """Show the time in a line, in the server's time zone."""
        time = f"{localtime(event.created_at):%Y-%m-%d %H:%M}"
        return format_html('<span style="white-space: nowrap">{}</span>', time)

    @admin.display(description="what")
    def what(self, event: AuditEvent) -> str:
        """Show what it was done to."""
        return event.object_words

    @admin.display(description="detail")
    def said(self, event: AuditEvent) -> str:
        """Show the detail with its hashes cut; the row's own page has them whole."""
        return _HASH.sub(r"\1…", event.detail)
