"""A FastAPI application: validation, dependencies, an upload, a websocket."""

from typing import Annotated

from fastapi import Depends, FastAPI, UploadFile, WebSocket
from pydantic import BaseModel

app = FastAPI()


class Item(BaseModel):
    name: str
    price: float


async def page(page: int = 1) -> int:
    return page


@app.get("/items/{number}")
async def item(number: int, page: Annotated[int, Depends(page)]) -> dict[str, int]:
    return {"number": number, "page": page}


@app.get("/in-thread")
def in_thread() -> str:
    return "from a thread"


@app.post("/items")
async def create(item: Item) -> Item:
    return item


@app.post("/upload")
async def upload(file: UploadFile) -> dict[str, object]:
    return {"name": file.filename, "size": len(await file.read())}


@app.websocket("/ws")
async def websocket(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_json(await socket.receive_json())
    await socket.close(4000)
