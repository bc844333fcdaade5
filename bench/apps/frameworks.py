"""A JSON route in two frameworks."""

from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route


async def hello(request):
    return JSONResponse({"hello": "world"})


starlette = Starlette(routes=[Route("/", hello)])
fastapi = FastAPI()


@fastapi.get("/")
async def hello_fastapi() -> dict[str, str]:
    return {"hello": "world"}
