"""Sends back what a websocket says; `tell`: what it knows of the connection."""

from __future__ import annotations

from typing import Any


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] != "websocket":
        return
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        text = message["text"]
        if text == "tell":
            tls = scope["extensions"]["tls"]
            text = f"{scope['scheme']} {tls['tls_version']} {tls['client_cert_name']}"
        await send({"type": "websocket.send", "text": text})
