/** Opening an image: the tissue can be shown as soon as its measures are known, the cells follow. */
import type { Layer, Tail, Workspace as Opened } from "../scene/contract";
import type { Pack } from "../scene/pack";
import type { Api } from "../sync/api";
import { Log } from "../sync/log";
import { Queue } from "../sync/queue";
import { Workspace } from "../workspace";
import { PACE, type Pace } from "./following";

/** So many of the layer's last operations are looked through for own acts that can still be undone. */
const REMEMBERED = 100;

/** A desk without cells yet; `desk.loaded` tells when they are there. Rejects when the image is not handed out. */
export async function open(api: Api, image: number, pace: Pace = PACE): Promise<Workspace> {
  const opened = await api.workspace(image);
  const desk = new Workspace(opened, api, pace);
  const packs = Promise.all(opened.layers.map((layer) => api.pack(layer.id)));
  const queue = Queue.open(opened.person.id, (layer, operations) => api.send(layer, operations), {
    onState: (state) => {
      const [was, is] = [desk.save, state].map((s) => s.kind === "offline" || s.kind === "signed_out");
      if (was !== is) desk.recorder.record(is ? "stall_begin" : "stall_end");
      desk.save = state;
      desk.notify();
    },
    onVerdict: (verdict, waiting) => desk.log?.settle(verdict, waiting),
  });
  desk.loaded = load(desk, opened, packs, queue);
  desk.loaded.catch(() => undefined); // whoever mounts the page awaits it
  return desk;
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
  desk: Workspace,
  opened: Opened,
  coming: Promise<Pack[]>,
  queue: Promise<Queue>,
): Promise<void> {
  const base = opened.layers.findIndex((layer) => layer.base ?? layer.writable);
  const index = opened.layers.findIndex((layer) => layer.writable);
  const recent = index < 0 ? null : lastOperations(desk.api, opened.layers[index]);
  const [packs, remembered] = await Promise.all([
    coming,
    recent,
    queue.then((opened) => (desk.queue = opened)),
  ]);
  opened.layers.forEach((layer, i) =>
    desk.cells.load(desk.cells.addLayer(layer.id, i === base, layer.kind), packs[i]),
  );
  // Who has no layer to look at, neither a shown one nor the own one, sees everybody's.
  if (base < 0) opened.layers.forEach((_, layer) => desk.cells.showLayer(layer, true));
  if (index >= 0) {
    const layer = { id: opened.layers[index].id, index, seq: packs[index].seq };
    desk.log = new Log(
      desk.cells,
      layer,
      opened.image.id,
      opened.person,
      desk.session,
      desk.history,
      desk.queue,
      {
        onChange: () => desk.changed(),
        onNotice: (text) => desk.toast(text),
      },
    );
    if (remembered) desk.log.remember(await complete(desk.api, remembered, packs[index].seq));
    desk.log.reopen();
    desk.log.replay(desk.queue.left());
    void desk.log.askAboutConflicts((annotations) => desk.api.heads(layer.id, annotations));
  }
  if (desk.cells.counts().undecided === 0 && index >= 0 && desk.offers("box")) desk.tool = "box";
  desk.isLoaded = true;
  desk.notify();
}
