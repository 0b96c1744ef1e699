"""MQTT as Eclipse Paho speaks it. Prints JSON: what was acknowledged, and whether the session was there at each connect.

usage: foreign_clients.py exchange MQTT_PORT HTTP_PORT TOKEN
       foreign_clients.py scenario MQTT_PORT TOKEN GATEWAY FILE   (publishes each line of the file)
       foreign_clients.py across MQTT_PORT PROTOCOL TOKEN   (says "half" when half is sent, and goes on while the server dies)
"""

import json
import sys
import time

from paho.mqtt import client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

PROTOCOLS = {"3.1.1": paho.MQTTv311, "5": paho.MQTTv5}
PATIENCE_S = 120


def reading(device, number):
    stamp = f"2026-03-01T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}Z"
    return json.dumps({"device": device, "measure": "heart_rate", "time": stamp, "value": 71, "unit": "/min"})


class Gateway:
    def __init__(self, name, protocol, token, transport="tcp"):
        self.name, self.protocol, self.present, self.acknowledged = name, protocol, [], set()
        session = {} if protocol == "5" else {"clean_session": False}
        self.client = paho.Client(
            paho.CallbackAPIVersion.VERSION2, name, protocol=PROTOCOLS[protocol], transport=transport, **session
        )
        if transport == "websockets":
            self.client.ws_set_options(path="/mqtt")
        self.client.username_pw_set(name, token)
        self.client.reconnect_delay_set(1, 1)
        self.client.on_connect = self.connected
        self.client.on_publish = lambda client, userdata, mid, reason, properties: self.acknowledged.add(mid)

    def connected(self, client, userdata, flags, reason, properties):
        assert not reason.is_failure, reason
        self.present.append(flags.session_present)

    def connect(self, port):
        options = {}
        if self.protocol == "5":
            lasting = Properties(PacketTypes.CONNECT)
            lasting.SessionExpiryInterval = 600
            options = {"clean_start": False, "properties": lasting}
        self.client.connect("127.0.0.1", port, keepalive=10, **options)
        self.client.loop_start()

    def publish(self, number, qos):
        topic = f"painwatch/v1/{self.name}/readings/json"
        return self.client.publish(topic, reading(f"watch-{self.name}", number), qos=qos)

    def leave(self, messages):
        # Not Paho's own wait: it gives up on what was queued while there was no connection, and sent later all the same.
        deadline = time.monotonic() + PATIENCE_S
        while not self.acknowledged >= {message.mid for message in messages}:
            assert time.monotonic() < deadline, f"{len(self.acknowledged)} of {len(messages)} were acknowledged"
            time.sleep(0.01)
        self.client.disconnect()
        self.client.loop_stop()
        return {"acknowledged": len(messages), "present": self.present}


def exchange(mqtt_port, http_port, token):
    said = {}
    for protocol in PROTOCOLS:
        for transport, port in (("tcp", mqtt_port), ("websockets", http_port)):
            gateway = Gateway(f"paho-{protocol}-{transport}", protocol, token, transport)
            gateway.connect(int(port))
            while not gateway.present:
                time.sleep(0.01)
            messages = [gateway.publish(number, qos=number % 3) for number in range(30)]
            said[gateway.name] = gateway.leave(messages)
    print(json.dumps(said))


def across(mqtt_port, protocol, token):
    gateway = Gateway(f"paho-across-{protocol}", protocol, token)
    gateway.connect(int(mqtt_port))
    messages = []
    for number in range(400):
        messages.append(gateway.publish(number, qos=2))
        time.sleep(0.005)
        if number == 200:
            print("half", flush=True)
    print(json.dumps(gateway.leave(messages)))


def scenario(mqtt_port, token, name, file):
    gateway = Gateway(name, "5", token)
    gateway.connect(int(mqtt_port))
    topic = f"painwatch/v1/{name}/readings/json"
    with open(file) as lines:
        messages = [gateway.client.publish(topic, line.rstrip(), qos=1) for line in lines]
    print(json.dumps(gateway.leave(messages)))


if __name__ == "__main__":
    {"exchange": exchange, "across": across, "scenario": scenario}[sys.argv[1]](*sys.argv[2:])
