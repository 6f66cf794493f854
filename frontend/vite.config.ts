import { defineConfig } from "vitest/config";

// The server's template names these two files, so they carry no hash; the server versions them by its own static files storage.
export default defineConfig({
  build: {
    target: "es2022",
    cssCodeSplit: false,
    modulePreload: false,
    sourcemap: true,
    rollupOptions: {
      input: "main.ts",
      preserveEntrySignatures: false,
      output: {
        format: "es",
        entryFileNames: "workspace.js",
        assetFileNames: "workspace[extname]",
        codeSplitting: false,
      },
    },
  },
  test: { include: ["**/*.test.ts"], exclude: ["node_modules", "dist"], environment: "node" },
});
