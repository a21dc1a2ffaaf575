"""The Files API: five operations (contract 2, 3)."""

from django.http.response import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api import ApiViewSet
from files import actions, quota, schema
from files.downloads import download
from files.incoming import StreamingMultiPartParser, content_length
from files.models import File
from files.parameters import check_upload
from files.reserve import is_reached
from files.serializers import file_object, file_objects
from vllm_batch.lib.clock import database_now
from vllm_batch.lib.errors import InsufficientStorage, NotFound
from vllm_batch.lib.pagination import Cursor, PageLimits, paginate
from vllm_batch.lib.parameters import missing, single

FILE_PAGES = PageLimits(default=10_000, least=1, most=10_000, has_order=True)


class FileViewSet(ApiViewSet):
    """Files of the caller's project."""

    parser_classes = [StreamingMultiPartParser]
    scopes = {
        "list": "files:read",
        "retrieve": "files:read",
        "content": "files:read",
        "create": "files:write",
        "destroy": "files:write",
    }
    rates = {"create": "uploads"}

    def _file(self, file_id: str) -> File:
        files = File.objects.of(self.project).visible(database_now())
        file = None if "\0" in file_id else files.filter(pk=file_id).first()
        if file is None:
            raise NotFound(f"No such File object: {file_id}", param="id")
        return file

    @extend_schema(**schema.LIST)
    def list(self, request: Request) -> Response:
        """List files, newest first."""
        cursor = Cursor.parse(request.query_params, FILE_PAGES)
        everything = File.objects.of(self.project)
        listed = everything.visible(database_now())
        if purpose := single(request.query_params, "purpose", "a string"):
            # An unknown purpose matches nothing; NUL cannot be in a query to the DB.
            listed = listed.filter(purpose=purpose.replace("\0", "?"))
        return Response(paginate(listed, everything, cursor, file_objects))

    @extend_schema(**schema.CREATE)
    def create(self, request: Request) -> Response:
        """Upload a file."""
        length = content_length(request.META)  # without, DRF sees no body at all
        quota.check(self.project, length)
        if is_reached(length):
            raise InsufficientStorage
        try:
            fields = {key: str(value) for key, value in request.POST.items()}
        except UnsupportedMediaType:
            raise missing("file") from None
        files = request.FILES
        try:
            form = check_upload(fields, files)
            stored = actions.receive(self.project, form, files["file"])
        finally:
            for _, received in files.lists():
                for incoming in received:
                    incoming.discard()
        return Response(file_object(stored))

    @extend_schema(**schema.RETRIEVE)
    def retrieve(self, request: Request, file_id: str) -> Response:
        """Describe one file."""
        return Response(file_object(self._file(file_id)))

    @extend_schema(**schema.DESTROY)
    def destroy(self, request: Request, file_id: str) -> Response:
        """Delete one file."""
        file = self._file(file_id)
        actions.delete(file)
        return Response({"id": file.pk, "object": "file", "deleted": True})

    @extend_schema(**schema.CONTENT)
    def content(self, request: Request, file_id: str) -> HttpResponseBase:
        """Download one file, byte for byte."""
        return download(request, self._file(file_id))
