/** The page's frame: where the picture and the panels sit, and who is told what when the desk changes. */
import type { Box } from "../geometry/box";
import { t } from "../locale/locale";
import { createElement, render, type ComponentType } from "preact";
import { People } from "../render/look";
import { Stage } from "../render/stage";
import type { Workspace } from "../workspace";
import { Hands } from "./canvas";
import { Keymap, type Command, type Overrides } from "./keymap";
import { Keys } from "./keys";
import { LookSettings, type Look } from "./look_settings";
import { Rest } from "../timing/rest";
import { Minimap } from "./minimap";
import { Palette, Remap } from "./over";
import { SignIn } from "./sign_in";
import type { Tab, Ui } from "./parts";
import { SidePanel } from "./side_panel";
import { KeySheet, StatusBar, Toasts } from "./status_bar";
import { Tools } from "./tools_bar";
import { TopBar } from "./top_bar";

const THEME = "boxwise-theme";
const KEYS = "boxwise-keys";
const LOOK = "boxwise-look";

export class Shell {
  private readonly stage: Stage;
  private readonly hands: Hands;
  private readonly keys: Keys;
  private readonly look: LookSettings;
  private readonly minimap: Minimap;
  private seenTimer: ReturnType<typeof setTimeout> | undefined;
  private readonly parts: [HTMLElement, ComponentType<{ ui: Ui }>][] = [];
  private readonly ui: Ui;
  private tab: Tab = "cells";
  private readonly status: HTMLElement;
  private scheduled = false;
  private stale = true;
  private fitted = false;
  private painting = false;

  constructor(
    private readonly root: HTMLElement,
    private readonly desk: Workspace,
  ) {
    restoreTheme();
    const part = (tag: string, name: string, component?: ComponentType<{ ui: Ui }>) => {
      const element = document.createElement(tag);
      element.className = name;
      root.append(element);
      if (component) this.parts.push([element, component]);
      return element;
    };
    root.replaceChildren();
    part("header", "bw-top", TopBar);
    part("nav", "bw-tools", Tools).setAttribute("aria-label", "Tools");
    const middle = part("main", "bw-middle");
    part("aside", "bw-side", SidePanel);
    this.status = part("footer", "bw-status", StatusBar);
    part("div", "bw-toasts", Toasts);
    part("div", "bw-over", KeySheet);
    part("div", "bw-over-palette", Palette);
    part("div", "bw-over-keys", Remap);
    part("div", "bw-over-signin", SignIn);
    this.look = new LookSettings(stored<Partial<Look>>(LOOK), (look, before) => this.dress(look, before));
    const people = new People((desk.opened.people ?? []).map((person) => person.id));
    this.stage = new Stage(
      middle,
      desk.cells,
      desk.opened.image,
      desk.opened.project.classes,
      {
        camera: () => desk.camera,
        sketch: () => this.hands.sketch(),
        onResize: () => this.resized(),
        onFrame: () => this.painted(),
      },
      people,
    );
    this.minimap = new Minimap(desk);
    middle.append(this.minimap.element);
    this.stage.dress(this.look.now);
    const surface = this.stage.surface;
    surface.tabIndex = 0;
    surface.setAttribute("role", "application");
    surface.setAttribute(
      "aria-label",
      t("Image {name}. Press ? for the keys.", { name: desk.opened.image.name }),
    );
    this.hands = new Hands(desk, this.stage);
    const map = new Keymap(stored<Overrides>(KEYS) ?? {});
    this.keys = new Keys(desk, this.stage, this.hands, map, (image) => this.go(image));
    this.ui = {
      desk,
      map,
      run: (command: Command) => {
        this.keys.run(command);
        surface.focus({ preventScroll: true });
      },
      focus: () => surface.focus({ preventScroll: true }),
      go: (image) => this.go(image),
      tab: () => this.tab,
      openTab: (tab) => {
        this.tab = tab;
        this.refresh();
      },
      sheetOpen: () => this.keys.sheetOpen,
      paletteOpen: () => this.keys.paletteOpen,
      remapOpen: () => this.keys.remapOpen,
      closeOver: () => {
        this.keys.close();
        surface.focus({ preventScroll: true });
      },
      keepKeys: () => keep(KEYS, map.kept()),
      look: this.look,
      colourOf: (person) => people.colourOf(person),
      toggleTheme: () => {
        setTheme(isDark() ? "light" : "dark");
      },
      density: () => (this.stage.isDensity ? this.stage.density.bins.total : null),
      cursor: () => this.hands.cursorInImage,
      signInUrl: `/accounts/sign-in/?next=${encodeURIComponent(location.pathname + location.search)}`,
    };
    desk.watch((what) => this.refresh(what));
    this.keys.onOver = () => this.drawPanels();
    this.listen();
    this.refresh();
    surface.focus({ preventScroll: true });
    void this.stage.opened.then(
      () => requestAnimationFrame(() => performance.mark("boxwise:tissue")),
      () => undefined,
    );
  }

