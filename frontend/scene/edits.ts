/** What each act of a person means for the log: the effects of one operation, computed from what is known here.
 *  Nothing is changed in this file; the editor applies a draft, puts it into the outbox and remembers it for undo. */
import type { Box } from "../geometry/box";
import { boxOf, toBase64, type Mask } from "../geometry/mask";
import type { Cells } from "./cells";
import type {
  Action,
  EffectIn,
  OpinionIn,
  Settled,
  Reason,
  OpinionContent,
  AnnotationState,
  WireBox,
  WireMask,
} from "./contract";
import { uuid7 } from "./uuid";

export type Draft = {
  action: Action;
  tool: string;
  effects: EffectIn[];
  opinions?: OpinionIn[];
  settles?: Settled[];
  undoes?: string;
};

export const wire = (box: Box): WireBox => [box.x0, box.y0, box.x1, box.y1];
export const wireMask = (mask: Mask): WireMask => ({
  x: mask.x,
  y: mask.y,
  width: mask.width,
  height: mask.height,
  bits: toBase64(mask.bits),
});

export const NEW_CELL: Omit<AnnotationState, "box"> = {
  kind: "cell",
  status: "confirmed",
  label_class: null,
  mask: null,
  derived_from: null,
  reason: "",
  provenance: {},
};

/** The state with a box that contains its mask. The server does the same (annotations/state.py), so that both know one
 *  box. */
export function withMask(after: AnnotationState): AnnotationState {
  const { box, mask } = after;
  if (!mask) return after;
  const grown: WireBox = [
    Math.min(box[0], mask.x),
    Math.min(box[1], mask.y),
    Math.max(box[2], mask.x + mask.width),
    Math.max(box[3], mask.y + mask.height),
  ];
  return grown.every((side, i) => side === box[i]) ? after : { ...after, box: grown };
}

export const create = (after: AnnotationState): EffectIn => ({
  annotation: uuid7(),
  seen: null,
  after: withMask(after),
});

export function change(cells: Cells, row: number, patch: Partial<AnnotationState> | null): EffectIn {
  const state = cells.stateOf(row);
  if (!state) throw new Error(`annotation ${cells.idOf(row)} is deleted and cannot be changed`);
  return {
    annotation: cells.idOf(row),
    seen: cells.lastOp(row),
    after: patch && withMask({ ...state, ...patch }),
  };
}

export const draw = (box: Box, labelClass: number | null, tool = "box"): Draft => ({
  action: "draw",
  tool,
  effects: [create({ ...NEW_CELL, box: wire(box), label_class: labelClass })],
});

export const region = (box: Box, status: "exhaustive" | "ignore"): Draft => ({
  action: "region",
  tool: "region",
  effects: [create({ ...NEW_CELL, kind: "region", status, box: wire(box) })],
});

/** A mask follows its box when the box is moved (by whole pixels, both staying in the image), and stays when the box
 *  is resized. */
export function setBox(cells: Cells, row: number, box: Box, action: "move" | "resize"): Draft {
  const mask = cells.maskOf(row);
  const was = cells.boxOf(row);
  if (action === "resize" || !mask)
    return { action, tool: "select", effects: [change(cells, row, { box: wire(box) })] };
  const all = cells.extent(row);
  const within = (by: number, from: number, to: number, size: number) =>
    Math.min(Math.max(Math.round(by), Math.ceil(-from)), Math.floor(size - to));
  const right = within(box.x0 - was.x0, all.x0, all.x1, cells.image.width);
  const down = within(box.y0 - was.y0, all.y0, all.y1, cells.image.height);
  const shifted = { x0: was.x0 + right, y0: was.y0 + down, x1: was.x1 + right, y1: was.y1 + down };
  const carried = wireMask({ ...mask, x: mask.x + right, y: mask.y + down });
  return { action, tool: "select", effects: [change(cells, row, { box: wire(shifted), mask: carried })] };
}

export const classify = (cells: Cells, row: number, labelClass: number | null): Draft => ({
  action: "classify",
  tool: "keys",
  effects: [change(cells, row, { label_class: labelClass })],
});

export const remove = (cells: Cells, row: number): Draft => ({
  action: "delete",
  tool: "keys",
  effects: [change(cells, row, null)],
});

