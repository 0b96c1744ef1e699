// MQTT as MQTT.js speaks it: publishes each line of a file at QoS 1, in order, and ends well when all are acknowledged.
//
// usage: node foreign_mqtt.js PORT TOKEN GATEWAY FILE

const fs = require("fs");
const mqtt = require("mqtt");

const [port, token, gateway, file] = process.argv.slice(2);
const lines = fs.readFileSync(file, "utf8").split("\n").filter((line) => line !== "");

function fail(error) {
  console.error(error);
  process.exit(1);
}

const client = mqtt.connect(`mqtt://127.0.0.1:${port}`, {
  protocolVersion: 5,
  clientId: gateway,
  username: gateway,
  password: token,
  reconnectPeriod: 0,
});

client.on("error", fail);
client.on("connect", async () => {
  try {
    for (const line of lines) {
      await client.publishAsync(`painwatch/v1/${gateway}/readings/json`, line, { qos: 1 });
    }
    await client.endAsync();
  } catch (error) {
    fail(error);
  }
});
