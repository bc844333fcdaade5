"""The shop of the soak: Django on PostgreSQL; the soak has made its table."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import django
from django.conf import settings
from django.db import models, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
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
            "OPTIONS": {"pool": {"min_size": 0, "max_size": 4, "timeout": 30}},
        }
    },
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    MIDDLEWARE=[f"{__name__}.signed"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="not a secret",
)
django.setup()


class Order(models.Model):
    customer = models.TextField()
    amount = models.IntegerField()

    class Meta:
        app_label = "shop"
        db_table = "orders"
        managed = False

    def __str__(self) -> str:
        return f"{self.customer},{self.amount}"


def signed(get_response: Callable[[HttpRequest], HttpResponse]) -> Any:
    """Each response says which process it comes from."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response["X-Worker"] = str(os.getpid())
        return response

    return middleware


def buy(request: HttpRequest, customer: str) -> HttpResponse:
    """Three orders, or none."""
    with transaction.atomic():
        for amount in range(3):
            Order.objects.create(customer=customer, amount=amount)
    return JsonResponse({"bought": 3})


def total(request: HttpRequest, customer: str) -> HttpResponse:
    return JsonResponse({"orders": Order.objects.filter(customer=customer).count()})


urlpatterns = [path("buy/<customer>", buy), path("total/<customer>", total)]


def wsgi() -> Any:
    from django.core.wsgi import get_wsgi_application

    return get_wsgi_application()
