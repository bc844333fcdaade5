"""A Django project in one file: a page, a file of its static files, an upload; WSGI and ASGI."""

from __future__ import annotations

import hashlib
import warnings
from typing import Any

import django
from django.conf import settings
from django.http import FileResponse, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path

from applications.notes_and_gates import folder

# Django says so whenever it sends a file under ASGI: its own FileResponse is synchronous.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous")

settings.configure(
    ALLOWED_HOSTS=["*"],
    DEBUG=False,
    INSTALLED_APPS=["django.contrib.staticfiles"],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="not a secret",
    STATIC_URL="/static/",
    STATICFILES_DIRS=[folder() / "static"],
    USE_TZ=True,
)
django.setup()


def home(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"path": request.path, "query": request.GET.dict()})


def upload(request: HttpRequest) -> HttpResponse:
    """Fed to a digest piece by piece: 100 MB need not be in memory."""
    file: Any = request.FILES["file"]
    digest = hashlib.sha256()
    for chunk in file.chunks():
        digest.update(chunk)
    return JsonResponse({"size": file.size, "sha256": digest.hexdigest()})


def stream(request: HttpRequest) -> Any:
    return StreamingHttpResponse(f"{number};" for number in range(3))


def download(request: HttpRequest) -> Any:
    return FileResponse((folder() / "static" / "site.css").open("rb"))


urlpatterns = [
    path("", home),
    path("upload", upload),
    path("stream", stream),
    path("download", download),
]


def wsgi() -> Any:
    from django.contrib.staticfiles.handlers import StaticFilesHandler
    from django.core.wsgi import get_wsgi_application

    return StaticFilesHandler(get_wsgi_application())


def asgi() -> Any:
    from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
    from django.core.asgi import get_asgi_application

    return ASGIStaticFilesHandler(get_asgi_application())
