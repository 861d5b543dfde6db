// MQTT.js with its WebSocket alone. Its bundle for browsers also holds TCP, TLS, proxies and a
// logger, a third of a page's weight; vite.config.ts leaves these out.
import "./node.ts";
import { MqttClient, type IClientOptions } from "mqtt";
import { browserStreamBuilder } from "mqtt/lib/connect/ws";

export type { MqttClient };

/** To this box's own broker. Nothing is tried again by itself. */
export function connect(options: IClientOptions): MqttClient {
  const secure = location.protocol === "https:";
  const full: IClientOptions = {
    protocolVersion: 4,
    clean: true,
    reconnectPeriod: 0,
    connectTimeout: 5_000,
    // A worker from a blob: the Content Security Policy would have to allow one.
    timerVariant: "native",
    ...options,
    protocol: secure ? "wss" : "ws",
    hostname: location.hostname,
    port: Number(location.port || (secure ? 443 : 80)),
    path: "/mqtt",
  };
  return new MqttClient((client) => browserStreamBuilder(client, full), full);
}
