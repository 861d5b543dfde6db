// MQTT.js and its streams expect this much of Node.
import { Buffer } from "buffer/";

const nextTick = (run: (...given: unknown[]) => void, ...given: unknown[]) => queueMicrotask(() => run(...given));

Object.assign(globalThis, { Buffer, process: { env: {}, nextTick } });
