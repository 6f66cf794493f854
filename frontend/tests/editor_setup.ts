/** An editor with an image, cells of several people and proposals, without a page. */
import { Editor } from "../editor/editor";
import type { LabelClass, Layer, OperationIn, Workspace as Opened } from "../scene/contract";
import type { Api } from "../sync/api";
import { Log } from "../sync/log";
import type { Outbox } from "../sync/outbox";
import { TOOL_SET } from "../tools";
import { IMAGE, packOf, state, uuid } from "./build";

export const ME = { id: 7, name: "Dr A" };
export const OTHER = { id: 8, name: "Dr B" };
const IN_USE = { parent: null, is_retired: false, merged_into: null };
export const CLASSES: LabelClass[] = [
  { id: 5, name: "tumour", color: "#0072b2", key: 1, ...IN_USE },
  { id: 6, name: "lymphocyte", color: "#e69f00", key: 2, ...IN_USE },
];
export const SIZE = { width: 800, height: 600 };

const layer = (n: number, more: Partial<Layer>): Layer => ({
  id: uuid(n),
  kind: "working",
  annotator: null,
  seq: 5,
  writable: false,
  base: false,
  publication: null,
  ...more,
});

export type Options = {
  archived?: boolean;
  deleted?: boolean;
  viewer?: boolean;
  apart?: boolean;
  study?: boolean;
};

const readers = (apart: boolean): Layer[] => (apart ? [layer(902, { annotator: OTHER })] : []);

function openedWith({ archived, deleted, viewer, apart, study }: Required<Options>): Opened {
  return {
    image: {
      id: 1, name: "field", ...IMAGE, um_per_px: null, synthetic: false, pixels_url: "", tiles: null, planes: null,
      thumbnail_url: "",
      position: 1, count: 1, previous: null, next: null,
    }, // prettier-ignore
    project: {
      id: 1, name: "p", role: viewer ? "viewer" : "owner", archived_at: archived ? "2026-01-01" : null,
      removed_at: deleted ? "2026-02-01T08:00:00Z" : null,
      records_activity: false, url: "/", classes: CLASSES, attributes: [{ name: "Mitosis", values: ["no", "yes"] }],
    }, // prettier-ignore
    person: ME,
    people: [ME, OTHER],
    layers: [
      layer(900, { writable: !archived && !viewer, base: true, annotator: apart ? ME : null }),
      layer(901, { kind: "prediction" }),
      ...readers(apart),
    ],
    study: study ? { tools: ["box"], accepts_many: true, mark: null } : null,
    work: null,
    proposing: null,
    guideline: null,
  };
}

/** Own cell 1, a colleague's cell 2, a colleague's rejection 3 of proposal 103, an own rejection 4 of proposal 104, an
 *  own region 5; open proposal 102 (and 101, prompted by cell 1); a colleague's reading with cell 201 where layers are
 *  apart. */
export function openEditor({
  archived = false,
  deleted = false,
  viewer = false,
  apart = false,
  study = false,
}: Options = {}) {
  const writes = !archived && !viewer;
  const opened = openedWith({ archived, deleted, viewer, apart, study });
  const made = new Editor(opened, { heads: () => Promise.resolve([]) } as unknown as Api, TOOL_SET);
  const { cells } = made.store;
  const sent: OperationIn[] = [];
  cells.load(cells.addLayer(uuid(900), true, "working"), packOf([]));
  const box: [number, number, number, number] = [11, 11, 17, 15];
  const at = (n: number): [number, number, number, number] => [50 * n, 100, 50 * n + 20, 120];
  const mask = (n: number): [number, number, number, number, Uint8Array] => [
    50 * n,
    100,
    8,
    1,
    Uint8Array.of(0xff),
  ];
  cells.load(
    cells.addLayer(uuid(901), false, "prediction"),
    packOf([
      { id: 101, op: 21, box, derived: 1, mask: [12, 12, 4, 2, Uint8Array.of(0xff)] },
      { id: 102, op: 22, box: at(2), mask: mask(2), label: 6 },
      { id: 103, op: 23, box: at(3), mask: mask(3) },
      { id: 104, op: 24, box: at(4), mask: mask(4) },
    ]),
  );
  cells.put(0, uuid(1), state([10, 10, 30, 30], { label_class: 5 }), uuid(11), 1, ME.id);
  cells.put(0, uuid(2), state([300, 300, 330, 330]), uuid(12), 1, OTHER.id);
  const rejected = (n: number) => state(at(n), { status: "rejected", derived_from: uuid(100 + n) });
  cells.put(0, uuid(3), rejected(3), uuid(13), 1, OTHER.id);
  cells.put(0, uuid(4), rejected(4), uuid(14), 1, ME.id);
  cells.put(
    0,
    uuid(5),
    state([0, 0, 200, 200], { kind: "region", status: "exhaustive" }),
    uuid(15),
    1,
    ME.id,
  );
  if (apart) {
    const theirs = cells.addLayer(uuid(902), false, "working");
    cells.put(theirs, uuid(201), state([400, 400, 420, 420]), uuid(16), 1, OTHER.id);
    cells.showLayer(theirs, true);
  }
  made.store.outbox = { count: 0, flush: () => Promise.resolve(), durable: true } as unknown as Outbox;
  if (writes)
    made.store.log = new Log(
      cells,
      { id: uuid(900), index: 0, seq: 5 },
      1,
      ME,
      made.store.session,
      made.store.history,
      {
        add: (_layer, _image, operation) => Promise.resolve(void sent.push(operation)),
        left: () => [],
        unsettled: () => [],
        settle: () => Promise.resolve(),
      },
      (text) => made.store.toasts.show(text),
    );
  made.store.isLoaded = true;
  made.view.canvas = SIZE;
  made.store.tool = "select";
  return { editor: made, sent };
}
