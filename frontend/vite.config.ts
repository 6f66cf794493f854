import { readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "vite";
import { defineConfig } from "vitest/config";

/** What is large and changes with a release only is packed here, once, and not by the server at each of its starts. */
const packed = (folder: string) => ({
  name: "packed",
  async closeBundle() {
    for (const name of await readdir(folder))
      if (/\.(wasm|onnx)$/.test(name))
        await writeFile(
          join(folder, `${name}.gz`),
          gzipSync(await readFile(join(folder, name)), { level: 9 }),
        );
  },
});

/** The plots of pages are an entry of their own: the workspace, which has none, stays as small as it is. */
const charts = () => ({
  name: "charts",
  async closeBundle() {
    await build({
      configFile: false,
      logLevel: "warn",
      build: {
        target: "es2022",
        emptyOutDir: false,
        sourcemap: true,
        modulePreload: false,
        rollupOptions: {
          input: "charts/main.ts",
          output: { format: "es", entryFileNames: "charts.js", assetFileNames: "charts[extname]" },
        },
      },
    });
  },
});

/** What one page of the workspace loads, gzipped: its own script and the theme's. Not in it, since they are loaded when
 *  they are used only: charts.js (pages with plots) and the prompter with its runtime and weights (the tool Smart).
 *  tests/tools/test_javascript_budget.py holds that the page loads no other script. */
const WORKSPACE_SCRIPTS = ["dist/workspace.js", "../labeling/site/static/site/theme.js"];
const MOST_BYTES = 250_000;

const budget = () => ({
  name: "budget",
  async closeBundle() {
    let bytes = 0;
    for (const path of WORKSPACE_SCRIPTS) bytes += gzipSync(await readFile(path), { level: 9 }).length;
    console.log(`JavaScript of the workspace, gzipped: ${bytes} of at most ${MOST_BYTES} bytes`);
    if (bytes > MOST_BYTES)
      throw new Error(
        `the workspace loads ${bytes} bytes of JavaScript, gzipped; at most ${MOST_BYTES} are allowed`,
      );
  },
});

// The server's template names these two files, so they carry no hash; the server versions them by its own static
// files storage.
export default defineConfig({
  base: "./", // the static files live wherever the server serves them
  plugins: [packed("dist"), charts(), budget()],
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
        assetFileNames: (asset) =>
          asset.names[0]?.endsWith(".css") ? "workspace[extname]" : "[name]-[hash][extname]", // languages
        codeSplitting: false,
      },
    },
  },
  // The prompter's worker and what it loads: named by their content, so that a page never meets another version's.
  worker: {
    format: "es",
    rollupOptions: {
      output: { entryFileNames: "prompter-[hash].js", assetFileNames: "[name]-[hash][extname]" },
    },
  },
  // Properties over many cases take seconds on a busy machine.
  test: {
    include: ["**/*.test.ts"],
    exclude: ["node_modules", "dist"],
    environment: "node",
    testTimeout: 30_000,
  },
});
