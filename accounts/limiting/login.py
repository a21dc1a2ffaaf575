"""The admin's login, with a limit on tries: by address, and by user name.

Put it before the admin's own routes:

    path("admin/login/", login),
    path("admin/", admin.site.urls),
"""

import unicodedata

from django.contrib import admin
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from accounts.limiting.rates import HOUR, MINUTE, Usage, address_of, count
from vllm_batch.lib.conf import conf


@sensitive_post_parameters()
@never_cache
@login_not_required
def login(request: HttpRequest) -> HttpResponse:
    """Show and take the admin's login form; 429 after too many tries.

    A try is counted before the password is looked at, right ones too: what is answered
    after the limit tells nothing of the name or the password.
    """
    if request.method == "POST" and (used_up := _used_up(request)):
        minutes = -(-used_up.seconds // MINUTE)
        page = render(request, "429.html", {"minutes": minutes}, status=429)
        page["Retry-After"] = str(used_up.seconds)
        return page
    return admin.site.login(request)


def _used_up(request: HttpRequest) -> Usage | None:
    typed = str(request.POST.get("username", ""))
    # As Django's form reads it, so that no other spelling has tries of its own.
    name = unicodedata.normalize("NFKC", typed[:200]).casefold().strip()
    per_address, per_name = conf().RATE_LOGINS_PER_ADDRESS, conf().RATE_LOGINS_PER_NAME
    for what, who, limit, seconds in (
        ("logins.address", address_of(request), per_address, MINUTE),
        ("logins.name", name, per_name, HOUR),
    ):
        if limit and (usage := count(request, what, who, limit, seconds)).is_exceeded:
            return usage
    return None
