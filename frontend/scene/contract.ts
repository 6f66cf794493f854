/** What travels between the server and the workspace, by the names that the workspace uses. The types are made from
 *  the schema of the API (`npm run types`); only what travels in binary packs has its words here. */
import type { components } from "../api/schema";

export type Schemas = components["schemas"];
/** T, of which these fields need not be known yet. */
type Without<T, K extends keyof T> = Omit<T, K> & Partial<Pick<T, K>>;

export type Person = Schemas["PersonAnswer"];
/** What a project asks of a cell besides its class. */
export type Attribute = Schemas["AttributeAnswer"];
export type LabelClass = Schemas["ClassAnswer"];
/** What is drawn of a class. */
export type ShownClass = Pick<LabelClass, "id" | "name" | "color" | "key">;
export type Certificate = Schemas["CertificateAnswer"];
export type Publication = Schemas["PublicationAnswer"];
export type Layer = Schemas["LayerAnswer"];
export type LayerKind = Layer["kind"];
export type Tiles = Schemas["TilesAnswer"];
export type Workspace = Without<Schemas["WorkspaceAnswer"], "second">;
/** What a stage needs to show an image's tissue. */
export type ShownImage = Schemas["ShownImage"];
export type SecondImage = Schemas["SecondImage"];
/** What can be chosen of a slide with several channels, slices or times, or of its fields. */
export type Planes = Schemas["PlanesAnswer"];
export type JobInFull = Schemas["JobInFull"];
export type Role = Workspace["project"]["role"];
/** Two rounds on one image. */
export type Comparison = Schemas["ComparisonAnswer"];

export type AnnotationState = Schemas["StateAnswer"];
export type Kind = AnnotationState["kind"];
export type Status = AnnotationState["status"];
export type Reason = AnnotationState["reason"];
/** Image pixels, [x0, y0, x1, y1], half-open. */
export type WireBox = AnnotationState["box"];
export type WireMask = Schemas["MaskAnswer"];

export type OpinionContent = Schemas["JudgementAnswer"];
export type OpinionVerdict = OpinionContent["verdict"];
/** What the workspace sends names every field, though the server does not ask for all. */
export type OpinionIn = Required<Omit<Schemas["OpinionIn"], "after">> & { after: OpinionContent | null };
export type OpinionOut = Schemas["OpinionEffectAnswer"];
export type Opinion = Without<Schemas["OpinionAnswer"], "settled_by">;

export type EffectIn = Required<Omit<Schemas["EffectIn"], "after">> & { after: AnnotationState | null };
export type EffectOut = Schemas["EffectAnswer"];
/** How the picture was shown when somebody acted. */
export type ViewIn = Schemas["ViewIn"];
export type OperationIn = Required<
  Omit<Schemas["OperationIn"], "tool" | "view" | "effects" | "opinions" | "settles">
> & {
  tool: string;
  view?: ViewIn;
  effects: EffectIn[];
  opinions?: OpinionIn[];
  settles?: Settled[];
};
export type OperationOut = Without<Schemas["OperationAnswer"], "settles">;
/** What somebody did, as the history shows it. */
export type PastOperation = Schemas["PastOperationAnswer"];
export type Action = OperationIn["action"];
export type Current = Without<Schemas["CurrentAnswer"], "author" | "decided_by">;
export type Head = Omit<Schemas["HeadAnswer"], "opinions"> & { opinions: Opinion[] };
export type Verdict = Omit<Schemas["VerdictAnswer"], "current"> & { current: Current[] };
export type Answer = Omit<Schemas["OperationsAnswer"], "results"> & { results: Verdict[] };
/** Whose opinion of which cell an overrule settles. */
export type Settled = Schemas["SettledAnswer"];
/** An item as this person sees it (labeling/workspace/work.py). */
export type Work = NonNullable<Workspace["work"]>;
export type ItemState = Work["state"];
export type ItemAct = Work["actions"][number];
/** What the server says after an act; left: images that this person has or may still get. */
export type ItemAfterAct = Schemas["ItemAfterAct"];
/** A thread of comments; x, y: image pixels, null for the whole image. */
export type Thread = Schemas["ThreadAnswer"];
export type Tail = Omit<Schemas["TailAnswer"], "operations"> & { operations: OperationOut[] };
export type Problem = Schemas["Problem"];

// A pack holds these as numbers (labeling/annotations/packs.py): their order is part of its format.
export const KINDS = ["cell", "region"] as const satisfies readonly Kind[];
export const STATUSES = [
  "confirmed",
  "rejected",
  "cannot_tell",
  "exhaustive",
  "ignore",
] as const satisfies readonly Status[];
export const REASONS = [
  "not_a_cell",
  "boundary",
  "duplicate",
  "merged",
  "cannot_tell",
] as const satisfies readonly Reason[];
