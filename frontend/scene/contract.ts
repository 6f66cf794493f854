/** What travels between the server and the workspace, field for field as /api/v1/ has it. */

export type Role = "owner" | "manager" | "reviewer" | "annotator" | "viewer";
export type LayerKind = "working" | "prediction" | "consensus" | "import";
export const KINDS = ["cell", "region"] as const;
export type Kind = (typeof KINDS)[number];
export const STATUSES = ["confirmed", "rejected", "cannot_tell", "exhaustive", "ignore"] as const;
export type Status = (typeof STATUSES)[number];
export const REASONS = ["not_a_cell", "boundary", "duplicate", "merged", "cannot_tell"] as const;
export type Reason = "" | (typeof REASONS)[number];
export type Action =
  | "draw"
  | "move"
  | "resize"
  | "reshape"
  | "classify"
  | "delete"
  | "accept"
  | "reject"
  | "edit"
  | "region"
  | "cannot_tell"
  | "undo"
  | "redo"
  | "bulk"
  | "opinion"
  | "overrule";

export type Person = { id: number; name: string };
/** What a project asks of a cell besides its class. */
export type Attribute = { name: string; values: string[] };
export type LabelClass = { id: number; name: string; color: string; key: number | null };

/** null: the method that made the masks does not state it. */
export type Certificate = {
  objective: number | null;
  flow: number | null;
  cut: number | null;
  closed: boolean | null;
  milliseconds: number | null;
  ambiguous_share: number | null;
  components: number | null;
};

export type Publication = {
  id: number | string;
  round: number;
  round_number: number;
  published_at: string;
  models: Record<string, string>;
  /** How many cells the round proposed on this image. */
  proposals: number;
  /** Sentences about why it proposed nothing, in the reader's language. */
  why: string[];
  certificate: Certificate | null;
};

export type Layer = {
  id: string;
  kind: LayerKind;
  annotator: Person | null;
  seq: number;
  writable: boolean;
  /** The layer whose decisions and counts are this person's picture, also where it cannot be written. */
  base?: boolean;
  publication: Publication | null;
};

/** Where a large image's tiles are: `url` + "level/column/row/", squares of `size` px. Level 0 is the image itself,
 *  each further level is half as large. */
export type Tiles = { url: string; size: number; levels: number };

export type Workspace = {
  image: {
    id: number;
    name: string;
    width: number;
    height: number;
    um_per_px: number | null;
    synthetic: boolean;
    pixels_url: string;
    /** null: small enough to be fetched whole. */
    tiles?: Tiles | null;
    thumbnail_url: string;
    position: number;
    count: number;
    previous: number | null;
    next: number | null;
  };
  project: {
    id: number;
    name: string;
    role: Role;
    /** Since when nothing in it is changed; null: it is in use. */
    archived_at?: string | null;
    records_activity: boolean;
    url: string;
    classes: LabelClass[];
    attributes?: Attribute[];
  };
  /** Who has annotated on the layers that are shown. */
  people?: Person[];
  person: Person;
  layers: Layer[];
  /** On the sheet of a study's item: the tools of its arm, and whether many proposals are accepted at once. */
  study?: { tools: string[]; accepts_many: boolean } | null;
  /** The image in the workflow of its project; null: the project has none. */
  work?: Work | null;
};

export type ItemState = "to_do" | "in_work" | "in_review" | "sent_back" | "done";
export type ItemAct = "begin" | "finish" | "skip" | "release" | "accept" | "send_back" | "reopen";
/** An item as this person sees it (labeling/workspace/work.py). */
export type Work = {
  item: number;
  state: ItemState;
  /** The state of this person's own reading. */
  reading: string | null;
  /** Why it was sent back to this person. */
  comment: string;
  place: { number: number; of: number } | null;
  reviewer: string | null;
  actions: ItemAct[];
};
/** What the server says after an act; left: images that this person has or may still get. */
export type ItemAnswer = { state: ItemState; left: number };

