/** The panels around the picture. They are drawn again from the desk when it tells so; they keep nothing of it. */
import type { ComponentChildren } from "preact";
import { REASONS, type Layer } from "../scene/contract";
import type { Conflict } from "../sync/log";
import type { ToolName, Workspace } from "../workspace";
import type { LookSettings } from "./look_settings";
import { ViewTab } from "./view_tab";
import { keyLabel, type Command, type Keymap } from "./keymap";
import { LongList } from "./list";
import { ConstraintLines, ManyCard, ToolCard } from "./tool_cards";
import { REASON_WORDS, saveWords, scaleBar, shownWords, STATUS_WORDS, zoomWords } from "./words";

export type Tab = "cells" | "review" | "masks" | "view";
export type Ui = {
  readonly desk: Workspace;
  readonly map: Keymap;
  readonly run: (command: Command) => void;
  readonly go: (image: number) => void;
  readonly tab: () => Tab;
  readonly openTab: (tab: Tab) => void;
  readonly sheetOpen: () => boolean;
  readonly toggleTheme: () => void;
  /** How many cells a picture of their density stands for, at zooms where each would be a dot; null: each is drawn. */
  readonly density: () => number | null;
  readonly cursor: () => { x: number; y: number } | null;
  readonly signInUrl: string;
  readonly paletteOpen: () => boolean;
  readonly remapOpen: () => boolean;
  readonly closeOver: () => void;
  readonly keepKeys: () => void;
  readonly look: LookSettings;
};

export const Key = ({ ui, command }: { ui: Ui; command: Command }) => <kbd>{keyLabel(ui.map.keysOf(command)[0])}</kbd>;

export function Act(props: { ui: Ui; command: Command; children: ComponentChildren; pressed?: boolean; disabled?: boolean; kind?: string }) {
  const { ui, command, children, pressed, disabled, kind = "" } = props;
  return (
    <button
      type="button"
      class={`bw-button ${kind}`}
      disabled={disabled ?? false}
      {...(pressed === undefined ? {} : { "aria-pressed": pressed })}
      onClick={() => ui.run(command)}
    >
      {children} <Key ui={ui} command={command} />
    </button>
  );
}

export function TopBar({ ui }: { ui: Ui }) {
  const { image, project } = ui.desk.opened;
  const conflicts = ui.desk.log?.conflicts.length ?? 0;
  const save = saveWords(ui.desk.save, conflicts, ui.desk.queue.durable);
  return (
    <>
      <div class="bw-where">
        {ui.desk.opened.study ? <span>{project.name}</span> : <a href={project.url}>{project.name}</a>}
        <span aria-hidden="true">▸</span>
        <strong title={image.name}>{image.name}</strong>
        <span class="bw-muted bw-number">
          {image.position}/{image.count}
        </span>
        <Step ui={ui} command="image.previous" to={image.previous} sign="‹" label="Previous image" />
        <Step ui={ui} command="image.next" to={image.next} sign="›" label="Next image" />
        {image.synthetic && <span class="bw-tag">synthetic</span>}
        {!ui.desk.canWrite && <span class="bw-tag">read only</span>}
      </div>
      <div class={`bw-save is-${save.tone}`} role="status" data-testid="save-state">
        <span class="bw-dot" aria-hidden="true" />
        {save.text}
        {(ui.desk.save.kind === "offline" || ui.desk.save.kind === "signed_out" || ui.desk.save.kind === "refused") && (
          <button type="button" class="bw-link" onClick={() => ui.run("save.now")}>
            Try now
          </button>
        )}
      </div>
      <div class="bw-corner">
        {project.records_activity && (
          <span class="bw-muted" title="This project records when and how long its members work on each cell (events of pointer, keys by command, and view; never what you type).">
            <span class="bw-record" aria-hidden="true" /> time is recorded
          </span>
        )}
        {(ui.desk.live?.people() ?? []).filter((p) => p.id !== ui.desk.opened.person.id).map((p) => (
          <span key={p.id} class="bw-tag" data-testid="present" title={`${p.name} looks at this image now`}>
            {p.name}
          </span>
        ))}
        <span class="bw-muted">{ui.desk.opened.person.name}</span>
        <button type="button" class="bw-icon" title="Dark or light" aria-label="Dark or light" onClick={ui.toggleTheme}>
          ◐
        </button>
        <button type="button" class="bw-icon" title="Keys" aria-label="Keys" onClick={() => ui.run("help.keys")}>
          ?
        </button>
      </div>
    </>
  );
}

