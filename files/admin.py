"""Files in the admin: facts only; their bytes are for their owners."""

from django.contrib import admin
from django.template.defaultfilters import filesizeformat

from files.models import File
from vllm_batch.lib.read_only import ReadOnlyAdmin


@admin.register(File)
class FileAdmin(ReadOnlyAdmin):
    """Uploaded and produced files."""

    list_display = ["id", "filename", "project", "purpose", "size", "line_count"]
    list_filter = ["purpose", "project"]
    list_select_related = ["project"]
    search_fields = ["id", "filename"]

    @admin.display(description="size", ordering="bytes")
    def size(self, file: File) -> str:
        """Show the size as people read it."""
        return filesizeformat(file.bytes)
