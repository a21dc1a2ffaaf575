"""The shop's files in the back office."""

from django.contrib import admin

from shop.files.models import File


@admin.register(File)
class FileAdmin(admin.ModelAdmin):
    """Files of the shop."""

    list_display = ["title", "owner"]
    list_select_related = ["owner"]