/** Accept a proposal, as it is or with an edited mask: the cell that prompted it gets the mask, or a cell is made. */
export function accept(
  cells: Cells,
  proposal: number,
  edited: Mask | null = null,
  labelClass?: number | null,
  tool = "brush",
  chosen: Record<string, string> = {},
): Draft {
  const proposed = cells.stateOf(proposal);
  if (!proposed) throw new Error("a withdrawn proposal cannot be accepted");
  const prompt = cells.promptOf(proposal);
  const given = {
    mask: edited ? wireMask(edited) : proposed.mask,
    derived_from: cells.idOf(proposal),
    ...attributesWith(cells, prompt, chosen),
  };
  const isClassChosen = labelClass !== undefined;
  const effect =
    prompt >= 0
      ? change(cells, prompt, {
          ...given,
          status: "confirmed",
          reason: "",
          ...(isClassChosen ? { label_class: labelClass } : {}),
        })
      : create({
          ...NEW_CELL,
          ...given,
          box: edited ? wire(boxOf(edited)) : proposed.box,
          label_class: isClassChosen ? labelClass : proposed.label_class,
        });
  return { action: edited ? "edit" : "accept", tool: edited ? tool : "keys", effects: [effect] };
}

/** The attributes of the cell that prompted a proposal (-1: none did) with those that a person chose. */
function attributesWith(cells: Cells, prompt: number, chosen: Record<string, string>) {
  const attributes = { ...(prompt >= 0 ? cells.attributesOf(prompt) : {}), ...chosen };
  return Object.keys(attributes).length ? { attributes } : {};
}

/** The person's box that prompted the proposal stays as it is: only the proposed mask is rejected. */
export function reject(cells: Cells, proposal: number, reason: Reason = ""): Draft {
  const { x0, y0, x1, y1 } = cells.boxOf(proposal);
  const after: AnnotationState = {
    ...NEW_CELL,
    status: "rejected",
    box: [x0, y0, x1, y1],
    derived_from: cells.idOf(proposal),
    reason,
  };
  return { action: "reject", tool: "keys", effects: [create(after)] };
}

export const giveReason = (cells: Cells, rejection: number, reason: Reason): Draft => ({
  action: "reject",
  tool: "keys",
  effects: [change(cells, rejection, { reason })],
});

/** What this person says of a cell that somebody else has decided. `seen`: the last operation on that opinion. */
export const opinion = (annotation: string, seen: string | null, after: OpinionContent): Draft => ({
  action: "opinion",
  tool: "keys",
  effects: [],
  opinions: [{ annotation, seen, after }],
});

const ACTION_OF = { confirmed: "accept", rejected: "reject", cannot_tell: "cannot_tell" } as const;

/** Another verdict on an own decision. Rejecting a mask that stands in a box that the person drew leaves the box: then
 *  the proposal gets a rejection of its own, and the box lets go of it. */
export function redecide(cells: Cells, row: number, status: "confirmed" | "rejected" | "cannot_tell"): Draft {
  const action = ACTION_OF[status];
  const draft = (effects: EffectIn[]): Draft => ({ action, tool: "keys", effects });
  const proposal = cells.rowOf(cells.derivedFrom(row) ?? "");
  const prompt = proposal < 0 ? -1 : cells.promptOf(proposal);
  if (status === "rejected" && prompt === row) {
    const freed = change(cells, row, { mask: null, derived_from: null, status: "confirmed" });
    return draft([freed, ...reject(cells, proposal).effects]);
  }
  if (status !== "rejected" && cells.statusOf(row) === "rejected" && proposal >= 0) {
    if (prompt >= 0) return draft([change(cells, row, null), judged(cells, prompt, proposal, status)]);
    if (!cells.hasMask(row)) return draft([judged(cells, row, proposal, status)]);
  }
  return draft([change(cells, row, { status, reason: "" })]);
}

/** A cell takes over what a proposal says of it. */
function judged(cells: Cells, row: number, proposal: number, status: AnnotationState["status"]): EffectIn {
  const proposed = cells.stateOf(proposal) as AnnotationState;
  const shape = { mask: proposed.mask, derived_from: cells.idOf(proposal), status, reason: "" as Reason };
  if (cells.promptOf(proposal) === row) return change(cells, row, shape);
  return change(cells, row, { ...shape, box: proposed.box, label_class: proposed.label_class });
}

export const reshape = (cells: Cells, row: number, mask: Mask, tool = "brush"): Draft => ({
  action: "reshape",
  tool,
  effects: [change(cells, row, { mask: wireMask(mask) })],
});

/** Mark a cell (or the cell a proposal is about) as one that nobody can judge; on a marked cell it takes the mark
 *  off. */
export function cannotTell(cells: Cells, row: number): Draft {
  const draft = (effect: EffectIn): Draft => ({ action: "cannot_tell", tool: "keys", effects: [effect] });
  if (cells.isMine(row))
    return draft(
      change(cells, row, { status: cells.statusOf(row) === "cannot_tell" ? "confirmed" : "cannot_tell" }),
    );
  const prompt = cells.promptOf(row);
  const derived_from = cells.idOf(row);
  if (prompt >= 0) return draft(change(cells, prompt, { status: "cannot_tell", derived_from }));
  const { box, label_class } = cells.stateOf(row) as AnnotationState;
  return draft(create({ ...NEW_CELL, status: "cannot_tell", box, label_class, derived_from }));
}