/** A thread of comments; x, y: image pixels, null for the whole image. */
export type Thread = {
  id: number;
  image: number;
  layer: string | null;
  annotation: string | null;
  x: number | null;
  y: number | null;
  resolved_at: string | null;
  resolved_by: Person | null;
  comments: { id: number; author: Person; text: string; made_at: string }[];
};

/** Two rounds on one image; layer null: the round has published nothing on it. */
export type Comparison = {
  image: Pick<Workspace["image"], "id" | "name" | "width" | "height" | "pixels_url" | "tiles">;
  rounds: { id: number; number: number; layer: string | null }[];
  /** Locked reference masks are there. */
  reference: boolean;
};

/** Image pixels, [x0, y0, x1, y1], half-open. */
export type WireBox = [number, number, number, number];
export type WireMask = { x: number; y: number; width: number; height: number; bits: string };

export type AnnotationState = {
  kind: Kind;
  status: Status;
  label_class: number | null;
  box: WireBox;
  mask: WireMask | null;
  derived_from: string | null;
  reason: Reason;
  provenance: Record<string, unknown>;
  /** Absent without attributes. */
  attributes?: Record<string, string>;
  /** The cell of the same layer that this one lies in. */
  parent?: string | null;
};

export type EffectIn = { annotation: string; seen: string | null; after: AnnotationState | null };
export type EffectOut = {
  annotation: string;
  version: number;
  before: AnnotationState | null;
  after: AnnotationState | null;
  /** Who has given the cell the status that it has by now. */
  decided_by?: number | null;
};

export type OpinionVerdict = "accepted" | "rejected" | "unsure";
/** A second person's opinion on a decided cell; label_class null: no class is given. */
export type OpinionContent = { verdict: OpinionVerdict; label_class: number | null; reason: Reason };
/** What an operation does to its author's opinion of one cell; after null: it is withdrawn. */
export type OpinionIn = { annotation: string; seen: string | null; after: OpinionContent | null };
export type OpinionOut = { annotation: string; before: OpinionContent | null; after: OpinionContent | null };
/** An opinion as it is kept; an empty verdict: withdrawn. */
export type Opinion = {
  author: Person;
  verdict: OpinionVerdict | "";
  label_class: number | null;
  reason: Reason;
  given_at: string;
  last_op: string;
  /** The overrule that settled it: it no longer disputes the cell. */
  settled_by?: string | null;
};
/** Whose opinion of which cell an overrule settles. */
export type Settled = { annotation: string; author: number };

export type OperationIn = {
  op_id: string;
  action: Action;
  tool: string;
  session: string;
  begun_at: string;
  committed_at: string;
  begun_ms: number;
  committed_ms: number;
  activity: [number, number] | null;
  undoes: string | null;
  effects: EffectIn[];
  opinions?: OpinionIn[];
  settles?: Settled[];
};

export type OperationOut = {
  op_id: string;
  layer: string;
  seq: number;
  action: Action;
  author: Person;
  tool: string;
  session: string;
  undoes: string | null;
  begun_at: string;
  committed_at: string;
  effects: EffectOut[];
  opinions?: OpinionOut[];
  settles?: Settled[];
};

/** An annotation as the server has it. `author` has acted on it last. */
export type Current = {
  annotation: string;
  version: number;
  last_op: string | null;
  state: AnnotationState | null;
  author?: Person | null;
  decided_by?: number | null;
};
/** What the log says of one annotation. */
export type Head = Current & {
  operation: { seq: number; action: Action; tool: string; author: Person; committed_at: string } | null;
  opinions: Opinion[];
};
export type Verdict = {
  op_id: string;
  /** kept: the image is done; the operation waits apart for whoever leads. */
  verdict: "accepted" | "repeated" | "stale" | "invalid" | "kept";
  seq: number | null;
  error: { code: string; detail: string; field?: string | null } | null;
  current: Current[];
};
export type Answer = { layer: string; seq: number; results: Verdict[] };
export type Tail = { layer: string; seq: number; operations: OperationOut[]; more: boolean };
