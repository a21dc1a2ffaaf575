"""The admin's page with one form that begins something."""

from django import forms
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.admin import ModelAdmin


def show_form(
    page: ModelAdmin,
    request: HttpRequest,
    form: forms.Form,
    *,
    title: str,
    intro: str,
    verb: str,
) -> HttpResponse:
    """Show the form under its title; `verb` is on the button."""
    context = {
        **page.admin_site.each_context(request),
        "title": title,
        "intro": intro,
        "verb": verb,
        "form": form,
        "opts": page.model._meta,
    }
    return TemplateResponse(request, "curation/begin.html", context)
