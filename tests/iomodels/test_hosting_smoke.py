"""A loop of asyncio in every I/O model, briefly."""
import asyncio, socket
import pytest
from fivefold.iomodels import ENGINES
from fivefold.iomodels.asyncio_host import Host
from fivefold.iomodels.asyncio_bridge import hosted
import fivefold

def test_loop(engine):
    async def main():
        await asyncio.sleep(0.01)
        a,b=socket.socketpair(); a.setblocking(False); b.setblocking(False)
        loop=asyncio.get_running_loop()
        t=asyncio.create_task(loop.sock_recv(b,100))
        await asyncio.sleep(0.01)
        await loop.sock_sendall(a,b"hi")
        assert await t==b"hi"
        a.close();b.close()
        return await loop.run_in_executor(None,lambda:5)
    with asyncio.Runner(loop_factory=lambda: fivefold.event_loop(engine.engine)) as r:
        assert r.run(main())==5

def test_host(engine):
    io=Host(engine.hosting()(tick_s=0.05,connections=4))
    a,b=socket.socketpair()
    async def main():
        c=io.connection(a)
        asyncio.get_running_loop().call_later(0.01,b.send,b"x")
        got=await c.recv()
        await c.send(got*2)
        await asyncio.sleep(0.01)
        assert b.recv(9) == got*2; b.close()
        assert await c.recv()==b""
        await io.sleep(0.01)
        await c.close()
        return got
    assert io.run(main())==b"x"
    io.close()