  /** The cells are there: what is said about them can be shown. */
  begin(): void {
    this.tab = this.desk.counts().undecided ? "review" : "cells";
    this.refresh();
    requestAnimationFrame(() => requestAnimationFrame(() => performance.mark("boxwise:cells")));
  }

  /** Read-only views for the browser tests. */
  probes() {
    const { desk, stage } = this;
    return Object.freeze({
      ready: stage.opened.then(() => new Promise<void>((resolve) => requestAnimationFrame(() => resolve()))),
      counts: () => ({ ...desk.counts(), drawn: stage.drawn() }),
      state: () => ({
        tool: desk.tool,
        save: desk.save.kind,
        waiting: desk.queue.count,
        conflicts: desk.log?.conflicts.length ?? 0,
        seq: desk.log?.seq ?? null,
        selected: desk.selected < 0 ? null : desk.cells.idOf(desk.selected),
        painted: desk.painted >= 0 && desk.painted === desk.selected,
        editing: desk.editing !== null,
        labelClass: desk.labelClass?.id ?? null,
        peeking: stage.peeking,
        camera: { ...desk.camera },
        canvas: { ...desk.canvas },
        image: { width: desk.opened.image.width, height: desk.opened.image.height },
        session: desk.session,
        frames: stage.frames,
        frameMs: stage.lastMilliseconds,
        many: desk.many.map((row) => desk.cells.idOf(row)),
        seen: desk.many.filter((row) => desk.seen.has(row)).length,
        busy: this.hands.busy || desk.promised > 0,
        toasts: desk.toasts.list.map((toast) => toast.text),
        constraint: desk.editing?.constraint && {
          strokes: desk.editing.constraint.strokes.length,
          waiting: desk.editing.constraint.waiting,
          trouble: desk.editing.constraint.trouble,
          certificate: desk.editing.constraint.certificate,
        },
        patch: desk.editing && desk.editing.patch.pixels.reduce((a, b) => a + b, 0),
        prompter: {
          name: desk.prompter?.name ?? null,
          answered: desk.prompter?.answered ?? 0,
          milliseconds: desk.prompter?.milliseconds ?? 0,
          asked: desk.prompter?.last?.clicks.map(({ at }) => [at.x, at.y]) ?? [],
          askedBox: askedBox(desk.prompter?.last?.box ?? null),
        },
        connected: desk.live?.connected ?? false,
        others: [...(desk.live?.others.values() ?? [])].map((o) => ({
          name: o.person.name,
          editing: o.editing,
          cursor: o.cursor,
        })),
      }),
      cells: () => this.listed(true),
      proposals: () => this.listed(false),
      /** Where an image point is on the page, CSS pixels. */
      toPage: (x: number, y: number) => {
        const { left, top } = stage.surface.getBoundingClientRect();
        const { scale, left: l, top: t } = desk.camera;
        return { x: left + (x - l) * scale, y: top + (y - t) * scale };
      },
      /** Milliseconds of `n` frames drawn one after the other, each until the card has finished. */
      measure: (n = 30) =>
        Array.from({ length: n }, () => {
          const begun = performance.now();
          stage.frame(true);
          stage.finish();
          return performance.now() - begun;
        }),
    });
  }

  private listed(mine: boolean) {
    const { cells } = this.desk;
    const found = [];
    for (let row = 0; row < cells.count; row++)
      if (cells.live[row] && (mine ? cells.isMine(row) : cells.isProposal(row)))
        found.push({
          ...cells.stateOf(row),
          id: cells.idOf(row),
          version: cells.version[row],
          shown: cells.isShown(row),
        });
    return found;
  }

  /** Panels and picture are drawn at most once a frame; for a moved view or cursor only the status bar. */
  private refresh(what: "all" | "view" | "cursor" = "all"): void {
    if (what === "all") this.stale = true;
    if (what !== "cursor") this.stage.invalidate();
    if (this.scheduled) return;
    this.scheduled = true;
    requestAnimationFrame(() => {
      this.scheduled = false;
      this.minimap.update(this.look.now.minimap);
      if (!this.stale) {
        if (this.desk.isLoaded) render(createElement(StatusBar, { ui: this.ui }), this.status);
        return;
      }
      this.stale = false;
      this.stage.setFocus(this.hands.focus());
      this.stage.drawDue();
      if (!this.desk.isLoaded) return; // "no cells" would be a lie until then
      this.root.dataset.tool = this.desk.editing ? "brush" : this.desk.tool;
      this.drawPanels();
    });
  }
  private drawPanels(): void {
    for (const [element, component] of this.parts) render(createElement(component, { ui: this.ui }), element);
  }

