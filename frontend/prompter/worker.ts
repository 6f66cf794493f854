/** The net itself, in a worker of its own: onnxruntime-web on WebAssembly with one thread. Loaded when somebody
 *  takes the smart tool in hand, never before; every byte comes from this site. */
import * as ort from "onnxruntime-web/wasm";
import wasmUrl from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";
import modelUrl from "./boxwise.onnx?url";
import about from "./boxwise.json";
import { CHANNELS, SIDE } from "./crops";

export type Question = { readonly id: number; readonly crop: Float32Array };
export type Reply =
  | { readonly kind: "ready"; readonly prompter: string }
  | { readonly kind: "failed"; readonly reason: string }
  | { readonly kind: "answer"; readonly id: number; readonly logits: Float32Array; readonly quality: number }
  | { readonly kind: "error"; readonly id: number; readonly reason: string };

const say = (reply: Reply, give: Transferable[] = []) => postMessage(reply, { transfer: give });

async function load(): Promise<ort.InferenceSession> {
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = { wasm: new URL(wasmUrl, import.meta.url).href };
  const response = await fetch(new URL(modelUrl, import.meta.url), { credentials: "same-origin" });
  if (!response.ok) throw new Error(`the net is not there: ${response.status}`);
  const bytes = await response.arrayBuffer();
  await check(bytes);
  return ort.InferenceSession.create(bytes, { executionProviders: ["wasm"] });
}

/** Other weights are another prompter: its masks would be kept under a wrong name. Browsers hash over TLS and on
 *  localhost only. */
async function check(bytes: ArrayBuffer): Promise<void> {
  if (!isSecureContext) return;
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const found = [...hash].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  if (found !== about.sha256) throw new Error("the net is not the one this page was built with");
}

const session = load();
session.then(
  () => say({ kind: "ready", prompter: about.prompter }),
  (error) => say({ kind: "failed", reason: String(error) }),
);

// One question at a time: the runtime has one thread and does not take a second while it runs.
let turn: Promise<unknown> = session.catch(() => undefined);
addEventListener("message", ({ data }: MessageEvent<Question>) => {
  turn = turn
    .then(() => answer(data))
    .catch((error) => say({ kind: "error", id: data.id, reason: String(error) }));
});

async function answer({ id, crop }: Question): Promise<void> {
  const found = await (
    await session
  ).run({ crops: new ort.Tensor("float32", crop, [1, CHANNELS, SIDE, SIDE]) });
  // The runtime's own memory is not ours to give away.
  const logits = Float32Array.from(found.logits.data as Float32Array);
  say({ kind: "answer", id, logits, quality: (found.quality.data as Float32Array)[0] }, [logits.buffer]);
}
