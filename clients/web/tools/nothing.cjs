// A stub for the modules that MQTT.js needs only outside a browser, or for logging.
const nothing = () => undefined;
module.exports = Object.assign(() => nothing, {
  setInterval: nothing,
  clearInterval: nothing,
  LRUCache: class {},
});
