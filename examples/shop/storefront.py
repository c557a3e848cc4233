"""The shop's public face: a FastAPI application that asks the orders service and remembers products in Redis."""

import json
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import redis.asyncio
import requests
import uvicorn
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

import obsv

obsv.init("storefront")

logging.basicConfig(level=logging.INFO)
logging.getLogger("httpx").setLevel(logging.WARNING)
log = logging.getLogger("storefront")

ORDERS = os.environ.get("ORDERS_URL", "http://127.0.0.1:8001")
REDIS = os.environ.get("REDIS_URL")
cache = redis.asyncio.Redis.from_url(REDIS) if REDIS else None


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with httpx.AsyncClient(base_url=ORDERS, timeout=10) as client:
        app.state.orders = client
        yield
    if cache is not None:
        await cache.aclose()


app = FastAPI(title="storefront", lifespan=lifespan)


class Basket(BaseModel):
    customer: str
    items: dict[str, int]
    coupon: str | None = None


@app.get("/health")
async def health() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/products/{sku}")
async def product(sku: str) -> Any:
    if cache is not None and (known := await cache.get(f"product:{sku}")):
        return json.loads(known)
    response = await app.state.orders.get(f"/products/{sku}")
    if response.status_code == 404:
        raise HTTPException(404, f"no product {sku}")
    found = response.raise_for_status().json()
    if cache is not None:
        await cache.set(f"product:{sku}", json.dumps(found), ex=2)
    return found


@app.get("/products/{sku}/related")
async def related(sku: str) -> Any:
    response = await app.state.orders.get(f"/products/{sku}/related")
    return response.raise_for_status().json()


@app.post("/orders", status_code=201)
async def place_order(basket: Basket) -> Any:
    log.info("order from %s: %d items", basket.customer, sum(basket.items.values()))
    response = await app.state.orders.post("/orders", json=basket.model_dump())
    return response.raise_for_status().json()


@app.get("/orders/{number}")
def order(number: int) -> Any:
    response = requests.get(f"{ORDERS}/orders/{number}", timeout=10)
    if response.status_code == 404:
        raise HTTPException(404, f"no order {number}")
    response.raise_for_status()
    return response.json()


@app.get("/customers/{name}/orders")
def history(name: str) -> Any:
    response = requests.get(f"{ORDERS}/customers/{name}/orders", timeout=10)
    response.raise_for_status()
    return response.json()


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8000")), log_config=None, access_log=False)
