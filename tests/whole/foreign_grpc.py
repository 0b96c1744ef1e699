"""Knocks at the gRPC door as gateways in Python would, knowing nothing but what reflection tells, and prints what came of
it as JSON.

usage: foreign_grpc.py ADDRESS TOKEN
"""

import json
import sys

import grpc
from google.protobuf import json_format
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_requests import Client

SERVICE = "painwatch.ingest.v1.Ingest"


def reading(seq):
    return {
        "device": "watch-0001",
        "measure": "heart_rate",
        "time": f"2026-03-01T10:00:{seq:02}Z",
        "value": 60 + seq,
        "unit": "/min",
        "boot_id": 7,
        "seq": seq,
    }


def batch(batch_id, *numbers):
    return {"gateway": "gw-py", "batch_id": batch_id, "readings": [reading(seq) for seq in numbers]}


class Reflected:
    """Calls of one service over a plain channel, its messages made from its reflected descriptors."""

    def __init__(self, channel):
        self.channel = channel
        self.service = DescriptorPool(ProtoReflectionDescriptorDatabase(channel)).FindServiceByName(SERVICE)

    def call(self, name, kind="unary_unary"):
        method = self.service.FindMethodByName(name)
        request, answer = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
        made = getattr(self.channel, kind)(
            f"/{SERVICE}/{name}",
            request_serializer=request.SerializeToString,
            response_deserializer=answer.FromString,
        )
        return request, made


def code_of(attempt):
    try:
        attempt()
    except grpc.RpcError as error:
        return error.code().name
    return "OK"


def counts(verdict):
    """What a verdict says that is the same whenever it is asked for."""
    shown = json_format.MessageToDict(verdict, preserving_proto_field_name=True)
    return {name: shown[name] for name in ("batch_id", "final", "stored", "offset")}


def main(address, token):
    channel = grpc.insecure_channel(address, compression=grpc.Compression.Gzip)
    bearer = (("authorization", f"Bearer {token}"),)
    told = {}
    with channel:
        ingest = Reflected(channel)
        made, submit = ingest.call("Submit")
        parsed = lambda fields: json_format.ParseDict(fields, made())
        first = submit(parsed(batch("py/1", 1, 2, 9)), metadata=bearer, timeout=30)
        told["submitted"] = {"final": first.final, "stored": first.stored}
        told["first"] = counts(first)
        _, stream = ingest.call("Stream", "stream_stream")
        batches = iter([parsed(batch("py/2", 10)), parsed(batch("py/3", 11))])
        told["streamed"] = [verdict.batch_id for verdict in stream(batches, metadata=bearer, timeout=30)]
        question, get_verdict = ingest.call("GetVerdict")
        ask = lambda name: get_verdict(question(gateway="gw-py", batch_id=name), metadata=bearer, timeout=30)
        told["asked"] = counts(ask("py/1"))
        told["unknown"] = code_of(lambda: ask("py/9"))
        wanted, gaps = ingest.call("Gaps")
        answer = gaps(wanted(gateway="gw-py", devices=["watch-0001"]), metadata=bearer, timeout=30)
        told["missing"] = [[gap.first, gap.last] for boot in answer.boots for gap in boot.missing]
        told["stranger"] = code_of(lambda: submit(parsed(batch("py/4", 12)), timeout=30))
    client = Client.get_by_endpoint(address)
    again = client.request(SERVICE, "GetVerdict", {"gateway": "gw-py", "batch_id": "py/1"}, metadata=bearer)
    told["through_reflection"] = {name: type(told["first"][name])(again[name]) for name in told["first"]}
    print(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
