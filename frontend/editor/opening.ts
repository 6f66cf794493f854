/** Opening an image: the tissue can be shown as soon as its measures are known, the cells follow. */
import { BrowserPrompter } from "../prompter/browser";
import type { Layer, Tail, Workspace as Opened } from "../scene/contract";
import type { Pack } from "../scene/pack";
import type { Api } from "../sync/api";
import { Log } from "../sync/log";
import { Outbox } from "../sync/outbox";
import { Editor } from "./editor";
import { PACE, type Pace } from "./live_updates";
import type { ToolSet } from "./toolbox";

/** So many of the layer's last operations are looked through for own acts that can still be undone. */
const REMEMBERED = 100;

/** An editor without cells yet; `editor.loaded` resolves when they are there. Rejects when the server does not hand out
 *  the image. */
export async function open(api: Api, image: number, tools: ToolSet, pace: Pace = PACE): Promise<Editor> {
  const opened = await api.workspace(image);
  const editor = new Editor(opened, api, tools, pace);
  editor.store.prompter = new BrowserPrompter(opened.image, editor.store.pixels);
  const packs = Promise.all(opened.layers.map((layer) => api.pack(layer.id)));
  const outbox = Outbox.open(opened.person.id, (layer, operations) => api.send(layer, operations), {
    onState: (state) => {
      const [was, is] = [editor.store.save, state].map(
        (s) => s.kind === "offline" || s.kind === "signed_out",
      );
      if (was !== is) editor.store.recorder.record(is ? "stall_begin" : "stall_end");
      editor.store.save = state;
    },
    onVerdict: (verdict, waiting) => editor.store.log?.settle(verdict, waiting),
  });
  editor.loaded = load(editor, opened, packs, outbox);
  editor.loaded.catch(() => undefined); // whoever mounts the page awaits it
  return editor;
}

function lastOperations(api: Api, layer: Layer): Promise<Tail> {
  return api.tail(layer.id, Math.max(0, layer.seq - REMEMBERED), 2 * REMEMBERED);
}

/** The pack may be newer than the tail that was asked for beside it: what lies between is fetched, so that the history
 *  knows every operation that the pack has. */
async function complete(api: Api, tail: Tail, seq: number): Promise<Tail> {
  let known = tail;
  for (;;) {
    const last = known.operations.at(-1)?.seq ?? known.seq;
    if (last >= seq || (!known.more && known.seq >= seq)) return known;
    const more = await api.tail(tail.layer, last);
    if (!more.operations.length) return known;
    known = { ...more, operations: [...known.operations, ...more.operations] };
  }
}

/** Everything annotated on the image, and the acts that wait on this computer on top. */
async function load(
  editor: Editor,
  opened: Opened,
  coming: Promise<Pack[]>,
  outbox: Promise<Outbox>,
): Promise<void> {
  const base = opened.layers.findIndex((layer) => layer.base ?? layer.writable);
  const index = opened.layers.findIndex((layer) => layer.writable);
  const recent = index < 0 ? null : lastOperations(editor.store.api, opened.layers[index]);
  const [packs, remembered] = await Promise.all([
    coming,
    recent,
    outbox.then((opened) => (editor.store.outbox = opened)),
  ]);
  opened.layers.forEach((layer, i) =>
    editor.store.cells.load(editor.store.cells.addLayer(layer.id, i === base, layer.kind), packs[i]),
  );
  // Who has no layer to look at, neither a shown one nor the own one, sees everybody's.
  if (base < 0) opened.layers.forEach((_, layer) => editor.store.cells.showLayer(layer, true));
  if (index >= 0) {
    const layer = { id: opened.layers[index].id, index, seq: packs[index].seq };
    editor.store.log = new Log(
      editor.store.cells,
      layer,
      opened.image.id,
      opened.person,
      editor.store.session,
      editor.store.history,
      editor.store.outbox,
      (text) => editor.store.toasts.show(text),
    );
    if (remembered) editor.store.log.remember(await complete(editor.store.api, remembered, packs[index].seq));
    editor.store.log.reopen();
    editor.store.log.replay(editor.store.outbox.left());
    void editor.store.log.askAboutConflicts((annotations) => editor.store.api.heads(layer.id, annotations));
  }
  if (editor.store.overview.counts.undecided === 0 && index >= 0 && editor.store.offers("box"))
    editor.store.tool = "box";
  editor.store.isLoaded = true;
}
