"""The service that is put under load: ``python -m benchmarks.service URL`` prints its port, then serves.

FastAPI under uvicorn; a request asks a database and calls another service twice. Nothing in it knows of tracing.
"""

from __future__ import annotations

import socket
import sqlite3
import sys
import tempfile


def main() -> None:
    """Serve."""
    import httpx
    import uvicorn
    from fastapi import FastAPI

    app = FastAPI()
    other = f"{sys.argv[1]}/stock"
    client = httpx.AsyncClient()
    with tempfile.NamedTemporaryFile(suffix=".db") as file:
        orders = sqlite3.connect(file.name)
        orders.execute("CREATE TABLE orders (number INTEGER PRIMARY KEY, customer TEXT)")
        orders.executemany("INSERT INTO orders VALUES (?, ?)", [(number, f"c-{number}") for number in range(1_000)])
        orders.commit()

        async def order(number: int) -> dict[str, object]:
            row = orders.execute("SELECT customer FROM orders WHERE number = ?", (number,)).fetchone()
            answers = [await client.get(other), await client.get(other)]
            return {"number": number, "customer": row[0], "stock": [answer.status_code for answer in answers]}

        order.__annotations__ = {"number": int}  # FastAPI reads them, and these ones are texts
        app.get("/orders/{number}")(order)
        listening = socket.create_server(("127.0.0.1", 0))
        print(listening.getsockname()[1], flush=True)
        uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off")).run([listening])
        orders.close()


if __name__ == "__main__":
    main()