function Step(props: { ui: Ui; command: Command; to: number | null; sign: string; label: string }) {
  const key = keyLabel(props.ui.map.keysOf(props.command)[0]);
  return (
    <button type="button" class="bw-icon" disabled={props.to === null} title={`${props.label} (${key})`} aria-label={props.label} onClick={() => props.ui.run(props.command)}>
      {props.sign}
    </button>
  );
}

const TOOLS: readonly { tool: ToolName; command: Command; label: string; shape: ComponentChildren }[] = [
  { tool: "select", command: "tool.select", label: "Select", shape: <path d="M5 3l13 8-6 1.5L9 19z" /> },
  { tool: "box", command: "tool.box", label: "Box", shape: <rect x="4" y="6" width="16" height="12" rx="1" /> },
  { tool: "smart", command: "tool.smart", label: "Smart", shape: <path d="M11 3v4M11 15v4M3 11h4M15 11h4M13 13l7 7M11 11h.01" /> },
  { tool: "polygon", command: "tool.polygon", label: "Polygon", shape: <path d="M5 8l7-4 7 6-3 9H7z" /> },
  { tool: "brush", command: "tool.brush", label: "Brush", shape: <path d="M14 4l6 6-8 7-5-5zM7 12c-3 1-2 5-4 7 3 1 7 0 8-3" /> },
  { tool: "wand", command: "tool.wand", label: "Wand", shape: <path d="M4 20L14 10M17 3v4M15 5h4M20 10v3M18.500 11.500h3M10 4v3M8.500 5.500h3" /> },
  { tool: "stamp", command: "tool.stamp", label: "Centre", shape: <path d="M5 7h14v10H5zM12 11v2M11 12h2" /> },
  { tool: "extremes", command: "tool.extremes", label: "4 points", shape: <path d="M12 4h.01M20 12h.01M12 20h.01M4 12h.01M7 7h10v10H7z" /> },
  { tool: "lasso", command: "tool.lasso", label: "Lasso", shape: <path d="M12 4c5 0 9 2 9 6s-4 6-9 6-9-2-9-6 4-6 9-6zM7 15c-1 3 1 5 3 5" /> },
  { tool: "split", command: "tool.split", label: "Split", shape: <path d="M5 12a7 7 0 0114 0 7 7 0 01-14 0zM16 3L8 21" /> },
  { tool: "measure", command: "tool.measure", label: "Measure", shape: <path d="M3 16L16 3l5 5L8 21zM7 12l2 2M10 9l3 3M13 6l2 2" /> },
  { tool: "region", command: "tool.region", label: "Region", shape: <path d="M4 9V5h4M16 5h4v4M20 15v4h-4M8 19H4v-4M9 12l2 2 4-4" /> },
  { tool: "ignore", command: "tool.ignore", label: "Ignore", shape: <path d="M4 9V5h4M16 5h4v4M20 15v4h-4M8 19H4v-4M9 9l6 6M15 9l-6 6" /> },
];

export function Tools({ ui }: { ui: Ui }) {
  const { desk } = ui;
  const label = (command: Command, text: string) => `${text} (${keyLabel(ui.map.keysOf(command)[0])})`;
  return (
    <>
      {TOOLS.filter(({ tool }) => desk.offers(tool)).map(({ tool, command, label: name, shape }) => (
        <button
          key={tool}
          type="button"
          class="bw-tool"
          aria-pressed={desk.tool === tool && !desk.editing}
          disabled={!desk.canWrite && !["select", "lasso", "measure"].includes(tool)}
          title={label(command, name)}
          onClick={() => ui.run(command)}
        >
          <svg viewBox="0 0 24 24" aria-hidden="true">
            {shape}
          </svg>
          <span>{name}</span>
          <kbd>{keyLabel(ui.map.keysOf(command)[0]).replace("Shift+", "⇧")}</kbd>
        </button>
      ))}
      <div class="bw-gap" />
      <button type="button" class="bw-tool" disabled={!desk.history.canUndo && !desk.editing?.undo.length} title={label("history.undo", "Undo")} onClick={() => ui.run("history.undo")}>
        <svg viewBox="0 0 24 24" aria-hidden="true">
          <path d="M8 6l-4 4 4 4M4 10h10a5 5 0 010 10h-3" />
        </svg>
        <span>Undo</span>
      </button>
      <button type="button" class="bw-tool" disabled={!desk.history.canRedo} title={label("history.redo", "Redo")} onClick={() => ui.run("history.redo")}>
        <svg viewBox="0 0 24 24" aria-hidden="true">
          <path d="M16 6l4 4-4 4M20 10H10a5 5 0 000 10h3" />
        </svg>
        <span>Redo</span>
      </button>
    </>
  );
}

