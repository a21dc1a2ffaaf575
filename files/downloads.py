"""Give a file's bytes to a client: through here, by nginx, or from the object store."""

from urllib.parse import quote

from django.core.files.storage import FileSystemStorage
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header

from files.models import File, batch_storage
from files.stores import store
from vllm_batch.lib.conf import conf

# nginx names its internal location with each request that comes through it: what comes
# another way gets the bytes themselves, never an empty body that nobody fills.
ACCEL_HEADER = "X-Accel-Prefix"
_TYPE = "application/octet-stream"


def download(request: HttpRequest, file: File) -> HttpResponseBase:
    """Return the file as an attachment; raises FileNotFoundError if its bytes are lost.

    With DOWNLOAD_ACCEL_PREFIX the answer is an order to nginx, with
    DOWNLOAD_LINK_SECONDS a link into the object store, so that a slow reader holds no
    thread here.
    """
    content = batch_storage().open(file.path)
    if _is_nginx_asking(request):
        content.close()
        return _order(file)
    # A link is signed for one method.
    link = request.method == "GET" and store().link(file.path, file.filename, _TYPE)
    if link:
        content.close()
        return HttpResponseRedirect(link, headers={"Cache-Control": "no-store"})
    return FileResponse(
        content, as_attachment=True, filename=file.filename, content_type=_TYPE
    )


def _order(file: File) -> HttpResponse:
    response = HttpResponse(content_type=_TYPE)
    disposition = content_disposition_header(True, file.filename)
    response["Content-Disposition"] = disposition or "attachment"
    response["X-Accel-Redirect"] = conf().DOWNLOAD_ACCEL_PREFIX + quote(file.path)
    return response


def _is_nginx_asking(request: HttpRequest) -> bool:
    prefix = conf().DOWNLOAD_ACCEL_PREFIX
    is_asking = bool(prefix) and request.headers.get(ACCEL_HEADER) == prefix
    return is_asking and isinstance(batch_storage(), FileSystemStorage)
