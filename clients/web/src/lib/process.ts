// MQTT.js and its streams expect this much of Node.
const nextTick = (run: (...given: unknown[]) => void, ...given: unknown[]) => queueMicrotask(() => run(...given));

Object.assign(globalThis, { process: { env: {}, nextTick } });

export {};
