import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const nothing = at("tools/nothing.cjs");
const mqtt = at("node_modules/mqtt/build/lib");

const version = /^version = "(.*)"$/m.exec(readFileSync(at("../../pyproject.toml"), "utf8"))?.[1] ?? "";

/** Beside each script and style sheet as it was written, what browsers are sent over TLS: a tenth less than gzip. */
const brotli: Plugin = {
  name: "brotli",
  writeBundle({ dir = "" }, bundle) {
    for (const name of Object.keys(bundle).filter((file) => /\.(js|css)$/.test(file))) {
      const file = join(dir, name);
      writeFileSync(`${file}.br`, brotliCompressSync(readFileSync(file)));
    }
  },
};

export default defineConfig({
  plugins: [brotli],
  resolve: {
    alias: [
      { find: /^mqtt$/, replacement: at("src/lib/mqtt-client.ts") },
      { find: /^mqtt\/lib/, replacement: mqtt },
      ...["debug", "ws", "worker-timers", "lru-cache"].map((name) => ({
        find: new RegExp(`^${name}$`),
        replacement: nothing,
      })),
      { find: /^stream$/, replacement: "readable-stream" },
      { find: /^buffer$/, replacement: "buffer/" },
    ],
  },
  define: { global: "globalThis", HANDRAIL_VERSION: JSON.stringify(version) },
  build: {
    target: "es2022",
    modulePreload: { polyfill: false },
    // No data: URLs, which the Content Security Policy would have to allow.
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    rolldownOptions: { input: ["index.html", "patient.html", "facility.html", "copy.html"] },
  },
});
