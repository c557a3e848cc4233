"""The orders service: Flask over SQLite. A receipt of each order goes to S3, and a message to the warehouse to SQS."""

import json
import logging
import os
import sqlite3
from contextlib import closing
from typing import Any

import boto3
from flask import Flask, abort, request

import obsv

obsv.init("orders")

logging.basicConfig(level=logging.INFO)
log = logging.getLogger("orders")

DATABASE = os.environ.get("ORDERS_DATABASE", "orders.db")
PRODUCTS = [(f"tea-{n:03}", f"{kind} tea no. {n}", 390 + n) for n, kind in enumerate(["green", "black", "white"] * 200)]
SCHEMA = """
    create table if not exists products (sku text primary key, name text, price integer);
    create table if not exists orders (number integer primary key, customer text, total integer, status text);
    create table if not exists lines (number integer, sku text, quantity integer, price integer);
    create index if not exists lines_of_an_order on lines (number);
"""

app = Flask(__name__)
s3 = boto3.client("s3")
sqs = boto3.client("sqs")
s3.create_bucket(Bucket="receipts")
warehouse = sqs.create_queue(QueueName="warehouse")["QueueUrl"]


def connect() -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(DATABASE, timeout=10))


with connect() as db, db:
    db.executescript(SCHEMA)
    db.executemany("insert or ignore into products values (?, ?, ?)", PRODUCTS)


@app.get("/health")
def health() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/products/<sku>")
def product(sku: str) -> dict[str, Any]:
    with connect() as db:
        row = db.execute("select sku, name, price from products where sku = ?", (sku,)).fetchone()
    if row is None:
        abort(404)
    return dict(zip(("sku", "name", "price"), row, strict=True))


@app.get("/products/<sku>/related")
def related(sku: str) -> list[dict[str, Any]]:
    # Compares every product with every other by text: nobody has noticed that it is slow.
    query = """
        select a.sku, count(*) as likeness from products a, products b
        where a.name || b.name like '%' || (select name from products where sku = ?) || '%' group by a.sku
        order by likeness desc limit 3
    """
    with connect() as db:
        return [{"sku": found, "likeness": likeness} for found, likeness in db.execute(query, (sku,))]


@app.post("/orders")
def place_order() -> tuple[dict[str, Any], int]:
    basket = request.get_json()
    with connect() as db, db:
        lines = price_lines(db, basket["items"])
        total = sum(line["price"] * line["quantity"] for line in lines) - discount(basket, lines)
        values = (basket["customer"], total)
        number = db.execute("insert into orders (customer, total, status) values (?, ?, 'new')", values).lastrowid
        rows = [(number, line["sku"], line["quantity"], line["price"]) for line in lines]
        db.executemany("insert into lines values (?, ?, ?, ?)", rows)
    order = {"number": number, "customer": basket["customer"], "total": total, "lines": lines}
    s3.put_object(Bucket="receipts", Key=f"orders/{number}.json", Body=json.dumps(order).encode())
    sqs.send_message(QueueUrl=warehouse, MessageBody=json.dumps({"number": number, "items": basket["items"]}))
    log.info("order %s placed by %s, total %.2f", number, basket["customer"], total / 100)
    return order, 201


def price_lines(db: sqlite3.Connection, items: dict[str, int]) -> list[dict[str, Any]]:
    marks = ", ".join("?" * len(items))
    rows = db.execute(f"select sku, price from products where sku in ({marks})", list(items))
    return [{"sku": sku, "quantity": items[sku], "price": price} for sku, price in rows]


def discount(basket: dict[str, Any], lines: list[dict[str, Any]]) -> int:
    if basket.get("coupon") is None:
        return 0
    log.info("coupon %s of %s", basket["coupon"], basket["customer"])
    reduced = [line for line in lines if line["quantity"] > 1]
    return share(500, reduced) * len(reduced)


def share(amount: int, lines: list[dict[str, Any]]) -> int:
    return amount // len(lines)  # nobody has thought of a basket without any such line


@app.get("/orders/<int:number>")
def order(number: int) -> dict[str, Any]:
    with connect() as db:
        row = db.execute("select number, customer, total, status from orders where number = ?", (number,)).fetchone()
        if row is None:
            abort(404)
        return dict(zip(("number", "customer", "total", "status"), row, strict=True))


@app.get("/customers/<name>/orders")
def history(name: str) -> list[dict[str, Any]]:
    with connect() as db:
        orders = db.execute("select number, total from orders where customer = ? limit 20", (name,)).fetchall()
        return [{"number": number, "total": total, "lines": lines_of(db, number)} for number, total in orders]


def lines_of(db: sqlite3.Connection, number: int) -> list[tuple[str, int]]:
    return db.execute("select sku, quantity from lines where number = ?", (number,)).fetchall()


if __name__ == "__main__":
    app.run("127.0.0.1", int(os.environ.get("PORT", "8001")), threaded=True)
