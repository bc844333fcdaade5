"""A Django project on PostgreSQL in one file: rows written, counted and streamed; WSGI and ASGI."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from itertools import islice
from typing import Any

import django
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import models, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path

from applications.notes_and_gates import note, wait_at

PORT = os.environ["POSTGRES_URL"].rpartition(":")[2].partition("/")[0]

DATABASE: dict[str, Any] = {
    "ENGINE": "django.db.backends.postgresql",
    "NAME": "postgres",
    "USER": "test",
    "HOST": "127.0.0.1",
    "PORT": PORT,
    "CONN_HEALTH_CHECKS": True,
}

settings.configure(
    ALLOWED_HOSTS=["*"],
    # Two ways of keeping connections from request to request: by a pool, and by the thread, of
    # which Django takes a new one for each request under ASGI.
    DATABASES={
        "default": DATABASE | {"OPTIONS": {"pool": {"min_size": 0, "max_size": 4}}},
        "kept": DATABASE | {"CONN_MAX_AGE": 3600},
    },
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="not a secret",
)
django.setup()

PIECE = 25
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


def buy(request: HttpRequest, database: str, customer: str) -> HttpResponse:
    """Ten orders, or none."""
    amounts = range(int(request.GET["from"]), int(request.GET["from"]) + 10)
    with transaction.atomic(using=database):
        for amount in amounts:
            Order.objects.using(database).create(customer=customer, amount=amount)
        if "break" in request.GET:
            raise RuntimeError("the transaction is to be rolled back")
    return JsonResponse({"bought": len(amounts)})


def total(request: HttpRequest, database: str, customer: str) -> HttpResponse:
    mine = Order.objects.using(database).filter(customer=customer)
    return JsonResponse(mine.aggregate(models.Sum("amount"), models.Count("id")))


def stand_at(gate: str) -> None:
    """In this thread, and whoever opens the gate knows of it: the client may leave from now on."""
    note(f"at {gate}")
    wait_at(gate)


def export(request: HttpRequest, database: str, customer: str) -> Any:
    """All orders by a server-side cursor, which belongs to one connection, so to one thread."""
    rows = Order.objects.using(database).filter(customer=customer).order_by("amount")

    def lines() -> Iterator[str]:
        for row in rows.iterator(chunk_size=PIECE):
            yield f"{row}\n"
            if row.amount == 0 and "gate" in request.GET:
                stand_at(request.GET["gate"])

    return StreamingHttpResponse(lines(), content_type="text/csv")


class Export:
    """The same, for an event loop. Django calls `close` in the thread of the request, whatever has
    become of the stream, and gives the connection back after it. Its `aiterator` would leave the
    cursor to garbage collection, which closes it when its connection is another's."""

    def __init__(self, rows: Any, gate: str | None) -> None:
        self._rows = rows.iterator(chunk_size=PIECE)
        self._gate = gate

    async def __aiter__(self) -> AsyncIterator[str]:
        while piece := await sync_to_async(list)(islice(self._rows, PIECE)):
            for row in piece:
                yield f"{row}\n"
                if row.amount == 0 and self._gate:
                    await asyncio.to_thread(stand_at, self._gate)

    def close(self) -> None:
        self._rows.close()


async def export_async(request: HttpRequest, database: str, customer: str) -> Any:
    rows = Order.objects.using(database).filter(customer=customer).order_by("amount")
    return StreamingHttpResponse(Export(rows, request.GET.get("gate")), content_type="text/csv")


urlpatterns = [
    path("buy/<database>/<customer>", buy),
    path("total/<database>/<customer>", total),
    path("export/<database>/<customer>", export),
    path("export-async/<database>/<customer>", export_async),
]


def wsgi() -> Any:
    from django.core.wsgi import get_wsgi_application

    return get_wsgi_application()


def asgi() -> Any:
    from django.core.asgi import get_asgi_application

    return get_asgi_application()
