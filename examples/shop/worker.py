"""The warehouse: takes messages from SQS; a pool of threads packs the orders, with labels in S3 and notes in SQLite."""

import json
import logging
import os
import random
import signal
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import Event
from typing import Any

import boto3

import obsv

obsv.init("worker")

logging.basicConfig(level=logging.INFO)
log = logging.getLogger("worker")

DATABASE = os.environ.get("WAREHOUSE_DATABASE", "warehouse.db")

s3 = boto3.client("s3")
sqs = boto3.client("sqs")
stopping = Event()


def pack(queue: str, message: dict[str, Any]) -> None:
    order = json.loads(message["Body"])
    time.sleep(random.uniform(0.005, 0.02))  # the packing itself
    label = f"parcel {order['number']}: {sum(order['items'].values())} pieces"
    s3.put_object(Bucket="labels", Key=f"{order['number']}.txt", Body=label.encode())
    with closing(sqlite3.connect(DATABASE, timeout=10)) as db, db:
        db.execute("insert into parcels (number, label) values (?, ?)", (order["number"], label))
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    log.info("order %s packed", order["number"])


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    s3.create_bucket(Bucket="labels")
    queue = sqs.create_queue(QueueName="warehouse")["QueueUrl"]
    with closing(sqlite3.connect(DATABASE)) as db, db:
        db.execute("create table if not exists parcels (number integer, label text)")
    with ThreadPoolExecutor(4) as pool:
        while not stopping.is_set():
            response = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1)
            for message in response.get("Messages", []):
                pool.submit(pack, queue, message)


if __name__ == "__main__":
    main()