export function SidePanel({ ui }: { ui: Ui }) {
  const { desk } = ui;
  const counts = desk.counts();
  const tab = ui.tab();
  const tabs: [Tab, string][] = [
    ["cells", `Cells ${counts.cells}`],
    ["review", `Review ${counts.undecided}`],
    ["masks", "Masks"],
    ["view", "View"],
  ];
  return (
    <>
      {desk.log?.conflicts.map((c) => <ConflictCard key={c.annotation} ui={ui} conflict={c} />)}
      {desk.editing ? <EditPanel ui={ui} /> : <ToolCard ui={ui} />}
      {desk.many.length > 0 && !desk.editing && <ManyCard ui={ui} />}
      <div class="bw-tabs" role="tablist">
        {tabs.map(([name, text]) => (
          <button key={name} type="button" role="tab" aria-selected={tab === name} onClick={() => ui.openTab(name)}>
            {text}
          </button>
        ))}
      </div>
      {tab === "cells" ? <CellsTab ui={ui} /> : tab === "review" ? <ReviewTab ui={ui} /> : tab === "masks" ? <MasksTab layer={desk.publication} /> : <ViewTab ui={ui} />}
    </>
  );
}

function CellsTab({ ui }: { ui: Ui }) {
  const { desk } = ui;
  const rows = desk.ownRows();
  return (
    <div class="bw-tab" role="tabpanel">
      <Classes ui={ui} current={desk.labelClass?.id ?? null} />
      {rows.length === 0 ? (
        <p class="bw-empty">
          {desk.canWrite ? (
            <>
              No cells yet. Press <Key ui={ui} command="tool.box" /> and drag a box around each cell. Every box is saved at once.
            </>
          ) : (
            "No cells yet."
          )}
        </p>
      ) : (
        <LongList rows={rows} current={desk.selected} label="Cells" onChoose={(row) => desk.select(row, true)} line={(row, i) => <OwnLine ui={ui} row={row} index={i} />} />
      )}
      <OtherLayers ui={ui} />
      {desk.canWrite && (
        <div class="bw-foot">
          {desk.selected >= 0 && desk.cells.isMine(desk.selected) && desk.cells.kindOf(desk.selected) === "cell" && (
            <div class="bw-row">
              <Act ui={ui} command="cell.edit">
                Edit mask
              </Act>
              <Act ui={ui} command="cell.cannot_tell" pressed={desk.cells.statusOf(desk.selected) === "cannot_tell"}>
                Cannot tell
              </Act>
              <Act ui={ui} command="cell.delete">
                Delete
              </Act>
            </div>
          )}
          {desk.isWholeFieldExhaustive() ? (
            <p class="bw-muted bw-note">✓ Every cell of this image is said to be annotated.</p>
          ) : (
            <button type="button" class="bw-button bw-wide" title="Only inside such regions is tissue without a box background for the models." onClick={() => desk.wholeFieldIsExhaustive()}>
              Every cell of this image is annotated
            </button>
          )}
        </div>
      )}
    </div>
  );
}

/** Colleagues' layers are out of the picture until somebody asks for them: two people's boxes over one cell hide it. */
function OtherLayers({ ui }: { ui: Ui }) {
  const { desk } = ui;
  const others = desk.opened.layers.flatMap((layer, index) => (layer.writable || layer.kind === "prediction" ? [] : [{ layer, index }]));
  if (!others.length) return null;
  return (
    <div class="bw-reasons" role="group" aria-label="Other layers">
      <span class="bw-muted">Also show</span>
      {others.map(({ layer, index }) => (
        <button key={layer.id} type="button" class="bw-chip" aria-pressed={desk.cells.isLayerShown(index)} onClick={() => desk.showLayer(index, !desk.cells.isLayerShown(index))}>
          {layer.annotator?.name ?? layer.kind}
        </button>
      ))}
    </div>
  );
}

