"""A Django project on PostgreSQL in one file: rows written, counted and streamed; WSGI and ASGI."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from typing import Any

import django
from django.conf import settings
from django.db import models, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path

PORT = os.environ["POSTGRES_URL"].rpartition(":")[2].partition("/")[0]

settings.configure(
    ALLOWED_HOSTS=["*"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": "postgres",
            "USER": "test",
            "HOST": "127.0.0.1",
            "PORT": PORT,
            # Kept from request to request; CONN_MAX_AGE would keep them for threads, of which
            # Django takes a new one for each request under ASGI.
            "OPTIONS": {"pool": {"min_size": 0, "max_size": 8}},
        }
    },
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="not a secret",
)
django.setup()

PIECE = 50
"""Rows of a server-side cursor that are fetched at a time."""


class Order(models.Model):
    """The test has made the table."""

    customer = models.TextField()
    amount = models.IntegerField()

    class Meta:
        app_label = "shop"
        db_table = "orders"
        managed = False

    def __str__(self) -> str:
        return f"{self.customer},{self.amount}"


def buy(request: HttpRequest, customer: str) -> HttpResponse:
    """Ten orders, or none."""
    amounts = range(int(request.GET["from"]), int(request.GET["from"]) + 10)
    with transaction.atomic():
        for amount in amounts:
            Order.objects.create(customer=customer, amount=amount)
        if "break" in request.GET:
            raise RuntimeError("the transaction is to be rolled back")
    return JsonResponse({"bought": len(amounts)})


def total(request: HttpRequest, customer: str) -> HttpResponse:
    mine = Order.objects.filter(customer=customer)
    return JsonResponse(mine.aggregate(models.Sum("amount"), models.Count("id")))


def export(request: HttpRequest, customer: str) -> Any:
    """All orders by a server-side cursor, which belongs to one connection, so to one thread."""
    rows = Order.objects.filter(customer=customer).order_by("amount")

    def lines() -> Iterator[str]:
        for row in rows.iterator(chunk_size=PIECE):
            yield f"{row}\n"

    return StreamingHttpResponse(lines(), content_type="text/csv")


async def export_async(request: HttpRequest, customer: str) -> Any:
    rows = Order.objects.filter(customer=customer).order_by("amount")

    async def lines() -> AsyncIterator[str]:
        async for row in rows.aiterator(chunk_size=PIECE):
            yield f"{row}\n"

    return StreamingHttpResponse(lines(), content_type="text/csv")


urlpatterns = [
    path("buy/<customer>", buy),
    path("total/<customer>", total),
    path("export/<customer>", export),
    path("export-async/<customer>", export_async),
]


def wsgi() -> Any:
    from django.core.wsgi import get_wsgi_application

    return get_wsgi_application()


def asgi() -> Any:
    from django.core.asgi import get_asgi_application

    return get_asgi_application()