  private resized(): void {
    this.desk.canvas = this.stage.size;
    if (!this.fitted && this.stage.size.width > 50) {
      this.fitted = true;
      this.desk.fitImage();
    }
  }

  /** After a frame the browser still has to put it on the screen: what the next frame's start finds drawn was seen. */
  private painted(): void {
    this.noteSeen();
    const shown = this.stage.shownSelected;
    if (this.painting || shown < 0 || this.desk.painted === shown || shown !== this.desk.selected) return;
    this.painting = true;
    requestAnimationFrame(() => {
      this.painting = false;
      if (this.stage.shownSelected === this.desk.selected) this.desk.wasPainted();
    });
  }

  /** What stands still on the screen has been seen; the frame that shows it may be the last one for a while. */
  private noteSeen(): void {
    clearTimeout(this.seenTimer);
    if (this.stage.peeking || document.hidden) return;
    const { desk } = this;
    const missing = desk.seen.painted(
      desk.cells,
      desk.camera,
      desk.visible(),
      this.stage.masksShown,
      performance.now(),
    );
    if (missing > 0) this.seenTimer = setTimeout(() => this.noteSeen(), missing + 1);
    else if (desk.many.length) this.refresh();
  }

  /** Tissue and cells are shown as chosen; what a filter hides can neither be seen nor picked. */
  private dress(look: Look, before: Look): void {
    keep(LOOK, look);
    this.stage.dress(look);
    const filters = ["hiddenClasses", "hiddenStatuses", "hiddenAuthors", "leastDoubt", "proposals"] as const;
    if (filters.some((f) => look[f] !== before[f])) this.desk.filter(look);
    this.refresh();
  }

  private go(image: number): void {
    const { pathname } = location;
    location.assign(pathname.replace(/\d+(?=\/?$)/, String(image)));
  }

  private listen(): void {
    const { desk } = this;
    const say = (kind: Parameters<typeof desk.recorder.record>[0]) => desk.recorder.record(kind);
    window.addEventListener("focus", () => say("focus"));
    window.addEventListener("blur", () => say("blur"));
    window.addEventListener("online", () => desk.isLoaded && void desk.queue.flush());
    document.addEventListener("visibilitychange", () => {
      say(document.hidden ? "hidden" : "visible");
      if (!document.hidden && desk.save.kind !== "saved" && desk.save.kind !== "saving")
        void desk.queue.flush(); // perhaps signed in again
      if (!document.hidden) void desk.poll();
      if (document.hidden) desk.live?.close();
      else desk.live?.open();
    });
    const rest = new Rest();
    const hands = () => {
      // A study's clock has its own pauses.
      if (rest.seen(performance.now()) && this.look.now.breaks && !desk.opened.study)
        desk.toast(
          t("You have worked for a good while. A short break keeps the eye sharp; what you did is saved."),
        );
    };
    for (const kind of ["pointerdown", "keydown"]) window.addEventListener(kind, hands);
    window.addEventListener("pagehide", () => {
      say("hidden");
      desk.live?.close();
      void desk.recorder.flush(true);
    });
    this.stage.surface.addEventListener("pointermove", () => this.refresh("cursor"));
    window.addEventListener("beforeunload", (event) => {
      // Only here would leaving lose work: acts, and own versions not yet chosen for, that the browser does not keep.
      if (desk.isLoaded && (desk.queue.count || desk.log?.conflicts.length) && !desk.queue.durable)
        event.preventDefault();
    });
    // The page was asked for at 0, and until the tissue is there it is the machine's time, not a person's.
    desk.recorder.record("wait_begin", "open", 0);
    say(document.hidden ? "hidden" : "visible");
    const waited = () => say("wait_end");
    this.stage.opened.then(waited, () => {
      waited();
      desk.toast(t("The pixels of this image could not be read."));
    });
  }
}

function stored<T>(name: string): T | null {
  try {
    return JSON.parse(localStorage.getItem(name) ?? "null") as T | null;
  } catch {
    return null;
  }
}

function keep(name: string, value: unknown): void {
  try {
    localStorage.setItem(name, JSON.stringify(value));
  } catch {
    // Private windows may keep nothing; the choice then lasts for this page.
  }
}

const isDark = (): boolean => {
  const set = document.documentElement.dataset.theme;
  return set ? set === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
};

/** x0, y0, x1, y1 of the last box that the prompter was asked about, for the browser tests. */
function askedBox(box: Box | null): readonly number[] | null {
  return box && [box.x0, box.y0, box.x1, box.y1];
}

function setTheme(theme: "light" | "dark"): void {
  document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem(THEME, theme);
  } catch {
    // Private windows may keep nothing; the choice then lasts for this page.
  }
}

function restoreTheme(): void {
  try {
    const theme = localStorage.getItem(THEME);
    if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
  } catch {
    // as above
  }
}
