// What `mqtt` is to our own modules: the client without any way to connect.
import * as client from "mqtt/lib/client";

// A CommonJS module: its default export is found one level deeper, or not, as the bundler has it.
const found = client.default as typeof client.default & { default?: typeof client.default };

export const MqttClient = found.default ?? found;
export type { IClientOptions } from "mqtt/lib/client";
