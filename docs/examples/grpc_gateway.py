"""A gateway over gRPC: takes batches from standard input, one a line in JSON, submits each until it is durable, and prints what
the verdicts complain about.

    pip install grpcio grpcio-tools
    curl -s http://HOST:8080/api/v1/schemas/ingest.proto -o ingest.proto
    python -m grpc_tools.protoc -I. --python_out=. --grpc_python_out=. ingest.proto
    python grpc_gateway.py HOST:50051 GATEWAY TOKEN < batches.jsonl

For a server that speaks TLS use `grpc.secure_channel` with `grpc.ssl_channel_credentials(open("ca.pem", "rb").read())`.
"""

import random
import sys
import time

import grpc
import ingest_pb2
import ingest_pb2_grpc
from google.protobuf import json_format

DEADLINE_S, BACKOFF_MAX_S = 30, 60
# Not durable: keep it and come again. Everything else is a fault that a person has to mend.
COME_AGAIN = {
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
}


def submit(ingest, batch, bearer):
    """Returns the verdict once the batch is durable. Sending it again is harmless, so any doubt is a reason to."""
    wait = 1
    while True:
        try:
            return ingest.Submit(batch, metadata=bearer, timeout=DEADLINE_S)
        except grpc.RpcError as error:
            if error.code() not in COME_AGAIN:
                raise
        time.sleep(wait * random.uniform(0.5, 1))
        wait = min(wait * 2, BACKOFF_MAX_S)


def main(address, gateway, token):
    bearer = (("authorization", f"Bearer {token}"),)
    with grpc.insecure_channel(address) as channel:
        ingest = ingest_pb2_grpc.IngestStub(channel)
        for line in sys.stdin:
            if not line.strip():
                continue
            batch = json_format.Parse(line, ingest_pb2.ReadingBatch())
            batch.gateway = gateway
            verdict = submit(ingest, batch, bearer)
            for problem in verdict.problems:
                print(f"{verdict.batch_id}: {problem.code}: {problem.detail}", file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:])
