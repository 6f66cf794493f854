/** The page's frame: where the picture and the panels sit, and what is drawn again when the editor changes. */
import type { Box } from "../geometry/box";
import { t } from "../locale/locale";
import { createElement, render, type ComponentType } from "preact";
import { People } from "../render/cell_style";
import { Viewport } from "../render/viewport";
import type { Editor } from "../editor/editor";
import { PointerInput } from "../canvas/pointer_input";
import { Keymap, type Command, type Overrides } from "./keymap";
import { Keys } from "./keys";
import { DisplaySettings, type Display } from "./display_settings";
import { Rest } from "../timing/rest";
import { Minimap } from "./minimap";
import { Palette, Remap } from "./over";
import { SignIn } from "./sign_in";
import type { Tab, Ui } from "./parts";
import { SidePanel } from "./side_panel";
import { KeySheet, StatusBar, Toasts } from "./status_bar";
import { Tools } from "./tools_bar";
import { TopBar } from "./top_bar";
import { DISPLAY, isDark, keep, KEYS, restoreTheme, setTheme, stored, withNewNames } from "./stored";

export class Shell {
  private readonly viewport: Viewport;
  private readonly pointerInput: PointerInput;
  private readonly keys: Keys;
  private readonly display: DisplaySettings;
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
    private readonly editor: Editor,
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
    this.display = new DisplaySettings(stored<Partial<Display>>(DISPLAY), (display, before) =>
      this.applyDisplay(display, before),
    );
    const people = new People((editor.opened.people ?? []).map((person) => person.id));
    this.viewport = new Viewport(
      middle,
      editor.cells,
      editor.opened.image,
      editor.opened.project.classes,
      {
        camera: () => editor.camera,
        sketch: () => this.pointerInput.sketch(),
        onResize: () => this.resized(),
        onFrame: () => this.painted(),
      },
      people,
    );
    this.minimap = new Minimap(editor);
    middle.append(this.minimap.element);
    this.viewport.setDisplay(this.display.now);
    const surface = this.viewport.surface;
    surface.tabIndex = 0;
    surface.setAttribute("role", "application");
    surface.setAttribute(
      "aria-label",
      t("Image {name}. Press ? for the keys.", { name: editor.opened.image.name }),
    );
    this.pointerInput = new PointerInput(editor, this.viewport);
    const map = new Keymap(withNewNames(stored<Overrides>(KEYS) ?? {}));
    this.keys = new Keys(editor, this.viewport, this.pointerInput, map, (image) => this.go(image));
    this.ui = {
      editor,
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
      display: this.display,
      colourOf: (person) => people.colourOf(person),
      toggleTheme: () => {
        setTheme(isDark() ? "light" : "dark");
      },
      density: () => (this.viewport.isDensity ? this.viewport.density.bins.total : null),
      cursor: () => this.pointerInput.cursorInImage,
      signInUrl: `/accounts/sign-in/?next=${encodeURIComponent(location.pathname + location.search)}`,
    };
    editor.watch((what) => this.refresh(what));
    this.keys.onOver = () => this.drawPanels();
    this.listen();
    this.refresh();
    surface.focus({ preventScroll: true });
    void this.viewport.opened.then(
      () => requestAnimationFrame(() => performance.mark("boxwise:tissue")),
      () => undefined,
    );
  }

  /** The cells are there: the panels can show them. */
  begin(): void {
    this.tab = this.editor.counts().undecided ? "review" : "cells";
    this.refresh();
    requestAnimationFrame(() => requestAnimationFrame(() => performance.mark("boxwise:cells")));
  }

  /** Read-only views for the browser tests. */
  probes() {
    const { editor, viewport } = this;
    return Object.freeze({
      ready: viewport.opened.then(
        () => new Promise<void>((resolve) => requestAnimationFrame(() => resolve())),
      ),
      counts: () => ({ ...editor.counts(), drawn: viewport.drawn() }),
      state: () => ({
        tool: editor.tool,
        save: editor.save.kind,
        waiting: editor.outbox.count,
        conflicts: editor.log?.conflicts.length ?? 0,
        seq: editor.log?.seq ?? null,
        selected: editor.selected < 0 ? null : editor.cells.idOf(editor.selected),
        painted: editor.painted >= 0 && editor.painted === editor.selected,
        editing: editor.editing !== null,
        labelClass: editor.labelClass?.id ?? null,
        peeking: viewport.peeking,
        camera: { ...editor.camera },
        canvas: { ...editor.canvas },
        image: { width: editor.opened.image.width, height: editor.opened.image.height },
        session: editor.session,
        frames: viewport.frames,
        frameMs: viewport.lastMilliseconds,
        many: editor.multiSelected.map((row) => editor.cells.idOf(row)),
        seen: editor.multiSelected.filter((row) => editor.seen.has(row)).length,
        busy: this.pointerInput.busy || editor.promised > 0,
        toasts: editor.toasts.list.map((toast) => toast.text),
        constraint: editor.editing?.constraint && {
          strokes: editor.editing.constraint.strokes.length,
          waiting: editor.editing.constraint.waiting,
          trouble: editor.editing.constraint.trouble,
          certificate: editor.editing.constraint.certificate,
        },
        patch: editor.editing && editor.editing.patch.pixels.reduce((a, b) => a + b, 0),
        prompter: {
          name: editor.prompter?.name ?? null,
          answered: editor.prompter?.answered ?? 0,
          milliseconds: editor.prompter?.milliseconds ?? 0,
          asked: editor.prompter?.last?.clicks.map(({ at }) => [at.x, at.y]) ?? [],
          askedBox: askedBox(editor.prompter?.last?.box ?? null),
        },
        connected: editor.live?.connected ?? false,
        others: [...(editor.live?.others.values() ?? [])].map((o) => ({
          name: o.person.name,
          editing: o.editing,
          cursor: o.cursor,
        })),
      }),
      cells: () => this.listed(true),
      proposals: () => this.listed(false),
      /** Where an image point is on the page, CSS pixels. */
      toPage: (x: number, y: number) => {
        const { left, top } = viewport.surface.getBoundingClientRect();
        const { scale, left: l, top: t } = editor.camera;
        return { x: left + (x - l) * scale, y: top + (y - t) * scale };
      },
      /** Milliseconds of `n` frames drawn one after the other, each until the card has finished. */
      measure: (n = 30) =>
        Array.from({ length: n }, () => {
          const begun = performance.now();
          viewport.frame(true);
          viewport.finish();
          return performance.now() - begun;
        }),
    });
  }

  private listed(mine: boolean) {
    const { cells } = this.editor;
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
    if (what !== "cursor") this.viewport.invalidate();
    if (this.scheduled) return;
    this.scheduled = true;
    requestAnimationFrame(() => {
      this.scheduled = false;
      this.minimap.update(this.display.now.minimap);
      if (!this.stale) {
        if (this.editor.isLoaded) render(createElement(StatusBar, { ui: this.ui }), this.status);
        return;
      }
      this.stale = false;
      this.viewport.setFocus(this.pointerInput.focus());
      this.viewport.drawDue();
      if (!this.editor.isLoaded) return; // "no cells" would be a lie until then
      this.root.dataset.tool = this.editor.editing ? "brush" : this.editor.tool;
      this.drawPanels();
    });
  }
  private drawPanels(): void {
    for (const [element, component] of this.parts) render(createElement(component, { ui: this.ui }), element);
  }

  private resized(): void {
    this.editor.canvas = this.viewport.size;
    if (!this.fitted && this.viewport.size.width > 50) {
      this.fitted = true;
      this.editor.fitImage();
    }
  }

  /** After a frame the browser still has to put it on the screen: what the next frame's start finds drawn was seen. */
  private painted(): void {
    this.noteSeen();
    const shown = this.viewport.shownSelected;
    if (this.painting || shown < 0 || this.editor.painted === shown || shown !== this.editor.selected) return;
    this.painting = true;
    requestAnimationFrame(() => {
      this.painting = false;
      if (this.viewport.shownSelected === this.editor.selected) this.editor.wasPainted();
    });
  }

  /** What stands still on the screen has been seen; the frame that shows it may be the last one for a while. */
  private noteSeen(): void {
    clearTimeout(this.seenTimer);
    if (this.viewport.peeking || document.hidden) return;
    const { editor } = this;
    const missing = editor.seen.painted(
      editor.cells,
      editor.camera,
      editor.visible(),
      this.viewport.masksShown,
      performance.now(),
    );
    if (missing > 0) this.seenTimer = setTimeout(() => this.noteSeen(), missing + 1);
    else if (editor.multiSelected.length) this.refresh();
  }

  /** Tissue and cells are shown as chosen; what a filter hides can neither be seen nor picked. */
  private applyDisplay(display: Display, before: Display): void {
    keep(DISPLAY, display);
    this.viewport.setDisplay(display);
    const filters = ["hiddenClasses", "hiddenStatuses", "hiddenAuthors", "leastDoubt", "proposals"] as const;
    if (filters.some((f) => display[f] !== before[f])) this.editor.filter(display);
    this.refresh();
  }

  private go(image: number): void {
    const { pathname } = location;
    location.assign(pathname.replace(/\d+(?=\/?$)/, String(image)));
  }

  private listen(): void {
    const { editor } = this;
    const say = (kind: Parameters<typeof editor.recorder.record>[0]) => editor.recorder.record(kind);
    window.addEventListener("focus", () => say("focus"));
    window.addEventListener("blur", () => say("blur"));
    window.addEventListener("online", () => editor.isLoaded && void editor.outbox.flush());
    document.addEventListener("visibilitychange", () => {
      say(document.hidden ? "hidden" : "visible");
      if (!document.hidden && editor.save.kind !== "saved" && editor.save.kind !== "saving")
        void editor.outbox.flush(); // perhaps signed in again
      if (!document.hidden) void editor.poll();
      if (document.hidden) editor.live?.close();
      else editor.live?.open();
    });
    const rest = new Rest();
    const noteActivity = () => {
      // A study's clock has its own pauses.
      if (rest.seen(performance.now()) && this.display.now.breaks && !editor.opened.study)
        editor.toast(
          t("You have worked for a good while. A short break keeps the eye sharp; what you did is saved."),
        );
    };
    for (const kind of ["pointerdown", "keydown"]) window.addEventListener(kind, noteActivity);
    window.addEventListener("pagehide", () => {
      say("hidden");
      editor.live?.close();
      void editor.recorder.flush(true);
    });
    this.viewport.surface.addEventListener("pointermove", () => this.refresh("cursor"));
    window.addEventListener("beforeunload", (event) => {
      // Only here would leaving lose work: acts, and own versions not yet chosen for, that the browser does not keep.
      if (editor.isLoaded && (editor.outbox.count || editor.log?.conflicts.length) && !editor.outbox.durable)
        event.preventDefault();
    });
    // The page was asked for at 0, and until the tissue is there it is the machine's time, not a person's.
    editor.recorder.record("wait_begin", "open", 0);
    say(document.hidden ? "hidden" : "visible");
    const waited = () => say("wait_end");
    this.viewport.opened.then(waited, () => {
      waited();
      editor.toast(t("The pixels of this image could not be read."));
    });
  }
}

/** x0, y0, x1, y1 of the last box that the prompter was asked about, for the browser tests. */
function askedBox(box: Box | null): readonly number[] | null {
  return box && [box.x0, box.y0, box.x1, box.y1];
}
