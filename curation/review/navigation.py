"""The review pages in the admin's side navigation."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse

from curation.review.access import visible_queues


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Return django-unfold's side navigation: reviews first, then every app."""
    groups = [_review(request)] if visible_queues(request.user).exists() else []
    for app in admin.site.get_app_list(request):
        items = [
            {"title": model["name"], "icon": "", "link": model["admin_url"]}
            for model in app["models"]
            if model["admin_url"]
        ]
        groups.append({"title": app["name"], "collapsible": True, "items": items})
    return groups


def _review(request: HttpRequest) -> dict[str, Any]:
    link = {
        "title": "Review queues",
        "icon": "rate_review",
        "link": reverse("review:queues"),
    }
    return {"title": "Review", "items": [link]}
