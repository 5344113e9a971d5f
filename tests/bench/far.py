"""A server far away: forwards connections to PORT on this machine, holding everything back for half of MILLISECONDS in either
direction, as long as it would be on its way. Prints its own port.

    far.py PORT MILLISECONDS
"""

import asyncio, sys


async def forward(reader, writer, delay):
    """What was read is written after `delay`, however much is on its way already."""
    loop, waiting = asyncio.get_running_loop(), asyncio.Queue()

    async def write():
        while True:
            due, data = await waiting.get()
            await asyncio.sleep(max(0, due - loop.time()))
            if not data:
                break
            writer.write(data)
            await writer.drain()
        writer.close()

    writing = asyncio.create_task(write())
    while True:
        data = await reader.read(1 << 18)
        waiting.put_nowait((loop.time() + delay, data))
        if not data:
            break
    await writing


async def main(port, delay):
    async def connected(reader, writer):
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(forward(reader, far_writer, delay), forward(far_reader, writer, delay),
                             return_exceptions=True)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


asyncio.run(main(int(sys.argv[1]), float(sys.argv[2]) / 2000))
