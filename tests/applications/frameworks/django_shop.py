"""A Django project with a database and CSRF protection, as it runs behind a proxy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import django
from django.conf import settings
from django.core.signals import request_finished
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.middleware.csrf import get_token
from django.urls import path

from applications.notes_and_gates import folder

settings.configure(
    ALLOWED_HOSTS=["*"],
    CSRF_COOKIE_DOMAIN=".shop.example",
    DATABASES={
        "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": folder() / "shop.sqlite"}
    },
    DEBUG=False,
    MIDDLEWARE=["django.middleware.csrf.CsrfViewMiddleware"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="not a secret",
    SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"),
    USE_TZ=True,
)
django.setup()

from django.db import connection, models  # noqa: E402 - after the setup

ROWS = 500


class Row(models.Model):
    class Meta:
        app_label = "shop"

    def __str__(self) -> str:
        return str(self.pk)


def token(request: HttpRequest) -> HttpResponse:
    return HttpResponse(get_token(request))


def buy(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"bought {request.get_port()}")


def export(request: HttpRequest) -> Any:
    """Row by row, through one connection, which belongs to its thread."""

    def parts() -> Iterator[str]:
        for row in Row.objects.order_by("pk").iterator(chunk_size=10):
            yield f"{row}\n"

    return StreamingHttpResponse(parts())


urlpatterns = [path("token", token), path("buy", buy), path("export", export)]


def fill() -> None:
    with connection.schema_editor() as editor:
        editor.create_model(Row)
    Row.objects.bulk_create(Row() for _ in range(ROWS))
    connection.close()


def wsgi() -> Any:
    from django.core.wsgi import get_wsgi_application

    application = get_wsgi_application()
    if "shop_row" not in connection.introspection.table_names():
        fill()
    connection.close()
    return application


request_finished.connect(lambda **_: connection.close())
