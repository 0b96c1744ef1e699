"""Submits each line of a file, a batch in JSON, over gRPC: as grpcio speaks it, or as grpc-requests does; both know the server
by reflection alone. Prints how many verdicts were final.

usage: foreign_scenario.py grpcio|grpc-requests ADDRESS TOKEN GATEWAY FILE
"""

import json
import sys

import grpc
from google.protobuf import json_format
from grpc_requests import Client

from foreign_grpc import SERVICE, Reflected


def through_grpcio(address, bearer, batches):
    with grpc.insecure_channel(address) as channel:
        made, submit = Reflected(channel).call("Submit")
        for batch in batches:
            verdict = submit(json_format.ParseDict(batch, made()), metadata=bearer, timeout=30)
            yield verdict.final


def through_grpc_requests(address, bearer, batches):
    client = Client.get_by_endpoint(address)
    for batch in batches:
        yield client.request(SERVICE, "Submit", batch, metadata=bearer)["final"]


def main(client, address, token, gateway, file):
    with open(file) as lines:
        batches = [{**json.loads(line), "gateway": gateway} for line in lines]
    ways = {"grpcio": through_grpcio, "grpc-requests": through_grpc_requests}
    bearer = (("authorization", f"Bearer {token}"),)
    print(json.dumps({"final": sum(ways[client](address, bearer, batches))}))


if __name__ == "__main__":
    main(*sys.argv[1:])