export function Classes({ ui, current }: { ui: Ui; current: number | null }) {
  const { desk } = ui;
  return (
    <div class="bw-chips" role="group" aria-label="Classes">
      {desk.opened.project.classes.map((c) => (
        <button key={c.id} type="button" class="bw-chip" aria-pressed={current === c.id} disabled={!desk.canWrite} onClick={() => desk.chooseClass(c)}>
          <span class="bw-swatch" style={{ background: c.color }} />
          {c.name}
          {c.key !== null && <kbd>{c.key}</kbd>}
        </button>
      ))}
    </div>
  );
}

function OwnLine({ ui, row, index }: { ui: Ui; row: number; index: number }) {
  const { cells } = ui.desk;
  const label = ui.desk.classOf(cells.labelClass[row]);
  const status = cells.statusOf(row);
  const isCell = cells.kindOf(row) === "cell";
  const box = cells.boxOf(row);
  return (
    <>
      {isCell ? <span class="bw-swatch" style={{ background: label?.color ?? "#f0e442" }} /> : <span class={`bw-swatch is-${status}`} />}
      <span class="bw-number bw-muted">{index + 1}</span>
      <span class="bw-grow">{isCell && status === "confirmed" ? (label?.name ?? "no class") : STATUS_WORDS[status]}</span>
      <span class="bw-number bw-muted">
        {Math.round(box.x1 - box.x0)} × {Math.round(box.y1 - box.y0)}
        {cells.maskOf(row) ? " ●" : ""}
      </span>
    </>
  );
}

function ReviewTab({ ui }: { ui: Ui }) {
  const { desk } = ui;
  const counts = desk.counts();
  if (!counts.proposals)
    return (
      <p class="bw-empty" role="tabpanel">
        No proposals on this image yet. They appear here after a round has been run on the project's boxes.
      </p>
    );
  const rows = desk.reviewOrder();
  const decided = counts.proposals - counts.undecided;
  const rejection = desk.rejected === null ? -1 : desk.cells.rowOf(desk.rejected);
  const canJudge = desk.onProposal && desk.canWrite && !desk.editing;
  const reason = rejection >= 0 ? desk.cells.reasonOf(rejection) : "";
  return (
    <div class="bw-tab" role="tabpanel">
      <div class="bw-progress">
        <span>
          <strong class="bw-number">{counts.undecided}</strong> to judge
        </span>
        <span class="bw-muted bw-number">
          {decided} of {counts.proposals} decided
        </span>
        <progress value={decided} max={counts.proposals} aria-label="Decided proposals" />
      </div>
      <div class="bw-row">
        <Act ui={ui} command="review.accept" kind="is-primary" disabled={!canJudge}>
          Accept
        </Act>
        <Act ui={ui} command="review.reject" disabled={!canJudge}>
          Reject
        </Act>
        <Act ui={ui} command="cell.edit" disabled={!canJudge}>
          Edit
        </Act>
        <Act ui={ui} command="cell.cannot_tell" disabled={!canJudge}>
          Cannot tell
        </Act>
      </div>
      {desk.onProposal && <Classes ui={ui} current={desk.proposalClass ?? (desk.cells.labelClass[desk.selected] || null)} />}
      {rejection >= 0 && desk.cells.live[rejection] === 1 && (
        <div class="bw-reasons" role="group" aria-label="Why was it rejected?">
          <span class="bw-muted">Why rejected? (may stay open)</span>
          {REASONS.map((r) => (
            <button key={r} type="button" class="bw-chip" aria-pressed={reason === r} onClick={() => desk.giveReason(r)}>
              {REASON_WORDS[r]}
            </button>
          ))}
        </div>
      )}
      {desk.canWrite && counts.undecided > 0 && (
        <Act ui={ui} command="review.viewed" kind="bw-wide">
          Accept the rest in view
        </Act>
      )}
      <label class="bw-field">
        Order
        <select value={desk.order} onChange={(e) => desk.setOrder(e.currentTarget.value === "uncertainty" ? "uncertainty" : "serpentine")}>
          <option value="serpentine">through the field</option>
          <option value="uncertainty">most doubtful first</option>
        </select>
        <span class="bw-muted">
          <Key ui={ui} command="review.next" /> next
        </span>
      </label>
      <LongList rows={rows} current={desk.selected} label="Proposals" onChoose={(row) => desk.select(row, true)} line={(row, i) => <ProposalLine ui={ui} row={row} index={i} />} />
    </div>
  );
}

