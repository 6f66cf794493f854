import { defineConfig } from "vitest/config";

// The server's template names these two files, so they carry no hash; the server versions them by its own static files storage.
export default defineConfig({
  base: "./", // the static files live wherever the server serves them
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
        assetFileNames: (asset) => (asset.names[0]?.endsWith(".css") ? "workspace[extname]" : "[name]-[hash][extname]"), // languages
        codeSplitting: false,
      },
    },
  },
  // The prompter's worker and what it loads: named by their content, so that a page never meets another version's.
  worker: {
    format: "es",
    rollupOptions: { output: { entryFileNames: "prompter-[hash].js", assetFileNames: "[name]-[hash][extname]" } },
  },
  test: { include: ["**/*.test.ts"], exclude: ["node_modules", "dist"], environment: "node" },
});
