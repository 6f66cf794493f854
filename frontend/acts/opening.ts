/** Opening an image: the tissue can be shown as soon as its measures are known, the cells follow. */
import type { Workspace as Opened } from "../scene/contract";
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

/** Everything annotated on the image, and the acts that wait on this computer on top. */
async function load(
  desk: Workspace,
  opened: Opened,
  coming: Promise<Pack[]>,
  queue: Promise<Queue>,
): Promise<void> {
  const index = opened.layers.findIndex((layer) => layer.writable);
  const recent =
    index < 0
      ? null
      : desk.api.tail(
          opened.layers[index].id,
          Math.max(0, opened.layers[index].seq - REMEMBERED),
          REMEMBERED,
        );
  const [packs, remembered] = await Promise.all([
    coming,
    recent,
    queue.then((opened) => (desk.queue = opened)),
  ]);
  opened.layers.forEach((layer, i) =>
    desk.cells.load(desk.cells.addLayer(layer.id, layer.writable, layer.kind), packs[i]),
  );
  // Who only looks has no layer of their own to look at: then everybody's is the picture.
  if (index < 0) opened.layers.forEach((_, layer) => desk.cells.showLayer(layer, true));
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
        onNotice: (text) => desk.toast(text, false),
      },
    );
    if (remembered) desk.log.remember(remembered);
    desk.log.reopen();
    desk.log.replay(desk.queue.left());
  }
  if (desk.cells.counts().undecided === 0 && index >= 0 && desk.offers("box")) desk.tool = "box";
  desk.isLoaded = true;
  desk.notify();
}