function ProposalLine({ ui, row, index }: { ui: Ui; row: number; index: number }) {
  const { cells } = ui.desk;
  const by = cells.decisionOf(row);
  const word = by < 0 ? "to judge" : cells.statusOf(by) === "confirmed" ? "accepted" : STATUS_WORDS[cells.statusOf(by)];
  const score = cells.score[row];
  return (
    <>
      <span class={`bw-mark is-${by < 0 ? "open" : cells.statusOf(by)}`} aria-hidden="true" />
      <span class="bw-number bw-muted">{index + 1}</span>
      <span class={by < 0 ? "bw-grow" : "bw-grow bw-muted"}>{word}</span>
      <span class="bw-number bw-muted" title="Share of doubt">
        {Number.isNaN(score) ? "" : score.toFixed(2)}
      </span>
    </>
  );
}

function MasksTab({ layer }: { layer: Layer | undefined }) {
  const publication = layer?.publication;
  if (!publication)
    return (
      <p class="bw-empty" role="tabpanel">
        No masks have been computed for this image yet.
      </p>
    );
  const c = publication.certificate;
  return (
    <div class="bw-tab bw-scroll" role="tabpanel">
      <h3>Round {publication.round_number}</h3>
      <p class="bw-muted">Published {new Date(publication.published_at).toLocaleString()}</p>
      {c ? (
        <>
          <p class={c.closed ? "bw-proof" : "bw-proof is-open"}>
            {c.closed
              ? "Proven best: the cut costs exactly as much as the maximum flow, so no other combination of the two masks scores better under this model."
              : "Not proven best: the cut costs more than the flow that was found."}
          </p>
          <dl class="bw-facts">
            <dt>Cost of this answer (objective)</dt>
            <dd>{number(c.objective)}</dd>
            <dt>Maximum flow = minimum cut</dt>
            <dd>{c.flow === c.cut ? number(c.flow) : `${number(c.flow)} ≠ ${number(c.cut)}`}</dd>
            <dt>Time to compute</dt>
            <dd>{number(c.milliseconds, 1, " ms")}</dd>
            <dt>Ambiguous pixels</dt>
            <dd>{number(c.ambiguous_share === null ? null : 100 * c.ambiguous_share, 2, " %")}</dd>
            <dt>Independent parts</dt>
            <dd>{number(c.components)}</dd>
          </dl>
          <p class="bw-muted bw-note">The proof is about the sum that was minimised, not about the tissue: whether a mask is right is for you to judge.</p>
        </>
      ) : (
        <p class="bw-muted">No certificate was stored with these masks.</p>
      )}
      <dl class="bw-facts">
        {Object.entries(publication.models).map(([part, name]) => (
          <>
            <dt>{part[0].toUpperCase() + part.slice(1)}</dt>
            <dd>{name}</dd>
          </>
        ))}
      </dl>
    </div>
  );
}

export const number = (n: number | null, digits = 3, unit = ""): string =>
  n === null ? "not stated" : `${n.toLocaleString("en", { maximumFractionDigits: digits })}${unit}`;

function EditPanel({ ui }: { ui: Ui }) {
  const editing = ui.desk.editing;
  if (!editing) return null;
  return (
    <section class="bw-card" aria-label="Editing a mask">
      <strong>Editing the mask</strong>
      <div class="bw-row">
        <Act ui={ui} command="edit.swap" pressed={editing.subtract}>
          {editing.constraint ? (editing.subtract ? "Background" : "Cell") : editing.subtract ? "Subtracting" : "Adding"}
        </Act>
        <Act ui={ui} command="edit.smaller">
          −
        </Act>
        <Act ui={ui} command="edit.larger">
          +
        </Act>
        <span class="bw-muted bw-number">{(2 * editing.radius).toFixed(1)} px</span>
      </div>
      <Act ui={ui} command="edit.constrain" pressed={editing.constraint !== null}>
        Fix pixels, fuse the rest
      </Act>
      {editing.constraint ? (
        <ConstraintLines constraint={editing.constraint} />
      ) : (
        <p class="bw-muted bw-note">
          Drag to paint, <kbd>Alt</kbd> subtracts, <kbd>Shift</kbd> + wheel changes the size.
        </p>
      )}
      <div class="bw-row">
        <Act ui={ui} command="edit.commit" kind="is-primary">
          Keep
        </Act>
        <Act ui={ui} command="cancel">
          Leave as it was
        </Act>
      </div>
    </section>
  );
}

