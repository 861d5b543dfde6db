// Stands in for what MQTT.js needs outside a browser, or to log.
const nothing = () => undefined;
module.exports = Object.assign(() => nothing, {
  setInterval: nothing,
  clearInterval: nothing,
  LRUCache: class {},
});
