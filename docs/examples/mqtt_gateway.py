"""A gateway over MQTT 5: takes readings from standard input, one JSON reading or batch a line, keeps each until it is
acknowledged, and prints what the verdicts complain about.

    pip install paho-mqtt
    python mqtt_gateway.py HOST PORT GATEWAY TOKEN < readings.jsonl

For a server that speaks TLS add `client.tls_set("ca.pem")` before the connection, and a client certificate if it has one.
"""

import json
import sys
import threading

from paho.mqtt.client import CallbackAPIVersion, Client, MQTTv5
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

DURABLE, UNREADABLE = 0x00, 0x99
SESSION_S = 24 * 3600


class Gateway:
    def __init__(self, name, token):
        self.name = name
        # What is not acknowledged; the library sends it again after a reconnect. On a real gateway this is a file.
        self.kept, self.refused, self.changed = {}, [], threading.Condition()
        self.locked_out = None
        self.client = Client(CallbackAPIVersion.VERSION2, name, protocol=MQTTv5)
        self.client.username_pw_set(name, token)
        self.client.reconnect_delay_set(1, 60)
        self.client.on_connect, self.client.on_publish = self.connected, self.answered
        self.client.on_message = self.judged

    def connect(self, host, port):
        # A session that outlives the connection, so that nothing under way is dropped.
        lasting = Properties(PacketTypes.CONNECT)
        lasting.SessionExpiryInterval = SESSION_S
        self.client.connect(host, port, keepalive=60, clean_start=False, properties=lasting)
        self.client.loop_start()

    def connected(self, client, userdata, flags, reason, properties):
        if reason.is_failure:
            with self.changed:
                self.locked_out = str(reason)
                self.changed.notify_all()
            return
        client.subscribe(f"painwatch/v1/{self.name}/verdicts", qos=1)

    def hand_over(self, payload):
        with self.changed:
            message = self.client.publish(f"painwatch/v1/{self.name}/readings/json", payload, qos=1)
            self.kept[message.mid] = payload

    def answered(self, client, userdata, mid, reason, properties):
        """The PUBACK: durable, or refused for good. Whatever could be tried again is not answered at all."""
        with self.changed:
            payload = self.kept.pop(mid, None)
            if reason.value not in (DURABLE, UNREADABLE):
                self.refused.append((payload, str(reason)))
            self.changed.notify_all()

    def judged(self, client, userdata, message):
        verdict = json.loads(message.payload)
        for problem in verdict.get("problems", []):
            print(f"{verdict['batch_id']}: {problem['code']}: {problem['detail']}", file=sys.stderr)

    def wait_until_all_is_durable(self):
        with self.changed:
            self.changed.wait_for(lambda: self.locked_out or not self.kept)
        self.client.disconnect()
        self.client.loop_stop()
        if self.locked_out:
            sys.exit(f"the server does not let {self.name} in: {self.locked_out}")


def main(host, port, name, token):
    gateway = Gateway(name, token)
    gateway.connect(host, int(port))
    for line in sys.stdin:
        if line.strip():
            gateway.hand_over(line.strip())
    gateway.wait_until_all_is_durable()
    if gateway.refused:
        sys.exit(f"refused, ask a person: {gateway.refused}")


if __name__ == "__main__":
    main(*sys.argv[1:])