function ConflictCard({ ui, conflict }: { ui: Ui; conflict: Conflict }) {
  const { cells } = ui.desk;
  const row = cells.rowOf(conflict.annotation);
  const theirs = conflict.theirs.state;
  const by = conflict.by ?? "Somebody else";
  return (
    <section class="bw-card is-conflict" aria-label="Conflict" data-testid="conflict">
      <strong>
        {by} {theirs ? "changed" : "deleted"} this cell while you did
      </strong>
      <p class="bw-muted bw-note">Nothing was overwritten. The picture shows your version.</p>
      <div class="bw-row">
        <button type="button" class="bw-button" disabled={row < 0} onClick={() => cells.isShown(row) && ui.desk.select(row, true)}>
          Show
        </button>
        <button type="button" class="bw-button" onClick={() => ui.desk.settleConflict(conflict, "mine")}>
          Keep mine
        </button>
        <button type="button" class="bw-button" onClick={() => ui.desk.settleConflict(conflict, "theirs")}>
          Take theirs
        </button>
      </div>
    </section>
  );
}

export function StatusBar({ ui }: { ui: Ui }) {
  const { desk } = ui;
  const { image } = desk.opened;
  const counts = desk.counts();
  const at = ui.cursor();
  const inside = at && at.x >= 0 && at.y >= 0 && at.x < image.width && at.y < image.height;
  const um = image.um_per_px;
  const bar = scaleBar(desk.camera.scale, um);
  return (
    <>
      <span class="bw-number bw-cursor">{inside ? `x ${at.x.toFixed(1)}  y ${at.y.toFixed(1)} px` : ""}</span>
      <span class="bw-number">{zoomWords(desk.camera.scale, um)}</span>
      <span class="bw-number">{um === null ? "scale unknown" : `${um} µm/px`}</span>
      <span class="bw-bar" style={{ width: `${bar.length}px` }} aria-label={`Scale bar ${bar.label}`}>
        {bar.label}
      </span>
      <span class="bw-grow" />
      <span class="bw-number" data-testid="counts">
        {counts.cells} {counts.cells === 1 ? "cell" : "cells"} · {counts.undecided} proposed · {counts.regions} {counts.regions === 1 ? "region" : "regions"}
      </span>
      <span class="bw-muted" data-testid="shown">
        {shownWords(desk.hiddenLayers(), desk.cells.filtered(), ui.density())}
      </span>
    </>
  );
}

export function Toasts({ ui }: { ui: Ui }) {
  return (
    <>
      {ui.desk.toasts.map((toast) => (
        <div key={toast.id} class="bw-toast" role="status">
          {toast.text}
          {toast.undo && (
            <button
              type="button"
              class="bw-link"
              onClick={() => {
                ui.run("history.undo");
                ui.desk.dismiss(toast.id);
              }}
            >
              Undo
            </button>
          )}
        </div>
      ))}
    </>
  );
}

export function KeySheet({ ui }: { ui: Ui }) {
  if (!ui.sheetOpen()) return null;
  return (
    <section class="bw-sheet" aria-label="Keys">
      <header>
        <strong>Keys</strong>
        <button type="button" class="bw-icon" aria-label="Close" onClick={() => ui.run("help.keys")}>
          ×
        </button>
      </header>
      <div class="bw-sheet-groups">
        {ui.map.sheet().map(({ group, rows }) => (
          <div key={group} class="bw-sheet-group">
            <h3>{group}</h3>
            <dl>
            {rows.map(({ label, keys }) => (
              <div key={label}>
                <dt>{label}</dt>
                <dd>
                  <kbd>{keys}</kbd>
                </dd>
              </div>
            ))}
            {group === "Cells" && (
              <div>
                <dt>Class</dt>
                <dd>
                  <kbd>1 to 9</kbd>
                </dd>
              </div>
            )}
          </dl>
          </div>
        ))}
      </div>
    </section>
  );
}
