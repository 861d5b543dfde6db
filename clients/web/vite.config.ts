import { defineConfig } from "vite";

export default defineConfig({
  build: {
    target: "es2022",
    modulePreload: { polyfill: false },
    // No data: URLs, which the Content Security Policy would have to allow.
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    rollupOptions: { input: ["index.html", "patient.html", "facility.html"] },
  },
});
