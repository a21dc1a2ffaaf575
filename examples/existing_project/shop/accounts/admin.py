"""Users in the back office."""

from django.contrib import admin

from shop.accounts.models import User


@admin.register(User)
class UserAdmin(admin.ModelAdmin):
    """Users."""

    list_display = ["email", "is_staff", "last_login"]
    search_fields = ["email"]
    exclude = ["password"]
